//! What a record says about one party: the links of its history.
//!
//! One `Work` entry settles thousands of meters, and its record names all of them. Whoever proves his history to an auditor shows of such
//! a record only what names himself: some two hundred bytes instead of half a megabyte, and nothing of others but the other side of
//! his own trades.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gridbook_engine::AccountId;

use super::{Outcome, Party, Record, write_head};
use crate::bytes::{BytesError, Writer};
use crate::crypto::{DomainHasher, Hash, PairHasher};

/// A record with only those events that name one party.
///
/// Its bytes are a record's; its leaf is under a domain of its own, so that neither ever passes for the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract(Record);

static LEAF: LazyLock<DomainHasher> = LazyLock::new(|| DomainHasher::new("gridbook/extract/1"));
static HISTORY: LazyLock<PairHasher> = LazyLock::new(|| PairHasher::new("gridbook/history/2"));

/// The head of a history after one more extract, of which this is the leaf. The head of an empty history is [`Hash::ZERO`].
pub fn history_head(before: &Hash, extract_leaf: &Hash) -> Hash {
    HISTORY.join(before, extract_leaf)
}

impl Extract {
    /// The record, of which nothing is there but what is the party's.
    pub fn record(&self) -> &Record {
        &self.0
    }

    /// Whether it belongs into the history of `party`: every event names the party, and there is one, or the command was the party's own
    /// and was carried out. A refusal has events only where it proves misconduct.
    pub fn is_of(&self, party: Party) -> bool {
        let mut named = Vec::new();
        let all_name_it = self.0.events.iter().all(|event| {
            named.clear();
            event.name_parties(&mut named);
            named.contains(&party)
        });
        let is_own = self.0.sender() == Some(party);
        all_name_it && (is_own || !self.0.events.is_empty())
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        Record::decode(bytes).map(Self)
    }

    /// Its link in the party's history.
    pub fn leaf_hash(&self) -> Hash {
        LEAF.hash(&self.encode())
    }
}

impl Record {
    /// Whose command it was, if it was carried out: what is refused is not in its sender's history for that.
    fn sender(&self) -> Option<Party> {
        self.meter.filter(|_| self.outcome == Outcome::Done).map(Party::Meter)
    }

    /// What it says about a party. None if it is in no history, because it was refused and convicts nobody, or not in this one.
    ///
    /// A command that came to nothing is in its meter's history and not in the account's: no event names that.
    pub fn extract_for(&self, party: Party) -> Option<Extract> {
        let mut named = Vec::new();
        let events = self.events.iter().filter(|event| {
            named.clear();
            event.name_parties(&mut named);
            named.contains(&party)
        });
        let extract = Extract(Self { events: events.copied().collect(), ..*self });
        extract.is_of(party).then_some(extract)
    }

    /// What it says about each account, in one pass.
    pub fn account_extracts(&self) -> BTreeMap<AccountId, Extract> {
        let mut extracts = BTreeMap::new();
        let mut named = Vec::new();
        for event in &self.events {
            named.clear();
            event.name_parties(&mut named);
            named.sort_unstable();
            named.dedup();
            for party in &named {
                if let Party::Account(account) = party {
                    let empty = || Extract(Self { events: Vec::new(), ..*self });
                    extracts.entry(*account).or_insert_with(empty).0.events.push(*event);
                }
            }
        }
        extracts
    }

    /// Those in whose histories it is, each once, accounts first.
    pub fn parties(&self) -> Vec<Party> {
        let mut parties: Vec<Party> = self.sender().into_iter().collect();
        self.events.iter().for_each(|event| event.name_parties(&mut parties));
        parties.sort_unstable();
        parties.dedup();
        parties
    }
}

/// Computes the leaves of all extracts of a record in one pass. Each event is written once, however many it names, and a meter and its
/// account that share the same events share their leaf's hash.
#[derive(Debug, Default)]
pub(crate) struct ExtractLeaves {
    named: Vec<Party>,
    mentions: Vec<Mention>,
    /// Where each event ends in the written ones.
    ends: Vec<usize>,
    /// Kept for its room only: the events' bytes.
    written: Writer,
    /// Kept for its room only: those of one extract.
    bytes: Writer,
    /// By the first event of an extract, its mentions and the last leaf made of them; one more, for extracts without events.
    made: Vec<Option<(usize, usize, Hash)>>,
}

/// Which event names whom; [`NO_EVENT`] for the sender, who is there without any.
type Mention = (Party, u32);

/// Sorts behind all events.
const NO_EVENT: u32 = u32::MAX;

impl ExtractLeaves {
    /// Tells each party's leaf, accounts first, by number.
    pub(crate) fn tell(&mut self, record: &Record, mut take: impl FnMut(Party, &Hash)) {
        self.find(record);
        if self.mentions.is_empty() {
            return;
        }
        self.written.clear();
        self.ends.clear();
        for event in &record.events {
            event.write(&mut self.written);
            self.ends.push(self.written.as_slice().len());
        }
        self.made.clear();
        self.made.resize(record.events.len() + 1, None);
        let mut from = 0;
        for of_one in self.mentions.chunk_by(|(one, _), (other, _)| one == other) {
            let (party, first) = of_one[0];
            let slot = usize::try_from(first).map_or(record.events.len(), |first| first.min(record.events.len()));
            let shared = self.made[slot].filter(|(start, end, _)| same_events(&self.mentions[*start..*end], of_one));
            let leaf = match shared {
                Some((.., leaf)) => leaf,
                None => leaf_of(record, of_one, &self.written, &self.ends, &mut self.bytes),
            };
            self.made[slot] = Some((from, from + of_one.len(), leaf));
            from += of_one.len();
            take(party, &leaf);
        }
    }

    /// Who is named by which events, by party.
    fn find(&mut self, record: &Record) {
        self.mentions.clear();
        self.mentions.extend(record.sender().map(|sender| (sender, NO_EVENT)));
        for (number, event) in (0..NO_EVENT).zip(&record.events) {
            self.named.clear();
            event.name_parties(&mut self.named);
            self.mentions.extend(self.named.iter().map(|party| (*party, number)));
        }
        self.mentions.sort_unstable();
        self.mentions.dedup();
    }
}

fn same_events(one: &[Mention], other: &[Mention]) -> bool {
    events_of(one).eq(events_of(other))
}

fn events_of(mentions: &[Mention]) -> impl Iterator<Item = u32> + Clone + '_ {
    mentions.iter().map(|(_, event)| *event).filter(|event| *event != NO_EVENT)
}

fn leaf_of(record: &Record, mentions: &[Mention], written: &Writer, ends: &[usize], bytes: &mut Writer) -> Hash {
    bytes.clear();
    write_head(bytes, record, events_of(mentions).count());
    for event in events_of(mentions) {
        let event = usize::try_from(event).expect("it is a place in a list");
        let start = event.checked_sub(1).map_or(0, |before| ends[before]);
        bytes.bytes(&written.as_slice()[start..ends[event]]);
    }
    LEAF.hash(bytes.as_slice())
}
