//! The door: reads what meters send, admits bundles, shows books, and sends the rest to where it is answered.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use gridbook_engine::ingress::{Batch, IngressSender};
use gridbook_ledger::admission::{Admitted, DeviceKind, Door, Refusal};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::{EpochProof, Reconfigure};
use gridbook_ledger::evidence::{EVIDENCE_BYTES_MAX, Evidence, VerifiedEvidence};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::Input;
use gridbook_ledger::sequenced::{Place, SequencedReceipt};
use gridbook_net::ConnectionId;

use super::core_loop::{CoreJob, Question};
use super::costs::{CERTIFICATE_FRAMES, CHANGE_FRAMES, EVIDENCE_FRAMES, frames_beside};
use super::desk::{DeskJob, PromisedPlace, Watcher};
use super::leave::Asker;
use super::{LOOK_UP, Meters, Queues, Shared, books};
use crate::protocol::{
    Answer, EPOCHS_PER_ANSWER, QueryKind, Request, RequestBody, RequestId, SignedQuery, request_id_of,
};

/// What comes to the door.
#[derive(Debug)]
pub(super) enum DoorJob {
    /// A frame within quota.
    Frame { connection: ConnectionId, bytes: Bytes },
    /// A frame beyond it, not even looked at.
    OverQuota { connection: ConnectionId },
}

pub(super) struct DoorKeeper {
    shared: Arc<Shared>,
    queues: Queues,
    meters: Meters,
}

/// The most frames looked at together: enough that batches of signatures are worth it.
const BATCH_FRAMES: usize = 256;

impl DoorKeeper {
    pub(super) fn new(shared: Arc<Shared>, queues: Queues, meters: Meters) -> Self {
        Self { shared, queues, meters }
    }

    pub(super) fn run(self, mut ingress: IngressSender<Admitted>, jobs: &Receiver<DoorJob>) {
        let mut batch = Vec::with_capacity(BATCH_FRAMES);
        loop {
            match jobs.recv_timeout(LOOK_UP) {
                Ok(job) => {
                    batch.push(job);
                    batch.extend(jobs.try_iter().take(BATCH_FRAMES - 1));
                    self.read(&mut ingress, &mut batch);
                }
                Err(RecvTimeoutError::Timeout) if !self.shared.is_stopping() => {}
                Err(_) => return,
            }
        }
    }

    fn read(&self, ingress: &mut IngressSender<Admitted>, batch: &mut Vec<DoorJob>) {
        let mut submitted = Vec::new();
        for job in batch.drain(..) {
            match job {
                DoorJob::Frame { connection, bytes } => match Request::decode(&bytes) {
                    Ok(Request { request_id, body: RequestBody::Submit(bundle) }) => {
                        submitted.push((connection, request_id, bundle));
                    }
                    Ok(Request { request_id, body }) => self.pass_on(connection, request_id, body),
                    Err(error) => {
                        let code = Code::from(error);
                        self.refuse(connection, request_id_of(&bytes).unwrap_or(0), code);
                    }
                },
                DoorJob::OverQuota { connection } => self.refuse(connection, 0, Code::QuotaRate),
            }
        }
        self.admit(ingress, submitted);
    }

    fn admit(&self, ingress: &mut IngressSender<Admitted>, submitted: Vec<(ConnectionId, RequestId, Vec<u8>)>) {
        if submitted.is_empty() {
            return;
        }
        self.shared.metrics.bundles_received.add(submitted.len() as u64);
        let lookup = |key: &_| self.shared.directory.device(key);
        let door = Door { chain: self.shared.chain, now: self.shared.ledger_now(), lookup };
        let (clients, bundles): (Vec<_>, Vec<_>) =
            submitted.into_iter().map(|(connection, request_id, bundle)| ((connection, request_id), bundle)).unzip();
        let answers = door.admit_batch(&bundles);
        let mut ingress = ingress.batch();
        let mut let_in = false;
        for ((connection, request_id), answer) in clients.into_iter().zip(answers) {
            match answer {
                Ok(admitted) => let_in |= self.let_in(&mut ingress, connection, request_id, admitted),
                Err(Refusal { code: Code::AuthReplay, bundle: Some(bundle) }) => {
                    // Perhaps the very bundle that was taken a moment ago: then its client is owed the answer, not a reproach.
                    let question = Question::Replayed { bundle: bundle.0 };
                    self.ask_core(connection, request_id, question);
                }
                Err(Refusal { code, .. }) => self.refuse(connection, request_id, code),
            }
        }
        drop(ingress); // now the core can see them
        if let_in {
            // Wakes the core; if its queue is full it is awake.
            let _ = self.queues.core.try_send(CoreJob::Wake);
        }
    }

