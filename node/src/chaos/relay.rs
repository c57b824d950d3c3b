//! A stretch of road between the validators, on which one of them can be cut off.
//!
//! For every pair, the one that dials knows the relay's address instead of the other's. What comes there is passed on from a socket of the
//! pair's own, and what comes back to that socket goes back. So no validator knows that there is a relay, and none needs
//! rights that only root has.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::dice::Dice;
use crate::config::ValidatorConfig;
use crate::network::Network;

/// All relayed pairs of a network. It stops when it is dropped.
pub(super) struct Relay {
    roads: Arc<Vec<Road>>,
    /// Ends its tasks when it is dropped.
    _tasks: JoinSet<()>,
}

/// What lies between one validator and all others.
#[derive(Debug, Default)]
struct Road {
    cut: AtomicBool,
    /// How many of a thousand datagrams are lost.
    lost_per_mille: AtomicU64,
    /// How much later the others arrive, in milliseconds, at most.
    late_ms: AtomicU64,
}

/// One direction of one pair.
struct Lane {
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    /// Where the datagrams go: to a fixed place, or to where the last one of the other direction came from.
    target: Target,
    ends: (usize, usize),
    roads: Arc<Vec<Road>>,
    dice: Dice,
}

enum Target {
    Fixed(SocketAddr),
    Dialler(Arc<Mutex<Option<SocketAddr>>>),
}

/// No UDP datagram is longer.
const DATAGRAM_BYTES_MAX: usize = 1 << 16;

impl Relay {
    /// Puts relays between all validators of a network, whose settings have not been written yet.
    pub(super) async fn between(network: &mut Network, seed: u64) -> anyhow::Result<Self> {
        let validators = network.configs.len();
        let roads: Arc<Vec<Road>> = Arc::new((0..validators).map(|_| Road::default()).collect());
        let mut tasks = JoinSet::new();
        for dialler in 0..validators {
            for other in dialler + 1..validators {
                let at = network.configs[other].listen.validators;
                let front = pair(&mut tasks, (dialler, other), at, &roads, seed).await?;
                reroute(&mut network.configs[dialler], other, front);
            }
        }
        Ok(Self { roads, _tasks: tasks })
    }

    /// Cuts a validator off from all others, or no longer.
    pub(super) fn cut(&self, index: usize, cut: bool) {
        self.roads[index].cut.store(cut, Ordering::Relaxed);
    }

    /// Makes a validator's line lose and delay datagrams; with zeros it is good again.
    pub(super) fn spoil(&self, index: usize, lost_per_mille: u64, late_ms: u64) {
        self.roads[index].lost_per_mille.store(lost_per_mille, Ordering::Relaxed);
        self.roads[index].late_ms.store(late_ms, Ordering::Relaxed);
    }

    /// All lines are good again.
    pub(super) fn heal(&self) {
        for index in 0..self.roads.len() {
            self.cut(index, false);
            self.spoil(index, 0, 0);
        }
    }
}

/// Opens both directions of a pair; where the dialler finds it.
async fn pair(
    tasks: &mut JoinSet<()>,
    ends: (usize, usize),
    at: SocketAddr,
    roads: &Arc<Vec<Road>>,
    seed: u64,
) -> anyhow::Result<SocketAddr> {
    let bind = async || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free UDP port on loopback");
    let (front, back) = (Arc::new(bind().await?), Arc::new(bind().await?));
    let dialler = Arc::new(Mutex::new(None));
    let lane = |from: &Arc<UdpSocket>, to: &Arc<UdpSocket>, target, part| Lane {
        from: from.clone(),
        to: to.clone(),
        target,
        ends,
        roads: roads.clone(),
        dice: Dice::new(seed, part + (ends.0 * 64 + ends.1) as u64 * 2),
    };
    let (there, back_again) = (lane(&front, &back, Target::Fixed(at), 1_000), {
        lane(&back, &front, Target::Dialler(dialler.clone()), 1_001)
    });
    tasks.spawn(there.carry(Some(dialler)));
    tasks.spawn(back_again.carry(None));
    Ok(front.local_addr()?)
}

fn reroute(config: &mut ValidatorConfig, other: usize, front: SocketAddr) {
    for peer in config.peers.iter_mut().filter(|peer| usize::from(peer.index) == other) {
        peer.address = front;
    }
}

impl Lane {
    /// Carries datagrams for ever. What is lost on the way, QUIC sends again.
    async fn carry(mut self, note_sender: Option<Arc<Mutex<Option<SocketAddr>>>>) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An error is told about an earlier datagram, to somebody who is down: the next one may arrive.
            let Ok((length, sender)) = self.from.recv_from(&mut datagram).await else { continue };
            if let Some(dialler) = &note_sender {
                *dialler.lock() = Some(sender);
            }
            let Some(late) = self.passes() else { continue };
            let target = match &self.target {
                Target::Fixed(target) => Some(*target),
                Target::Dialler(dialler) => *dialler.lock(),
            };
            let Some(target) = target else { continue };
            if late.is_zero() {
                let _ = self.to.send_to(&datagram[..length], target).await;
            } else {
                let (to, datagram) = (self.to.clone(), datagram[..length].to_vec());
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    let _ = to.send_to(&datagram, target).await;
                });
            }
        }
    }

    /// How much later a datagram arrives; nothing if it does not.
    fn passes(&mut self) -> Option<Duration> {
        let roads = [&self.roads[self.ends.0], &self.roads[self.ends.1]];
        if roads.iter().any(|road| road.cut.load(Ordering::Relaxed)) {
            return None;
        }
        let sum = |of: fn(&Road) -> &AtomicU64| roads.iter().map(|road| of(road).load(Ordering::Relaxed)).sum();
        let (lost, late_ms): (u64, u64) = (sum(|road| &road.lost_per_mille), sum(|road| &road.late_ms));
        if lost > 0 && self.dice.per_mille(lost) {
            return None;
        }
        Some(Duration::from_millis(if late_ms == 0 { 0 } else { self.dice.between(0, late_ms) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dialler -> front | back -> other. While the road is cut nothing passes either way; afterwards all does.
    #[tokio::test]
    async fn a_cut_road_carries_nothing_and_a_healed_one_both_ways() {
        let bind = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (dialler, other) = (bind().await, bind().await);
        let roads: Arc<Vec<Road>> = Arc::new((0..2).map(|_| Road::default()).collect());
        let mut tasks = JoinSet::new();
        let front = pair(&mut tasks, (0, 1), other.local_addr().unwrap(), &roads, 1).await.unwrap();
        let relay = Relay { roads, _tasks: tasks };
        let mut bytes = [0; 16];

        relay.cut(1, true);
        dialler.send_to(b"lost", front).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(200), other.recv_from(&mut bytes)).await;
        assert!(heard.is_err(), "a datagram came over a road that is cut");

        relay.heal();
        dialler.send_to(b"hello", front).await.unwrap();
        // What the relay had not so much as read when the road was healed may go on too.
        let (mut length, mut back) = other.recv_from(&mut bytes).await.unwrap();
        if &bytes[..length] == b"lost" {
            (length, back) = other.recv_from(&mut bytes).await.unwrap();
        }
        assert_eq!(&bytes[..length], b"hello");
        other.send_to(b"and back", back).await.unwrap();
        let (length, sender) = dialler.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..length], sender), (&b"and back"[..], front));
    }
}
