//! What a validator tells one that missed it: final headers with their commands, out of its log.

use crate::header::{Header, LogPoint};
use crate::hotstuff::{Proposal, QuorumCert};

use super::log_record::{FinalProof, LogRecord};
use super::messages::{PeerMessage, Run, SYNC_BYTES_MAX, SyncStep, end_of};

/// A final header as an index keeps it.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct IndexedHeader {
    /// The header, with the certificate it builds on.
    pub proposal: Proposal,
    /// What proves it final, if that is known of it and not only of a later one.
    pub proof: Option<FinalProof>,
}

/// Answers a sync request with final `headers`, in sequence, and their commands out of `records`, which begin at or before
/// the first of these commands. The certificate of each header is in the next one, so the last one only certifies; but one that ends
/// its epoch is certified by its own proof, and the answer ends with it. Nothing if not a single header can be answered for.
///
/// # Errors
/// Whatever reading the records gives.
pub fn sync_answer<E>(
    headers: &[IndexedHeader],
    records: impl Iterator<Item = Result<LogRecord, E>>,
) -> Result<Option<PeerMessage>, E> {
    let end = headers.iter().position(|indexed| indexed.proposal.header.ends_epoch());
    let headers = &headers[..end.map_or(headers.len(), |end| end + 1)];
    let proposals: Vec<&Proposal> = headers.iter().map(|indexed| &indexed.proposal).collect();
    let mut steps = with_commands(&proposals, records)?;
    let (beyond, tip) = match (steps.len() == headers.len(), headers.last()) {
        (true, Some(IndexedHeader { proof: Some(proof), proposal })) if proposal.header.ends_epoch() => {
            beyond_end(proof)
        }
        (whole, _) => {
            if whole {
                steps.pop();
            }
            (Vec::new(), headers.get(steps.len()).map(|next| next.proposal.justify.clone()))
        }
    };
    Ok((!steps.is_empty()).then_some(PeerMessage::SyncResponse { steps, beyond, tip }))
}

/// The headers behind one that ends its epoch, up to the certified one, with its certificate.
fn beyond_end(FinalProof { via, child, qc }: &FinalProof) -> (Vec<Header>, Option<QuorumCert>) {
    (via.iter().chain([child]).cloned().collect(), Some(qc.clone()))
}

/// Finds the commands of headers in the log file: those of branches that were given up lie between them.
fn with_commands<E>(
    headers: &[&Proposal],
    mut records: impl Iterator<Item = Result<LogRecord, E>>,
) -> Result<Vec<SyncStep>, E> {
    let mut steps = Vec::new();
    let Some(first) = headers.first() else { return Ok(steps) };
    let mut begin = first.header.first_seq - 1;
    // What the log says after `begin`, as far as it was read: place before, and bytes.
    let mut entries: Vec<(LogPoint, Vec<u8>)> = Vec::new();
    let mut bytes = 0;
    for proposal in headers {
        let end = proposal.header.log_end();
        if !proposal.header.is_empty() {
            while !reaches(&entries, end) {
                let Some(record) = records.next().transpose()? else { return Ok(steps) };
                collect(&mut entries, begin, record);
            }
        }
        let count = entries.iter().take_while(|(start, _)| start.seq < end.seq).count();
        let rest = entries.split_off(count);
        let run = std::mem::replace(&mut entries, rest);
        let start = run.first().map_or(end, |(start, _)| *start);
        bytes += run.iter().map(|(_, entry)| entry.len()).sum::<usize>();
        if bytes > SYNC_BYTES_MAX && !steps.is_empty() {
            return Ok(steps);
        }
        let run = Run { start, entries: run.into_iter().map(|(_, entry)| entry).collect() };
        steps.push(SyncStep { proposal: (*proposal).clone(), run });
        begin = end.seq;
    }
    Ok(steps)
}

/// Whether the entries read so far run to a place: by its digest, so that no other branch is taken for it.
fn reaches(entries: &[(LogPoint, Vec<u8>)], end: LogPoint) -> bool {
    let Some(last) = entries.iter().rev().find(|(start, _)| start.seq < end.seq) else { return false };
    end_of(last.0, &last.1) == Some(end)
}

fn collect(entries: &mut Vec<(LogPoint, Vec<u8>)>, begin: u64, record: LogRecord) {
    match record {
        LogRecord::Entry { start_seq, before, entry } if start_seq >= begin => {
            // Whatever stood here before was given up, or is this very entry read again.
            entries.retain(|(start, _)| start.seq < start_seq);
            entries.push((LogPoint { seq: start_seq, digest: before }, entry));
        }
        LogRecord::Truncate { to_seq } => entries.retain(|(start, _)| start.seq < to_seq),
        _ => {}
    }
}
