//! What clients were told, to be held against the final log in the end.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::sequenced::SequencedReceipt;

use crate::client::{ClientError, FinalBundle, wall_us};

/// All answers of a run.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Bundles that were sent.
    pub(super) sent: u64,
    /// Bundles that were told to be final.
    pub(super) finals: BTreeMap<Hash, ToldFinal>,
    /// Bundles that were refused at the door: they must not be in the log.
    pub(super) refused: BTreeMap<Hash, &'static str>,
    /// Bundles of which nobody said what became, with the reason.
    pub(super) unknown: BTreeMap<Hash, String>,
    /// Leaders' words about places (S0).
    pub(super) sequenced: Vec<SequencedReceipt>,
    /// Bundles that were told to be certified (S1), with the view of the header that holds them.
    pub(super) certified: BTreeSet<(Hash, u64)>,
    /// Whenever a client heard of a higher height than anybody before.
    pub(super) heights: Vec<HeardHeight>,
    /// Final commands that clients were told of in every second.
    pub(super) finals_per_second: Vec<u64>,
    /// Final commands that were refused in execution.
    pub(super) rejected_commands: u64,
    /// What contradicts itself in the answers alone.
    pub(super) contradictions: Vec<String>,
}

/// What a client was told of a final bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToldFinal {
    /// The height it is final at.
    pub(super) height: u64,
    /// The sequence number of its first command.
    pub(super) first_seq: u64,
    /// The hash of every command's record.
    pub(super) leaves: Vec<Hash>,
    /// When the client was told, in microseconds since the Unix epoch.
    pub(super) at_us: u64,
    /// How long it took from sending, in microseconds.
    pub(super) took_us: u64,
}

/// A height that was news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeardHeight {
    /// When, in microseconds since the Unix epoch.
    pub(super) at_us: u64,
    /// The height.
    pub(super) height: u64,
}

/// One bundle and how it ended for its client.
#[derive(Debug)]
pub(super) struct Answered {
    /// The bundle's id, by its content.
    pub(super) bundle: Hash,
    /// How many commands it has.
    pub(super) commands: usize,
    /// When it was sent, in microseconds since the Unix epoch.
    pub(super) sent_us: u64,
    /// Every S0 receipt that came for it; a second one after a change of view.
    pub(super) sequenced: Vec<SequencedReceipt>,
    /// Every header that was told to be certified and to hold it.
    pub(super) certified: Vec<HeaderRef>,
    /// The last answer.
    pub(super) result: Result<FinalBundle, ClientError>,
}

impl Answers {
    /// How many bundles were refused at the door, by code.
    pub(super) fn refused_by_code(&self) -> BTreeMap<&'static str, usize> {
        let mut codes = BTreeMap::new();
        for code in self.refused.values() {
            *codes.entry(*code).or_default() += 1;
        }
        codes
    }

    /// Remembers an answer.
    pub(super) fn note(&mut self, answered: Answered) {
        self.sent += 1;
        let Answered { bundle, commands, sent_us, sequenced, certified, result } = answered;
        self.sequenced.extend(sequenced);
        self.certified.extend(certified.iter().map(|header| (bundle, header.rank.view)));
        match result {
            Ok(done) => self.note_final(bundle, commands, sent_us, &done),
            Err(ClientError::Refused(code)) => _ = self.refused.insert(bundle, code.name()),
            Err(error) => _ = self.unknown.insert(bundle, error.to_string()),
        }
    }

    fn note_final(&mut self, bundle: Hash, commands: usize, sent_us: u64, done: &FinalBundle) {
        if done.bundle != bundle || done.records.len() != commands {
            self.contradictions.push(format!(
                "bundle {bundle} with {commands} commands was answered by {} with {} records",
                done.bundle,
                done.records.len()
            ));
        }
        for (record, seq) in done.records.iter().zip(done.first_seq..) {
            if record.seq != seq || record.entry != bundle {
                self.contradictions.push(format!("bundle {bundle}: its record {seq} says {record:?}"));
            }
            self.rejected_commands += u64::from(matches!(record.outcome, Outcome::Rejected(_)));
        }
        let (height, first_seq, at_us) = (done.height, done.first_seq, wall_us());
        if self.heights.last().is_none_or(|last| last.height < height) {
            self.heights.push(HeardHeight { at_us, height });
        }
        let leaves = done.records.iter().map(|record| record.leaf_hash()).collect();
        let took_us = at_us.saturating_sub(sent_us);
        self.finals.insert(bundle, ToldFinal { height, first_seq, leaves, at_us, took_us });
    }

    /// Final commands that clients were told of.
    pub(super) fn commands_final(&self) -> u64 {
        self.finals.values().map(|told| told.leaves.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::record::Record;
    use gridbook_ledger::reject::Code;

    use super::*;

    fn done(bundle: Hash, seqs: &[u64]) -> FinalBundle {
        let record = |(seq, index): (&u64, u16)| Record {
            seq: *seq,
            entry: bundle,
            index,
            meter: None,
            client_id: 0,
            outcome: Outcome::Done,
            events: Vec::new(),
        };
        let records = seqs.iter().zip(0..).map(record).collect();
        FinalBundle { bundle, height: 5, first_seq: seqs[0], records }
    }

    fn note(answers: &mut Answers, bundle: Hash, result: Result<FinalBundle, ClientError>) {
        let (sequenced, certified) = (Vec::new(), Vec::new());
        answers.note(Answered { bundle, commands: 2, sent_us: wall_us(), sequenced, certified, result });
    }

    #[test]
    fn every_bundle_ends_in_one_place_and_answers_that_contradict_themselves_are_found() {
        let mut answers = Answers::default();
        let [a, b, c, d] = [1, 2, 3, 4].map(|byte| Hash([byte; 32]));
        note(&mut answers, a, Ok(done(a, &[7, 8])));
        note(&mut answers, b, Err(ClientError::Refused(Code::AuthReplay)));
        note(&mut answers, c, Err(ClientError::Late));
        assert_eq!((answers.sent, answers.commands_final()), (3, 2));
        assert_eq!((answers.finals.len(), answers.refused.len(), answers.unknown.len()), (1, 1, 1));
        assert_eq!(answers.heights.len(), 1);
        assert!(answers.contradictions.is_empty());

        note(&mut answers, d, Ok(done(d, &[9, 11])));
        assert_eq!(answers.contradictions.len(), 1, "a gap between the commands of one bundle");
        note(&mut answers, d, Ok(done(a, &[9, 10])));
        assert!(answers.contradictions.len() > 1, "the answer is about another bundle");
    }
}
