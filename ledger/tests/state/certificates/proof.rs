//! Somebody holds a file and the genesis, and trusts nobody: a certificate's life is proven from the meter to the claim, or refused.

use std::collections::BTreeMap;

use gridbook_engine::{Energy, EnergySources, MeterId};
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{QuorumCert, Vote};
use gridbook_ledger::merkle::{self, Path};
use gridbook_ledger::origin::proof::{CertificateError, CertificateProof, StepKind, VerifiedCertificate};
use gridbook_ledger::origin::{CertificateRange, Standing};
use gridbook_ledger::receipt::{Receipt, ReceiptError};
use gridbook_ledger::record::{CertificateChange, Record, RecordEvent, RegistersRead};
use gridbook_ledger::settlement::Delivery;
use gridbook_ledger::validators::ValidatorIndex;

use super::{correct, deadline, final_at, range, roofs};
use crate::town::{PERIOD, Town, buy, sell};

fn validator(number: u32) -> SecretKey {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&(1_000 + number).to_le_bytes());
    SecretKey::from_seed(seed)
}

/// A town that keeps what became of every command.
struct Chronicle {
    town: Town,
    records: Vec<Record>,
}

impl Chronicle {
    fn work_all(&mut self) {
        self.records.extend(self.town.work_all(1_000));
    }

    fn meter(&mut self, meter: u32, command: Command) {
        self.records.extend(self.town.meter(meter, vec![command]));
    }

    /// Roof 0 sells 300 Wh to dealer 1, who sells them on to house 2. All are measured; 280 Wh were given out.
    ///
    /// Nothing that the town does for itself is a command here: every record has its place.
    fn begin() -> Self {
        let town = roofs(3);
        let mut chronicle = Self { town, records: Vec::new() };
        chronicle.meter(0, sell(1, 100, 300));
        chronicle.meter(1, buy(1, 100, 300));
        chronicle.meter(1, sell(2, 110, 300));
        chronicle.meter(2, buy(1, 110, 300));
        chronicle
    }

    /// The records in one final header each has a receipt of.
    fn receipts(&self) -> BTreeMap<u64, Receipt> {
        let leaves: Vec<Hash> = self.records.iter().map(Record::leaf_hash).collect();
        let root = self.town.genesis.root_header(Hash([1; 32]));
        let (first, last) = (self.records[0].seq, self.records[self.records.len() - 1].seq);
        assert_eq!(last - first + 1, leaves.len() as u64, "every command between has its record");
        let after = |parent: &Header, view: u64, slot: u32| Header {
            rank: Rank { view, slot },
            height: parent.height + 1,
            proposer: ValidatorIndex(1),
            time_ms: self.town.state.time().0,
            parent: parent.hash(),
            justify: parent.reference(),
            first_seq: last + 1,
            last_seq: last,
            results_root: merkle::root(&[]),
            ..parent.clone()
        };
        let a = Header { first_seq: first, last_seq: last, results_root: merkle::root(&leaves), ..after(&root, 1, 0) };
        let c = after(&a, 1, 1);
        let vote = |voter: u16| {
            let key = validator(voter.into());
            Vote::sign(c.chain, c.epoch, c.reference(), ValidatorIndex(voter), &key).signature
        };
        let signatures = (0..3).map(vote).collect();
        let qc = QuorumCert { epoch: c.epoch, header: c.reference(), signers: 0b111, signatures };
        let receipt = |(index, record): (usize, &Record)| Receipt {
            epochs: vec![],
            record: record.encode(),
            path: Path::build(&leaves, index).unwrap(),
            headers: vec![a.clone()],
            child: c.clone(),
            qc: qc.clone(),
        };
        self.records.iter().enumerate().map(|(index, record)| (record.seq, receipt((index, record)))).collect()
    }

    /// The proof with every record that says anything about certificates, trades or registers.
    fn proof(&self, range: CertificateRange) -> CertificateProof {
        let says = |event: &RecordEvent| {
            matches!(event, RecordEvent::Certificates(_) | RecordEvent::Trade(_) | RecordEvent::Read(_))
        };
        let wanted = self.records.iter().filter(|record| record.events.iter().any(says));
        let receipts = self.receipts();
        CertificateProof { range, receipts: wanted.map(|record| receipts[&record.seq].clone()).collect() }
    }

