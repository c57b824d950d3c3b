//! What a client may ask of a node, counted before anything is decoded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bucket::{Bucket, Tokens};
use crate::frame::{HEADER_BYTES, REQUEST_BYTES_MAX};
use crate::transport::BindError;

/// The least burst of bytes under which every frame of legal length can pass.
const BURST_BYTES_MIN: u64 = (REQUEST_BYTES_MAX + HEADER_BYTES) as u64;

/// Accounts kept beyond those of open connections before the idle ones are swept.
const IDLE_ACCOUNTS_MAX: usize = 4096;

/// How much may be sent per second, and at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Frames per second in the long run.
    pub frames_per_s: u64,
    /// Frames at once.
    pub frames_burst: u64,
    /// Bytes per second in the long run, headers included.
    pub bytes_per_s: u64,
    /// Bytes at once; at least one frame of full length.
    pub bytes_burst: u64,
}

impl Rate {
    /// No limit worth the name; for tests and closed networks.
    pub const UNLIMITED: Self =
        Self { frames_per_s: u64::MAX, frames_burst: u64::MAX, bytes_per_s: u64::MAX, bytes_burst: u64::MAX };
}

/// The limits of a meter endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// What one key may send, over all of its connections and across reconnects.
    pub per_key: Rate,
    /// What one address may send, over all keys: an IPv4 address, or a /64 of IPv6.
    pub per_address: Rate,
    /// Frames over quota, less one per second, before the connection is closed.
    pub strikes_max: u32,
    /// Connections open at once from one address.
    pub connections_per_address: u32,
    /// Connections open at once altogether.
    pub connections_max: usize,
    /// Streams a client may have open at once. All are read alike; answers go down the first.
    pub streams_per_connection: u32,
    /// Handshakes under way before a client must first prove its address.
    pub handshakes_before_retry: usize,
    /// Bytes of answers that wait for one client before it is closed for not reading them.
    pub answer_queue_bytes_max: usize,
    /// Bytes of requests, all clients together, that wait for the node to take them.
    pub inbox_bytes_max: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            per_key: Rate { frames_per_s: 500, frames_burst: 1000, bytes_per_s: 4 << 20, bytes_burst: 8 << 20 },
            per_address: Rate { frames_per_s: 2000, frames_burst: 4000, bytes_per_s: 16 << 20, bytes_burst: 32 << 20 },
            strikes_max: 64,
            connections_per_address: 64,
            connections_max: 4096,
            streams_per_connection: 1,
            handshakes_before_retry: 64,
            answer_queue_bytes_max: 8 << 20,
            inbox_bytes_max: 64 << 20,
        }
    }
}

impl Quotas {
    pub(crate) fn check(&self) -> Result<(), BindError> {
        let bytes_burst = self.per_key.bytes_burst.min(self.per_address.bytes_burst);
        if bytes_burst < BURST_BYTES_MIN {
            return Err(BindError::BurstTooSmall { bytes_burst, bytes_min: BURST_BYTES_MIN });
        }
        Ok(())
    }
}

/// Which quota was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quota {
    /// Frames per second of the connection's key.
    KeyFrames,
    /// Bytes per second of the connection's key.
    KeyBytes,
    /// Frames per second of the remote address.
    AddressFrames,
    /// Bytes per second of the remote address.
    AddressBytes,
}

/// Every account of an endpoint.
#[derive(Debug)]
pub(crate) struct QuotaBook {
    quotas: Quotas,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    keys: HashMap<[u8; 32], Account>,
    addresses: HashMap<IpAddr, Account>,
    connections: usize,
}

#[derive(Debug)]
struct Account {
    bucket: Arc<Mutex<Bucket>>,
    connections: u32,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("too many connections at this node: try again later, or another node")]
    Node,
    #[error("too many connections from this address: close some, or let one connection carry more")]
    Address,
}

impl QuotaBook {
    pub(crate) fn new(quotas: Quotas) -> Arc<Self> {
        Arc::new(Self { quotas, accounts: Mutex::default() })
    }

    /// Whether another connection from `address` could be let in, before its handshake is paid for.
    pub(crate) fn has_room(&self, address: IpAddr) -> Result<(), Full> {
        self.accounts.lock().room(&self.quotas, account_address(address))
    }

    /// Lets a connection in; it counts until the admission is dropped.
    pub(crate) fn admit(self: &Arc<Self>, key: [u8; 32], address: IpAddr) -> Result<Admission, Full> {
        let address = account_address(address);
        let mut accounts = self.accounts.lock();
        accounts.room(&self.quotas, address)?;
        accounts.sweep();
        accounts.connections += 1;
        let now = Instant::now();
        Ok(Admission {
            key_bucket: open(&mut accounts.keys, key, self.quotas.per_key, now),
            address_bucket: open(&mut accounts.addresses, address, self.quotas.per_address, now),
            strikes: Mutex::new(Tokens::full(u64::from(self.quotas.strikes_max), 1, now)),
            book: Arc::clone(self),
            key,
            address,
        })
    }
}

