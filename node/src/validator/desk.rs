//! The desk: tells clients what became final, hands out receipts, and keeps the query index.

mod entries;
mod frames;
mod job;
mod proofs;
mod watchers;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, TryRecvError};
use crossbeam::select;
use gridbook_engine::{AccountId, DeliveryPeriod, LedgerTime, MeterId};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::hotstuff::Recipient;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::{FinalBundle, FinalStep, PeerMessage};
use gridbook_ledger::sequenced::SequencedChunk;
use gridbook_ledger::store::{
    BundlePlace, FactOwner, FactPage, FactPlace, FactRow, Index, IndexBatch, QueryIndex, StoreError, SumPage, SumRow,
};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_net::ConnectionId;

use super::heights::Heights;
use super::history::History;
use super::leave::Leave;
use super::net::post;
use super::origins::FoundRecords;
use super::pending::Waiting;
use super::reader::Reader;
use super::{LOOK_UP, Meters, Peers, Shared, certificates, origins};
use crate::pieces;
use crate::protocol::{Answer, RequestId};
use crate::uses::UseLog;
use entries::missing;
pub(super) use entries::{decoded, index_batch};
use frames::frame_of;
pub(super) use job::{DeskJob, PromisedPlace, ProvenAccount, RecordName};
pub(super) use watchers::Watcher;
use watchers::{Told, Watchers};

pub(super) struct Desk {
    index: Arc<Index>,
    history: History,
    uses: UseLog,
    /// Borrowed within one answer only.
    heights: RefCell<Heights>,
    meters: Meters,
    peers: Peers,
    shared: Arc<Shared>,
    watchers: Watchers,
    /// The last height that is in the index, or about to be.
    indexed: u64,
    /// Final heights not in the index yet.
    unwritten: Vec<IndexBatch>,
    written_at: Instant,
}

/// How many facts go into one answer: the longest has some 150 bytes.
const FACTS_PER_ANSWER: usize = 1_024;
/// How many days of sums go into one answer: each has some 900 bytes, and one that is worked out of facts counts as 24, for the time it takes.
const SUMMED_DAYS_PER_ANSWER: usize = 128;
/// How many bytes of one extract go into one answer, far below [`ANSWER_BYTES_MAX`](gridbook_net::ANSWER_BYTES_MAX).
const EXTRACT_PIECE_BYTES: usize = 1 << 20;
/// How many bytes of extracts go into one answer; a single one may be longer, and goes in pieces.
const EXTRACT_BYTES_PER_ANSWER: usize = 128 << 10;

/// The index is written in pieces of so many heights, or after so long, or when somebody asks. Larger pieces would cost sled less time,
/// but memory that it never gives back: half a second's worth at a time took 390 MB for a day that takes 137 MB like this.
const INDEX_HEIGHTS: usize = 16;
const INDEX_AFTER: Duration = Duration::from_millis(50);

impl Desk {
    pub(super) fn new(
        index: Arc<Index>,
        history: History,
        uses: UseLog,
        meters: Meters,
        peers: Peers,
        shared: Arc<Shared>,
    ) -> Self {
        let (heights, watchers, unwritten) = (RefCell::default(), Watchers::default(), Vec::new());
        let (indexed, written_at) = (index.through(), Instant::now());
        Self { index, history, uses, heights, meters, peers, shared, watchers, indexed, unwritten, written_at }
    }

    /// Serves the core, and clients while the core has nothing.
    pub(super) fn run(mut self, jobs: &Receiver<DeskJob>, questions: &Receiver<DeskJob>) {
        loop {
            match next(jobs, questions) {
                Ok(job) => {
                    self.shared.backlog.end_question(job.cost());
                    self.work(job);
                }
                Err(RecvTimeoutError::Timeout) if !self.shared.is_stopping() => {}
                Err(_) => break,
            }
            if self.unwritten.len() >= INDEX_HEIGHTS || self.written_at.elapsed() >= INDEX_AFTER {
                self.write_index();
            }
        }
        self.write_index();
        if let Err(error) = self.index.flush() {
            tracing::warn!(%error, "the query index was not flushed; it will be rebuilt from the log");
        }
    }

