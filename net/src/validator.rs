//! A validator's endpoint: one connection to every other validator, three classes of traffic on each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quinn::{Connection, Endpoint, Incoming, TransportConfig};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::class::Class;
use crate::close::{CloseCode, close};
use crate::counters::{PeerCounters, Stats};
use crate::events::{EventSender, Events, WeakEventSender, channel};
use crate::frame::is_sendable;
use crate::handshake::{HandshakeGate, complete};
use crate::identity::{Accepted, client_tls, public_key, server_tls};
use crate::peer::{Lane, Link};
use crate::transport::{BindError, VALIDATOR_ALPN, client_config, listen, peer_transport, server_config};

/// How long closing waits for queues to drain, and again for the close itself to be sent.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_millis(500);

/// Another validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress {
    /// What it is called here: its place in the validator set, or any other number if it has none.
    pub index: u16,
    /// Its ed25519 public key.
    pub key: [u8; 32],
    /// Where it listens. Used only if this validator has the lower key, and so dials.
    pub address: SocketAddr,
}

/// What a validator endpoint needs to know. It holds a secret, so it is not printable.
#[derive(Clone)]
pub struct ValidatorConfig {
    /// What this validator is called here: no peer may be called the same.
    pub index: u16,
    /// The ed25519 seed of its key.
    pub seed: [u8; 32],
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The other validators.
    pub peers: Vec<PeerAddress>,
    /// How long a frame may take to arrive (six times as long for [`Class::Sync`]).
    pub frame_deadline: Duration,
    /// After how much silence a peer is taken for dead; a living one is heard three times as often.
    pub idle_timeout: Duration,
}

impl ValidatorConfig {
    /// A configuration with the usual deadlines: 10 s a frame, 3 s of silence.
    pub fn new(index: u16, seed: [u8; 32], listen: SocketAddr, peers: Vec<PeerAddress>) -> Self {
        let (frame_deadline, idle_timeout) = (Duration::from_secs(10), Duration::from_secs(3));
        Self { index, seed, listen, peers, frame_deadline, idle_timeout }
    }
}

/// What happens between this validator and the others. For each peer, `Connected`, its frames and `Disconnected` come
/// in this order, and frames of one class in the order they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// Frames can be sent to the peer from now on.
    Connected {
        /// Its index.
        peer: u16,
    },
    /// The connection is gone, and with it what was queued or under way. It is dialled again without being asked.
    Disconnected {
        /// Its index.
        peer: u16,
    },
    /// A frame has arrived.
    Frame {
        /// The sender's index, proved by its key.
        peer: u16,
        /// The class it was sent in.
        class: Class,
        /// The payload, opaque to this crate.
        bytes: Bytes,
    },
}

/// What became of a frame given to [`ValidatorEndpoint::send`].
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerSend {
    /// Queued. It arrives unless the connection breaks.
    Sent,
    /// Dropped and counted: the queue to this peer is full, or the endpoint is closing.
    Dropped,
    /// There is no connection to this peer now, or no such peer.
    NotConnected,
    /// Empty, or longer than its class allows: an error of the caller.
    Unsendable,
}

/// The handle of a validator endpoint; clones are the same endpoint.
#[derive(Debug, Clone)]
pub struct ValidatorEndpoint {
    shared: Arc<Shared>,
}

impl ValidatorEndpoint {
    /// Listens, and begins to dial the peers with a higher key; those with a lower one dial this validator. So it does not depend on
    /// what they call each other who dials.
    ///
    /// Must be called inside of a tokio runtime. The endpoint lives until [`close`](Self::close), or until the events
    /// are dropped.
    ///
    /// # Errors
    /// When the socket cannot be opened, or a peer is configured twice.
    pub fn bind(config: ValidatorConfig) -> Result<(Self, Events<PeerEvent>), BindError> {
        check(config.index, &config.seed, &config.peers)?;
        let transport = peer_transport(config.idle_timeout);
        let accepted = Arc::new(RwLock::new(Vec::new()));
        let server = server_of(&config.seed, &accepted, &transport);
        let endpoint = listen(config.listen, &config.seed, VALIDATOR_ALPN, server)?;
        let (events, receiver) = channel();
        let shared = Arc::new(Shared {
            endpoint,
            transport,
            accepted,
            set: RwLock::new(Set { seed: config.seed, peers: BTreeMap::new() }),
            events: events.downgrade(),
            runtime: Handle::current(),
            counters: PeerCounters::default(),
            closing: watch::Sender::new(false),
            frame_deadline: config.frame_deadline,
        });
        shared.follow(config.seed, config.peers);
        tokio::spawn(accept(Arc::clone(&shared), events));
        Ok((Self { shared }, receiver))
    }

