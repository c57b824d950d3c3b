//! The door: who is let in, who is not and why, and that nobody is shut out by somebody else's bundle.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, LedgerTime, MeterId};
use gridbook_ledger::admission::{
    Admitted, DeviceKind, DeviceStatus, Door, Refusal, SIGNATURES_PER_BATCH, verify_chunk_bundles,
};
use gridbook_ledger::command::{Bundle, Command, NEVER, SignedBundle};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::entry::{Entry, UnverifiedEntry, log_digest, verify_entries};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::reject::Code;

const CHAIN: Hash = Hash([0xc4; 32]);
const NOW: LedgerTime = LedgerTime(1_000);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn meter(nonce: u64) -> DeviceStatus {
    DeviceStatus {
        kind: DeviceKind::Meter { meter: MeterId(0), account: AccountId(0) },
        standing: KeyStanding::Active,
        nonce,
    }
}

/// Keys 1 to 9 are meters that have used nonce 5; key 10 is suspended.
fn registry() -> BTreeMap<PublicKey, DeviceStatus> {
    let mut devices: BTreeMap<_, _> = (1..10).map(|number| (key(number).public(), meter(5))).collect();
    devices.insert(key(10).public(), DeviceStatus { standing: KeyStanding::Suspended, ..meter(5) });
    devices
}

fn door() -> Door<impl Fn(&PublicKey) -> Option<DeviceStatus>> {
    let registry = registry();
    Door { chain: CHAIN, now: NOW, lookup: move |key: &PublicKey| registry.get(key).copied() }
}

fn bundle(number: u8, nonce: u64) -> Bundle {
    let commands = vec![Command::Cancel { client_id: nonce }, Command::CancelAll];
    Bundle { chain: CHAIN, signer: key(number).public(), nonce, expires_at: NEVER, commands }
}

fn signed(number: u8, nonce: u64) -> SignedBundle {
    bundle(number, nonce).sign(&key(number))
}

fn forged(number: u8, nonce: u64) -> SignedBundle {
    bundle(number, nonce).sign(&key(99))
}

/// Both ways through the door must answer alike.
fn answer(signed: &SignedBundle) -> Result<Admitted, Refusal> {
    let one = door().admit_one(signed.bytes());
    let mut batch = door().admit_batch(&[signed.bytes()]);
    assert_eq!(batch.len(), 1);
    assert_eq!(batch.pop(), Some(one.clone()));
    one
}

fn code(signed: &SignedBundle) -> Option<Code> {
    let refusal = answer(signed).err()?;
    assert_eq!(refusal.bundle, Some(signed.id()), "a refusal names the bundle");
    Some(refusal.code)
}

/// The good case, without which the others say nothing.
#[test]
fn a_registered_meter_with_a_fresh_nonce_is_let_in() {
    let signed = signed(1, 6);
    let admitted = answer(&signed).unwrap();
    assert_eq!(admitted.signed(), &signed);
    assert_eq!(admitted.id(), signed.id());
}

/// A gateway fails over and skips numbers: gaps are allowed, up to the very last number.
#[test]
fn nonces_may_leave_gaps() {
    assert_eq!(code(&signed(1, 1_000)), None);
    assert_eq!(code(&signed(1, u64::MAX)), None);
}

/// A recorded bundle is sent again, or an older one.
#[test]
fn a_used_or_lower_nonce_is_a_replay() {
    assert_eq!(code(&signed(1, 5)), Some(Code::AuthReplay));
    assert_eq!(code(&signed(1, 0)), Some(Code::AuthReplay));
}

/// A bundle from the test ledger is played on the real one.
#[test]
fn a_bundle_for_another_ledger_is_refused() {
    let other = Bundle { chain: Hash([0xc5; 32]), ..bundle(1, 6) };
    assert_eq!(code(&other.sign(&key(1))), Some(Code::AuthChain));
}

/// A bundle lay in a queue until it was out of date: `expires_at <= now` is over.
#[test]
fn an_expired_bundle_is_refused() {
    let until = |time| Bundle { expires_at: LedgerTime(time), ..bundle(1, 6) }.sign(&key(1));
    assert_eq!(code(&until(999)), Some(Code::AuthExpired));
    assert_eq!(code(&until(1_000)), Some(Code::AuthExpired));
    assert_eq!(code(&until(1_001)), None);
    let door = Door { chain: CHAIN, now: LedgerTime(u64::MAX), lookup: |_: &PublicKey| Some(meter(0)) };
    assert!(door.admit_one(signed(1, 6).bytes()).is_ok(), "never is never");
}