    fn work(&mut self, job: DeskJob) {
        let done = match job {
            DeskJob::Final(step) => {
                self.finalize(&step);
                Ok(())
            }
            DeskJob::Sequenced(chunk) => {
                self.tell_sequenced(&chunk);
                Ok(())
            }
            DeskJob::Certified { header, bundles } => {
                self.tell_certified(header, &bundles);
                Ok(())
            }
            DeskJob::AlreadyFinal(bundle) => {
                let waiting = self.shared.pending.take(&bundle);
                self.answer_late(bundle, waiting)
            }
            DeskJob::Watch { connection, request_id, meter, watcher } => {
                self.watch(connection, request_id, meter, watcher);
                Ok(())
            }
            DeskJob::Receipt { connection, request_id, of, reader, life } => {
                self.tell_under(connection, request_id, &reader.leave, |desk| {
                    let may_see = |record: &Record| desk.may_see(connection, record, &reader, life);
                    desk.receipt_answer((connection, request_id), of, may_see)
                })
            }
            DeskJob::Settled { connection, request_id, place: PromisedPlace { seq, bundle } } => {
                self.write_index();
                let is_told = |record: &Record| bundle.is_none_or(|bundle| bundle == record.entry);
                self.receipt_answer((connection, request_id), RecordName::Seq(seq), is_told)
                    .map(|answer| self.answer(connection, &answer))
            }
            DeskJob::CertificateRecords { connection, request_id, range, from_seq } => {
                self.write_index();
                self.certificate_records(request_id, range, from_seq).map(|answer| self.answer(connection, &answer))
            }
            DeskJob::Header { connection, request_id, height } => {
                self.write_index();
                self.header_answer(request_id, height).map(|answer| self.answer(connection, &answer))
            }
            DeskJob::Facts { connection, request_id, owner, from, to, leave } => {
                let reader = leave.reader;
                self.tell_under(connection, request_id, &leave, |desk| {
                    desk.facts(request_id, (owner, from, to), reader)
                })
            }
            DeskJob::Bill { connection, request_id, meter, from, to, leave } => {
                let reader = leave.reader;
                self.tell_under(connection, request_id, &leave, |desk| desk.bill(request_id, meter, (from, to), reader))
            }
            DeskJob::Extracts { connection, request_id, account, from, leave } => {
                self.tell_under(connection, request_id, &leave, |desk| desk.extracts(request_id, account, from))
            }
            DeskJob::Certificates { connection, request_id, meter, account, from_seq, leave } => {
                self.tell_under(connection, request_id, &leave, |desk| {
                    desk.certificates(request_id, (meter, account), from_seq)
                })
            }
            DeskJob::Granted { connection, request_id, answer, leave } => {
                self.tell_under(connection, request_id, &leave, |_| Ok(*answer))
            }
            DeskJob::Uses { connection, request_id, meter, account, from } => self
                .uses
                .page(meter, account, from)
                .map(|page| self.answer(connection, &Answer::Uses { request_id, page })),
            DeskJob::AccountProof { connection, request_id, proven, leave } => {
                self.tell_under(connection, request_id, &leave, |desk| desk.account_proof(request_id, *proven))
            }
            DeskJob::Replayed { connection, request_id, bundle } => {
                self.write_index();
                self.final_again((connection, request_id), bundle).map(|again| {
                    let answer = again.or_else(|| self.not_here(request_id)).unwrap_or_else(|| {
                        self.shared.metrics.refuse(Code::AuthReplay.name());
                        Answer::Refused { request_id, code: Code::AuthReplay }
                    });
                    self.answer(connection, &answer);
                })
            }
            DeskJob::ServeSync { to, from_height } => {
                self.write_index();
                let answered = self.history.answer(from_height);
                let mut bytes = 0;
                let answered = answered.map(|answer| {
                    if let Some(message) = answer {
                        bytes = post(&self.peers, Recipient::One(to), &message);
                    }
                });
                self.shared.notices.served(to, bytes);
                answered
            }
            DeskJob::OfferSnapshot { to, above_height } => {
                let offer = self.history.newest_snapshot(above_height);
                self.tell(to, offer);
                Ok(())
            }
            DeskJob::SendPiece { to, root, piece } => {
                self.history.piece(root, piece).map(|answer| self.tell(to, answer))
            }
            DeskJob::WriteIndex(done) => {
                self.write_index();
                // The keeper may be gone: then nobody waits.
                let _ = done.send(());
                Ok(())
            }
            DeskJob::Closed(connection) => {
                self.watchers.closed(connection);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "a question could not be answered");
        }
    }

