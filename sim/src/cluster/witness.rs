//! Sees everything, and says what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::crypto::{Hash, Hasher};
use gridbook_ledger::header::Rank;
use gridbook_ledger::hotstuff::{ConsensusMessage, SafetyRecord};
use gridbook_ledger::record::{Record, RecordEvent};
use gridbook_ledger::replica::{FinalStep, PeerMessage};
use gridbook_ledger::settlement::Quality;
use gridbook_ledger::validators::ValidatorIndex;

use super::promises::Promises;

/// A header that somebody made final.
#[derive(Debug)]
struct Settled {
    hash: Hash,
    records: Hash,
}

/// What an honest validator has signed in an epoch, as far as it was sent.
#[derive(Debug, Default)]
struct Signed {
    votes: BTreeMap<Rank, Hash>,
    proposals: BTreeMap<Rank, Hash>,
    chunks: BTreeMap<(u64, u32), Hash>,
    timeout_view: u64,
}

/// The memory of all that was final and all that was signed.
#[derive(Debug)]
pub(super) struct Witness {
    settled: BTreeMap<u64, Settled>,
    /// By validator and epoch: ranks begin anew in each.
    signed: BTreeMap<(usize, u32), Signed>,
    /// Who leads a view, by epoch and view.
    leaders: BTreeMap<(u32, u64), ValidatorIndex>,
    bundles: BTreeSet<Hash>,
    pub(super) promises: Promises,
    pub(super) commands: u64,
    pub(super) trades: u64,
    /// How often a validator was convicted on the ledger.
    pub(super) convictions: u64,
    pub(super) settlement: Settlement,
}

/// What was settled by readings.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    pub(super) readings: u64,
    pub(super) settled: u64,
    pub(super) settled_again: u64,
    pub(super) frozen: u64,
    pub(super) periods_final: u64,
    /// Meters of periods that are not final.
    open: BTreeSet<(DeliveryPeriod, MeterId)>,
    ended: BTreeSet<DeliveryPeriod>,
}

