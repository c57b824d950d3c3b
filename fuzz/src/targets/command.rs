//! What meters and operators sign, from the bytes to what it does.

use gridbook_ledger::admission::{DeviceKind, DeviceStatus, Door};
use gridbook_ledger::command::{COMMAND_BYTES, Command, SignedBundle};
use gridbook_ledger::entry::{Entry, UnverifiedEntry, verify_entries};
use gridbook_ledger::record::Record;
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::state::State;

use super::{Target, glued, parts};
use crate::village::{chain, entries, genesis, registrations, state, stories};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "bundle", seeds: bundles, run: bundle, held_bytes_max: (64 << 10, 64), short_runs: 20_000 },
    Target { name: "command", seeds: commands, run: command, held_bytes_max: (16 << 10, 16), short_runs: 40_000 },
    Target { name: "door", seeds: bundles, run: door, held_bytes_max: (256 << 10, 64), short_runs: 3_000 },
    Target { name: "entry", seeds: entries, run: entry, held_bytes_max: (256 << 10, 64), short_runs: 5_000 },
    Target { name: "execution", seeds: logs, run: execute, held_bytes_max: (32 << 20, 4_096), short_runs: 500 },
];

fn bundles() -> Vec<Vec<u8>> {
    stories().iter().chain([&registrations()]).map(|signed| signed.bytes().to_vec()).collect()
}

/// Every content has one encoding.
fn bundle(bytes: &[u8]) {
    if let Ok(signed) = SignedBundle::decode(bytes) {
        assert_eq!(signed.bytes(), bytes);
        assert_eq!(signed.bundle().content(), signed.content());
        assert_eq!(signed.bundle().id(), signed.id());
    }
}

fn commands() -> Vec<Vec<u8>> {
    let all = stories().into_iter().chain([registrations()]);
    all.flat_map(|signed| signed.bundle().commands.iter().map(|command| command.encode().to_vec()).collect::<Vec<_>>())
        .collect()
}

/// Every command has one encoding.
fn command(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<COMMAND_BYTES>() else { return };
    if let Ok(command) = Command::decode(bytes) {
        assert_eq!(command.encode(), *bytes);
    }
}

/// Whoever is let in is let in alone as well as among others, and was signed as it came.
fn door(bytes: &[u8]) {
    let lookup = |key: &_| {
        (*key != genesis().operator).then_some(DeviceStatus {
            kind: DeviceKind::Operator,
            standing: KeyStanding::Active,
            nonce: 0,
        })
    };
    let door = Door { chain: chain(), now: genesis().ledger_start, lookup };
    let alone = door.admit_one(bytes);
    let good = stories()[0].bytes().to_vec();
    let among = door.admit_batch(&[good.clone(), bytes.to_vec(), good]).swap_remove(1);
    match (&alone, &among) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            assert!(bundles().iter().any(|known| known[..] == *bytes), "a bundle that nobody signed was let in");
        }
        // In the batch a copy of the first is a replay.
        (Ok(_), Err(refusal)) => assert_eq!(refusal.bundle, Some(stories()[0].id())),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (Err(_), Ok(_)) => panic!("refused alone and let in among others"),
    }
}

/// Entries are canonical, and a batch of them is judged as each alone.
fn entry(bytes: &[u8]) {
    if let Ok(entry) = UnverifiedEntry::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
        let known = UnverifiedEntry::decode(&entries()[1]).expect("own bytes");
        let among = verify_entries(vec![known.clone(), entry.clone(), known]);
        assert_eq!(entry.verify().is_ok(), among.is_ok());
    }
}

fn logs() -> Vec<Vec<u8>> {
    let entries = entries().split_off(3);
    vec![glued(&entries), glued(&entries[..4]), glued(&entries[4..8]), glued(&entries[6..])]
}

/// Whatever is well formed is carried out, whoever signed it: each command has its record, money is kept, and all of it can be undone.
fn execute(bytes: &[u8]) {
    let (mut state, mut next_seq) = state();
    let (before, start) = (state.snapshot_root(), state.mark());
    for part in parts(bytes).take(64) {
        let Ok(entry) = Entry::decode_unverified(part) else { continue };
        next_seq += carry_out(&mut state, next_seq, &entry.trust());
        assert_eq!(state.audit(), Ok(()));
    }
    let restored = State::restore(genesis(), &state.snapshot()).map(|mut state| state.snapshot_root());
    assert_eq!(restored, Ok(state.snapshot_root()), "its own snapshot is refused");
    state.rollback(start);
    assert_eq!(state.snapshot_root(), before, "something was not undone");
}

fn carry_out(state: &mut State, next_seq: u64, entry: &Entry) -> u64 {
    let mut records = Vec::new();
    state.apply(next_seq, entry, &mut records);
    assert_eq!(records.len() as u64, entry.count());
    for (record, seq) in records.iter().zip(next_seq..) {
        assert_eq!(record.seq, seq);
        assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(record));
    }
    entry.count()
}