    fn tell(&self, to: ValidatorIndex, message: Option<PeerMessage>) {
        if let Some(message) = message {
            post(&self.peers, Recipient::One(to), &message);
        }
    }

    fn answer(&self, connection: ConnectionId, answer: &Answer) {
        let (frame, refused) = frame_of(answer);
        if let Some(code) = refused {
            self.shared.metrics.refuse(code.name());
        }
        let _ = self.meters.send(connection, frame);
    }

    /// Tells what may be told by leave. Under a grant it is noted before, and not told at all where that cannot be.
    fn tell_under(
        &mut self,
        connection: ConnectionId,
        request_id: RequestId,
        leave: &Leave,
        answer: impl FnOnce(&Self) -> Result<Answer, StoreError>,
    ) -> Result<(), StoreError> {
        self.write_index();
        let uses = match leave.uses_at(self.shared.ledger_now()) {
            Ok(uses) => uses,
            Err(code) => {
                self.shared.metrics.refuse(code.name());
                self.answer(connection, &Answer::Refused { request_id, code });
                return Ok(());
            }
        };
        let answer = answer(self)?;
        // That something is elsewhere, or not final yet, tells nothing of anybody.
        let tells = !matches!(answer, Answer::NotHere { .. } | Answer::NotFinal { .. } | Answer::Refused { .. });
        if tells && let Err(error) = self.uses.note(&uses) {
            self.shared.fail(&format!("what is read out cannot be noted: {error}"));
            return Ok(());
        }
        self.answer(connection, &answer);
        Ok(())
    }

    /// That what is asked for may be final in the gap of the index, if there is one.
    fn not_here(&self, request_id: RequestId) -> Option<Answer> {
        let (from_height, to_height) = missing(&self.index)?;
        Some(Answer::NotHere { request_id, from_height, to_height })
    }

    /// Facts are told only where none can be missing: a bill without a period would be a wrong one.
    fn facts(
        &self,
        request_id: RequestId,
        (owner, from, to): (FactOwner, FactPlace, DeliveryPeriod),
        reader: Reader,
    ) -> Result<Answer, StoreError> {
        if let Some(elsewhere) = self.not_here(request_id) {
            return Ok(elsewhere);
        }
        let FactPage { facts, next, .. } = self.index.facts(owner, from, to, FACTS_PER_ANSWER)?;
        let facts: Vec<FactRow> = facts.into_iter().filter_map(|row| reader.may_see(owner, row)).collect();
        Ok(Answer::Facts { request_id, facts: FactRow::encode_all(&facts), next })
    }

    /// What a bill comes to is told where its facts are.
    fn bill(
        &self,
        request_id: RequestId,
        meter: MeterId,
        (from, to): (DeliveryPeriod, DeliveryPeriod),
        reader: Reader,
    ) -> Result<Answer, StoreError> {
        if let Some(elsewhere) = self.not_here(request_id) {
            return Ok(elsewhere);
        }
        let SumPage { mut rows, next, .. } = self.index.sums(meter, from, to, SUMMED_DAYS_PER_ANSWER)?;
        rows.retain(|row| reader.may_see_sums(row));
        Ok(Answer::Bill { request_id, sums: SumRow::encode_all(&rows), next })
    }

