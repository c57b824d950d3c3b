//! The network thread: takes frames off the endpoints and puts them where they are read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use crossbeam::channel::{Sender, TrySendError};
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::replica::{Input, PeerMessage};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_net::{
    Class, Events, KeyGate, MeterEndpoint, MeterEvent, MeterServerConfig, PeerEvent, ValidatorConfig as PeerConfig,
    ValidatorEndpoint,
};
use tokio::net::TcpListener;

use super::core_loop::CoreJob;
use super::desk::DeskJob;
use super::door::DoorJob;
use super::peers::PeerFrame;
use super::roster::{Roll, Roster};
use super::signals::StopSignals;
use super::{Meters, Opened, Peers, Queues, Shared};
use crate::admin;
use crate::config::ValidatorConfig;

/// Both endpoints and the admin port, bound.
pub(super) struct Net {
    peers: ValidatorEndpoint,
    peer_events: Events<PeerEvent>,
    meters: MeterEndpoint,
    meter_events: Events<MeterEvent>,
    admin: TcpListener,
}

/// Binds everything, so that a port that is taken is found before anything else begins.
pub(super) async fn bind(
    config: &ValidatorConfig,
    roster: &Roster,
    opened: &Opened,
    shared: &Shared,
) -> anyhow::Result<Net> {
    let (epochs, header) = (opened.replica.epochs(), opened.replica.final_header());
    let Roll { name, seed, peers } = roster.roll(epochs, header.epoch < epochs.present());
    let listen = config.listen;
    let peer_config = PeerConfig::new(name, seed, listen.validators, peers);
    let (peers, peer_events) = ValidatorEndpoint::bind(peer_config)
        .with_context(|| format!("cannot listen for validators on {}", listen.validators))?;
    // Clients know a validator by the first of its keys: their settings change when its own do.
    let meter_seed = *opened.keys.first().expect("a validator has a key").seed();
    let directory = Arc::clone(&shared.directory);
    let gate = KeyGate::new(move |key| directory.shuts_out(&PublicKey(*key)));
    let meter_config =
        MeterServerConfig { gate, ..MeterServerConfig::new(meter_seed, listen.meters, config.quotas.for_net()) };
    let (meters, meter_events) =
        MeterEndpoint::bind(meter_config).with_context(|| format!("cannot listen for meters on {}", listen.meters))?;
    let admin = TcpListener::bind(listen.admin)
        .await
        .with_context(|| format!("cannot listen for the admin port on {}", listen.admin))?;
    Ok(Net { peers, peer_events, meters, meter_events, admin })
}

/// How often it looks whether a thread has failed.
const BEAT: Duration = Duration::from_millis(200);
/// Frames taken off an endpoint in one go.
const EVENTS_PER_TURN: usize = 256;

impl Net {
    pub(super) fn endpoints(&self) -> (Peers, Meters) {
        (self.peers.clone(), self.meters.clone())
    }

    /// Serves until a signal comes or a thread fails.
    pub(super) async fn serve(self, shared: &Arc<Shared>, queues: &Queues, signals: &StopSignals) {
        let Self { peers, mut peer_events, meters, mut meter_events, admin } = self;
        tokio::spawn(admin::serve(admin, shared.metrics.clone(), shared.health.clone()));
        let from_peers = async {
            let mut events = Vec::with_capacity(EVENTS_PER_TURN);
            while peer_events.recv_many(&mut events, EVENTS_PER_TURN).await > 0 {
                for event in events.drain(..) {
                    sort_peer_event(event, shared, queues).await;
                }
            }
        };
        let from_meters = async {
            let mut events = Vec::with_capacity(EVENTS_PER_TURN);
            while meter_events.recv_many(&mut events, EVENTS_PER_TURN).await > 0 {
                for event in events.drain(..) {
                    sort_meter_event(event, &meters, shared, queues).await;
                }
            }
        };
        tokio::select! {
            () = from_peers => {}
            () = from_meters => {}
            () = signals.come() => {}
            () = must_stop(shared) => {}
        }
        shared.health.set_ready(false);
        tokio::join!(meters.close("the validator is shutting down"), peers.close("the validator is shutting down"));
    }
}

async fn must_stop(shared: &Shared) {
    while !shared.is_stopping() {
        tokio::time::sleep(BEAT).await;
    }
}

