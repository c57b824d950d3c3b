//! The meter protocol: what clients and validators say to each other in the frames of a meter connection.
//!
//! One frame is one [`Request`] or one [`Answer`]. Both start with the request's number, so that many can be under way on one
//! connection and answers may come in any order; then a tag, then fixed-width little-endian fields, then nothing. Bytes
//! that the writer would not have written are refused by the reader.
//!
//! A bundle may be submitted again, here or at another validator, and is answered as the first time: whoever lost a connection, and
//! with it an answer, sends the same bytes to the next validator. `Refused` with `AuthReplay` therefore means that *another* bundle has
//! used the nonce.
//!
//! The connection proves nothing about meters (a gateway carries bundles and queries of many): a bundle is authorised by its own
//! signature, and whoever reads what only a meter may see sends a [`SignedQuery`].

mod answer;
mod book;
mod conduct;
mod event;
mod grants;
mod query;
mod registry;
mod request;
mod standing;
mod uses;

pub use answer::Answer;
pub use book::Book;
pub use conduct::{CONDUCT_ENTRIES_MAX, ConductBook, ConductStanding, ConductSubject};
pub use event::{cut_to, meters_in};
pub use grants::GrantList;
pub use query::{CertificateLink, QueryKind, SignedQuery};
pub use registry::{AccessState, METERS_PER_ANSWER, RegistryEntry, RegistrySubject};
pub use request::{Request, RequestBody};
pub use standing::{AccountState, Status};
pub use uses::{USES_PER_ANSWER, Use, UsePage};

use gridbook_engine::{AreaId, Energy};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::origin::CertificateRange;

/// The number that a client gives its request, unique among those of its connection that are under way.
pub type RequestId = u64;

/// The most proofs one [`Answer::Epochs`] carries.
pub const EPOCHS_PER_ANSWER: usize = 16;

/// The most records one [`Answer::Final`] may carry.
pub const RECORDS_MAX: u32 = 1 << 20;

/// The request number at the front of a frame that may be malformed behind it, so that even a refusal finds its request.
pub fn request_id_of(frame: &[u8]) -> Option<RequestId> {
    Reader::new(frame).u64().ok()
}

/// Bytes with their length in front.
fn write_blob(w: &mut Writer, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("frames are capped far below 4 GiB");
    w.u32(length).bytes(bytes);
}

fn read_blob(r: &mut Reader<'_>) -> Result<Vec<u8>, BytesError> {
    let length = usize::try_from(r.u32()?).map_err(|_| BytesError::TooLong)?;
    Ok(r.bytes(length)?.to_vec())
}

fn read_flag(r: &mut Reader<'_>) -> Result<bool, BytesError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BytesError::Unknown),
    }
}

/// Issuer, first number, how many.
fn write_range(w: &mut Writer, range: CertificateRange) {
    w.u16(range.issuer().0).u64(range.first()).u64(range.energy().0);
}

fn read_range(r: &mut Reader<'_>) -> Result<CertificateRange, BytesError> {
    let (issuer, first, energy) = (AreaId(r.u16()?), r.u64()?, Energy(r.u64()?));
    CertificateRange::new(issuer, first, energy).ok_or(BytesError::Unknown)
}