    fn verify(&self, proof: &CertificateProof) -> Result<VerifiedCertificate, CertificateError> {
        proof.verify(&self.town.genesis)
    }
}

/// The whole day of [`Chronicle::begin`], to the end of its dispute window.
fn day() -> Chronicle {
    let mut day = settled();
    day.records.extend(day.town.apply(&Entry::Time(final_at(PERIOD))));
    day.work_all();
    day
}

/// The same, up to the settlement.
fn settled() -> Chronicle {
    let mut day = Chronicle::begin();
    let before = day.town.next_seq;
    read_all(&mut day, &[(0, 280), (1, 0), (2, -320)]);
    assert!(day.town.next_seq > before);
    day.records.extend(day.town.apply(&Entry::Time(deadline(PERIOD))));
    day.work_all();
    day
}

/// As [`super::read`], with all of its records.
fn read_all(day: &mut Chronicle, net_wh: &[(u32, i64)]) {
    use gridbook_engine::DeliveryPeriod;
    use gridbook_ledger::command::Reading;
    let start = DeliveryPeriod(PERIOD.0 - 1);
    let at = PERIOD.ends_at(15);
    day.records.extend(day.town.apply(&Entry::Time(at)));
    for (meter, net) in net_wh {
        let flow = if *net > 0 { (0, net.unsigned_abs()) } else { (net.unsigned_abs(), 0) };
        for (period, flow) in [(start, (0, 0)), (PERIOD, flow)] {
            day.meter(*meter, Command::Reading(Reading { period, registers: super::registers(period, flow) }));
        }
    }
}

/// From the roof's meter over the dealer to the kitchen's meter, and closed for ever.
#[test]
fn a_certificates_whole_life_is_proven_from_the_genesis() {
    let day = day();
    let verified = day.verify(&day.proof(range(1, 280))).unwrap();
    assert_eq!((verified.plant, verified.period, verified.source), (MeterId(0), PERIOD, EnergySources::SOLAR));
    assert_eq!((verified.standing, verified.is_final), (Standing::Cancelled, true));
    let steps: Vec<StepKind> = verified.steps.iter().map(|step| step.what).collect();
    let [
        StepKind::Measured { meter: MeterId(0), delivery: given, .. },
        StepKind::Issued { among, plant: MeterId(0), .. },
        StepKind::Moved { from: MeterId(0), to: MeterId(1), .. },
        StepKind::Moved { from: MeterId(1), to: MeterId(2), .. },
        StepKind::Measured { meter: MeterId(2), delivery: taken, .. },
        StepKind::Claimed { holder: MeterId(2), by: MeterId(2) },
        StepKind::Closed { was_claimed: true },
    ] = steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!(given, Delivery { import: Energy(0), export: Energy(280) });
    assert_eq!(taken, Delivery { import: Energy(320), export: Energy(0) });
    assert_eq!(among, range(1, 280));
}

/// Any part that went the same way has the same proof.
#[test]
fn a_single_watt_hour_is_traced_like_all_of_them() {
    let day = day();
    let verified = day.verify(&day.proof(range(77, 1))).unwrap();
    assert_eq!((verified.range, verified.standing), (range(77, 1), Standing::Cancelled));
}

/// Before the period is final they are claimed, and a correction could still revoke them: the proof says so.
#[test]
fn what_is_not_final_yet_is_said_not_to_be() {
    let day = settled();
    let verified = day.verify(&day.proof(range(1, 280))).unwrap();
    assert_eq!((verified.standing, verified.is_final), (Standing::Cancelled, false));
}

