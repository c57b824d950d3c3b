//! Proof that nothing was left out of what is shown of an account.
//!
//! The way of the proof: extracts of records -> history head -> the account's leaf -> state root -> header B -> its child C -> 2f + 1
//! signatures. The head is a chain over all that the ledger ever said of the account, so a missing, added, altered or moved extract
//! ends in another head.

use gridbook_engine::{AccountId, LedgerTime, Money};

use super::bytes::at_most;
use super::{EPOCHS_MAX, RECORD_BYTES_MAX};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::epoch::{EpochError, EpochProof, Epochs, FinalityError, HEADERS_MAX, verify_finality};
use crate::genesis::Genesis;
use crate::header::{Header, HeaderRef};
use crate::hotstuff::QuorumCert;
use crate::merkle::Path;
use crate::record::{Extract, Party, history_head};
use crate::registry::OrganisationId;
use crate::state::{AccountView, StateProof};

/// How an account stood under a final header. Nothing is proven until [`AccountProof::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The proofs that lead from the genesis' validators to those of the headers' epoch, oldest first.
    pub epochs: Vec<EpochProof>,
    /// Which account.
    pub account: AccountId,
    /// How it stood.
    pub state: AccountView,
    /// That it stood so in the state of the first header.
    pub proof: StateProof,
    /// From that header to B, each the parent of the next.
    pub headers: Vec<Header>,
    /// C: the child of B.
    pub child: Header,
    /// The certificate of C.
    pub qc: QuorumCert,
}

/// An account's whole history up to a final header. Nothing is proven until [`AccountHistory::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountHistory {
    /// How the account stood at its end.
    pub proof: AccountProof,
    /// What each record said of it, oldest first: canonical bytes of extracts.
    pub extracts: Vec<Vec<u8>>,
}

/// What an [`AccountProof`] proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccount {
    /// How the account stood.
    pub state: AccountView,
    /// Under which header.
    pub header: HeaderRef,
    /// That header's height.
    pub height: u64,
    /// The last command that the header covers.
    pub last_seq: u64,
    /// Ledger time at its end.
    pub time: LedgerTime,
}

/// What an [`AccountHistory`] proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHistory {
    /// How the account stood at its end.
    pub account: VerifiedAccount,
    /// All that records said of it up to there.
    pub extracts: Vec<Extract>,
}

/// Which step of the proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No header, or too many of something.
    #[error("the proof has no headers, or too many of them")]
    Size,
    /// An epoch's end is not proven, so that the validators of the next are not known.
    #[error("proof number {number} does not lead from one validator set to the next: {why}")]
    Epochs {
        /// Which, from 0.
        number: usize,
        /// Why.
        why: EpochError,
    },
    /// The header is not final.
    #[error("the header is not proven final by the validators of epoch {epoch}: {why}")]
    Finality {
        /// To which epoch the proofs lead.
        epoch: u32,
        /// Why.
        why: FinalityError,
    },
    /// The account's leaf does not lead to the header's state root.
    #[error("the account did not stand so under the header's state root")]
    State,
    /// An extract's bytes are not canonical.
    #[error("extract number {number} cannot be read: {why}")]
    Extract {
        /// Which, from 0.
        number: usize,
        /// Why.
        why: BytesError,
    },
    /// An extract belongs into another history.
    #[error("extract number {number}, of command {seq}, is not of this account alone")]
    Foreign {
        /// Which, from 0.
        number: usize,
        /// Its command.
        seq: u64,
    },
    /// An extract stands behind one that came later, twice, or after the header's end.
    #[error("extract number {number}, of command {seq}, is not in the ledger's order, or from after the header")]
    Order {
        /// Which, from 0.
        number: usize,
        /// Its command.
        seq: u64,
    },
    /// The extracts are good one by one and together are not the account's history.
    #[error("the {count} extracts do not chain to the account's history: one is missing, added or altered")]
    Incomplete {
        /// How many there are.
        count: usize,
    },
}

/// Stands where an account belongs to no organisation: there are far fewer.
const NO_ORGANISATION: u16 = u16::MAX;

