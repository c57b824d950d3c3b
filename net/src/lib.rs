//! QUIC between validators, and from meters to a node: identity, frames, streams, quotas.
//!
//! This crate carries frames of opaque bytes over two kinds of endpoints, each on its own UDP port:
//!
//! - [`ValidatorEndpoint`] keeps one connection to every other validator, dials again when it is lost, and carries
//!   three [`Class`]es of traffic with strict priorities.
//! - [`MeterEndpoint`] serves any number of meters and gateways, each on one connection, and holds them to
//!   [`Quotas`] before a byte of theirs is decoded. [`MeterClient`] is the other end.
//!
//! What it promises:
//!
//! - **Identity.** Both ends of every connection prove an ed25519 key (TLS 1.3 with raw public keys, RFC 7250; there
//!   are no certificates). A validator accepts only the keys of its set, a meter only the key it has pinned. A meter's
//!   key authorises nothing: it names the account of its quotas, no more.
//! - **Bounds.** Every frame, queue, window, stream count and deadline has a limit. A peer that crosses one is closed
//!   with a [`CloseCode`] and a reason in words. Memory grows with bytes that arrived, never with a claimed length.
//! - **Back-pressure.** What the node does not take stays with its sender: events carry a budget of bytes, and a stream
//!   is not read while its budget is spent. Nothing that arrived within quota is dropped.
//! - **Never blocking.** Sending puts a frame in a bounded queue and says what became of it.
//!
//! What it never does: it decodes no order, vote or log entry, checks no signature but the handshake's, keeps nothing
//! on disk, resumes no session (no 0-RTT, no tickets), and decides nothing about the market. It reads the clock of
//! tokio and of the system, which the engine and the ledger may not.
//!
//! # Wire format
//!
//! Every stream begins with one byte that names what it carries: 1 consensus, 2 log, 3 sync (unidirectional, between
//! validators), or 0 (bidirectional, from a meter; the server answers with the same byte once it has let the client
//! in). After it come frames: a little-endian `u32` length, 1 up to the cap, and that many bytes of payload.
//!
//! Everything works on a `current_thread` runtime of tokio; `bind` and `connect` must be called inside of one.

mod bucket;
mod class;
mod client;
mod close;
mod counters;
mod desk;
mod events;
mod frame;
mod handshake;
mod identity;
mod meter;
mod outbox;
mod patience;
mod peer;
mod quota;
mod reader;
mod transport;
mod validator;

pub use class::Class;
pub use client::{MeterClient, MeterClientError, MeterReceiver, MeterSender};
pub use close::CloseCode;
pub use counters::{ClassStats, MeterStats, Stats};
pub use events::Events;
pub use frame::{ANSWER_BYTES_MAX, FrameDecoder, FrameError, REQUEST_BYTES_MAX};
pub use identity::public_key;
pub use meter::{ConnectionId, KeyGate, MeterEndpoint, MeterEvent, MeterSend, MeterServerConfig};
pub use quota::{Quota, Quotas, Rate};
pub use transport::{BindError, METER_ALPN, VALIDATOR_ALPN};
pub use validator::{PeerAddress, PeerEvent, PeerSend, ValidatorConfig, ValidatorEndpoint};
