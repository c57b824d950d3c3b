//! Ports on loopback for whoever makes a network and has no wishes.
//!
//! They are free when they are handed out, and bound a moment later by another process, and again whenever that is restarted. So they do not come
//! from the range out of which the system gives ports to all who do not care: any of those might have one by then.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

use anyhow::{Context as _, bail};
use gridbook_ledger::crypto::SecretKey;
use parking_lot::Mutex;

/// Below these lie many that belong to somebody.
const FIRST: u16 = 10_000;

/// Where the system's own range begins on Linux, unless its administrator has changed it.
const SYSTEM_FIRST: u16 = 32_768;

/// Where fewer are left than this, the system's range begins too low to keep clear of it.
const FEW: u16 = 1_000;

/// After so many draws there is no free port worth looking for.
const DRAWS_MAX: u32 = 10_000;

/// All that this process has handed out: none of them goes to two.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is free for UDP and for TCP, and that nobody else of this process is given.
pub(crate) fn take() -> anyhow::Result<u16> {
    let range = range(system_first());
    let mut taken = TAKEN.lock();
    for _ in 0..DRAWS_MAX {
        let port = draw(&range)?;
        if !taken.contains(&port) && is_free(port) {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port on loopback from {} to {}", range.start, range.end - 1)
}

fn range(system_first: u16) -> Range<u16> {
    let is_worth_it = system_first.saturating_sub(FIRST) >= FEW;
    FIRST..if is_worth_it { system_first } else { u16::MAX }
}

/// The first port that the system gives to those who ask for any.
fn system_first() -> u16 {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    told.and_then(|told| told.split_whitespace().next()?.parse().ok()).unwrap_or(SYSTEM_FIRST)
}

fn draw(range: &Range<u16>) -> anyhow::Result<u16> {
    let key = SecretKey::generate().context("the system gives no randomness")?;
    let word = u32::from_le_bytes(*key.seed().first_chunk().expect("a seed has 32 bytes"));
    let offset = word % u32::from(range.end - range.start);
    Ok(range.start + u16::try_from(offset).expect("below the length of a range of ports"))
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::loopback_free;

    /// Sockets that take any port are opened all the time: those of clients that connect again, and of relays.
    #[test]
    fn no_port_is_handed_out_twice_and_none_that_the_system_gives_to_anybody() {
        let networks: Vec<_> = (0..20).map(|_| loopback_free(4).unwrap()).collect();
        let listen = networks.iter().flatten();
        let ports: Vec<u16> =
            listen.flat_map(|at| [at.validators, at.meters, at.admin]).map(|address| address.port()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20 * 4 * 3);
        let range = range(system_first());
        assert!(ports.iter().all(|port| range.contains(port)), "{ports:?} in {range:?}");
    }

    #[test]
    fn the_system_range_is_kept_clear_of_unless_it_leaves_too_little() {
        assert_eq!(range(32_768), 10_000..32_768);
        assert_eq!(range(11_000), 10_000..11_000);
        assert_eq!(range(10_999), 10_000..u16::MAX);
        assert_eq!(range(1_024), 10_000..u16::MAX);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(udp.local_addr().unwrap().port()));
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(tcp.local_addr().unwrap().port()));
    }
}
