//! A validator tells a client of amounts and numbers that no ledger comes to. Whoever added them up would overflow; the command says what is
//! wrong, and ends with its code.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money};
use gridbook_ledger::bytes::AMOUNT_MAX;
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::receipt::AccountProof;
use gridbook_ledger::record::{Extract, MeterSettled, Purse, Record, RecordEvent};
use gridbook_ledger::sequenced::Place;
use gridbook_ledger::settlement::statement::StatementTotals;
use gridbook_ledger::settlement::{Delivery, Quality};
use gridbook_ledger::store::{Fact, FactRow, SumRow};
use gridbook_node::keyfile::write_key;
use gridbook_node::protocol::Answer;

use crate::door::open_door;
use crate::house::{House, house};
use crate::liar;

/// The validator whose door it is.
const LIAR: usize = 2;

const AMOUNT: &str = "an amount of energy or money is beyond all that a ledger comes to";

/// Has a meter ask its only validator by the command line, while that tells lies. The command fails and says why.
fn told(name: &str, arguments: &[&str], lie: impl Fn(Answer) -> Vec<Answer> + Clone + Send + 'static) -> String {
    let house = house();
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let (key_file, out) = (dir.path().join("dora.key"), dir.path().join("out"));
    write_key(&key_file, &key).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let network = runtime.block_on(async {
        house.open_account(&house.client_of(&[LIAR]).await, Some(&key)).await;
        let door = open_door(house, LIAR, lie).await;
        house.network_file_of(name, vec![door])
    });
    let files = ["--key", key_file.to_str().unwrap()];
    let mut arguments = [arguments, &files].concat();
    if arguments[0] == "report" {
        arguments.extend(["--out", out.to_str().unwrap()]);
    }
    let (code, said) = house.gridbook(&network, &arguments);
    assert_eq!(code, 1, "{said}");
    assert!(!out.exists(), "nothing is kept that proves nothing");
    let said = said.as_str().unwrap();
    assert!(!said.contains("panicked"), "{said}");
    said.to_owned()
}

/// A settled period in which the account paid more money than there are numbers for, twice.
#[test]
fn a_bill_of_absurd_facts_is_not_added_up() {
    let said = told("absurd-facts", &["meter", "statement", "--day", "2026-06-17"], |answer| match answer {
        Answer::Facts { request_id, .. } => {
            let settled = MeterSettled {
                meter: MeterId(0),
                account: AccountId(0),
                contract: Contract { area: AreaId(0), period: DeliveryPeriod(9) },
                delivery: Delivery { import: Energy(u64::MAX), export: Energy(0) },
                quality: Quality::Measured,
                contracted_wh: i128::MAX,
                trades: Money(i128::MIN),
                own_trades: Money(i128::MAX),
                rest: Money(i128::MAX),
                billed: Money(i128::MAX),
                defaulted: Money(i128::MAX),
            };
            let fact = Fact::Event(RecordEvent::MeterSettled(settled));
            let row = |seq| FactRow { period: DeliveryPeriod(9), seq, place: 0, fact };
            vec![Answer::Facts { request_id, facts: FactRow::encode_all(&[row(1), row(2)]), next: None }]
        }
        _ => vec![answer],
    });
    assert!(said.contains(&format!("facts: {AMOUNT}")), "{said}");
}

/// Sums of days, each of which is more than all bills of the world.
#[test]
fn a_month_of_absurd_sums_is_not_added_up() {
    let said = told("absurd-sums", &["meter", "statement", "--month", "2026-06"], |answer| match answer {
        Answer::Bill { request_id, .. } => {
            let totals = StatementTotals { sold: Money(i128::MAX), bought: Money(i128::MAX), ..Default::default() };
            let row = |first| SumRow { first: DeliveryPeriod(first), account: AccountId(0), totals };
            vec![Answer::Bill { request_id, sums: SumRow::encode_all(&[row(0), row(24)]), next: None }]
        }
        _ => vec![answer],
    });
    assert!(said.contains(&format!("sums: {AMOUNT}")), "{said}");
}

/// A bundle is final, and its record tells of a payment of more than there is.
#[test]
fn a_final_record_of_an_absurd_payment_is_not_shown() {
    let said = told("absurd-record", &["meter", "cancel", "--all"], |answer| match answer {
        Answer::Final { request_id, bundle, height, first_seq, records } => {
            let absurd = |bytes: &Vec<u8>| {
                let mut record = Record::decode(bytes).unwrap();
                let amount = Money(-AMOUNT_MAX - 1);
                record.events.push(RecordEvent::Posted { from: Purse::Operator, to: Purse::Losses, amount });
                record.encode()
            };
            let records = records.iter().map(absurd).collect();
            vec![Answer::Final { request_id, bundle, height, first_seq, records }]
        }
        _ => vec![answer],
    });
    assert!(said.contains(&format!("a record: {AMOUNT}")), "{said}");
}

/// The header that proves the account covers every number there is, and a command has the last one: from where to ask on?
#[test]
fn a_history_with_the_last_number_there_is_ends() {
    let said = told("last-number", &["report", "account"], |answer| match answer {
        Answer::AccountProof { request_id, proof } => {
            let mut proof = AccountProof::decode(&proof).unwrap();
            proof.headers[0].last_seq = u64::MAX;
            vec![Answer::AccountProof { request_id, proof: proof.encode() }]
        }
        Answer::Extracts { request_id, extracts, left: 0 } => {
            let last = |bytes: &Vec<u8>| {
                let extract = Extract::decode(bytes).unwrap();
                Record { seq: u64::MAX, ..extract.record().clone() }.encode()
            };
            vec![Answer::Extracts { request_id, extracts: extracts.iter().map(last).collect(), left: 0 }]
        }
        _ => vec![answer],
    });
    assert!(said.contains("extracts that never end"), "{said}");
}

/// A leader signs that a bundle has the last number there is. It may; the word is shown, and nothing is reckoned beyond it.
#[test]
fn a_word_on_the_last_number_there_is_can_be_shown() {
    let house: &House = house();
    let dir = tempfile::tempdir().unwrap();
    let leader = usize::from(house.genesis().validators.leader(1).0);
    let place = Place { first_seq: u64::MAX, count: 1, entry: Hash([9; 32]) };
    let word = dir.path().join("order.s0");
    std::fs::write(&word, liar::word_on(house, 1, &house.validator_key(leader), place).encode()).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gridbook"))
        .args(["verify", "receipt", word.to_str().unwrap(), "--genesis", &house.genesis_file()])
        .output()
        .unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{failed}");
    assert!(said.contains(&format!("takes the places {0} to {0}", u64::MAX)), "{said}");
}
