//! What validators vote on: a header says "the log up to here gives these results and this state".

use gridbook_engine::LedgerTime;

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Hasher};
use crate::validators::ValidatorIndex;

/// Where a header stands in its epoch. Slots restart at 0 in every view; ranks are compared view first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Rank {
    /// The term of one leader.
    pub view: u64,
    /// The header's place in its view.
    pub slot: u32,
}

/// A header by rank and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct HeaderRef {
    /// Its rank.
    pub rank: Rank,
    /// Its hash.
    pub hash: Hash,
}

/// A place in a log: everything up to and including `seq`, and the running digest there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct LogPoint {
    /// The sequence number of the last command; 0 before the first.
    pub seq: u64,
    /// The digest of the log up to there.
    pub digest: Hash,
}

/// One step of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Header {
    /// The ledger it belongs to: the hash of its genesis.
    pub chain: Hash,
    /// The validator set's number.
    pub epoch: u32,
    /// View and slot.
    pub rank: Rank,
    /// Its number in the chain; the genesis header is 0.
    pub height: u64,
    /// Who proposed it.
    pub proposer: ValidatorIndex,
    /// Ledger time: that of the last `Time` command in the log up to here, in milliseconds.
    pub time_ms: u64,
    /// The header before it.
    pub parent: Hash,
    /// The certified header it builds on: its parent.
    pub justify: HeaderRef,
    /// Hash of the timeout certificate that opened the view, in slot 0 of views above 1; else zero.
    pub tc_hash: Hash,
    /// Sequence number of its first command; `last_seq + 1` if it has none.
    pub first_seq: u64,
    /// Sequence number of its last command.
    pub last_seq: u64,
    /// Running digest of the log up to `last_seq`.
    pub log_digest: Hash,
    /// Merkle root over its log entries.
    pub inputs_root: Hash,
    /// Merkle root over the records of its commands.
    pub results_root: Hash,
    /// Merkle root over accounts and devices after `last_seq`.
    pub state_root: Hash,
    /// Hash over everything that execution reads, in checkpoint headers; else zero.
    pub snapshot_root: Hash,
    /// [`Header::CHECKPOINT`] and [`Header::EPOCH_END`], or zero. Other bits are reserved.
    pub flags: u32,
    /// Hash of the next validator set in a header that ends its epoch; else zero.
    pub next_set_hash: Hash,
}

const DOMAIN: &str = "gridbook/header/1";

impl Header {
    /// Marks a header that carries a snapshot root.
    pub const CHECKPOINT: u32 = 1;

    /// Marks the header that ends its epoch; it names the next validator set.
    pub const EPOCH_END: u32 = 2;

    /// Its hash, which is its name.
    pub fn hash(&self) -> Hash {
        let mut hasher = Hasher::new(DOMAIN);
        hasher.update(&self.encode());
        hasher.finish()
    }

    /// Rank and hash.
    pub fn reference(&self) -> HeaderRef {
        HeaderRef { rank: self.rank, hash: self.hash() }
    }

    /// Where its log ends.
    pub fn log_end(&self) -> LogPoint {
        LogPoint { seq: self.last_seq, digest: self.log_digest }
    }

    /// Whether it adds nothing to the log.
    pub fn is_empty(&self) -> bool {
        self.first_seq > self.last_seq
    }

    /// Whether its last command ends the epoch: of what descends from it in this epoch nothing is ever final.
    pub fn ends_epoch(&self) -> bool {
        self.flags & Self::EPOCH_END != 0
    }

    /// Its ledger time.
    pub fn time(&self) -> LedgerTime {
        LedgerTime(self.time_ms)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&self.chain.0).u32(self.epoch).u64(self.rank.view).u32(self.rank.slot).u64(self.height);
        w.u16(self.proposer.0).u64(self.time_ms).bytes(&self.parent.0);
        w.u64(self.justify.rank.view).u32(self.justify.rank.slot).bytes(&self.justify.hash.0).bytes(&self.tc_hash.0);
        w.u64(self.first_seq).u64(self.last_seq).bytes(&self.log_digest.0);
        w.bytes(&self.inputs_root.0).bytes(&self.results_root.0).bytes(&self.state_root.0).bytes(&self.snapshot_root.0);
        w.u32(self.flags).bytes(&self.next_set_hash.0);
        w.finish()
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        let header = Self::read(&mut r)?;
        r.finish()?;
        Ok(header)
    }

    /// Reads canonical bytes out of a longer message.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            chain: Hash(r.array()?),
            epoch: r.u32()?,
            rank: Rank { view: r.u64()?, slot: r.u32()? },
            height: r.u64()?,
            proposer: ValidatorIndex(r.u16()?),
            time_ms: r.u64()?,
            parent: Hash(r.array()?),
            justify: HeaderRef { rank: Rank { view: r.u64()?, slot: r.u32()? }, hash: Hash(r.array()?) },
            tc_hash: Hash(r.array()?),
            first_seq: r.u64()?,
            last_seq: r.u64()?,
            log_digest: Hash(r.array()?),
            inputs_root: Hash(r.array()?),
            results_root: Hash(r.array()?),
            state_root: Hash(r.array()?),
            snapshot_root: Hash(r.array()?),
            flags: r.u32()?,
            next_set_hash: Hash(r.array()?),
        })
    }
}