    /// From now on this validator proves the key of `seed`, is called `index`, and has these peers and no others.
    ///
    /// A connection goes on if its peer keeps name, key and address and this validator its key. Any other is closed once what is queued
    /// on it was sent; whose key is not named any more opens none, from this moment on.
    ///
    /// # Errors
    /// When a peer is named twice. Nothing changes then.
    pub fn follow(&self, index: u16, seed: [u8; 32], peers: Vec<PeerAddress>) -> Result<(), BindError> {
        check(index, &seed, &peers)?;
        self.shared.follow(seed, peers);
        Ok(())
    }

    /// Queues a frame for a peer; never waits.
    pub fn send(&self, to: u16, class: Class, bytes: Bytes) -> PeerSend {
        if !is_sendable(&bytes, class.frame_bytes_max()) {
            return PeerSend::Unsendable;
        }
        let Some(link) = self.shared.peer(to).and_then(|peer| peer.link.lock().clone()) else {
            return PeerSend::NotConnected;
        };
        if link.outbox(class).push(&bytes) {
            PeerSend::Sent
        } else {
            self.shared.counters.of(class).frame_dropped();
            PeerSend::Dropped
        }
    }

    /// Which peers are connected now, in the order of their indices.
    pub fn connected(&self) -> Vec<u16> {
        let set = self.shared.set.read();
        set.peers.values().filter(|peer| peer.link.lock().is_some()).map(|peer| peer.address.index).collect()
    }

    /// The address the endpoint listens at, with the port it was given if it asked for any.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Sends what is queued, for half a second at most, then tells every peer why and stops. The events end.
    /// The port is free again once they have, and every handle is dropped.
    pub async fn close(&self, reason: &str) {
        self.shared.closing.send_replace(true);
        let links: Vec<_> = self.shared.set.read().peers.values().filter_map(|peer| peer.link.lock().clone()).collect();
        links.iter().for_each(|link| link.finish());
        let _ = timeout(DRAIN_DEADLINE, async {
            for link in &links {
                link.writers_ended().await;
            }
        })
        .await;
        self.shared.endpoint.close(CloseCode::ShuttingDown.var_int(), reason.as_bytes());
        let _ = timeout(DRAIN_DEADLINE, self.shared.endpoint.wait_idle()).await;
    }
}

/// What the handle and the tasks of an endpoint share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    transport: Arc<TransportConfig>,
    /// The keys that may connect.
    accepted: Arc<RwLock<Vec<[u8; 32]>>>,
    set: RwLock<Set>,
    /// The lanes hold the events open, so that these end with the endpoint.
    events: WeakEventSender<PeerEvent>,
    runtime: Handle,
    pub(crate) counters: PeerCounters,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) frame_deadline: Duration,
}

/// Who is who at present.
struct Set {
    seed: [u8; 32],
    peers: BTreeMap<u16, Arc<Peer>>,
}