/// Anybody can make a key.
#[test]
fn an_unknown_key_is_refused() {
    assert_eq!(code(&signed(42, 6)), Some(Code::AuthUnknownDevice));
}

/// A device was suspended a moment ago; its signature is as good as ever.
#[test]
fn a_suspended_device_is_refused_in_spite_of_a_good_signature() {
    assert_eq!(code(&signed(10, 6)), Some(Code::AuthSuspended));
}

/// Somebody else signs with a known device's key in the envelope.
#[test]
fn a_forged_signature_is_refused() {
    assert_eq!(code(&forged(1, 6)), Some(Code::AuthSignature));
}

/// A signature taken from another bundle of the same device.
#[test]
fn a_signature_over_another_bundle_is_refused() {
    let (mine, other) = (signed(1, 6), signed(1, 7));
    let bytes = [mine.content(), &other.signature().0].concat();
    assert_eq!(code(&SignedBundle::decode(&bytes).unwrap()), Some(Code::AuthSignature));
}

/// A key that is no point: refused by name, not by a crash.
#[test]
fn a_signer_that_is_no_key_is_refused() {
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let door = Door { chain: CHAIN, now: NOW, lookup: |_: &PublicKey| Some(meter(0)) };
    let bundle = Bundle { signer: PublicKey(no_point), ..bundle(1, 6) }.sign(&key(1));
    assert_eq!(door.admit_one(bundle.bytes()).unwrap_err().code, Code::AuthSignature);
}