/// A correction revoked the last 80 Wh. Their proof says that; a proof of all of them does not exist.
#[test]
fn revoked_certificates_are_proven_to_be_revoked() {
    let mut day = settled();
    let seq = day.town.next_seq;
    correct(&mut day.town, PERIOD, 0, 200);
    // What the helper did is not told: the chronicle goes on behind it.
    let mut later = Chronicle { town: day.town, records: Vec::new() };
    assert!(later.town.next_seq > seq);
    later.work_all();
    let revoked = |record: &Record| {
        let is_revoked = |event: &RecordEvent| match event {
            RecordEvent::Certificates(event) => matches!(event.change, CertificateChange::Revoked { .. }),
            _ => false,
        };
        record.events.iter().any(is_revoked)
    };
    let receipts = later.receipts();
    let record = later.records.iter().find(|record| revoked(record)).unwrap();
    let (before, town) = (settled(), later.town);
    let with = |range| {
        let mut proof = before.proof(range);
        proof.receipts.push(receipts[&record.seq].clone());
        proof.verify(&town.genesis)
    };
    let verified = with(range(201, 80)).unwrap();
    assert_eq!((verified.standing, verified.is_final), (Standing::Revoked, false));
    assert_eq!(with(range(1, 280)), Err(CertificateError::Part { seq: record.seq, part: range(201, 80) }));
    assert_eq!(with(range(1, 200)).unwrap().standing, Standing::Cancelled, "the others are as they were");
}

/// Each record is needed: whichever is left out, a step is missing, and the proof says which.
#[test]
fn a_proof_with_a_step_left_out_is_refused() {
    let day = day();
    let whole = day.proof(range(1, 280));
    let mut refused = Vec::new();
    for left_out in 0..whole.receipts.len() {
        let mut proof = whole.clone();
        proof.receipts.remove(left_out);
        match day.verify(&proof) {
            Ok(verified) => {
                // The dealer's own readings prove nothing that was asked, and without the last record it is not final.
                let was_closing = left_out + 1 == whole.receipts.len();
                let record = Record::decode(&whole.receipts[left_out].record).unwrap();
                let is_dealers =
                    record.meter == Some(MeterId(1)) && matches!(record.events[..], [RecordEvent::Read(_)]);
                assert!(is_dealers || (was_closing && !verified.is_final), "{record:?}");
            }
            Err(error) => refused.push(error),
        }
    }
    assert!(refused.contains(&CertificateError::NotIssued));
    let not_measured = |meter, is_export, energy_wh| {
        let meter = MeterId(meter);
        CertificateError::NotMeasured { meter, is_export, energy_wh }
    };
    assert!(refused.contains(&not_measured(0, true, 280)) && refused.contains(&not_measured(2, false, 280)));
    let no_trade = |from, to| {
        let is_it = |error: &&CertificateError| matches!(error, CertificateError::NoTrade { from: f, to: t, .. } if (*f, *t) == (from, to));
        refused.iter().find(is_it).is_some()
    };
    assert!(no_trade(MeterId(0), MeterId(1)) && no_trade(MeterId(1), MeterId(2)), "{refused:?}");
}

/// Whatever byte of the file is altered, it is refused, or says nothing else than before: there is no such byte.
#[test]
fn an_altered_file_proves_nothing() {
    let day = day();
    let proof = day.proof(range(1, 280));
    let bytes = proof.encode();
    let good = day.verify(&CertificateProof::decode(&bytes).unwrap()).unwrap();
    let mut altered_and_read = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let Ok(altered) = CertificateProof::decode(&bytes) else { continue };
        altered_and_read += 1;
        match day.verify(&altered) {
            Err(_) => {}
            // Another range of the same issue, which is a question, and has its own true answer.
            Ok(verified) => {
                assert!(altered.range != proof.range && verified.range == altered.range && verified != good)
            }
        }
    }
    assert!(altered_and_read > 100, "most bytes are hashes, which read as anything");
    assert!(CertificateProof::decode(&bytes[..bytes.len() - 1]).is_err());
    assert!(CertificateProof::decode(&[&bytes[..], &[0]].concat()).is_err());
}

