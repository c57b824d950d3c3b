//! What comes to the desk.

use crossbeam::channel::Sender;
use gridbook_engine::{AccountId, DeliveryPeriod, MeterId};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::replica::{FinalBundle, FinalStep};
use gridbook_ledger::sequenced::SequencedChunk;
use gridbook_ledger::state::{AccountView, StateProof};
use gridbook_ledger::store::{FactOwner, FactPlace};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_net::ConnectionId;

use super::Watcher;
use crate::protocol::{Answer, CertificateLink, RequestId};
use crate::validator::leave::Leave;
use crate::validator::whole_records::RecordReader;

/// What comes to the desk.
#[derive(Debug)]
pub(in crate::validator) enum DeskJob {
    /// A header is final.
    Final(Box<FinalStep>),
    /// A leader gave bundles their places: S0.
    Sequenced(Box<SequencedChunk>),
    /// A certificate covers bundles: S1.
    Certified { header: HeaderRef, bundles: Vec<FinalBundle> },
    /// A bundle was final before its client began to wait.
    AlreadyFinal(Hash),
    /// A client wants a meter's events from now on.
    Watch { connection: ConnectionId, request_id: RequestId, meter: MeterId, watcher: Watcher },
    /// A client wants to know which records tell of certificates.
    CertificateRecords { connection: ConnectionId, request_id: RequestId, range: CertificateRange, from_seq: u64 },
    /// A client who has a leader's word on a place wants what is final there.
    Settled { connection: ConnectionId, request_id: RequestId, place: PromisedPlace },
    /// A client wants a record proven, and is told it if he may see it.
    Receipt {
        connection: ConnectionId,
        request_id: RequestId,
        of: RecordName,
        reader: Box<RecordReader>,
        life: Option<CertificateLink>,
    },
    /// A client wants a header.
    Header { connection: ConnectionId, request_id: RequestId, height: u64 },
    /// A client wants facts, and is told what he may see.
    Facts {
        connection: ConnectionId,
        request_id: RequestId,
        owner: FactOwner,
        from: FactPlace,
        to: DeliveryPeriod,
        leave: Leave,
    },
    /// A client wants what a meter's bill comes to, and is told what he may see.
    Bill {
        connection: ConnectionId,
        request_id: RequestId,
        meter: MeterId,
        from: DeliveryPeriod,
        to: DeliveryPeriod,
        leave: Leave,
    },
    /// A client who may wants what records said of an account.
    Extracts { connection: ConnectionId, request_id: RequestId, account: AccountId, from: (u64, u32), leave: Leave },
    /// A client who may wants what became of a meter's certificates, while an account has it.
    Certificates {
        connection: ConnectionId,
        request_id: RequestId,
        meter: MeterId,
        account: AccountId,
        from_seq: u64,
        leave: Leave,
    },
    /// The core has answered a client who may read under a grant.
    Granted { connection: ConnectionId, request_id: RequestId, answer: Box<Answer>, leave: Leave },
    /// A client who may wants to know what was told of a meter under grants, while an account had it or at any time.
    Uses { connection: ConnectionId, request_id: RequestId, meter: MeterId, account: Option<AccountId>, from: u64 },
    /// A client who may wants an account's state proven.
    AccountProof { connection: ConnectionId, request_id: RequestId, proven: Box<ProvenAccount>, leave: Leave },
    /// A bundle whose nonce is used, and that is not under way: final, or a replay.
    Replayed { connection: ConnectionId, request_id: RequestId, bundle: Hash },
    /// A validator wants final headers with their commands.
    ServeSync { to: ValidatorIndex, from_height: u64 },
    /// A validator wants to know of the newest snapshot beyond a height.
    OfferSnapshot { to: ValidatorIndex, above_height: u64 },
    /// A validator wants a piece of a snapshot.
    SendPiece { to: ValidatorIndex, root: Hash, piece: u32 },
    /// Write to the index all that is known, and say so.
    WriteIndex(Sender<()>),
    /// A client is gone.
    Closed(ConnectionId),
}

/// By what a record is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validator) enum RecordName {
    /// The number of its command.
    Seq(u64),
    /// Its command's bundle, and the command's place in that.
    Command { bundle: Hash, index: u16 },
}

/// A place that a leader gave its word on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validator) struct PromisedPlace {
    /// The number of the command there.
    pub(in crate::validator) seq: u64,
    /// The bundle whose command is to stand there, where another's would not be told; none for the places that decide whether the word was kept.
    pub(in crate::validator) bundle: Option<Hash>,
}

/// An account as of a final header, which the desk proves final.
#[derive(Debug)]
pub(in crate::validator) struct ProvenAccount {
    pub(in crate::validator) height: u64,
    pub(in crate::validator) account: AccountId,
    pub(in crate::validator) state: AccountView,
    pub(in crate::validator) proof: StateProof,
}