    /// From a command on, and of its extract from a byte on.
    fn extracts(
        &self,
        request_id: RequestId,
        account: AccountId,
        (from_seq, from_byte): (u64, u32),
    ) -> Result<Answer, StoreError> {
        if let Some(elsewhere) = self.not_here(request_id) {
            return Ok(elsewhere);
        }
        let extracts = self.index.extracts(account.0, from_seq, EXTRACT_BYTES_PER_ANSWER)?;
        let (extracts, left) = pieces::in_one_answer(extracts, from_byte, EXTRACT_PIECE_BYTES);
        Ok(Answer::Extracts { request_id, extracts, left })
    }

    fn certificate_records(
        &self,
        request_id: RequestId,
        range: CertificateRange,
        from_seq: u64,
    ) -> Result<Answer, StoreError> {
        if let Some(elsewhere) = self.not_here(request_id) {
            return Ok(elsewhere);
        }
        let mut heights = self.heights.borrow_mut();
        let FoundRecords { seqs, next, .. } = origins::records_of(&*self.index, &mut heights, range, from_seq)?;
        Ok(Answer::CertificateRecords { request_id, seqs: seqs.into_iter().collect(), next })
    }

    fn certificates(
        &self,
        request_id: RequestId,
        (meter, account): (MeterId, AccountId),
        from_seq: u64,
    ) -> Result<Answer, StoreError> {
        if let Some(elsewhere) = self.not_here(request_id) {
            return Ok(elsewhere);
        }
        let page = certificates::page(&*self.index, meter, account, from_seq)?;
        Ok(Answer::Certificates { request_id, records: page.records, next: page.next })
    }

    /// Hands S0 receipts to those who wait for the bundles.
    fn tell_sequenced(&self, chunk: &SequencedChunk) {
        let waiting = self.shared.pending.waiting_for(chunk.places().iter().map(|place| place.entry));
        let indices: Vec<usize> = waiting.iter().map(|(index, _)| *index).collect();
        for (receipt, (_, clients)) in chunk.receipts(&indices).iter().zip(waiting) {
            for Waiting { connection, request_id, since } in clients {
                self.shared.metrics.sequencing.observe(since.elapsed());
                self.answer(connection, &Answer::Sequenced { request_id, receipt: receipt.encode() });
            }
        }
    }

    /// Tells those who wait for the bundles that a certificate covers them.
    fn tell_certified(&self, header: HeaderRef, bundles: &[FinalBundle]) {
        let waiting = self.shared.pending.waiting_for(bundles.iter().map(|bundle| bundle.id));
        for (index, clients) in waiting {
            let (bundle, first_seq) = (bundles[index].id, bundles[index].first_seq);
            for Waiting { connection, request_id, .. } in clients {
                self.answer(connection, &Answer::Certified { request_id, bundle, first_seq, header });
            }
        }
    }

    /// Answers those who wait for a bundle that was final before, as they would have been answered then.
    fn answer_late(&mut self, bundle: Hash, waiting: Vec<Waiting>) -> Result<(), StoreError> {
        if waiting.is_empty() {
            return Ok(());
        }
        self.write_index();
        for Waiting { connection, request_id, .. } in waiting {
            let again = self.final_again((connection, request_id), bundle)?;
            if let Some(answer) = again.or_else(|| self.not_here(request_id)) {
                self.answer(connection, &answer);
            }
        }
        Ok(())
    }

