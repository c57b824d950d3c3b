//! Claims by command, and why one is refused.

use gridbook_engine::{AccountId, AreaId, MeterId};
use gridbook_ledger::command::{Claim, Command};
use gridbook_ledger::reject::Code;

use super::{active, claim, counts, deadline, final_at, lines, range, read, roofs, settle, told};
use crate::town::{PERIOD, Town, buy, register, sell};

/// Account 0 has a roof, meter 0, that gave out 400 Wh without a buyer, and a house, meter 2, that took in 250. Account 1 took in 300.
fn town() -> Town {
    let mut town = roofs(2);
    let records = town.operator(vec![register(2, AccountId(0), AreaId(0))]);
    assert!(crate::town::refusal(&records[0]).is_none());
    read(&mut town, PERIOD, &[(0, 400), (1, -300), (2, -250)]);
    town
}

/// The owner's own roof and house: nothing was traded, and still the sun has lit his kitchen.
#[test]
fn a_holder_claims_for_another_meter_of_his() {
    let mut town = town();
    settle(&mut town, PERIOD);
    let record = town.done(0, claim(101, 200, 2));
    assert_eq!(lines(&told(&[record])), ["0/101-300 at 0 claimed for 2"]);
    assert_eq!(counts(&town), [400, 200, 200, 0, 0]);
    assert_eq!(active(&town, PERIOD), [(AccountId(0), 200)].into());
    // What is left on both sides can be claimed too, by any of his meters, up to the last watt-hour.
    assert_eq!(town.refused(2, claim(1, 51, 2)), Code::OriginImport);
    town.done(2, claim(51, 50, 2));
    assert_eq!(town.refused(2, claim(1, 1, 2)), Code::OriginImport);
    let ranges: Vec<_> = town.state.certificates(PERIOD).iter().map(|row| (row.range, row.claimed_by)).collect();
    assert_eq!(
        ranges,
        [
            (range(1, 50), None),
            (range(51, 50), Some(MeterId(2))),
            (range(101, 200), Some(MeterId(2))),
            (range(301, 100), None)
        ]
    );
}

/// One watt-hour cannot light two kitchens.
#[test]
fn what_was_claimed_cannot_be_claimed_again() {
    let mut town = town();
    settle(&mut town, PERIOD);
    town.done(0, claim(1, 100, 2));
    for (first, energy) in [(1, 100), (1, 1), (100, 1), (100, 2), (50, 100)] {
        assert_eq!(town.refused(0, claim(first, energy, 2)), Code::OriginHolder, "{energy} from {first}");
    }
    assert_eq!(counts(&town), [400, 300, 100, 0, 0]);
}

/// Certificates of others, those that nobody issued, and those of another issuer or period.
#[test]
fn nobody_claims_what_his_account_does_not_hold() {
    let mut town = town();
    settle(&mut town, PERIOD);
    assert_eq!(town.refused(1, claim(1, 100, 1)), Code::OriginHolder, "they are his neighbour's");
    assert_eq!(town.refused(0, claim(401, 1, 2)), Code::OriginHolder, "there are 400");
    assert_eq!(town.refused(0, claim(400, 2, 2)), Code::OriginHolder);
    let of_the_south = gridbook_ledger::origin::CertificateRange::new(AreaId(1), 1, gridbook_engine::Energy(1));
    let elsewhere = Claim { range: of_the_south.unwrap(), period: PERIOD, meter: MeterId(2) };
    assert_eq!(town.refused(0, Command::Claim(elsewhere)), Code::OriginHolder);
    assert_eq!(counts(&town), [400, 400, 0, 0, 0]);
}

/// Somebody else's consumption makes nobody green, nor does that of a meter that does not exist.
#[test]
fn certificates_stand_for_the_consumption_of_their_own_account_only() {
    let mut town = town();
    settle(&mut town, PERIOD);
    assert_eq!(town.refused(0, claim(1, 100, 1)), Code::OriginMeter);
    assert_eq!(town.refused(0, claim(1, 100, 77)), Code::OriginMeter);
    assert_eq!(town.refused(0, claim(1, 100, 0)), Code::OriginImport, "the roof took nothing in");
}

/// Before the period is settled nothing is certified; when it is final all is over.
#[test]
fn a_claim_has_its_time() {
    let mut town = town();
    assert_eq!(town.refused(0, claim(1, 100, 2)), Code::OriginPeriod, "readings may still come");
    town.time(deadline(PERIOD));
    while town.state.issuer(AreaId(0)).issued() == 0 {
        town.work(1);
    }
    assert_eq!(town.refused(0, claim(1, 100, 2)), Code::OriginPeriod, "they are still on their way");
    town.work_all(1);
    town.done(0, claim(1, 100, 2));
    town.time(final_at(PERIOD));
    town.work_all(4);
    assert_eq!(town.refused(0, claim(101, 100, 2)), Code::OriginPeriod);
    assert_eq!(counts(&town), [400, 0, 100, 300, 0]);
}

/// The operator has no certificates and no consumption.
#[test]
fn only_meters_claim() {
    let mut town = town();
    settle(&mut town, PERIOD);
    let records = town.operator(vec![claim(1, 100, 2)]);
    assert_eq!(crate::town::refusal(&records[0]), Some(Code::AuthRole));
}

/// A refused claim leaves the state as it was, but for the nonce.
#[test]
fn a_refused_claim_changes_nothing() {
    let mut town = town();
    settle(&mut town, PERIOD);
    let (before, rows) = (counts(&town), town.state.certificates(PERIOD));
    for (first, energy, meter) in [(401, 1, 2), (1, 100, 1), (1, 251, 2)] {
        town.refused(0, claim(first, energy, meter));
        assert_eq!((counts(&town), town.state.certificates(PERIOD)), (before, rows.clone()));
    }
}

/// A household whose meter was silent holds what it bought, and claims it once it was read.
#[test]
fn what_came_to_a_silent_meter_is_claimed_when_it_was_read() {
    let mut town = roofs(2);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    read(&mut town, PERIOD, &[(0, 300)]);
    settle(&mut town, PERIOD);
    assert_eq!(town.refused(1, claim(1, 300, 1)), Code::OriginImport);
    super::correct(&mut town, PERIOD, 1, -300);
    assert!(told(&town.work_all(100)).is_empty());
    let record = town.done(1, claim(1, 300, 1));
    assert_eq!(lines(&told(&[record])), ["0/1-300 at 1 claimed for 1"]);
}

/// The period is being closed, piece by piece, and what stood for the house's import is gone already. The rest is not his to claim for the
/// same watt-hours once more.
///
/// ```text
///   1-250 claimed for 2 | 251-400 active        final at | work(1): 1-250 closed | claim 251-350?
/// ```
#[test]
fn nothing_is_claimed_while_a_period_is_being_closed() {
    let mut town = town();
    settle(&mut town, PERIOD);
    town.done(0, claim(1, 250, 2));
    assert_eq!(town.refused(0, claim(251, 100, 2)), Code::OriginImport, "all that it took in is claimed");
    town.time(final_at(PERIOD));
    for _ in 0..2 {
        assert_eq!(town.refused(0, claim(251, 100, 2)), Code::OriginPeriod);
        town.work(1);
    }
    town.work_all(1);
    assert_eq!(counts(&town), [400, 0, 250, 150, 0]);
}
