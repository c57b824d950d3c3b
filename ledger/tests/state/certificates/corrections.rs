//! Somebody has read better before the period was final.

use gridbook_engine::AccountId;

use super::{active, correct, counts, final_at, lines, read, roofs, settle, told};
use crate::town::{PERIOD, Town, buy, sell};

/// A roof sold 300 Wh to one neighbour and 200 to another, and gave out 600; they took all of it in.
fn town() -> Town {
    let mut town = roofs(3);
    for (buyer, energy) in [(1, 300), (2, 200)] {
        town.done(0, sell(u64::from(buyer), 100, energy));
        town.done(buyer, buy(1, 100, energy));
    }
    read(&mut town, PERIOD, &[(0, 600), (1, -300), (2, -200)]);
    settle(&mut town, PERIOD);
    assert_eq!(counts(&town), [600, 100, 500, 0, 0]);
    town
}

/// The roof's meter ran fast: it gave out 450. The newest 150 numbers are revoked: its own 100, and 50 that the second neighbour had
/// claimed.
#[test]
fn energy_that_was_never_given_out_is_revoked_newest_first() {
    let mut town = town();
    correct(&mut town, PERIOD, 0, 450);
    assert_eq!(lines(&told(&town.work_all(100))), ["0/501-600 at 0 revoked", "0/451-500 at 2 revoked, claimed"]);
    assert_eq!(counts(&town), [600, 0, 450, 0, 150]);
    town.time(final_at(PERIOD));
    let last = lines(&told(&town.work_all(100)));
    assert_eq!(last, ["0/1-300 at 1 cancelled", "0/301-450 at 2 cancelled"]);
    assert_eq!(counts(&town), [600, 0, 450, 0, 150]);
}

/// The roof's meter ran slow, and then it turns out to have been right: what is given out more is issued, under new numbers, and goes to
/// the trades that had come away empty.
#[test]
fn energy_given_out_more_is_issued_and_goes_where_it_was_sold() {
    let mut town = town();
    correct(&mut town, PERIOD, 0, 250);
    town.work_all(100);
    assert_eq!(counts(&town), [600, 0, 250, 0, 350]);
    correct(&mut town, PERIOD, 0, 400);
    assert_eq!(
        lines(&told(&town.work_all(1))),
        [
            "0/601-750 at 0 issued solar",
            "0/601-650 at 1 moved from 0",
            "0/601-650 at 1 claimed for 1",
            "0/651-750 at 2 moved from 0",
            "0/651-750 at 2 claimed for 2",
        ]
    );
    assert_eq!(counts(&town), [750, 0, 400, 0, 350]);
}

/// A neighbour took in 200, not 300: certificates for the other 100 no longer stand for anything, and are his to claim elsewhere.
#[test]
fn a_claim_of_energy_that_was_not_taken_in_is_taken_back() {
    let mut town = town();
    correct(&mut town, PERIOD, 1, -200);
    assert_eq!(lines(&told(&town.work_all(100))), ["0/201-300 at 1 unclaimed for 1"]);
    assert_eq!(counts(&town), [600, 200, 400, 0, 0]);
    assert_eq!(active(&town, PERIOD), [(AccountId(0), 100), (AccountId(1), 100)].into());
    // And back again: now it is for him to claim them.
    correct(&mut town, PERIOD, 1, -300);
    assert!(told(&town.work_all(100)).is_empty());
    town.done(1, super::claim(201, 100, 1));
    assert_eq!(counts(&town), [600, 100, 500, 0, 0]);
}

/// The roof turns out to be a consumer: nothing that it was certified for exists.
#[test]
fn a_plant_that_gave_out_nothing_loses_all_of_its_certificates() {
    let mut town = town();
    correct(&mut town, PERIOD, 0, -20);
    assert_eq!(
        lines(&told(&town.work_all(100))),
        ["0/501-600 at 0 revoked", "0/301-500 at 2 revoked, claimed", "0/1-300 at 1 revoked, claimed"]
    );
    assert_eq!(counts(&town), [600, 0, 0, 0, 600]);
}

/// A meter that was silent is read at last, and is certified like any other.
#[test]
fn a_silent_plant_is_certified_when_it_was_read() {
    let mut town = roofs(2);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    read(&mut town, PERIOD, &[(1, -300)]);
    assert!(settle(&mut town, PERIOD).is_empty());
    correct(&mut town, PERIOD, 0, 280);
    assert_eq!(
        lines(&told(&town.work_all(100))),
        ["0/1-280 at 0 issued solar", "0/1-280 at 1 moved from 0", "0/1-280 at 1 claimed for 1"]
    );
}