    /// Tells those who wait for a bundle that it is final.
    fn answer_final(&mut self, step: &FinalStep, bundle: FinalBundle) -> Result<(), StoreError> {
        let waiting = self.shared.pending.take(&bundle.id);
        if waiting.is_empty() {
            return Ok(());
        }
        let first = usize::try_from(bundle.first_seq - step.proposal.header.first_seq).unwrap_or(usize::MAX);
        let count = usize::try_from(bundle.count).unwrap_or(usize::MAX);
        let records: Vec<Vec<u8>> = step.records.iter().skip(first).take(count).cloned().collect();
        let was_final = || self.was_final(bundle.id) || missing(&self.index).is_some();
        if records.first().is_some_and(|record| is_replay(record)) && was_final() {
            // A copy, and refused as one. Its client is owed the answer that the bundle itself got, here or elsewhere.
            return self.answer_late(bundle.id, waiting);
        }
        for Waiting { connection, request_id, since } in waiting {
            self.shared.metrics.finality.observe(since.elapsed());
            let (height, first_seq, records) = (step.proposal.header.height, bundle.first_seq, records.clone());
            self.answer(connection, &Answer::Final { request_id, bundle: bundle.id, height, first_seq, records });
        }
        Ok(())
    }

    fn finalize(&mut self, step: &FinalStep) {
        let header = &step.proposal.header;
        self.let_go_of_uses(header.time());
        for bundle in &step.bundles {
            if let Err(error) = self.answer_final(step, *bundle) {
                tracing::error!(%error, "a late client could not be answered");
            }
        }
        let records = decoded(step);
        for record in &records {
            self.count(record);
            self.tell_watchers(header.height, record);
        }
        // After a power cut the index may know more than the log that was executed again.
        if header.height > self.indexed {
            self.indexed = header.height;
            self.unwritten.push(index_batch(step, &records));
        }
    }

    /// By the time that a quorum agreed on: a clock that is wrong lets go of nothing too early. One step for each header, so that after a long
    /// absence nobody waits for all of them.
    fn let_go_of_uses(&mut self, now: LedgerTime) {
        if let Err(error) = self.uses.let_go(now) {
            self.shared.fail(&format!("uses cannot be let go of: {error}"));
        }
    }

    /// A watch begins, if its line is still open and nothing has become final since it was asked for that would have ended it: questions come
    /// behind what is final.
    fn watch(&mut self, connection: ConnectionId, request_id: RequestId, meter: MeterId, watcher: Watcher) {
        if !self.shared.lines.is_open(connection) {
            return;
        }
        let answer = match may_watch(&self.shared, meter, &watcher) {
            Ok(()) => {
                self.watchers.add(meter, connection, watcher);
                Answer::Watching { request_id, meter }
            }
            Err(code) => {
                self.shared.metrics.refuse(code.name());
                Answer::Refused { request_id, code }
            }
        };
        self.answer(connection, &answer);
    }

    /// Tells each watched meter what of a record is its own: others' business stays theirs.
    fn tell_watchers(&mut self, height: u64, record: &Record) {
        // The registry is ahead of what is final: whoever may not watch by then may not after this record.
        let check = |meter, watcher: &Watcher| may_watch(&self.shared, meter, watcher);
        for (connection, meter, told) in self.watchers.told(record, self.shared.ledger_now(), check) {
            let answer = match told {
                Told::Event(record) => Answer::Event { meter, height, record: record.encode() },
                Told::Ended(code) => Answer::WatchEnded { meter, code },
            };
            self.answer(connection, &answer);
        }
    }

    /// Whether a bundle is final by a header before.
    fn was_final(&self, bundle: Hash) -> bool {
        let unwritten = self.unwritten.iter().flat_map(|batch| &batch.bundles).any(|(known, _)| *known == bundle);
        unwritten || self.index.bundle(bundle).is_ok_and(|place| place.is_some())
    }

    fn count(&self, record: &Record) {
        let metrics = &self.shared.metrics;
        metrics.commands_final.increment();
        if matches!(record.outcome, Outcome::Rejected(_)) {
            metrics.commands_rejected.increment();
        }
        for event in &record.events {
            if let RecordEvent::Trade(trade) = event {
                metrics.trades_final.increment();
                metrics.energy_final_wh.add(trade.energy.0);
            }
        }
    }