impl Settlement {
    /// A final period stays as it is: nothing of it is settled any more.
    fn follow(&mut self, event: &RecordEvent) -> Result<(), String> {
        match event {
            RecordEvent::Read(_) | RecordEvent::AreaRead { .. } => self.readings += 1,
            RecordEvent::AreaFrozen { .. } => self.frozen += 1,
            RecordEvent::MeterSettled(settled) if settled.quality != Quality::AsTraded => {
                let period = settled.contract.period;
                if self.ended.contains(&period) {
                    return Err(format!("meter {} is settled in period {}, which is final", settled.meter.0, period.0));
                }
                let is_new = self.open.insert((period, settled.meter));
                *(if is_new { &mut self.settled } else { &mut self.settled_again }) += 1;
            }
            RecordEvent::PeriodFinal { period } => {
                self.periods_final += 1;
                self.open.retain(|(open, _)| open != period);
                self.ended.insert(*period);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Witness {
    pub(super) fn new() -> Self {
        Self {
            settled: BTreeMap::new(),
            signed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            bundles: BTreeSet::new(),
            promises: Promises::default(),
            commands: 0,
            trades: 0,
            convictions: 0,
            settlement: Settlement::default(),
        }
    }

    /// The highest final header anywhere.
    pub(super) fn height(&self) -> u64 {
        self.settled.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// How many log entries are final anywhere.
    pub(super) fn entries(&self) -> usize {
        self.promises.entries()
    }

    pub(super) fn is_final(&self, bundle: Hash) -> bool {
        self.bundles.contains(&bundle)
    }

    /// An honest validator enters a view, and takes somebody for its leader: all must take the same.
    pub(super) fn enter(&mut self, from: usize, epoch: u32, view: u64, leader: ValidatorIndex) -> Result<(), String> {
        let first = *self.leaders.entry((epoch, view)).or_insert(leader);
        if first == leader {
            return Ok(());
        }
        Err(format!(
            "validator {from} takes {} for the leader of view {view} in epoch {epoch}, others {}",
            leader.0, first.0
        ))
    }

    /// A validator says that a header is final. Gives its records if it is the first to say so.
    pub(super) fn finalize(&mut self, step: &FinalStep) -> Result<Option<Vec<Record>>, String> {
        let header = &step.proposal.header;
        let height = header.height;
        if header.hash() != step.hash {
            return Err(format!("height {height} is told under another hash than its header's"));
        }
        let mut hasher = Hasher::new("gridbook/cluster-records/1");
        step.records.iter().for_each(|record| _ = hasher.update(record));
        let records = hasher.finish();
        if let Some(settled) = self.settled.get(&height) {
            return match settled {
                Settled { hash, .. } if *hash != step.hash => Err(format!("two final headers at height {height}")),
                Settled { records: before, .. } if *before != records => {
                    Err(format!("two sets of records at height {height}"))
                }
                Settled { .. } => Ok(None),
            };
        }
        let count = header.last_seq + 1 - header.first_seq;
        if step.records.len() as u64 != count {
            return Err(format!("height {height} has {} records for {count} commands", step.records.len()));
        }
        self.settled.insert(height, Settled { hash: step.hash, records });
        self.count(step).map(Some)
    }

    fn count(&mut self, step: &FinalStep) -> Result<Vec<Record>, String> {
        for bundle in &step.bundles {
            if !self.bundles.insert(bundle.id) {
                return Err(format!("the bundle {:?} is final twice", bundle.id));
            }
        }
        let (mut records, mut entries) = (Vec::new(), Vec::new());
        for bytes in &step.records {
            let record = Record::decode(bytes).map_err(|error| format!("a final record cannot be read: {error}"))?;
            self.commands += 1;
            entries.extend((record.index == 0).then_some((record.seq, record.entry)));
            let is_trade = |event: &&RecordEvent| matches!(event, RecordEvent::Trade { .. });
            self.trades += record.events.iter().filter(is_trade).count() as u64;
            let is_conviction = |event: &&RecordEvent| matches!(event, RecordEvent::ValidatorMisconduct { .. });
            self.convictions += record.events.iter().filter(is_conviction).count() as u64;
            record.events.iter().try_for_each(|event| self.settlement.follow(event))?;
            records.push(record);
        }
        self.promises.settle(&step.proposal.header, entries.into_iter(), step.proof.as_deref())?;
        Ok(records)
    }

    /// An honest validator sends a message, with this on its disk.
    pub(super) fn sent(
        &mut self,
        from: usize,
        message: &PeerMessage,
        durable: Option<&SafetyRecord>,
    ) -> Result<(), String> {
        let epoch = match message {
            PeerMessage::Consensus(message) => message.epoch(),
            PeerMessage::Chunk(chunk) => Some(chunk.epoch),
            _ => None,
        };
        let Some(epoch) = epoch else { return Ok(()) };
        let signed = self.signed.entry((from, epoch)).or_default();
        // With the record of a later epoch it can sign nothing of this one again.
        let over = durable.is_some_and(|record| record.epoch > epoch);
        let durable = durable.filter(|record| record.epoch == epoch);
        match message {
            PeerMessage::Consensus(ConsensusMessage::Vote(vote)) => {
                let rank = vote.header.rank;
                match signed.votes.insert(rank, vote.header.hash) {
                    Some(before) if before != vote.header.hash => {
                        return Err(format!("validator {from} voted for two headers at {rank:?}"));
                    }
                    None if rank.view <= signed.timeout_view => {
                        return Err(format!("validator {from} voted at {rank:?} after it gave the view up"));
                    }
                    _ => {}
                }
                let voted = durable.and_then(|record| record.last_voted).map(|voted| voted.rank);
                if voted.is_none_or(|voted| voted < rank) && !over {
                    return Err(format!("validator {from} sent a vote at {rank:?} that its disk does not know"));
                }
            }
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => {
                signed.timeout_view = signed.timeout_view.max(timeout.view);
                if durable.is_none_or(|record| record.timeout_view < timeout.view) && !over {
                    return Err(format!("validator {from} sent a timeout that its disk does not know"));
                }
            }
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal))
                if usize::from(proposal.header.proposer.0) == from =>
            {
                let (rank, hash) = (proposal.header.rank, proposal.header.hash());
                if signed.proposals.insert(rank, hash).is_some_and(|before| before != hash) {
                    return Err(format!("validator {from} proposed two headers at {rank:?}"));
                }
                if durable.is_none_or(|record| record.led < rank) && !over {
                    return Err(format!("validator {from} sent a proposal that its disk does not know"));
                }
            }
            PeerMessage::Chunk(chunk) => {
                let place = (chunk.view, chunk.number);
                if signed.chunks.insert(place, chunk.end.digest).is_some_and(|before| before != chunk.end.digest) {
                    return Err(format!("validator {from} signed two chunks {place:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