impl Accounts {
    fn room(&self, quotas: &Quotas, address: IpAddr) -> Result<(), Full> {
        if self.connections >= quotas.connections_max {
            return Err(Full::Node);
        }
        let from_address = self.addresses.get(&address).map_or(0, |account| account.connections);
        if from_address >= quotas.connections_per_address { Err(Full::Address) } else { Ok(()) }
    }

    /// Forgets accounts nobody uses whose buckets are full again: forgetting them gives nobody anything.
    fn sweep(&mut self) {
        let bound = 2 * self.connections + IDLE_ACCOUNTS_MAX;
        if self.keys.len() > bound || self.addresses.len() > bound {
            let now = Instant::now();
            self.keys.retain(|_, account| account.is_needed(now));
            self.addresses.retain(|_, account| account.is_needed(now));
        }
    }
}

impl Account {
    fn is_needed(&self, now: Instant) -> bool {
        self.connections > 0 || !self.bucket.lock().is_full(now)
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct Admission {
    key_bucket: Arc<Mutex<Bucket>>,
    address_bucket: Arc<Mutex<Bucket>>,
    strikes: Mutex<Tokens>,
    book: Arc<QuotaBook>,
    key: [u8; 32],
    address: IpAddr,
}

impl Admission {
    /// Charges a frame of `payload_bytes` to the key and the address, or to neither.
    pub(crate) fn charge(&self, payload_bytes: usize, now: Instant) -> Result<(), Quota> {
        let bytes = (payload_bytes + HEADER_BYTES) as u64;
        let mut key = self.key_bucket.lock();
        let mut address = self.address_bucket.lock();
        key.refill(now);
        address.refill(now);
        let spent = [
            (!key.frames.holds(1), Quota::KeyFrames),
            (!key.bytes.holds(bytes), Quota::KeyBytes),
            (!address.frames.holds(1), Quota::AddressFrames),
            (!address.bytes.holds(bytes), Quota::AddressBytes),
        ];
        if let Some((_, quota)) = spent.into_iter().find(|(spent, _)| *spent) {
            return Err(quota);
        }
        key.take(bytes);
        address.take(bytes);
        Ok(())
    }

    /// Charges a frame that passed as so many more, to the key and the address or to neither. No more than a rested account holds: otherwise
    /// it would never pass where the burst is small.
    pub(crate) fn charge_more(&self, frames: u64, now: Instant) -> Result<(), Quota> {
        let mut key = self.key_bucket.lock();
        let mut address = self.address_bucket.lock();
        key.refill(now);
        address.refill(now);
        // One of the burst was taken when the frame came in.
        let frames_of = |bucket: &Bucket| frames.min(bucket.frames.burst().saturating_sub(1));
        let (of_key, of_address) = (frames_of(&key), frames_of(&address));
        if !key.frames.holds(of_key) {
            return Err(Quota::KeyFrames);
        }
        if !address.frames.holds(of_address) {
            return Err(Quota::AddressFrames);
        }
        key.frames.take(of_key);
        address.frames.take(of_address);
        Ok(())
    }

    /// Counts a frame over quota; whether the connection may live on.
    pub(crate) fn strike(&self, now: Instant) -> bool {
        let mut strikes = self.strikes.lock();
        strikes.refill(now);
        let lives = strikes.holds(1);
        strikes.take(1);
        lives
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut accounts = self.book.accounts.lock();
        accounts.connections -= 1;
        leave(&mut accounts.keys, &self.key);
        leave(&mut accounts.addresses, &self.address);
    }
}

fn open<K: Hash + Eq>(accounts: &mut HashMap<K, Account>, name: K, rate: Rate, now: Instant) -> Arc<Mutex<Bucket>> {
    let account = accounts
        .entry(name)
        .or_insert_with(|| Account { bucket: Arc::new(Mutex::new(Bucket::full(rate, now))), connections: 0 });
    account.connections += 1;
    Arc::clone(&account.bucket)
}

fn leave<K: Hash + Eq>(accounts: &mut HashMap<K, Account>, name: &K) {
    let account = accounts.get_mut(name).expect("an account is kept while a connection uses it");
    account.connections -= 1;
}

/// The address an account is kept under. Whoever has one address of an IPv6 /64 has them all.
fn account_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn quotas(frames_per_s: u64, frames_burst: u64) -> Quotas {
        let per_key = Rate { frames_per_s, frames_burst, ..Rate::UNLIMITED };
        Quotas { per_key, per_address: Rate::UNLIMITED, ..Quotas::default() }
    }

    fn passed(admission: &Admission, frames: usize, now: Instant) -> usize {
        (0..frames).filter(|_| admission.charge(10, now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let book = QuotaBook::new(quotas(100, 5));
        let admission = book.admit([1; 32], HERE).unwrap();
        let now = Instant::now();
        assert_eq!(passed(&admission, 10, now), 5);
        assert_eq!(admission.charge(10, now), Err(Quota::KeyFrames));
        assert_eq!(passed(&admission, 10, now + Duration::from_millis(25)), 2);
        assert_eq!(passed(&admission, 10, now + Duration::from_secs(9)), 5);
    }

    #[test]
    fn reconnecting_does_not_refill_a_bucket() {
        let book = QuotaBook::new(quotas(0, 5));
        let now = Instant::now();
        assert_eq!(passed(&book.admit([1; 32], HERE).unwrap(), 10, now), 5);
        assert_eq!(passed(&book.admit([1; 32], HERE).unwrap(), 10, now), 0);
        assert_eq!(passed(&book.admit([2; 32], HERE).unwrap(), 10, now), 5);
    }

    #[test]
    fn many_keys_at_one_address_share_its_quota() {
        let per_address = Rate { frames_burst: 7, frames_per_s: 0, ..Rate::UNLIMITED };
        let book = QuotaBook::new(Quotas { per_address, per_key: Rate::UNLIMITED, ..Quotas::default() });
        let now = Instant::now();
        let admissions = [1, 2, 3].map(|key| book.admit([key; 32], HERE).unwrap());
        assert_eq!(admissions.iter().map(|admission| passed(admission, 3, now)).sum::<usize>(), 7);
        assert_eq!(admissions[0].charge(1, now), Err(Quota::AddressFrames));
    }

    #[test]
    fn a_frame_the_bytes_do_not_cover_takes_nothing() {
        let per_key = Rate { bytes_burst: 100, bytes_per_s: 0, ..Rate::UNLIMITED };
        let book = QuotaBook::new(Quotas { per_key, ..Quotas::default() });
        let admission = book.admit([1; 32], HERE).unwrap();
        let now = Instant::now();
        assert_eq!(admission.charge(97, now), Err(Quota::KeyBytes));
        assert_eq!(admission.charge(96, now), Ok(()));
    }

    #[test]
    fn a_frame_that_costs_more_is_charged_as_many_or_none() {
        let book = QuotaBook::new(quotas(0, 10));
        let admission = book.admit([1; 32], HERE).unwrap();
        let now = Instant::now();
        assert_eq!((admission.charge(10, now), admission.charge_more(7, now)), (Ok(()), Ok(())));
        assert_eq!((admission.charge(10, now), admission.charge_more(2, now)), (Ok(()), Err(Quota::KeyFrames)));
        assert_eq!(passed(&admission, 10, now), 1, "what was refused took nothing");
    }

    /// Where the burst is smaller than the charge, it costs a whole burst.
    #[test]
    fn the_dearest_frame_passes_a_rested_account() {
        let book = QuotaBook::new(quotas(1, 5));
        let admission = book.admit([1; 32], HERE).unwrap();
        let now = Instant::now();
        assert_eq!((admission.charge(10, now), admission.charge_more(99, now)), (Ok(()), Ok(())));
        assert_eq!(admission.charge(10, now), Err(Quota::KeyFrames));
        let later = now + Duration::from_secs(5);
        assert_eq!((admission.charge(10, later), admission.charge_more(99, later)), (Ok(()), Ok(())));
    }

    #[test]
    fn connections_are_counted_until_they_leave() {
        let book = QuotaBook::new(Quotas { connections_per_address: 2, connections_max: 3, ..Quotas::default() });
        let there: IpAddr = "10.1.1.1".parse().unwrap();
        let first = book.admit([1; 32], HERE).unwrap();
        let _second = book.admit([1; 32], HERE).unwrap();
        assert_eq!(book.admit([1; 32], HERE).unwrap_err(), Full::Address);
        let _third = book.admit([1; 32], there).unwrap();
        assert_eq!(book.has_room(there), Err(Full::Node));
        drop(first);
        assert!(book.admit([3; 32], HERE).is_ok());
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let [one, two, other] = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"]
            .map(|address| account_address(address.parse().unwrap()));
        assert_eq!(one, two);
        assert_ne!(one, other);
        assert_eq!(account_address("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn strikes_are_forgiven_with_time() {
        let book = QuotaBook::new(Quotas { strikes_max: 2, ..Quotas::default() });
        let admission = book.admit([1; 32], HERE).unwrap();
        let now = Instant::now();
        assert_eq!([(); 3].map(|()| admission.strike(now)), [true, true, false]);
        assert!(admission.strike(now + Duration::from_secs(1)));
    }
}