async fn sort_peer_event(event: PeerEvent, shared: &Shared, queues: &Queues) {
    match event {
        PeerEvent::Connected { peer } => {
            tracing::info!(peer, "validator connected");
            shared.metrics.validator_connections.up();
            put(&queues.core, CoreJob::Connected(ValidatorIndex(peer)), shared).await;
        }
        PeerEvent::Disconnected { peer } => {
            tracing::info!(peer, "validator disconnected");
            shared.metrics.validator_connections.down();
            put(&queues.core, CoreJob::Disconnected, shared).await;
        }
        PeerEvent::Frame { peer, class: Class::Consensus, bytes } => {
            // Short, and in nobody's queue but the core's: finality waits for it.
            match PeerMessage::decode(&bytes) {
                Ok(PeerMessage::Consensus(message)) => {
                    let from = ValidatorIndex(peer);
                    put(&queues.core, CoreJob::Input(Input::Consensus { from, message }), shared).await;
                }
                _ => tracing::warn!(peer, "a frame on the consensus stream that is no consensus message"),
            }
        }
        PeerEvent::Frame { peer, class, bytes } => {
            // What was missed must not stand in the way of what is new.
            let queue = if class == Class::Sync { &queues.sync } else { &queues.peers };
            put(queue, PeerFrame { from: ValidatorIndex(peer), bytes }, shared).await;
        }
    }
}

async fn sort_meter_event(event: MeterEvent, meters: &MeterEndpoint, shared: &Shared, queues: &Queues) {
    match event {
        MeterEvent::Opened { connection, remote, key } => {
            tracing::debug!(connection = connection.0, %remote, "client connected");
            shared.metrics.meter_connections.up();
            let key = PublicKey(key);
            shared.lines.opened(connection, key);
            // It may have been suspended between the gate and here: whoever suspends it looks for its lines after that.
            if let Some(why) = shared.directory.shuts_out(&key) {
                meters.shut_out(connection, &why);
            }
        }
        MeterEvent::Frame { connection, bytes } => {
            put(&queues.door, DoorJob::Frame { connection, bytes }, shared).await;
        }
        MeterEvent::OverQuota { connection, .. } => put(&queues.door, DoorJob::OverQuota { connection }, shared).await,
        MeterEvent::Closed { connection, .. } => {
            tracing::debug!(connection = connection.0, "client gone");
            shared.metrics.meter_connections.down();
            shared.lines.closed(connection);
            shared.pending.forget(connection);
            // Costs nothing. What the client asked for last may come behind it, through the door: a watch is begun on open lines only.
            let _ = queues.ask_desk(&shared.backlog, DeskJob::Closed(connection));
        }
    }
}

/// Puts a job into a bounded queue. While it is full this waits, which keeps the endpoint from reading on: the sender waits.
async fn put<T>(queue: &Sender<T>, mut job: T, shared: &Shared) {
    loop {
        match queue.try_send(job) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => return,
            Err(TrySendError::Full(back)) => job = back,
        }
        if shared.is_stopping() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// Frames to validators, by what they are.
pub(super) fn class_of(message: &PeerMessage) -> Class {
    match message {
        PeerMessage::Consensus(_) => Class::Consensus,
        PeerMessage::Chunk(_) | PeerMessage::Relay(_) | PeerMessage::Evidence(_) => Class::Log,
        PeerMessage::Pull { .. }
        | PeerMessage::Pulled { .. }
        | PeerMessage::SyncRequest { .. }
        | PeerMessage::SyncResponse { .. }
        | PeerMessage::Snapshot(_)
        | PeerMessage::Epochs(_)
        | PeerMessage::Reconfigure(_) => Class::Sync,
    }
}

/// Sends a message; what cannot be sent now is not kept: the protocol repeats what matters.
/// Says how long it is.
pub(super) fn post(peers: &Peers, to: gridbook_ledger::hotstuff::Recipient, message: &PeerMessage) -> u64 {
    let class = class_of(message);
    let bytes = Bytes::from(message.encode());
    let length = bytes.len() as u64;
    match to {
        gridbook_ledger::hotstuff::Recipient::One(one) => _ = peers.send(one.0, class, bytes),
        gridbook_ledger::hotstuff::Recipient::Others => {
            for peer in peers.connected() {
                let _ = peers.send(peer, class, bytes.clone());
            }
        }
    }
    length
}
