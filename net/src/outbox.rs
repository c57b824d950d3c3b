//! What waits to be sent on one stream: bounded by bytes, written in as few pieces as possible.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use quinn::SendStream;
use tokio::sync::Notify;

use crate::counters::Traffic;
use crate::frame::{HEADER_BYTES, header};
use crate::patience::within;

/// Payloads up to this are copied next to each other; longer ones are passed on as they are.
const COALESCE_BYTES_MAX: usize = 2048;

/// How much is copied together before a piece is closed.
const PIECE_BYTES: usize = 32 * 1024;

/// A queue of frames for one stream. Any task may push, one writes.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes_max: usize,
    state: Mutex<State>,
    /// Something was pushed, or the outbox was finished.
    filled: Notify,
    /// Something was written, or the writer has ended.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: Vec<Bytes>,
    /// The end of the queue, still growing.
    tail: BytesMut,
    frames: u64,
    /// Bytes queued or being written.
    bytes: usize,
    finished: bool,
    writer_ended: bool,
}

/// Why writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteEnd {
    /// Everything was written after [`Outbox::finish`], and the other side has it.
    Finished,
    /// The stream or its connection is gone.
    Lost,
    /// The other side took nothing within the deadline.
    Stalled,
}

impl Outbox {
    /// A queue of at most `bytes_max` bytes, headers included.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default(), filled: Notify::new(), emptied: Notify::new() }
    }

    /// Queues `payload` as a frame if it fits; whether it did. Never waits. The payload must be sendable.
    pub(crate) fn push(&self, payload: &Bytes) -> bool {
        let frame_bytes = HEADER_BYTES + payload.len();
        {
            let mut state = self.state.lock();
            if state.finished || state.writer_ended || state.bytes + frame_bytes > self.bytes_max {
                return false;
            }
            state.append(payload);
            state.bytes += frame_bytes;
            state.frames += 1;
        }
        self.filled.notify_one();
        true
    }

    /// Queues `payload`, waiting for room; `false` once nothing is sent any more.
    pub(crate) async fn push_when_room(&self, payload: &Bytes) -> bool {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.push(payload) {
                return true;
            }
            if self.is_over() {
                return false;
            }
            emptied.await;
        }
    }

    /// No frame is taken any more; what is queued is still written.
    pub(crate) fn finish(&self) {
        self.state.lock().finished = true;
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    /// Waits until the writer has ended.
    pub(crate) async fn writer_ended(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.state.lock().writer_ended {
                return;
            }
            emptied.await;
        }
    }

    /// Writes what is pushed until the outbox is finished or the stream is gone. With a `deadline`, gives up when the
    /// other side takes nothing for so long.
    pub(crate) async fn write_to(
        &self,
        mut stream: SendStream,
        traffic: &Traffic,
        deadline: Option<Duration>,
    ) -> WriteEnd {
        let _ended = WriterEnded(self);
        let deadline = deadline.unwrap_or(Duration::MAX);
        let stopped = stream.stopped();
        tokio::pin!(stopped);
        loop {
            let (mut pieces, frames) = tokio::select! {
                queued = self.take() => queued,
                _ = &mut stopped => return WriteEnd::Lost,
            };
            if pieces.is_empty() {
                let finished = stream.finish().is_ok() && matches!(stopped.await, Ok(None));
                return if finished { WriteEnd::Finished } else { WriteEnd::Lost };
            }
            let mut rest = &mut pieces[..];
            while !rest.is_empty() {
                match within(deadline, stream.write_chunks(rest)).await {
                    Some(Ok(written)) => {
                        rest = &mut rest[written.chunks..];
                        self.release(written.bytes);
                        traffic.bytes_out(written.bytes);
                    }
                    Some(Err(_)) => return WriteEnd::Lost,
                    None => return WriteEnd::Stalled,
                }
            }
            traffic.frames_out(frames);
        }
    }

    /// Everything queued, as soon as there is something; nothing once finished.
    async fn take(&self) -> (Vec<Bytes>, u64) {
        loop {
            {
                let mut state = self.state.lock();
                if state.frames > 0 || state.finished {
                    return state.take();
                }
            }
            self.filled.notified().await;
        }
    }

    fn release(&self, bytes: usize) {
        self.state.lock().bytes -= bytes;
        self.emptied.notify_waiters();
    }

    /// Whether nothing more can be queued, ever.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.finished || state.writer_ended
    }
}

impl State {
    fn append(&mut self, payload: &Bytes) {
        self.tail.put_slice(&header(payload));
        if payload.len() <= COALESCE_BYTES_MAX {
            self.tail.put_slice(payload);
            if self.tail.len() >= PIECE_BYTES {
                self.close_tail();
            }
        } else {
            self.close_tail();
            self.pieces.push(payload.clone());
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }

    fn take(&mut self) -> (Vec<Bytes>, u64) {
        self.close_tail();
        (std::mem::take(&mut self.pieces), std::mem::take(&mut self.frames))
    }
}

/// Marks the writer as ended however it ends, so that nobody waits for it.
struct WriterEnded<'a>(&'a Outbox);

impl Drop for WriterEnded<'_> {
    fn drop(&mut self) {
        self.0.state.lock().writer_ended = true;
        self.0.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_frames_leave_in_one_piece_and_long_ones_uncopied() {
        let outbox = Outbox::new(1 << 20);
        let long = Bytes::from(vec![7; 10_000]);
        for payload in
            [Bytes::from_static(b"one"), Bytes::from_static(b"two"), long.clone(), Bytes::from_static(b"end")]
        {
            assert!(outbox.push(&payload));
        }
        let (pieces, frames) = outbox.take().await;
        assert_eq!(frames, 4);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], [&[3, 0, 0, 0], &b"one"[..], &[3, 0, 0, 0], b"two", &[16, 39, 0, 0]].concat());
        assert_eq!(pieces[1].as_ptr(), long.as_ptr());
        assert_eq!(pieces[2], [&[3, 0, 0, 0], &b"end"[..]].concat());
    }

    #[tokio::test]
    async fn what_is_being_written_still_counts_against_the_bound() {
        let outbox = Outbox::new(20);
        let payload = Bytes::from_static(&[1; 12]);
        assert!(outbox.push(&payload));
        assert!(!outbox.push(&payload));
        let (pieces, _) = outbox.take().await;
        assert!(!outbox.push(&payload));
        outbox.release(pieces.iter().map(Bytes::len).sum());
        assert!(outbox.push(&payload));
    }
}