/// Receipts twice, in another order, of another ledger, none at all.
#[test]
fn receipts_stand_in_order_once_and_are_of_this_ledger() {
    let day = day();
    let mut proof = day.proof(range(1, 280));
    let first = Record::decode(&proof.receipts[0].record).unwrap().seq;
    proof.receipts.swap(0, 1);
    assert_eq!(day.verify(&proof), Err(CertificateError::Order(first)));
    proof.receipts.swap(0, 1);
    proof.receipts.insert(0, proof.receipts[0].clone());
    assert_eq!(day.verify(&proof), Err(CertificateError::Order(first)));
    proof.receipts.clear();
    assert_eq!(day.verify(&proof), Err(CertificateError::Count(0)));
    let mut other = day.town.genesis.clone();
    other.name = "Nachbardorf".into();
    let error = day.proof(range(1, 280)).verify(&other).unwrap_err();
    assert!(matches!(error, CertificateError::Receipt { number: 0, why: ReceiptError::Finality { .. } }), "{error}");
}

/// Validators who all lie could write anything, but not make a story of it that contradicts itself: each step is held against the others.
mod stories_that_do_not_fit {
    use super::*;

    /// The day with one record told otherwise, and signed by everybody.
    fn told_otherwise(change: impl Fn(&mut RecordEvent)) -> Result<VerifiedCertificate, CertificateError> {
        let mut day = day();
        day.records.iter_mut().flat_map(|record| &mut record.events).for_each(change);
        day.verify(&day.proof(range(1, 280)))
    }

    fn certificates(change: impl Fn(&mut gridbook_ledger::record::Certificates)) -> Option<CertificateError> {
        let told = told_otherwise(|event| {
            if let RecordEvent::Certificates(certificates) = event {
                change(certificates);
            }
        });
        told.err()
    }

    #[test]
    fn more_is_issued_than_was_measured() {
        let error = certificates(|event| {
            if matches!(event.change, CertificateChange::Issued { .. }) {
                event.range = range(1, 281);
            }
        });
        let (meter, is_export, energy_wh) = (MeterId(0), true, 281);
        assert_eq!(error, Some(CertificateError::NotMeasured { meter, is_export, energy_wh }));
    }

    #[test]
    fn they_leave_from_where_they_never_were() {
        let error = certificates(|event| match &mut event.change {
            CertificateChange::Moved { from, .. } if *from == MeterId(1) => *from = MeterId(7),
            _ => {}
        });
        assert!(matches!(error, Some(CertificateError::Gap { at: MeterId(7), .. })), "{error:?}");
    }

    #[test]
    fn somebody_else_claims_them() {
        let error = certificates(|event| {
            if matches!(event.change, CertificateChange::Claimed { .. }) {
                event.holder = MeterId(1);
            }
        });
        assert!(matches!(error, Some(CertificateError::Gap { at: MeterId(1), .. })), "{error:?}");
    }

    #[test]
    fn another_period_closes_them() {
        let error = certificates(|event| {
            if matches!(event.change, CertificateChange::Closed { .. }) {
                event.period = super::super::after(PERIOD);
            }
        });
        assert!(matches!(error, Some(CertificateError::Contradiction(_))), "{error:?}");
    }

    #[test]
    fn they_expire_though_they_were_claimed() {
        let error = certificates(|event| {
            if matches!(event.change, CertificateChange::Closed { .. }) {
                event.change = CertificateChange::Closed { was_claimed: false };
            }
        });
        assert!(matches!(error, Some(CertificateError::Contradiction(_))), "{error:?}");
    }

    #[test]
    fn the_kitchen_took_in_too_little() {
        let told = told_otherwise(|event| {
            if let RecordEvent::Read(RegistersRead { meter: MeterId(2), period: PERIOD, registers, .. }) = event {
                registers.import -= 41;
            }
        });
        let (meter, is_export, energy_wh) = (MeterId(2), false, 280);
        assert_eq!(told, Err(CertificateError::NotMeasured { meter, is_export, energy_wh }));
    }

    #[test]
    fn the_roofs_register_runs_backwards() {
        let told = told_otherwise(|event| {
            if let RecordEvent::Read(RegistersRead { meter: MeterId(0), period: PERIOD, registers, .. }) = event {
                registers.import -= 1;
            }
        });
        let (meter, is_export, energy_wh) = (MeterId(0), true, 280);
        assert_eq!(told, Err(CertificateError::NotMeasured { meter, is_export, energy_wh }));
    }
}
