//! The core thread: feeds the replica, one input after the other, and hands out what it wants done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use gridbook_engine::ingress::IngressReceiver;
use gridbook_engine::{AccountId, MeterId};
use gridbook_ledger::admission::{Admitted, DeviceKind};
use gridbook_ledger::command::BundleId;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::evidence::{EVIDENCE_BYTES_MAX, VerifiedEvidence};
use gridbook_ledger::hotstuff::WallTime;
use gridbook_ledger::registry::DeviceStanding;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::{Effect, Input, Replica, SnapshotEffect};
use gridbook_ledger::state::SystemAccount;
use gridbook_ledger::store::FactOwner;
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_net::ConnectionId;

use super::costs::{USE_FRAMES, frames_for_names};
use super::desk::{DeskJob, ProvenAccount, RecordName};
use super::directory::why_shut_out;
use super::keeper::KeptState;
use super::leave::{Asker, Leave};
use super::net::post;
use super::roster::{Roll, Roster};
use super::storage::{IncomingJob, StorageJob};
use super::waiting_proofs::{WaitingProof, WaitingProofs};
use super::whole_records::RecordReader;
use super::{Meters, Peers, Queues, Shared, conduct, registry};
use crate::protocol::{AccountState, Answer, ConductSubject, GrantList, QueryKind, RegistrySubject, RequestId, Status};

/// What comes to the core.
#[derive(Debug)]
pub(super) enum CoreJob {
    /// For the replica.
    Input(Input),
    /// A connection to a validator is up.
    Connected(ValidatorIndex),
    /// A connection to a validator is gone.
    Disconnected,
    /// A question that only the state can answer.
    Question { connection: ConnectionId, request_id: RequestId, question: Question },
    /// A client brings evidence, which was verified.
    HandedIn { connection: ConnectionId, request_id: RequestId, evidence: Box<VerifiedEvidence> },
    /// The ingress ring has something.
    Wake,
}

/// A question that only the state can answer.
#[derive(Debug)]
pub(super) enum Question {
    /// How things stand.
    Status,
    /// What the registry says of somebody.
    Registry { sender: DeviceKind, subject: RegistrySubject },
    /// The account of a meter.
    Account(MeterId),
    /// What is proven against validators.
    Evidence { from: u32 },
    /// Data that not everybody may see.
    Data { asker: Asker, kind: QueryKind },
    /// A bundle whose nonce is used: is it under way, or a replay?
    Replayed { bundle: Hash },
}

pub(super) struct CoreLoop {
    me: u16,
    roster: Roster,
    replica: Replica,
    shared: Arc<Shared>,
    queues: Queues,
    ingress: IngressReceiver<Admitted>,
    peers: Peers,
    meters: Meters,
    connected: usize,
    wake_at: Option<WallTime>,
    /// Up to where the last checkpoint or snapshot goes.
    kept_seq: u64,
    proofs: WaitingProofs,
}

/// How much evidence goes into one answer; a single one is never longer.
const EVIDENCE_BYTES_PER_ANSWER: usize = EVIDENCE_BYTES_MAX;
/// How many jobs are done before the replica may send what has gathered.
const JOBS_PER_TURN: usize = 256;
const BUNDLES_PER_TURN: usize = 1_024;
/// How long it waits for others to catch up before it looks again.
const PAUSE: Duration = Duration::from_millis(1);
/// The longest the core sleeps, so that it is seen to be alive.
const SLEEP_MAX: Duration = Duration::from_millis(100);

impl CoreLoop {
    pub(super) fn new(
        (me, roster): (u16, Roster),
        replica: Replica,
        shared: Arc<Shared>,
        queues: Queues,
        ingress: IngressReceiver<Admitted>,
        peers: Peers,
        meters: Meters,
    ) -> Self {
        let kept_seq = replica.final_header().last_seq;
        let (connected, wake_at, proofs) = (0, None, WaitingProofs::default());
        Self { me, roster, replica, shared, queues, ingress, peers, meters, connected, wake_at, kept_seq, proofs }
    }

