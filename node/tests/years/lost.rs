//! A validator loses what it can live without: the query index, and the record of what it signed.

use std::fs;

use gridbook_node::client::wall_us;
use gridbook_node::config::LogOptions;

use crate::house::House;

/// The index is deleted while the validator is down. It makes it again behind the load, and answers for what came before as the others do.
#[test]
fn a_lost_index_is_made_again_under_load_and_answers_as_before() {
    let mut house = House::new("index", LogOptions::default());
    house.start_all();
    let before = house.open_accounts(40);
    let load = house.load();
    house.stop(3);
    let known = house.inspect(3)["index"]["last_height"].as_u64().unwrap();
    fs::remove_dir_all(house.data_dir(3).join("index")).unwrap();
    house.start(3);
    house.wait_until_ready(&[3]);
    house.wait_until("the index is whole again", |house| !house.told(3, "the query index is whole again").is_empty());
    house.wait_for_height(3, house.height(0).unwrap());

    for bundle in &before {
        let (here, there) = (house.receipt_from(3, *bundle), house.receipt_from(0, *bundle));
        here.verify(house.genesis()).unwrap();
        // Their proofs may be by other quorums.
        assert_eq!((here.record, here.path, &here.headers[0]), (there.record, there.path, &there.headers[0]));
    }
    for height in 1..=known {
        assert_eq!(house.header_from(3, height), house.header_from(0, height));
    }
    load.end();
    house.stop(3);
    let index = &house.inspect(3)["index"];
    assert_eq!((index["first_height"].as_u64(), index["gap_after"].as_u64()), (Some(1), None), "{index}");
    assert!(index["last_height"].as_u64().unwrap() > known, "{index}");
}

/// ```text
/// epoch 0 | 3 loses its safety record: it follows, and signs nothing
///         | 0, 1 and 2 end the epoch
/// epoch 1 | 3 signs. 0 falls out: nothing would be final without 3
/// ```
#[test]
fn a_validator_without_its_safety_record_signs_again_in_the_next_epoch() {
    let mut house = House::new("record", LogOptions::default());
    house.start_all();
    house.open_accounts(5);
    house.stop(3);
    fs::remove_file(house.data_dir(3).join("safety")).unwrap();
    house.start(3);
    house.wait_until_ready(&[3]);
    // Clocks may differ: only what begins a while after the start is certain to be new to it.
    let certain_ms = wall_us() / 1_000 + 1_000;
    let load = house.load();
    house.wait_until("ledger time has gone on", |house| {
        house.header_from(3, house.height(3).unwrap()).time_ms > certain_ms
    });
    let ready = house.when_ready(3);
    assert!(ready.contains("signs nothing"), "{ready}");
    // Whatever it signed would be in here first.
    assert!(!house.data_dir(3).join("safety").exists());

    let address = format!("3={}", house.listens_at(3));
    house.end_epoch(&["--address", &address], [0, 1, 2]);
    house.wait_until_it_signs(3);
    house.kill(0);
    let after = house.open_accounts(5);
    load.end();
    for bundle in after {
        let receipt = house.receipt_from(3, bundle);
        receipt.verify(house.genesis()).unwrap();
        assert_eq!(receipt.qc.epoch, 1);
    }
    // From now on it is like any other, also after a crash.
    house.kill(3);
    house.start(3);
    house.wait_until_it_signs(3);
    house.open_accounts(5);
    house.stop(3);
    let safety = &house.inspect(3)["safety"];
    assert_eq!((safety["state"].as_str(), safety["epoch"].as_u64()), (Some("signed"), Some(1)), "{safety}");
}