impl AccountProof {
    /// Checks all of it against a genesis.
    ///
    /// # Errors
    /// Says which step does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedAccount, AccountError> {
        if self.epochs.len() > EPOCHS_MAX || self.headers.len() > HEADERS_MAX {
            return Err(AccountError::Size);
        }
        let header = self.headers.first().ok_or(AccountError::Size)?;
        let mut epochs = Epochs::new(genesis);
        for (number, proof) in self.epochs.iter().enumerate() {
            epochs.extend(proof.clone()).map_err(|why| AccountError::Epochs { number, why })?;
        }
        let (chain, epoch) = (genesis.chain_id(), epochs.present());
        verify_finality(&self.headers, &self.child, &self.qc, chain, epoch, epochs.present_set())
            .map_err(|why| AccountError::Finality { epoch, why })?;
        if !self.proof.verify_account(self.account, &self.state, &header.state_root) {
            return Err(AccountError::State);
        }
        let (height, last_seq, time) = (header.height, header.last_seq, header.time());
        Ok(VerifiedAccount { state: self.state, header: header.reference(), height, last_seq, time })
    }

    fn write(&self, w: &mut Writer) {
        w.u32(self.account.0).i128(self.state.balance.0).i128(self.state.reserved.0);
        w.bytes(&self.state.history_head.0).u16(self.state.score).u32(self.state.share_ppm);
        w.u16(self.state.organisation.map_or(NO_ORGANISATION, |organisation| organisation.0));
        self.proof.path.write(w);
        w.bytes(&self.proof.accounts_root.0).bytes(&self.proof.meters_root.0).bytes(&self.proof.counters_hash.0);
        w.u16(u16::try_from(self.epochs.len()).expect("within EPOCHS_MAX"));
        self.epochs.iter().for_each(|proof| proof.write(w));
        w.u16(u16::try_from(self.headers.len()).expect("within HEADERS_MAX"));
        for header in self.headers.iter().chain([&self.child]) {
            w.bytes(&header.encode());
        }
        self.qc.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let account = AccountId(r.u32()?);
        let state = AccountView {
            balance: Money(r.i128()?),
            reserved: Money(r.i128()?),
            history_head: Hash(r.array()?),
            score: r.u16()?,
            share_ppm: r.u32()?,
            organisation: Some(r.u16()?).filter(|number| *number != NO_ORGANISATION).map(OrganisationId),
        };
        let path = Path::read(r)?;
        let (accounts_root, meters_root) = (Hash(r.array()?), Hash(r.array()?));
        let proof = StateProof { path, accounts_root, meters_root, counters_hash: Hash(r.array()?) };
        let epochs = at_most(r.u16()?.into(), EPOCHS_MAX)?;
        let epochs = (0..epochs).map(|_| EpochProof::read(r)).collect::<Result<_, _>>()?;
        let headers = at_most(r.u16()?.into(), HEADERS_MAX)?;
        let headers = (0..headers).map(|_| Header::read(r)).collect::<Result<_, _>>()?;
        let child = Header::read(r)?;
        let qc = QuorumCert::read(r)?;
        Ok(Self { epochs, account, state, proof, headers, child, qc })
    }

    /// Canonical bytes.
    ///
    /// # Panics
    /// If a part is over its limit; [`AccountProof::decode`] lets none such through.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(w.domain("gridbook/account-proof/1"));
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.domain("gridbook/account-proof/1")?;
        let proof = Self::read(&mut r)?;
        r.finish()?;
        Ok(proof)
    }
}

impl AccountHistory {
    /// Checks all of it against a genesis: that the account stood so under a final header, and that the extracts are all that records
    /// said of it until then.
    ///
    /// # Errors
    /// Says which step does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedHistory, AccountError> {
        let account = self.proof.verify(genesis)?;
        let (mut head, mut last_seq) = (Hash::ZERO, 0);
        let mut extracts = Vec::new();
        for (number, bytes) in self.extracts.iter().enumerate() {
            let extract = Extract::decode(bytes).map_err(|why| AccountError::Extract { number, why })?;
            let seq = extract.record().seq;
            if !extract.is_of(Party::Account(self.proof.account)) {
                return Err(AccountError::Foreign { number, seq });
            }
            if seq <= last_seq || seq > account.last_seq {
                return Err(AccountError::Order { number, seq });
            }
            last_seq = seq;
            head = history_head(&head, &extract.leaf_hash());
            extracts.push(extract);
        }
        if head != account.state.history_head {
            return Err(AccountError::Incomplete { count: extracts.len() });
        }
        Ok(VerifiedHistory { account, extracts })
    }

    /// Canonical bytes.
    ///
    /// # Panics
    /// If a part is over its limit; [`AccountHistory::decode`] lets none such through.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.proof.write(w.domain("gridbook/account-history/1"));
        w.u32(u32::try_from(self.extracts.len()).expect("fewer than 2^32 records name one account"));
        for extract in &self.extracts {
            w.u32(u32::try_from(extract.len()).expect("within RECORD_BYTES_MAX")).bytes(extract);
        }
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.domain("gridbook/account-history/1")?;
        let proof = AccountProof::read(&mut r)?;
        // The count allocates nothing: extracts are read until it is reached or the bytes end.
        let mut extracts = Vec::new();
        for _ in 0..r.u32()? {
            let length = at_most(r.u32()?, RECORD_BYTES_MAX)?;
            extracts.push(r.bytes(length)?.to_vec());
        }
        r.finish()?;
        Ok(Self { proof, extracts })
    }
}
