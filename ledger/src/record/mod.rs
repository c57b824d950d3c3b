//! What became of each command: the leaves under a header's `results_root`.

mod certificates;
mod consent;
mod event;
mod extract;
mod numbers;
mod party;
mod settled;
#[cfg(test)]
mod tests;
mod trade;

pub use certificates::{CertificateChange, Certificates};
pub use consent::{Consent, ConsentChange};
pub use event::{PartyRef, Purse, RecordEvent};
pub(crate) use extract::ExtractLeaves;
pub use extract::{Extract, history_head};
pub use party::Party;
pub use settled::{AreaResidual, AreaSettled, MeterSettled, RegistersRead};
pub(crate) use settled::{read_fault, write_fault};
pub use trade::Trade;

use gridbook_engine::MeterId;

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::reject::Code;

/// The result of one command, and all that it set off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The command's sequence number.
    pub seq: u64,
    /// The log entry it came in.
    pub entry: Hash,
    /// Its place in the entry's bundle, from 0.
    pub index: u16,
    /// The meter that gave it; none for the operator's commands, time and work.
    pub meter: Option<MeterId>,
    /// The order it is about, by its client id; 0 if it is about none.
    pub client_id: u64,
    /// Whether it was carried out.
    pub outcome: Outcome,
    /// What it set off, in order.
    pub events: Vec<RecordEvent>,
}

/// Whether a command was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was.
    Done,
    /// It was not, and changed nothing.
    Rejected(Code),
}

/// Stands where no meter is.
const NO_METER: u32 = u32::MAX;
const DONE: u16 = 0;

impl Record {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        write_head(&mut w, self, self.events.len());
        for event in &self.events {
            event.write(&mut w);
        }
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        let (seq, entry, index) = (r.u64()?, Hash(r.array()?), r.u16()?);
        let meter = Some(r.u32()?).filter(|number| *number != NO_METER).map(MeterId);
        let client_id = r.u64()?;
        let outcome = match r.u16()? {
            DONE => Outcome::Done,
            number => Outcome::Rejected(Code::from_number(number).ok_or(BytesError::Unknown)?),
        };
        // The count allocates nothing: events are read until it is reached or the bytes end.
        let mut events = Vec::new();
        for _ in 0..r.u32()? {
            events.push(RecordEvent::read(&mut r)?);
        }
        r.finish()?;
        Ok(Self { seq, entry, index, meter, client_id, outcome, events })
    }

    /// Its leaf under the results root.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

/// All but the events, of which `events` follow.
fn write_head(w: &mut Writer, record: &Record, events: usize) {
    let Record { seq, entry, index, meter, client_id, outcome, events: _ } = record;
    w.u64(*seq).bytes(&entry.0).u16(*index).u32(meter.map_or(NO_METER, |meter| meter.0)).u64(*client_id);
    w.u16(match outcome {
        Outcome::Done => DONE,
        Outcome::Rejected(code) => code.number(),
    });
    w.u32(u32::try_from(events).expect("one command sets off far fewer than 2^32 events"));
}

/// The leaf of a record's canonical bytes.
pub fn leaf_hash(record: &[u8]) -> Hash {
    Hash::of("gridbook/record/2", record)
}
