//! Whom this validator is connected to, and by which key it is known: both follow the epoch.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gridbook_ledger::crypto::{PublicKey, SecretKey};
use gridbook_ledger::epoch::Epochs;
use gridbook_ledger::validators::{Member, ValidatorIndex};
use gridbook_net::PeerAddress;

use crate::config::{Peer, ValidatorConfig};

/// What this validator knows of others besides the ledger, and its keys.
#[derive(Debug)]
pub(super) struct Roster {
    keys: Vec<SecretKey>,
    /// Those of the settings.
    peers: Vec<Peer>,
    /// How many keys further than the one that the set names is shown to others.
    turn: usize,
    lonely_since: Option<Instant>,
}

/// Who is who from some moment on, as the endpoint wants it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Roll {
    pub(super) name: u16,
    pub(super) seed: [u8; 32],
    pub(super) peers: Vec<PeerAddress>,
}

/// Names of peers that have no place in the present set begin here.
const STRANGERS: u16 = 1_000;
/// Without any connection for so long, this validator shows its next key: perhaps its own has been rotated while it was away.
const LONELY: Duration = Duration::from_secs(5);
/// Stands where no address is known: such a peer has to dial.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Roster {
    pub(super) fn new(config: &ValidatorConfig, keys: Vec<SecretKey>) -> Self {
        assert!(!keys.is_empty(), "a validator has a key");
        Self { keys, peers: config.peers.clone(), turn: 0, lonely_since: None }
    }

    /// The members of the present set but this validator itself; peers of the settings that no set ever named, for they may be in one that
    /// this validator has not heard of; and, while the old set still serves, those that were in the last set and are no longer.
    ///
    /// A key that was in a set and is in the present one no more is revoked, whatever the settings say.
    pub(super) fn roll(&self, epochs: &Epochs, old_set_serves: bool) -> Roll {
        let set = epochs.present_set();
        let mut peers: Vec<PeerAddress> = Vec::new();
        for (index, member) in (0..).zip(set.members()) {
            if !self.is_own(&member.key) {
                peers.push(PeerAddress { index, key: member.key.0, address: self.address_of(index, member) });
            }
        }
        let mut strangers: Vec<(PublicKey, SocketAddr)> =
            self.peers.iter().filter(|peer| !epochs.has_seen(&peer.key)).map(|peer| (peer.key, peer.address)).collect();
        let last = epochs.present().checked_sub(1).filter(|_| old_set_serves).and_then(|last| epochs.set(last));
        for (index, member) in (0..).zip(last.into_iter().flat_map(|set| set.members())) {
            if set.index_of(&member.key).is_none() {
                strangers.push((member.key, self.address_of(index, member)));
            }
        }
        strangers.retain(|(key, _)| !self.is_own(key));
        let named = (STRANGERS..).zip(strangers);
        peers.extend(named.map(|(index, (key, address))| PeerAddress { index, key: key.0, address }));
        let (name, key) = self.identity(epochs);
        Roll { name: name.0, seed: *key.seed(), peers }
    }

    /// The key that the set names, or the first if it names none; and from there on as often in turn as nobody was reached.
    fn identity(&self, epochs: &Epochs) -> (ValidatorIndex, &SecretKey) {
        let set = epochs.present_set();
        let seated = self.keys.iter().position(|key| set.index_of(&key.public()).is_some());
        let name = seated.and_then(|place| set.index_of(&self.keys[place].public()));
        let key = &self.keys[(seated.unwrap_or(0) + self.turn) % self.keys.len()];
        (name.unwrap_or(ValidatorIndex::OBSERVER), key)
    }

    fn is_own(&self, key: &PublicKey) -> bool {
        self.keys.iter().any(|own| own.public() == *key)
    }

    /// Where the ledger says; else where the settings say, of this key or, after a rotation, of this place.
    fn address_of(&self, index: u16, member: &Member) -> SocketAddr {
        let by_key = || self.peers.iter().find(|peer| peer.key == member.key);
        let by_place = || self.peers.iter().find(|peer| peer.index == index);
        let known = || by_key().or_else(by_place).map(|peer| peer.address);
        member.address.or_else(known).unwrap_or(NOWHERE)
    }

    /// A new epoch names the keys that count.
    pub(super) fn begin_epoch(&mut self) {
        (self.turn, self.lonely_since) = (0, None);
    }

    /// Whether it is time to show another key, because no validator has been reached for a while.
    pub(super) fn is_time_for_another_key(&mut self, connected: usize, now: Instant) -> bool {
        if connected > 0 || self.keys.len() < 2 {
            self.lonely_since = None;
            return false;
        }
        let since = *self.lonely_since.get_or_insert(now);
        let due = now.duration_since(since) >= LONELY;
        if due {
            self.turn += 1;
            self.lonely_since = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{LedgerTime, MarketRules};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::epoch::EpochProof;
    use gridbook_ledger::genesis::{Genesis, SettlementRules};
    use gridbook_ledger::header::{Header, Rank};
    use gridbook_ledger::hotstuff::{QuorumCert, Vote};
    use gridbook_ledger::validators::ValidatorSet;

    use super::*;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed([number; 32])
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn set(members: &[(u8, Option<u16>)]) -> ValidatorSet {
        let member =
            |(number, port): &(u8, Option<u16>)| Member { key: key(*number).public(), address: port.map(address) };
        ValidatorSet::of_members(members.iter().map(member).collect(), Vec::new()).unwrap()
    }

    /// Keys 1 to 4, and then the third is rotated and the fourth replaced by one whose address the ledger tells.
    fn epochs() -> Epochs {
        let genesis = Genesis {
            name: "Kirchdorf".into(),
            ledger_start: LedgerTime(1_743_451_200_000),
            wall_start_ms: 0,
            time_scale: 1,
            rules: MarketRules::default(),
            settlement: SettlementRules::default(),
            areas: vec!["north".into()],
            operator: key(99).public(),
            validators: set(&[(1, None), (2, None), (3, None), (4, None)]),
        };
        let next = set(&[(1, None), (2, None), (13, None), (5, Some(905))]);
        let root = genesis.root_header(Hash([1; 32]));
        let end = Header {
            rank: Rank { view: 1, slot: 0 },
            height: 1,
            parent: root.hash(),
            last_seq: 1,
            flags: Header::EPOCH_END,
            next_set_hash: next.hash(),
            ..root
        };
        let child = Header {
            rank: Rank { view: 1, slot: 1 },
            height: 2,
            parent: end.hash(),
            first_seq: 2,
            flags: 0,
            next_set_hash: Hash::ZERO,
            ..end.clone()
        };
        let vote = |voter: u16| {
            let key = key(u8::try_from(voter).unwrap() + 1);
            Vote::sign(child.chain, 0, child.reference(), ValidatorIndex(voter), &key).signature
        };
        let signatures = (0..3).map(vote).collect();
        let qc = QuorumCert { epoch: 0, header: child.reference(), signers: 0b111, signatures };
        let mut epochs = Epochs::new(&genesis);
        epochs.extend(EpochProof { headers: vec![end], child, qc, next }).unwrap();
        epochs
    }

    fn roster(own: &[u8]) -> Roster {
        let peer = |number: u8| {
            let index = u16::from(number) - 1;
            Peer { index, key: key(number).public(), address: address(900 + index) }
        };
        let keys: Vec<SecretKey> = own.iter().map(|number| key(*number)).collect();
        let is_other = |peer: &Peer| keys.iter().all(|key| key.public() != peer.key);
        let peers = (1..5).map(peer).filter(is_other).collect();
        Roster { keys, peers, turn: 0, lonely_since: None }
    }

    fn named(roll: &Roll) -> Vec<(u16, [u8; 32], u16)> {
        roll.peers.iter().map(|peer| (peer.index, peer.key, peer.address.port())).collect()
    }

    fn public(number: u8) -> [u8; 32] {
        key(number).public().0
    }

    /// The key that was rotated away and the one that was replaced are let in for a while, and then no more, though the settings name them.
    #[test]
    fn connections_follow_the_set_and_old_keys_are_shut_out_in_the_end() {
        let (epochs, roster) = (epochs(), roster(&[1]));
        let mut expected = vec![(1, public(2), 901), (2, public(13), 902), (3, public(5), 905)];
        let roll = roster.roll(&epochs, false);
        assert_eq!((roll.name, roll.seed), (0, *key(1).seed()));
        assert_eq!(named(&roll), expected);
        expected.extend([(STRANGERS, public(3), 902), (STRANGERS + 1, public(4), 903)]);
        assert_eq!(named(&roster.roll(&epochs, true)), expected);
    }

    /// One that is being rotated signs and shows the key that the set names. One that was replaced is nobody, and follows.
    #[test]
    fn a_validator_shows_the_key_that_the_set_names() {
        let rotated = roster(&[3, 13]).roll(&epochs(), false);
        assert_eq!((rotated.name, rotated.seed), (2, *key(13).seed()));
        assert!(rotated.peers.iter().all(|peer| peer.index != 2));
        let replaced = roster(&[4]).roll(&epochs(), false);
        assert_eq!((replaced.name, replaced.seed), (u16::MAX, *key(4).seed()));
        assert_eq!(replaced.peers.len(), 4);
    }

    /// A newcomer's log knows only the genesis. The peers of its settings are of a later set, and it must reach them all the same.
    #[test]
    fn peers_that_no_set_here_has_named_are_reached_too() {
        let genesis_only = {
            let all = epochs();
            let mut peers = roster(&[5]);
            peers.peers.push(Peer { index: 2, key: key(13).public(), address: address(913) });
            (all, peers)
        };
        let (all, peers) = genesis_only;
        assert!(named(&peers.roll(&all, false)).contains(&(2, public(13), 913)), "by its key, now that it has a place");
        let mut stranger = roster(&[1]);
        stranger.peers.push(Peer { index: 2, key: key(77).public(), address: address(977) });
        assert!(named(&stranger.roll(&all, false)).contains(&(STRANGERS, public(77), 977)));
    }

    /// Its key was rotated while it was away: nobody lets the old one in, and it knows of nothing.
    #[test]
    fn a_validator_that_nobody_lets_in_shows_its_other_key() {
        let (mut roster, now) = (roster(&[2, 12]), Instant::now());
        let seed = |roster: &Roster| roster.roll(&epochs(), false).seed;
        assert_eq!(seed(&roster), *key(2).seed());
        assert!(!roster.is_time_for_another_key(0, now));
        assert!(!roster.is_time_for_another_key(1, now + LONELY), "somebody is there");
        assert!(!roster.is_time_for_another_key(0, now + LONELY));
        assert!(roster.is_time_for_another_key(0, now + 2 * LONELY));
        assert_eq!(seed(&roster), *key(12).seed());
        assert!(roster.is_time_for_another_key(0, now + 3 * LONELY));
        assert_eq!(seed(&roster), *key(2).seed());
    }
}
