//! The bytes of one record.

use crate::crypto::{Hash, Hasher};

/// What a record takes besides its payload, at most: frame, padding and chain hash.
pub const RECORD_OVERHEAD_BYTES: u64 = FRAME_BYTES + 7 + CHAIN_BYTES;

/// Synced-through, length, kind with three zero bytes, checksum.
pub(super) const FRAME_BYTES: u64 = 24;
/// The chain hash, which ends the record and so stands right before the next one.
pub(super) const CHAIN_BYTES: u64 = 32;
/// A mark is a frame alone.
pub(super) const MARK_BYTES: u64 = FRAME_BYTES;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;
/// No record is longer, with its overhead.
pub(super) const LENGTH_MAX: u32 = u32::MAX - 1;

const MARK_LENGTH: u32 = u32::MAX;

/// Ties a frame to its segment, so that a frame of another file never holds here.
pub(super) type Salt = [u8; 8];

/// Where a record is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) salt: Salt,
    pub(super) offset: u64,
    pub(super) synced: u64,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing: all zero.
    Unwritten,
    /// The end of a segment that is synced through `synced`.
    Mark { synced: u64 },
    /// A record begins. `synced` is how far the segment was synced when it was appended.
    Record { synced: u64, kind: u8, length: u32 },
    /// Neither.
    Damaged,
}

/// What a record with such a payload takes in the file.
pub(super) fn record_bytes(payload_bytes: usize) -> u64 {
    FRAME_BYTES + (payload_bytes as u64).next_multiple_of(ALIGNMENT) + CHAIN_BYTES
}

/// Adds a record to the buffer; the chain hash after it.
pub(super) fn encode(buffer: &mut Vec<u8>, place: Place, kind: u8, payload: &[u8], chain: Hash) -> Hash {
    let length = u32::try_from(payload.len()).expect("append refuses records over LENGTH_MAX");
    buffer.extend_from_slice(&encode_frame(place, kind, length));
    buffer.extend_from_slice(payload);
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT as usize), 0);
    let chain = chain_after(chain, kind, payload);
    buffer.extend_from_slice(&chain.0);
    chain
}

/// The mark that a segment is synced up to where the mark stands.
pub(super) fn encode_mark(salt: Salt, offset: u64) -> [u8; FRAME_BYTES as usize] {
    encode_frame(Place { salt, offset, synced: offset }, 0, MARK_LENGTH)
}

/// Reads the frame at `offset`.
pub(super) fn decode(salt: Salt, offset: u64, bytes: &[u8; FRAME_BYTES as usize]) -> Frame {
    if *bytes == [0; FRAME_BYTES as usize] {
        return Frame::Unwritten;
    }
    let synced = u64_at(bytes, 0);
    let word = u64_at(bytes, 8);
    let length = word as u32;
    let kind = (word >> 32) as u8;
    // What no frame can hold is told without hashing: recovery asks this of every place in a torn tail.
    if synced > offset || word >> 40 != 0 || u64_at(bytes, 16) != checksum(salt, offset, &bytes[..16]) {
        return Frame::Damaged;
    }
    if length == MARK_LENGTH { Frame::Mark { synced } } else { Frame::Record { synced, kind, length } }
}

/// The chain hash after a record.
pub(super) fn chain_after(before: Hash, kind: u8, payload: &[u8]) -> Hash {
    Hasher::new("gridbook/record").update(&before.0).update(&[kind]).update(payload).finish()
}

fn encode_frame(place: Place, kind: u8, length: u32) -> [u8; FRAME_BYTES as usize] {
    let mut frame = [0; FRAME_BYTES as usize];
    frame[..8].copy_from_slice(&place.synced.to_le_bytes());
    frame[8..12].copy_from_slice(&length.to_le_bytes());
    frame[12] = kind;
    let check = checksum(place.salt, place.offset, &frame[..16]);
    frame[16..].copy_from_slice(&check.to_le_bytes());
    frame
}

fn checksum(salt: Salt, offset: u64, fields: &[u8]) -> u64 {
    let hash = Hasher::new("gridbook/frame").update(&salt).update(&offset.to_le_bytes()).update(fields).finish();
    u64_at(&hash.0, 0)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