    fn let_in(
        &self,
        ingress: &mut Batch<'_, Admitted>,
        connection: ConnectionId,
        request_id: RequestId,
        admitted: Admitted,
    ) -> bool {
        let bundle = admitted.id().0;
        if self.shared.metrics.bundles_waiting.value() >= self.shared.bundles_waiting_max {
            self.refuse(connection, request_id, Code::QuotaBusy);
            return false;
        }
        let known = self.shared.pending.is_awaited(&bundle);
        self.shared.pending.wait(bundle, connection, request_id);
        if !known && ingress.offer(admitted).is_err() {
            self.shared.pending.take(&bundle);
            self.refuse(connection, request_id, Code::QuotaBusy);
            return false;
        }
        self.shared.metrics.bundles_admitted.increment();
        self.answer(connection, &Answer::Accepted { request_id, bundle });
        !known
    }

    fn pass_on(&self, connection: ConnectionId, request_id: RequestId, body: RequestBody) {
        match body {
            RequestBody::Submit(_) => {}
            RequestBody::Watch(query) => match self.device_of(&query, QueryKind::Watch) {
                Ok(DeviceKind::Meter { meter, account }) => {
                    let watcher = Watcher { account, key: query.key, expires_at: query.expires_at };
                    self.ask_desk(connection, request_id, DeskJob::Watch { connection, request_id, meter, watcher });
                }
                Ok(DeviceKind::Operator | DeviceKind::Organisation(_)) => {
                    self.refuse(connection, request_id, Code::AuthRole);
                }
                Err(code) => self.refuse(connection, request_id, code),
            },
            RequestBody::Account(query) => match self.meter_of(&query, QueryKind::Account) {
                Ok(meter) => self.ask_core(connection, request_id, Question::Account(meter)),
                Err(code) => self.refuse(connection, request_id, code),
            },
            RequestBody::Registry { query, subject } => match self.device_of(&query, QueryKind::Registry) {
                Ok(sender) => self.ask_core(connection, request_id, Question::Registry { sender, subject }),
                Err(code) => self.refuse(connection, request_id, code),
            },
            RequestBody::Ask(query) => {
                if let Err(code) = self.ask(connection, request_id, &query) {
                    self.refuse(connection, request_id, code);
                }
            }
            RequestBody::Evidence { from } => self.ask_core(connection, request_id, Question::Evidence { from }),
            RequestBody::HandIn(evidence) => {
                if let Err(code) = self.take_evidence(connection, request_id, &evidence) {
                    self.refuse(connection, request_id, code);
                }
            }
            RequestBody::Status => self.ask_core(connection, request_id, Question::Status),
            RequestBody::CertificateRecords { range, from_seq } => {
                // Records are looked through for it, a slice of settlement among them perhaps.
                if self.meters.charge(connection, CERTIFICATE_FRAMES).is_err() {
                    return self.refuse(connection, request_id, Code::QuotaRate);
                }
                let job = DeskJob::CertificateRecords { connection, request_id, range, from_seq };
                self.ask_desk(connection, request_id, job);
            }
            RequestBody::Settled { word, index } => match self.promised_place(&word, index) {
                Ok(place) => self.ask_desk(connection, request_id, DeskJob::Settled { connection, request_id, place }),
                Err(code) => self.refuse(connection, request_id, code),
            },
            RequestBody::Header { height } => {
                self.ask_desk(connection, request_id, DeskJob::Header { connection, request_id, height });
            }
            RequestBody::Reconfigure(change) => match self.take_change(connection, request_id, &change) {
                Ok(bundle) => self.answer(connection, &Answer::Accepted { request_id, bundle }),
                Err(code) => self.refuse(connection, request_id, code),
            },
            RequestBody::Epochs { from } => {
                let epochs = self.shared.epochs();
                let proofs = epochs.proofs_from(from).iter().take(EPOCHS_PER_ANSWER).map(EpochProof::encode).collect();
                self.answer(connection, &Answer::Epochs { request_id, proofs });
            }
            RequestBody::Book(contract) => match books::book(&self.shared.books, &self.shared.genesis, contract) {
                Ok(book) => self.answer(connection, &Answer::Book { request_id, book: Box::new(book) }),
                Err(code) => self.refuse(connection, request_id, code),
            },
        }
    }

    /// Has a change of validators sequenced, if it is one that will be carried out as things stand. Nobody needs to be known for that: the
    /// signatures of the validators are what lets it in, and are charged before they are looked at.
    fn take_change(&self, connection: ConnectionId, request_id: RequestId, bytes: &[u8]) -> Result<Hash, Code> {
        self.meters.charge(connection, CHANGE_FRAMES).map_err(|_| Code::QuotaRate)?;
        let change = Reconfigure::decode(bytes)?;
        let epochs = self.shared.epochs();
        change.verify(self.shared.chain, epochs.present(), epochs.present_set())?;
        let id = change.id();
        self.shared.pending.wait(id, connection, request_id);
        let job = CoreJob::Input(Input::Reconfigure(Box::new(change)));
        self.queues.core.try_send(job).map_err(|_| Code::QuotaBusy)?;
        Ok(id)
    }

