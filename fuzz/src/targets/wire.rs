//! What comes over a connection: frames, messages of validators, and what a replica does with them.

use std::collections::HashMap;
use std::mem::discriminant;

use bytes::Bytes;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, WallTime};
use gridbook_ledger::replica::{Chunk, Effect, Input, PeerMessage, Replica};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_net::{FrameDecoder, REQUEST_BYTES_MAX};

use super::{Target, glued, parts};
use crate::quartet::{day, replica, verified};
use crate::village::{WALL_START_US, chain, validator};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "frames", seeds: framed, run: frames, held_bytes_max: (64 << 10, 8), short_runs: 20_000 },
    Target {
        name: "peer_message",
        seeds: archives,
        run: peer_message,
        held_bytes_max: (1 << 20, 64),
        short_runs: 4_000,
    },
    Target { name: "replica", seeds: conversations, run: converse, held_bytes_max: (8 << 20, 256), short_runs: 400 },
];

fn framed() -> Vec<Vec<u8>> {
    let frame = |payload: &[u8]| [&u32::try_from(payload.len()).expect("short").to_le_bytes()[..], payload].concat();
    let frames = [frame(b"one"), frame(&[7; 300]), frame(&[1])];
    vec![frames.concat(), frames[1].clone(), (REQUEST_BYTES_MAX as u32).to_le_bytes().to_vec(), vec![0; 4]]
}

/// However a stream is cut, the same frames come out, and the same error at its end.
fn frames(bytes: &[u8]) {
    let decode = |step: usize| {
        let (mut decoder, mut frames) = (FrameDecoder::new(REQUEST_BYTES_MAX), Vec::<Bytes>::new());
        let end = bytes.chunks(step).try_for_each(|part| decoder.push(part, &mut frames));
        let missing = decoder.missing();
        assert!(frames.iter().all(|frame| !frame.is_empty() && frame.len() <= REQUEST_BYTES_MAX));
        (frames, end.is_ok().then_some(missing), end)
    };
    let whole = decode(bytes.len().max(1));
    assert_eq!(whole, decode(1));
    assert_eq!(whole, decode(7));
    let taken: usize = whole.0.iter().map(|frame| frame.len() + 4).sum();
    assert!(taken <= bytes.len(), "more came out than went in");
}

/// A few of each kind of message.
fn some_of_each_kind() -> Vec<PeerMessage> {
    let mut counts: HashMap<_, u32> = HashMap::new();
    let mut is_new = |message: &PeerMessage| {
        let inner = if let PeerMessage::Consensus(message) = message { Some(discriminant(message)) } else { None };
        let count = counts.entry((discriminant(message), inner)).or_default();
        *count += 1;
        *count <= 6
    };
    let mut some: Vec<PeerMessage> = day().sent.iter().filter(|message| is_new(message)).cloned().collect();
    let chunk =
        some.iter().find_map(|message| if let PeerMessage::Chunk(chunk) = message { Some(chunk) } else { None });
    let chunk = chunk.expect("a day has chunks").clone();
    let header = Box::new(day().finals[0].proposal.clone());
    some.push(PeerMessage::Pull { target: chunk.end, floor_seq: 0 });
    some.push(PeerMessage::Consensus(ConsensusMessage::HeaderRequest(header.header.hash())));
    some.push(PeerMessage::Consensus(ConsensusMessage::HeaderResponse(header)));
    some.push(PeerMessage::Pulled { end: chunk.end, run: chunk.run });
    some
}

pub(super) fn archives() -> Vec<Vec<u8>> {
    some_of_each_kind().iter().map(PeerMessage::encode).collect()
}

/// What can be read is the same when it is written and read again.
fn peer_message(bytes: &[u8]) {
    if let Ok(message) = PeerMessage::decode(bytes) {
        let again = PeerMessage::decode(&message.encode());
        assert_eq!(again, Ok(message));
    }
}

/// The one that lies: it leads view 1, and everything it says under [`LIES`] is signed by its own key.
const LIAR: u16 = 1;
/// Marks a message of the liar that is signed anew.
const LIES: u8 = 0x80;
/// The one that listens.
const LISTENER: u16 = 2;

/// What the listener heard, some in a row.
fn conversations() -> Vec<Vec<u8>> {
    let said = |(from, message): &(u16, PeerMessage)| [&from.to_le_bytes()[..1], &message.encode()].concat();
    let said: Vec<Vec<u8>> = day().heard.iter().map(said).collect();
    let lies: Vec<Vec<u8>> = archives().iter().map(|archive| [&[LIES], &archive[..]].concat()).collect();
    let opening = glued(&said[..said.len().min(24)]);
    let mut conversations: Vec<Vec<u8>> = lies.chunks(4).map(|lies| [opening.clone(), glued(lies)].concat()).collect();
    conversations.extend(said.chunks(12).take(12).map(glued));
    conversations.push(opening);
    conversations
}

/// One validator of four says whatever it likes and signs it, and messages of the others are spoilt on their way: a replica takes
/// them, or drops them, and goes on.
fn converse(bytes: &[u8]) {
    let mut replica = replica(LISTENER);
    let mut now_us = WALL_START_US;
    listen(&mut replica, Input::Start, now_us);
    for part in parts(bytes).take(64) {
        let Some((who, archive)) = part.split_first() else { continue };
        let Ok(message) = PeerMessage::decode(archive) else { continue };
        let (from, message) = if who & LIES == 0 {
            (ValidatorIndex(u16::from(who % 4)), message)
        } else {
            (ValidatorIndex(LIAR), signed_by_liar(message))
        };
        if from.0 != LISTENER
            && let Ok(input) = verified(from, message, &replica)
        {
            now_us += 1_000;
            listen(&mut replica, input, now_us);
            listen(&mut replica, Input::Tick, now_us);
        }
    }
    assert_eq!(replica.state().audit(), Ok(()));
}

fn listen(replica: &mut Replica, input: Input, now_us: u64) {
    let mut durable = Vec::new();
    for effect in replica.handle(input, WallTime(now_us)) {
        match effect {
            Effect::Halt(why) => panic!("one of four halts another: {why}"),
            Effect::Notify(number) => durable.push(number),
            _ => {}
        }
    }
    for number in durable {
        let _ = replica.handle(Input::Durable(number), WallTime(now_us));
    }
}

/// A statement of the liar, as it would sign it.
fn signed_by_liar(message: PeerMessage) -> PeerMessage {
    let (key, me) = (validator(LIAR), ValidatorIndex(LIAR));
    match message {
        PeerMessage::Consensus(ConsensusMessage::Proposal(mut proposal)) => {
            proposal.signature = Proposal::sign(&proposal.header, &key);
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal))
        }
        PeerMessage::Consensus(ConsensusMessage::Vote(mut vote)) => {
            vote.voter = me;
            vote.signature = key.sign(&vote.signed_bytes(chain()));
            PeerMessage::Consensus(ConsensusMessage::Vote(vote))
        }
        PeerMessage::Consensus(ConsensusMessage::Timeout(mut timeout)) => {
            timeout.voter = me;
            timeout.signature = key.sign(&timeout.signed_bytes(chain()));
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout))
        }
        PeerMessage::Chunk(chunk) => PeerMessage::Chunk(Box::new(Chunk::sign(*chunk, chain(), &key))),
        other => other,
    }
}