    fn write_index(&mut self) {
        self.written_at = Instant::now();
        if self.unwritten.is_empty() {
            return;
        }
        if let Err(error) = self.index.apply(&self.unwritten) {
            // It can be made again from the log; going on with holes in it would lie to whoever asks.
            self.shared.fail(&format!("the query index failed: {error}"));
        }
        self.unwritten.clear();
    }

    /// The answer that a bundle's client got, or missed, when it became final.
    fn final_again(
        &self,
        (connection, request_id): (ConnectionId, RequestId),
        bundle: Hash,
    ) -> Result<Option<Answer>, StoreError> {
        let Some(place) = self.index.bundle(bundle)? else { return Ok(None) };
        let records = match self.records_of(connection, bundle, place) {
            Ok(Some(records)) => records,
            Ok(None) => return Ok(None),
            Err(unanswered) => return self.refused(request_id, unanswered).map(Some),
        };
        let BundlePlace { first_seq, height } = place;
        Ok(Some(Answer::Final { request_id, bundle, height, first_seq, records }))
    }
}

/// What is to be done next: first what the core hands on, which bounds how fast it may go on; then what clients ask.
fn next(jobs: &Receiver<DeskJob>, questions: &Receiver<DeskJob>) -> Result<DeskJob, RecvTimeoutError> {
    match jobs.try_recv() {
        Ok(job) => Ok(job),
        Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
        Err(TryRecvError::Empty) => select! {
            recv(jobs) -> job => job.map_err(|_| RecvTimeoutError::Disconnected),
            recv(questions) -> question => match question {
                Ok(question) => Ok(question),
                // Nobody asks any more, and the core may still have something.
                Err(_) => jobs.recv_timeout(LOOK_UP),
            },
            default(LOOK_UP) => Err(RecvTimeoutError::Timeout),
        },
    }
}

/// Whether a record says that its bundle's nonce was used before.
fn is_replay(record: &[u8]) -> bool {
    Record::decode(record).is_ok_and(|record| record.outcome == Outcome::Rejected(Code::AuthReplay))
}

/// Whether the registry lets somebody watch a meter.
fn may_watch(shared: &Shared, meter: MeterId, watcher: &Watcher) -> Result<(), Code> {
    let device = shared.directory.device(&watcher.key).ok_or(Code::AuthUnknownDevice)?;
    match device.standing {
        KeyStanding::Replaced => Err(Code::AuthReplaced),
        KeyStanding::Revoked => Err(Code::AuthRevoked),
        _ if device.kind != DeviceKind::Meter { meter, account: watcher.account } => Err(Code::AuthForeign),
        // A suspended device may still look at itself.
        KeyStanding::Active | KeyStanding::Suspended => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crossbeam::channel::unbounded;

    use super::*;

    /// A thousand questions wait when a header becomes final: it is next, and so is every one behind it.
    #[test]
    fn what_is_final_does_not_wait_for_questions() {
        let ((tell, jobs), (ask, questions)) = (unbounded(), unbounded());
        let (connection, request_id) = (ConnectionId(1), 7);
        for height in 0..1_000 {
            ask.send(DeskJob::Header { connection, request_id, height }).unwrap();
        }
        let next_is_question = || matches!(next(&jobs, &questions), Ok(DeskJob::Header { .. }));
        assert!(next_is_question());
        for _ in 0..3 {
            tell.send(DeskJob::AlreadyFinal(Hash::ZERO)).unwrap();
        }
        for _ in 0..3 {
            assert!(matches!(next(&jobs, &questions), Ok(DeskJob::AlreadyFinal(_))));
        }
        assert!(next_is_question());
        // At the end what the core told last is still done.
        drop(ask);
        while next_is_question() {}
        tell.send(DeskJob::AlreadyFinal(Hash::ZERO)).unwrap();
        drop(tell);
        assert!(next(&jobs, &questions).is_ok());
        assert!(matches!(next(&jobs, &questions), Err(RecvTimeoutError::Disconnected)));
    }
}
