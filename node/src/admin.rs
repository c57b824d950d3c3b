//! The admin port: `/metrics` for Prometheus, `/livez` and `/readyz` for whoever keeps the process running.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::metrics::Metrics;

/// Whether the validator is alive and ready, as its main loop says.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    beat_ms: AtomicU64,
    ready: AtomicBool,
    silent: AtomicBool,
}

/// A main loop silent for longer than this is taken for dead.
const BEAT_MAX: Duration = Duration::from_secs(10);

/// Connections at a time; a scrape is short.
const CONNECTIONS_MAX: usize = 32;

/// A client must have sent its request by then.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

impl Default for Health {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            beat_ms: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        }
    }
}

impl Health {
    /// The main loop went round once more. Call it at least every few seconds.
    pub fn beat(&self) {
        self.beat_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Whether clients should come here: caught up, and connected to a quorum.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Whether this validator signs nothing in this epoch, because its safety record is lost.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    fn readiness(&self) -> &'static str {
        if self.silent.load(Ordering::Relaxed) {
            "ready, but signs nothing until an epoch begins that it enters: its safety record is lost\n"
        } else {
            "ready\n"
        }
    }

    /// Whether the main loop still goes round.
    pub fn is_live(&self) -> bool {
        let silent_ms = self.now_ms().saturating_sub(self.beat_ms.load(Ordering::Relaxed));
        u128::from(silent_ms) <= BEAT_MAX.as_millis()
    }

    /// Alive, and ready for clients.
    pub fn is_ready(&self) -> bool {
        self.is_live() && self.ready.load(Ordering::Relaxed)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Serves until it is dropped. A connection that misbehaves is closed; nothing else comes of it.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: give others time to free some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (metrics, health) = (Arc::clone(&metrics), Arc::clone(&health));
        tokio::spawn(async move {
            serve_connection(stream, &metrics, &health).await;
            drop(place);
        });
    }
}

async fn serve_connection(stream: TcpStream, metrics: &Metrics, health: &Health) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(request.method(), request.uri().path(), metrics, health))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever the client did wrong is his to notice.
    let _ = tokio::time::timeout(2 * REQUEST_TIME_MAX, connection).await;
}

fn answer(method: &Method, path: &str, metrics: &Metrics, health: &Health) -> Response<Full<Bytes>> {
    let says = |good: bool, yes: &'static str, no: &'static str| match good {
        true => (StatusCode::OK, yes.to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, no.to_owned()),
    };
    let (status, text) = match (method, path) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics.to_prometheus()),
        (&Method::GET, "/livez") => says(health.is_live(), "live\n", "the main loop is stuck\n"),
        (&Method::GET, "/readyz") => {
            says(health.is_ready(), health.readiness(), "not ready: starting, or catching up\n")
        }
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "try /metrics, /livez or /readyz\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let text_type = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text_type);
    response
}

/// Asks an admin port for one path; gives status and body. For the demo and the tests, which wait for `/readyz`.
pub async fn fetch(address: std::net::SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: gridbook\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_admin_port_answers_and_turns_ready_with_the_validator() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (metrics, health) = (Arc::new(Metrics::default()), Arc::new(Health::default()));
        tokio::spawn(serve(listener, Arc::clone(&metrics), Arc::clone(&health)));
        let status = async |path| fetch(address, path).await.expect("an answer").0;

        assert_eq!(status("/livez").await, 200);
        assert_eq!(status("/readyz").await, 503);
        health.set_ready(true);
        assert_eq!(status("/readyz").await, 200);
        assert_eq!(status("/elsewhere").await, 404);

        metrics.bundles_received.add(5);
        let (status, body) = fetch(address, "/metrics").await.expect("an answer");
        assert_eq!(status, 200);
        assert!(body.contains("gridbook_bundles_received_total 5\n"), "{body}");
    }
}