/// Bytes that cannot be read have no name to give back.
#[test]
fn unreadable_bytes_are_refused_without_a_name() {
    assert_eq!(door().admit_one(&[]), Err(Refusal { code: Code::FormTruncated, bundle: None }));
    assert_eq!(door().admit_one(&[0; 70_000]), Err(Refusal { code: Code::FormLength, bundle: None }));
    let answers = door().admit_batch(&[vec![], signed(1, 6).bytes().to_vec(), vec![0; 70_000]]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
}

/// A flood of forged bundles is mixed under good ones, over several batches: each is answered for itself.
#[test]
fn a_bad_signature_among_many_is_refused_alone() {
    let count = 2 * SIGNATURES_PER_BATCH + 3;
    let bad = [0, SIGNATURES_PER_BATCH - 1, SIGNATURES_PER_BATCH, count - 1];
    let frames: Vec<Vec<u8>> = (0..count)
        .map(|i| {
            let (number, nonce) = (u8::try_from(1 + i % 9).unwrap(), 6 + i as u64);
            if bad.contains(&i) { forged(number, nonce) } else { signed(number, nonce) }.bytes().to_vec()
        })
        .collect();
    for (i, answer) in door().admit_batch(&frames).into_iter().enumerate() {
        let expected = bad.contains(&i).then_some(Code::AuthSignature);
        assert_eq!(answer.err().map(|refusal| refusal.code), expected, "at {i}");
    }
}

/// The same bundle through two gateways, and an older one behind a newer: one of them is let in.
#[test]
fn a_replay_inside_one_batch_is_refused() {
    let frames = [signed(1, 6), signed(1, 6), signed(1, 8), signed(1, 7), signed(2, 6)];
    let codes: Vec<_> = door().admit_batch(&frames.map(|frame| frame.bytes().to_vec())).into_iter().collect();
    let codes: Vec<_> = codes.into_iter().map(|answer| answer.err().map(|refusal| refusal.code)).collect();
    assert_eq!(codes, [None, Some(Code::AuthReplay), None, Some(Code::AuthReplay), None]);
}

/// An attacker sends a meter's next nonce, even its very bundle, with a bad signature first: the real one must get in.
#[test]
fn a_forged_copy_does_not_shut_out_the_real_bundle() {
    let (forged, high, real) = (forged(1, 6), forged(1, u64::MAX), signed(1, 6));
    assert_eq!(forged.id(), real.id());
    let answers = door().admit_batch(&[forged.bytes(), high.bytes(), real.bytes()]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
}

/// A follower names the bundles by which the leader broke the rules.
#[test]
fn a_chunk_with_bad_signatures_is_refused_with_their_places() {
    let good: Vec<_> = (6..12).map(|nonce| signed(1, nonce)).collect();
    assert_eq!(verify_chunk_bundles(good.clone()).unwrap().len(), 6);
    let mut mixed = good;
    mixed[2] = forged(1, 8);
    mixed[5] = forged(1, 11);
    assert_eq!(verify_chunk_bundles(mixed).unwrap_err().places, [2, 5]);
}

fn entries() -> Vec<Entry> {
    vec![
        Entry::Time(LedgerTime(5)),
        Entry::Bundle(answer(&signed(1, 6)).expect("a good bundle")),
        Entry::Work { limit: 1_000 },
        Entry::Bundle(answer(&signed(2, 6)).expect("a good bundle")),
    ]
}

/// Entries go over the wire and to disk, and come back as they were.
#[test]
fn log_entries_read_back() {
    let read: Vec<_> = entries().iter().map(|e| UnverifiedEntry::decode(&e.encode()).unwrap()).collect();
    for (read, entry) in read.iter().zip(entries()) {
        assert_eq!((read.id(), read.count(), read.encode()), (entry.id(), entry.count(), entry.encode()));
        assert_eq!(read.clone().verify(), Ok(entry.clone()));
        assert_eq!(read.clone().trust(), entry);
    }
    assert_eq!(verify_entries(read).unwrap(), entries());
    assert_eq!(entries().iter().map(Entry::count).collect::<Vec<_>>(), [1, 2, 1, 2]);
}

/// A leader streams an entry with a bad signature between others: its place in the chunk is named.
#[test]
fn a_bad_entry_is_named_by_its_place_among_all_entries() {
    let mut bad = vec![1];
    bad.extend(forged(2, 6).bytes());
    let mut read: Vec<_> = entries().iter().map(|e| UnverifiedEntry::decode(&e.encode()).unwrap()).collect();
    read[3] = UnverifiedEntry::decode(&bad).unwrap();
    assert_eq!(read[3].clone().verify(), Err(Code::AuthSignature));
    assert_eq!(verify_entries(read).unwrap_err().places, [3]);
}

/// Torn, glued and unknown entries.
#[test]
fn entries_that_are_not_canonical_are_refused() {
    for entry in entries() {
        let bytes = entry.encode();
        for length in 0..bytes.len() {
            assert_eq!(UnverifiedEntry::decode(&bytes[..length]), Err(Code::FormTruncated));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(UnverifiedEntry::decode(&longer), Err(Code::FormTrailing));
        for tag in [0, 200, 255] {
            let other = [&[tag], &bytes[1..]].concat();
            assert_eq!(UnverifiedEntry::decode(&other), Err(Code::FormTag));
        }
    }
}

/// Two validators hold the same bundle with two valid signatures: their logs are the same log.
#[test]
fn the_log_digest_covers_what_is_said_but_not_the_signature() {
    let digest = |entry: &UnverifiedEntry| log_digest(CHAIN, 1, &entry.clone().trust());
    let entry = |signed: &SignedBundle| UnverifiedEntry::decode(&[&[1], signed.bytes()].concat()).unwrap();
    assert_eq!(digest(&entry(&signed(1, 6))), digest(&entry(&forged(1, 6))));
    assert_ne!(digest(&entry(&signed(1, 6))), digest(&entry(&signed(1, 7))));
}

/// An entry is moved, left out or renumbered: the digest tells.
#[test]
fn the_log_digest_covers_order_and_numbers() {
    let [time, bundle, work, _] = <[Entry; 4]>::try_from(entries()).unwrap();
    let two = |a: &Entry, b: &Entry| log_digest(log_digest(CHAIN, 1, a), 1 + a.count(), b);
    assert_ne!(two(&time, &work), two(&work, &time));
    assert_ne!(two(&time, &bundle), log_digest(CHAIN, 1, &bundle));
    assert_ne!(log_digest(CHAIN, 1, &bundle), log_digest(CHAIN, 2, &bundle));
    assert_ne!(Entry::Time(LedgerTime(7)).id(), Entry::Work { limit: 7 }.id());
}