/// One of the other validators.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: PeerAddress,
    /// The connection in use.
    pub(crate) link: Mutex<Option<Arc<Link>>>,
    /// Where connections the peer has dialled go.
    arrivals: mpsc::Sender<Connection>,
    /// Set once, when it is a peer no longer.
    pub(crate) retired: watch::Sender<bool>,
    /// Resolves when its lane has ended.
    lane: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn peer(&self, index: u16) -> Option<Arc<Peer>> {
        self.set.read().peers.get(&index).cloned()
    }

    fn own_key(&self) -> [u8; 32] {
        public_key(&self.set.read().seed)
    }

    fn follow(self: &Arc<Self>, seed: [u8; 32], peers: Vec<PeerAddress>) {
        // First of all nobody is let in who is not named.
        *self.accepted.write() = peers.iter().map(|peer| peer.key).collect();
        let mut set = self.set.write();
        let same_key = set.seed == seed;
        if !same_key {
            set.seed = seed;
            self.endpoint.set_server_config(Some(server_of(&seed, &self.accepted, &self.transport)));
        }
        let mut before = std::mem::take(&mut set.peers);
        for address in peers {
            let old = before.remove(&address.index);
            let peer = match old {
                Some(same) if same_key && same.address == address => same,
                old => {
                    let last_lane = old.and_then(|old| old.retire());
                    self.begin_lane(&seed, address, last_lane)
                }
            };
            set.peers.insert(address.index, peer);
        }
        for gone in before.into_values() {
            let _ = gone.retire();
        }
    }

    /// Starts to keep a connection to a peer; of two of one name the second begins when the first has ended.
    fn begin_lane(self: &Arc<Self>, seed: &[u8; 32], address: PeerAddress, last: Option<JoinHandle<()>>) -> Arc<Peer> {
        let (arrivals, queue) = mpsc::channel(1);
        let (link, retired, lane) = (Mutex::default(), watch::Sender::new(false), Mutex::default());
        let peer = Arc::new(Peer { address, link, arrivals, retired, lane });
        // Without anybody to tell there is nothing to keep.
        let Some(events) = self.events.upgrade() else { return peer };
        let tls = client_tls(seed, Accepted::Among(vec![address.key]), VALIDATOR_ALPN);
        let dials = public_key(seed) < address.key;
        let dial = dials.then(|| client_config(tls, Arc::clone(&self.transport)));
        let lane = Lane::new(Arc::clone(self), Arc::clone(&peer), events);
        let task = self.runtime.spawn(async move {
            if let Some(last) = last {
                let _ = last.await;
            }
            lane.keep(dial, queue).await;
        });
        *peer.lane.lock() = Some(task);
        peer
    }
}

impl Peer {
    fn retire(&self) -> Option<JoinHandle<()>> {
        self.retired.send_replace(true);
        self.lane.lock().take()
    }
}

impl std::fmt::Debug for Set {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.peers).finish()
    }
}

fn server_of(
    seed: &[u8; 32],
    accepted: &Arc<RwLock<Vec<[u8; 32]>>>,
    transport: &Arc<TransportConfig>,
) -> quinn::ServerConfig {
    let tls = server_tls(seed, Accepted::Listed(Arc::clone(accepted)), VALIDATOR_ALPN);
    let mut server = server_config(tls, Arc::clone(transport));
    server.migration(false);
    server
}

fn check(index: u16, seed: &[u8; 32], peers: &[PeerAddress]) -> Result<(), BindError> {
    let mut indices = vec![index];
    let mut keys = vec![public_key(seed)];
    for peer in peers {
        if indices.contains(&peer.index) || keys.contains(&peer.key) {
            return Err(BindError::DuplicatePeer { index: peer.index });
        }
        indices.push(peer.index);
        keys.push(peer.key);
    }
    Ok(())
}

/// Handshakes under way at a time before callers must prove their address; more than the peers of a small set need.
const HANDSHAKES_MIN: usize = 6;

/// Takes up connections until the endpoint closes, or nobody wants to hear of them.
async fn accept(shared: Arc<Shared>, events: EventSender<PeerEvent>) {
    let gate = HandshakeGate::new((2 * shared.set.read().peers.len()).max(HANDSHAKES_MIN));
    loop {
        let incoming = tokio::select! {
            incoming = shared.endpoint.accept() => incoming,
            () = events.closed() => None,
        };
        let Some(incoming) = incoming else { break };
        if let Ok((incoming, pending)) = gate.consider(incoming) {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                arrive(&shared, incoming).await;
                drop(pending);
            });
        }
    }
    shared.closing.send_replace(true);
    shared.endpoint.close(CloseCode::ShuttingDown.var_int(), b"the node has stopped");
}

/// Completes a handshake and hands the connection to its peer's lane.
async fn arrive(shared: &Shared, incoming: Incoming) {
    let Some((connection, key)) = complete(incoming).await else { return shared.counters.handshakes_failed.up() };
    let peer = shared.set.read().peers.values().find(|peer| peer.address.key == key).cloned();
    let Some(peer) = peer else {
        // It was a peer when the handshake began.
        return close(&connection, CloseCode::Dismissed, "this key is no validator's any more");
    };
    if key > shared.own_key() {
        let reason = "of two validators the one with the lower key dials: check both keys";
        return close(&connection, CloseCode::WrongDirection, reason);
    }
    if let Err(error) = peer.arrivals.try_send(connection) {
        close(&error.into_inner(), CloseCode::Replaced, "another connection of this validator is just being set up");
    }
}