    pub(super) fn run(mut self, jobs: &Receiver<CoreJob>) {
        self.feed(Input::Start);
        let mut bundles = Vec::with_capacity(BUNDLES_PER_TURN);
        while !self.shared.is_stopping() {
            if self.shared.backlog.is_full(self.queues.desk.len()) {
                // Whoever brings more waits until the disk has caught up.
                self.shared.health.beat();
                std::thread::sleep(PAUSE);
                continue;
            }
            for notice in self.shared.notices.take() {
                self.feed(notice);
            }
            match jobs.recv_timeout(self.sleep()) {
                Ok(job) => {
                    self.take(job);
                    for job in jobs.try_iter().take(JOBS_PER_TURN) {
                        self.take(job);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.ingress.drain(BUNDLES_PER_TURN, &mut bundles) > 0 {
                self.feed(Input::Submitted(std::mem::take(&mut bundles)));
            }
            let began = Instant::now();
            if self.wake_at.is_some_and(|at| at <= self.shared.now()) {
                self.wake_at = None;
            }
            self.feed(Input::Tick);
            self.shared.metrics.execution.observe(began.elapsed());
            self.prove();
            self.show();
        }
        if !self.shared.is_to_begin_again() {
            self.checkpoint();
        }
    }

    /// Saves the state as of the last final header at the end, so that the next start is short.
    fn checkpoint(&mut self) {
        let (height, seq) = (self.replica.final_header().height, self.replica.final_header().last_seq);
        if seq == self.kept_seq {
            return;
        }
        self.kept_seq = seq;
        if let Some(image) = self.replica.checkpoint() {
            let _ = self.queues.storage.send(StorageJob::Keep { seq, state: KeptState::Checkpoint { height, image } });
            // Behind it, for the next start does not read what comes before.
            for record in self.replica.evidence_records() {
                self.shared.backlog.begin_write(&record);
                let _ = self.queues.storage.send(StorageJob::Append(record));
            }
        }
    }

    /// How long nothing has to be done, if nothing comes.
    fn sleep(&self) -> Duration {
        if self.replica.is_eager() || !self.ingress.is_empty() {
            return Duration::ZERO;
        }
        let now = self.shared.now();
        self.wake_at.map_or(SLEEP_MAX, |at| Duration::from_micros(at.0.saturating_sub(now.0)).min(SLEEP_MAX))
    }

    fn take(&mut self, job: CoreJob) {
        match job {
            CoreJob::Input(input) => self.feed(input),
            CoreJob::Connected(peer) => {
                self.connected += 1;
                self.feed(Input::Connected(peer));
            }
            CoreJob::Disconnected => self.connected = self.connected.saturating_sub(1),
            CoreJob::Question { connection, request_id, question } => self.answer(connection, request_id, &question),
            CoreJob::HandedIn { connection, request_id, evidence } => {
                self.take_evidence(connection, request_id, evidence);
            }
            CoreJob::Wake => {}
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.shared.now();
        let effects = self.replica.handle(input, now);
        self.follow_registry();
        // First the books: who is told that something is final finds it there.
        self.replica.publish_depth();
        for effect in effects {
            self.hand_out(effect);
        }
    }

    /// Before anybody is told what was done: who hears of a suspension finds the door shut.
    fn follow_registry(&mut self) {
        let changes = self.replica.state_mut().touched_devices();
        self.shared.directory.update(&changes);
        for (key, status) in changes {
            let Some(why) = status.and_then(|status| why_shut_out(&status)) else { continue };
            for connection in self.shared.lines.of(&key) {
                self.meters.shut_out(connection, &why);
            }
        }
    }

    fn hand_out(&mut self, effect: Effect) {
        // These queues end only with the process.
        let store = |job| _ = self.queues.storage.send(job);
        match effect {
            Effect::Append(record) => {
                self.shared.backlog.begin_write(&record);
                store(StorageJob::Append(record));
            }
            Effect::Persist(record) => store(StorageJob::Persist(record)),
            Effect::Notify(number) => store(StorageJob::Notify(number)),
            Effect::Send { to, message } => store(StorageJob::Send { to, message }),
            Effect::Final(step) => {
                let header = &step.proposal.header;
                let first_of_epoch = self.replica.epochs().root().is_some_and(|root| root.height + 1 == header.height);
                self.tell_desk(DeskJob::Final(step));
                if first_of_epoch {
                    // The old set has served its time.
                    self.follow_roll(false);
                }
            }
            Effect::Epoch(epoch) => self.begin_epoch(epoch),
            Effect::Post { to, message } => {
                self.shared.standings.note_sent(to, &message);
                post(&self.peers, to, &message);
            }
            Effect::ServeSync { to, from_height } => self.tell_desk(DeskJob::ServeSync { to, from_height }),
            Effect::Snapshot(effect) => self.hand_out_snapshot(effect),
            Effect::View { view, leader } => {
                tracing::info!(view, leader = leader.0, "new view");
                self.shared.metrics.timeouts.increment();
            }
            Effect::Sequenced(chunk) => self.tell_desk(DeskJob::Sequenced(chunk)),
            Effect::Certified { header, bundles } => self.tell_desk(DeskJob::Certified { header, bundles }),
            Effect::AlreadyFinal(bundle) => self.tell_desk(DeskJob::AlreadyFinal(bundle.0)),
            Effect::Evidence(evidence) => {
                let (culprit, kind) = (evidence.culprit(), evidence.evidence().kind);
                tracing::error!(
                    validator = culprit.0,
                    what = kind.name(),
                    "a validator is proven to have broken the rules"
                );
                self.shared.metrics.evidence.increment();
            }
            Effect::Halt(why) => self.shared.fail(&why),
            Effect::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn tell_desk(&self, job: DeskJob) {
        self.queues.tell_desk(job);
    }

    fn hand_out_snapshot(&mut self, effect: SnapshotEffect) {
        let store = |job| _ = self.queues.storage.send(job);
        let ask_desk = |job| self.tell_desk(job);
        match effect {
            SnapshotEffect::Taken(taken) => {
                let seq = taken.proposal.header.last_seq;
                self.kept_seq = seq;
                store(StorageJob::Keep { seq, state: KeptState::Snapshot(taken) });
            }
            SnapshotEffect::Offer { to, above_height } => ask_desk(DeskJob::OfferSnapshot { to, above_height }),
            SnapshotEffect::SendPiece { to, root, piece } => ask_desk(DeskJob::SendPiece { to, root, piece }),
            SnapshotEffect::Begin(manifest) => {
                let (height, pieces) = (manifest.header().height, manifest.pieces.count());
                tracing::info!(height, pieces, "far behind: a snapshot is fetched");
                store(StorageJob::Incoming(IncomingJob::Begin(manifest)));
            }
            SnapshotEffect::Keep { piece, bytes } => store(StorageJob::Incoming(IncomingJob::Keep { piece, bytes })),
            SnapshotEffect::GiveUp => {
                tracing::warn!("the snapshot that came in is given up");
                store(StorageJob::Incoming(IncomingJob::GiveUp));
            }
            SnapshotEffect::Restore(snapshot) => store(StorageJob::Restore(snapshot)),
            SnapshotEffect::Refused { peer, why } => {
                self.shared.metrics.snapshots_refused.increment();
                tracing::warn!(peer = peer.0, %why, "a validator's snapshot is not taken");
            }
        }
    }

    fn begin_epoch(&mut self, epoch: u32) {
        match self.replica.seat() {
            ValidatorIndex::OBSERVER if self.replica.is_muted() => tracing::warn!(
                epoch,
                "a new epoch begins, perhaps before this validator's safety record was lost: it goes on signing nothing"
            ),
            ValidatorIndex::OBSERVER => {
                tracing::warn!(epoch, "a new epoch begins, in which this validator has no place")
            }
            ValidatorIndex(place) => tracing::info!(epoch, place, "a new epoch begins"),
        }
        *self.shared.epochs.write() = Arc::new(self.replica.epochs().clone());
        self.roster.begin_epoch();
        self.follow_roll(true);
    }

    /// Has connections follow the set, until its first header is final also those of the old set.
    fn follow_roll(&self, old_set_serves: bool) {
        let Roll { name, seed, peers } = self.roster.roll(self.replica.epochs(), old_set_serves);
        if let Err(error) = self.peers.follow(name, seed, peers) {
            self.shared.fail(&format!("the connections cannot follow the validators of the epoch: {error}"));
        }
    }

    /// Shows what gateways and the admin port look at.
    fn show(&mut self) {
        if self.roster.is_time_for_another_key(self.connected, Instant::now()) {
            tracing::warn!("no validator can be reached; the next key is shown, in case this one was rotated away");
            self.follow_roll(true);
        }
        let metrics = &self.shared.metrics;
        let header = self.replica.final_header();
        let (view, leader) = self.replica.view();
        metrics.height.set(header.height);
        metrics.view.set(view);
        metrics.leader.set(u64::from(leader.0));
        metrics.ledger_time_ms.set(header.time_ms);
        metrics.last_seq.set(header.last_seq);
        metrics.bundles_waiting.set(self.replica.pool_len() as u64);
        metrics.orders_open.set(self.replica.state().engine().orders_open());
        self.shared.health.beat();
        self.shared.health.set_silent(self.replica.is_muted());
        let quorum = self.shared.epochs().present_set().quorum();
        self.shared.health.set_ready(self.connected + 1 >= quorum && !self.replica.is_catching_up());
    }

    fn answer(&mut self, connection: ConnectionId, request_id: RequestId, question: &Question) {
        let answer = match question {
            Question::Status => Answer::Status { request_id, status: self.status() },
            Question::Registry { sender, subject } => match registry::entry(self.replica.state(), *sender, *subject) {
                Ok(entry) => Answer::Registry { request_id, entry: Box::new(entry) },
                Err(code) => Answer::Refused { request_id, code },
            },
            Question::Evidence { from } => self.evidence(request_id, *from),
            Question::Account(meter) => match self.account(*meter) {
                Some(account) => Answer::Account { request_id, account },
                None => Answer::Refused { request_id, code: Code::AuthUnknownDevice },
            },
            Question::Data { asker, kind: QueryKind::Conduct(subject) } => {
                match self.conduct(connection, request_id, asker, *subject) {
                    Ok((answer, leave)) if leave.under.is_empty() => answer,
                    Ok((answer, leave)) => {
                        let answer = Box::new(answer);
                        let job = DeskJob::Granted { connection, request_id, answer, leave };
                        return self.ask_desk(connection, request_id, job);
                    }
                    Err(code) => self.refusal(request_id, code),
                }
            }
            Question::Data { asker, kind: kind @ QueryKind::Grants { meter } } => {
                match Leave::admit(self.replica.state(), asker, *kind) {
                    Ok(_) => Answer::Grants { request_id, list: Box::new(self.grants(*meter)) },
                    Err(code) => self.refusal(request_id, code),
                }
            }
            Question::Data { asker, kind } => match self.data(connection, request_id, asker, *kind) {
                Ok(Some(job)) => return self.ask_desk(connection, request_id, job),
                Ok(None) => return,
                Err(code) => self.refusal(request_id, code),
            },
            Question::Replayed { bundle } => {
                let bundle = *bundle;
                if self.replica.is_under_way(BundleId(bundle)) {
                    self.shared.pending.wait(bundle, connection, request_id);
                    Answer::Accepted { request_id, bundle }
                } else {
                    // Final long ago, or a replay: the index knows.
                    let job = DeskJob::Replayed { connection, request_id, bundle };
                    return self.ask_desk(connection, request_id, job);
                }
            }
        };
        self.tell_client(connection, &answer);
    }

    fn tell_client(&self, connection: ConnectionId, answer: &Answer) {
        let _ = self.meters.send(connection, Bytes::from(answer.encode()));
    }

    fn ask_desk(&self, connection: ConnectionId, request_id: RequestId, job: DeskJob) {
        if let Err(code) = self.queues.ask_desk(&self.shared.backlog, job) {
            self.tell_client(connection, &self.refusal(request_id, code));
        }
    }

    /// Answers those who wait for a proof of an account, together.
    fn prove(&mut self) {
        let (height, stands_there) = (self.replica.final_header().height, self.replica.stands_at_final_header());
        let due = self.proofs.due(height, stands_there, self.shared.now());
        if due.is_empty() {
            return;
        }
        let accounts: Vec<AccountId> = due.iter().map(|proof| proof.account).collect();
        let proven = self.replica.prove_accounts(&accounts);
        for (WaitingProof { connection, request_id, account, leave }, proven) in due.into_iter().zip(proven) {
            match proven {
                Some((state, proof)) => {
                    let proven = Box::new(ProvenAccount { height, account, state, proof });
                    self.ask_desk(
                        connection,
                        request_id,
                        DeskJob::AccountProof { connection, request_id, proven, leave },
                    );
                }
                None => self.tell_client(connection, &Answer::NotFinal { request_id }),
            }
        }
    }

    fn refusal(&self, request_id: RequestId, code: Code) -> Answer {
        self.shared.metrics.refuse(code.name());
        Answer::Refused { request_id, code }
    }

    /// What stands against somebody, and by what leave that is told.
    fn conduct(
        &self,
        connection: ConnectionId,
        request_id: RequestId,
        asker: &Asker,
        subject: ConductSubject,
    ) -> Result<(Answer, Leave), Code> {
        let pay = |names| self.meters.charge(connection, frames_for_names(names)).map_err(|_| Code::QuotaRate);
        let (book, leave) = conduct::told(self.replica.state(), asker, subject, pay)?;
        self.charge_for(connection, &leave)?;
        Ok((Answer::Conduct { request_id, book: Box::new(book) }, leave))
    }

    fn grants(&self, meter: MeterId) -> GrantList {
        let state = self.replica.state();
        GrantList { as_of: state.time(), meter, grants: state.grants_of(meter) }
    }

    fn charge_for(&self, connection: ConnectionId, leave: &Leave) -> Result<(), Code> {
        if leave.under.is_empty() {
            return Ok(());
        }
        self.meters.charge(connection, USE_FRAMES).map_err(|_| Code::QuotaRate)
    }

    /// What the desk is to answer, or nothing where the answer waits; or why it is not told.
    fn data(
        &mut self,
        connection: ConnectionId,
        request_id: RequestId,
        asker: &Asker,
        kind: QueryKind,
    ) -> Result<Option<DeskJob>, Code> {
        let leave = Leave::admit(self.replica.state(), asker, kind)?;
        self.charge_for(connection, &leave)?;
        Ok(match kind {
            QueryKind::Facts { owner, from, to } => {
                Some(DeskJob::Facts { connection, request_id, owner, from, to, leave })
            }
            QueryKind::AreaFacts { area, from, to } => {
                let owner = FactOwner::Area(area);
                Some(DeskJob::Facts { connection, request_id, owner, from, to, leave })
            }
            QueryKind::Receipt { seq, of, life } => {
                let reader = Box::new(RecordReader::of(asker, of, leave));
                Some(DeskJob::Receipt { connection, request_id, of: RecordName::Seq(seq), reader, life })
            }
            QueryKind::BundleReceipt { bundle, index, of } => {
                let reader = Box::new(RecordReader::of(asker, of, leave));
                let of = RecordName::Command { bundle, index };
                Some(DeskJob::Receipt { connection, request_id, of, reader, life: None })
            }
            QueryKind::Bill { meter, from, to } => {
                Some(DeskJob::Bill { connection, request_id, meter, from, to, leave })
            }
            QueryKind::Extracts { account, from_seq, from_byte } => {
                let from = (from_seq, from_byte);
                Some(DeskJob::Extracts { connection, request_id, account, from, leave })
            }
            QueryKind::Certificates { meter, from_seq } => {
                let account = self.replica.state().meter(meter).ok_or(Code::AuthMeter)?.account;
                Some(DeskJob::Certificates { connection, request_id, meter, account, from_seq, leave })
            }
            QueryKind::Proof { account } => {
                self.proofs.wait(WaitingProof { connection, request_id, account, leave })?;
                None
            }
            QueryKind::Uses { meter, from } => {
                let account = leave.reader.account();
                Some(DeskJob::Uses { connection, request_id, meter, account, from })
            }
            QueryKind::Watch
            | QueryKind::Account
            | QueryKind::Registry
            | QueryKind::Conduct(_)
            | QueryKind::Grants { .. } => {
                return Err(Code::AuthRole);
            }
        })
    }

    /// Keeps a client's evidence as any other. The client hears of it when it is on the disk.
    fn take_evidence(&mut self, connection: ConnectionId, request_id: RequestId, evidence: Box<VerifiedEvidence>) {
        let key = evidence.key();
        let is_new = !self.replica.knows_evidence(key);
        if is_new && self.replica.evidence().is_too_old(key) {
            let code = Code::EvidenceOld;
            self.shared.metrics.refuse(code.name());
            let answer = Answer::Refused { request_id, code };
            let _ = self.meters.send(connection, Bytes::from(answer.encode()));
            return;
        }
        if is_new {
            self.feed(Input::Evidence(evidence));
        }
        let answer = Bytes::from(Answer::Taken { request_id, key, is_new }.encode());
        // Its queue ends only with the process. Known evidence goes this way too: it may be on its way to the disk.
        let _ = self.queues.storage.send(StorageJob::Answer { connection, answer });
    }

    /// What is proven against validators, from one item on, as much as fits.
    fn evidence(&self, request_id: RequestId, from: u32) -> Answer {
        let kept = self.replica.evidence();
        let mut bytes = 0;
        let items =
            kept.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).map(|(_, evidence)| evidence.encode());
        let fits = |item: &Vec<u8>| {
            bytes += item.len();
            bytes <= EVIDENCE_BYTES_PER_ANSWER
        };
        let total = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        Answer::Evidence { request_id, total, items: items.take_while(fits).collect() }
    }

    fn status(&self) -> Status {
        let state = self.replica.state();
        let header = self.replica.final_header();
        let (view, leader) = self.replica.view();
        let totals = state.totals();
        Status {
            chain: self.shared.chain,
            validator: ValidatorIndex(self.me),
            height: header.height,
            view,
            leader,
            ledger_time: header.time(),
            last_seq: header.last_seq,
            accounts: state.accounts_count(),
            meters: state.meters_count(),
            organisations: state.organisations_count(),
            orders_open: state.engine().orders_open(),
            trades: totals.trades,
            state_root: header.state_root,
            money_sum: state.money_kept(),
            grid_income: state.system_account(SystemAccount::Grid).balance,
        }
    }

    fn account(&self, meter: MeterId) -> Option<AccountState> {
        let state = self.replica.state();
        let meter_view = state.meter(meter)?;
        let account = state.account(meter_view.account)?;
        Some(AccountState {
            account: meter_view.account,
            balance: account.balance,
            reserved: account.reserved,
            debt: state.debt(meter_view.account),
            meter,
            area: meter_view.area,
            nonce: meter_view.nonce,
            suspended: meter_view.standing != DeviceStanding::Active,
        })
    }
}