    /// A place that a leader gave its word on. Whoever has the word may know what is final at the first and the last of them: only that decides
    /// whether it was kept. A leader that gives its word away for this has nothing to tell that it could not tell itself.
    fn promised_place(&self, word: &[u8], index: u64) -> Result<PromisedPlace, Code> {
        let word = SequencedReceipt::decode(word).map_err(|_| Code::EvidenceForm)?;
        let (epochs, epoch) = (self.shared.epochs(), word.chunk.epoch);
        let set = epochs.set(epoch).ok_or(Code::EvidenceEpoch)?;
        let Place { entry, first_seq, count, .. } =
            word.verify(self.shared.chain, epoch, set).map_err(|_| Code::EvidenceSignature)?.place;
        let last = count.saturating_sub(1);
        if index > last {
            return Err(Code::EvidencePlace);
        }
        let bundle = (0 < index && index < last).then_some(entry);
        Ok(PromisedPlace { seq: first_seq.saturating_add(index), bundle })
    }

    /// Hands evidence to the core, if it proves something against a validator of its epoch. Who brings it does not matter.
    fn take_evidence(&self, connection: ConnectionId, request_id: RequestId, bytes: &[u8]) -> Result<(), Code> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(Code::EvidenceLength);
        }
        self.meters.charge(connection, EVIDENCE_FRAMES).map_err(|_| Code::QuotaRate)?;
        let evidence = Evidence::decode(bytes).map_err(|_| Code::EvidenceForm)?;
        let (epochs, epoch) = (self.shared.epochs(), evidence.epoch());
        let set = epochs.set(epoch).ok_or(Code::EvidenceEpoch)?;
        let evidence = Box::new(VerifiedEvidence::check(evidence, self.shared.chain, epoch, set)?);
        let job = CoreJob::HandedIn { connection, request_id, evidence };
        self.queues.core.try_send(job).map_err(|_| Code::QuotaBusy)
    }

    /// Asks the core for data that not everybody may see. It knows who owns what.
    fn ask(&self, connection: ConnectionId, request_id: RequestId, query: &SignedQuery) -> Result<(), Code> {
        let asker = self.asker_of(query)?;
        let more = frames_beside(query.kind);
        if more > 0 {
            self.meters.charge(connection, more).map_err(|_| Code::QuotaRate)?;
        }
        self.ask_core(connection, request_id, Question::Data { asker, kind: query.kind });
        Ok(())
    }

    /// Who signed a query. A key that nobody has registered may be one that an owner lets read.
    fn asker_of(&self, query: &SignedQuery) -> Result<Asker, Code> {
        let device = match self.device_of(query, query.kind) {
            Ok(device) => Some(device),
            Err(Code::AuthUnknownDevice) if query.verify() => None,
            Err(Code::AuthUnknownDevice) => return Err(Code::AuthSignature),
            Err(code) => return Err(code),
        };
        Ok(Asker { key: query.key, device })
    }

    /// The meter whose key signed a query.
    fn meter_of(&self, query: &SignedQuery, kind: QueryKind) -> Result<gridbook_engine::MeterId, Code> {
        match self.device_of(query, kind)? {
            DeviceKind::Meter { meter, .. } => Ok(meter),
            DeviceKind::Operator | DeviceKind::Organisation(_) => Err(Code::AuthRole),
        }
    }

    /// Whose key signed a query. A key that its device has no more asks nothing; a suspended device may still look at itself.
    fn device_of(&self, query: &SignedQuery, kind: QueryKind) -> Result<DeviceKind, Code> {
        if query.chain != self.shared.chain {
            return Err(Code::AuthChain);
        }
        if query.kind != kind {
            return Err(Code::AuthRole);
        }
        if query.expires_at <= self.shared.ledger_now() {
            return Err(Code::AuthExpired);
        }
        let device = self.shared.directory.device(&query.key).ok_or(Code::AuthUnknownDevice)?;
        if !query.verify() {
            return Err(Code::AuthSignature);
        }
        match (device.kind, device.standing) {
            (_, KeyStanding::Replaced) => Err(Code::AuthReplaced),
            // What an organisation may see follows from its roles, which rest while it is suspended.
            (DeviceKind::Organisation(_), standing) => standing.refusal().map_or(Ok(device.kind), Err),
            (kind, _) => Ok(kind),
        }
    }

    fn ask_core(&self, connection: ConnectionId, request_id: RequestId, question: Question) {
        let job = CoreJob::Question { connection, request_id, question };
        if self.queues.core.try_send(job).is_err() {
            self.refuse(connection, request_id, Code::QuotaBusy);
        }
    }

    fn ask_desk(&self, connection: ConnectionId, request_id: RequestId, job: DeskJob) {
        if let Err(code) = self.queues.ask_desk(&self.shared.backlog, job) {
            self.refuse(connection, request_id, code);
        }
    }

    fn refuse(&self, connection: ConnectionId, request_id: RequestId, code: Code) {
        self.shared.metrics.refuse(code.name());
        self.answer(connection, &Answer::Refused { request_id, code });
    }

    fn answer(&self, connection: ConnectionId, answer: &Answer) {
        let _ = self.meters.send(connection, Bytes::from(answer.encode()));
    }
}
