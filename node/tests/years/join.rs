//! Validators that missed more than the others still keep join again by a snapshot, while the market goes on.

use std::fs;
use std::path::Path;

use gridbook_ledger::crypto::Hash;
use gridbook_node::client::ClientError;
use gridbook_node::config::LogOptions;
use serde_json::json;

use crate::house::{House, Load};

/// Little of the log is kept: as soon as two snapshots make it dispensable, which lie 256 headers apart. History of which nothing is
/// missing is always preferred here, so that a snapshot is fetched only by who needs one.
const FORGETFUL: LogOptions = LogOptions {
    sync: true,
    segment_bytes: 64 << 10,
    keep_bytes: Some(128 << 10),
    snapshot_commands: 50,
    join_commands: u64::MAX,
};

/// The first headers that snapshots are taken of.
const CHECKPOINT: u64 = 256;

/// ```text
/// 0 1  trade without a pause, and let go of their old log
/// 2    ..............x          its disk is lost; an empty one: snapshot, then what came after. It signs nothing
/// 3    ..s       ----------     away for long, its disk is kept: snapshot, then what came after. It signs: without it there is no quorum
/// ```
#[test]
fn who_missed_what_nobody_keeps_any_more_joins_by_snapshot_under_load() {
    let (mut house, load, away_at) = one_is_away();
    for index in 0..3 {
        house.wait_until(&format!("validator {index} lets go of its old log"), |house| first_segment(house, index) > 0);
    }

    catches_up_under_load(&mut house, 3);
    house.wait_until_it_signs(3);

    house.kill(2);
    fs::remove_dir_all(house.data_dir(2)).unwrap();
    catches_up_under_load(&mut house, 2);
    let ready = house.when_ready(2);
    assert!(ready.contains("signs nothing"), "{ready}");

    let bundles = load.end();
    // Now that nothing more comes, nobody falls behind and joins once more.
    let (joined_at, resumed_at) = (joined_at(&house, 2), joined_at(&house, 3));
    for bundle in bundles.iter().step_by(bundles.len() / 8) {
        house.receipt_from(0, *bundle).verify(house.genesis()).unwrap();
    }
    knows_what_it_does_not_know(&house, &bundles, away_at, joined_at);
    let running = house.inspect(2);
    assert!(running["index"]["state"].as_str().unwrap().contains("running"), "{running}");
    (0..4).for_each(|index| house.stop(index));
    look_at_what_is_left(&house, away_at, [(2, joined_at), (3, resumed_at)]);
    snapshots_travel_as_files(&house);
}

/// Validator 3 is away while tens of thousands of commands pass. The others have all of their log: it executes what it missed, faster than
/// more comes, and nobody waits for it.
#[test]
fn who_was_away_under_heavy_load_catches_up_by_the_log() {
    let mut house = House::new("log", LogOptions { join_commands: u64::MAX, ..LogOptions::default() });
    house.start_all();
    let load = house.load_through(&[0, 1, 2], 500);
    house.wait_for_height(3, 5);
    house.stop(3);
    house.wait_until("much has passed", |house| house.last_seq(0).is_some_and(|seq| seq > 50_000));
    catches_up_under_load(&mut house, 3);
    load.end();
    house.stop(3);
    let found = house.inspect(3);
    assert_eq!((&found["log"]["from_snapshots"], &found["log"]["heights"][0]), (&json!([]), &json!(1)), "{found}");
    assert_eq!(house.verify_chain(3)["from_height"], 0);
}

/// Validator 3 leaves before the first snapshot is taken, while the others trade; how many headers it had. Where this process stood still for so long
/// that the others had one, all of it is done again.
fn one_is_away() -> (House, Load, u64) {
    for _ in 0..5 {
        let mut house = House::new("join", FORGETFUL);
        house.start_all();
        let load = house.load_through(&[0, 1], 1);
        house.wait_for_height(3, 5);
        house.stop(3);
        let away_at = heights(&house, 3).1;
        if away_at < CHECKPOINT {
            return (house, load, away_at);
        }
        load.end();
        (0..3).for_each(|index| house.kill(index));
    }
    panic!("it had a snapshot's headers when it left, five times");
}

/// A validator is started while the others trade. They go on meanwhile; it comes to where they are, and stays with them.
fn catches_up_under_load(house: &mut House, index: usize) {
    let begin = house.height(0).unwrap();
    house.start(index);
    house.wait_for_height(index, begin);
    // Joining may take less time than one header: whether they go on is seen at the next one.
    house.wait_for_height(0, begin + 1);
    let joined = house.height(0).unwrap();
    house.wait_until_ready(&[index]);
    let later = joined + 30;
    for follower in [0, index] {
        house.wait_for_height(follower, later);
    }
    let (one, other) = (house.header_from(0, later), house.header_from(index, later));
    assert_eq!((one.hash(), one.state_root), (other.hash(), other.state_root));
}

/// The header of the snapshot that it has joined by, the last if it fell behind again on its way: on a busy machine the others may let go of what
/// comes after a snapshot before it has asked for that. Whoever needs a third one is not catching up.
fn joined_at(house: &House, index: usize) -> u64 {
    // Its log says so too, until it lets go of that.
    let told = house.told(index, "the snapshot is whole");
    let ([snapshot] | [_, snapshot]) = &told[..] else {
        panic!("it has joined by {} snapshots:\n{}", told.len(), house.said(index))
    };
    let height = snapshot["height"].as_u64().unwrap();
    assert!(height >= CHECKPOINT && height.is_multiple_of(CHECKPOINT), "{snapshot}");
    height
}

/// What was final before the snapshot, one that joined by it does not know: it says so, and who asked goes on to another.
fn knows_what_it_does_not_know(house: &House, bundles: &[Hash], away_at: u64, joined_at: u64) {
    let height = |bundle: &Hash| house.receipt_from(0, *bundle).headers[0].height;
    let missed = bundles.iter().find(|bundle| height(bundle) > away_at + 1).unwrap();
    assert!(height(missed) < joined_at);
    let Err(answer) = house.ask_for_receipt(&[2], *missed) else { panic!("it has a receipt") };
    assert!(matches!(answer, ClientError::NotHere { to_height, .. } if to_height == joined_at), "{answer}");
    assert!(answer.to_string().contains("nothing is kept"), "{answer}");
    house.ask_for_receipt(&[2, 3, 1], *missed).unwrap().verify(house.genesis()).unwrap();
    let never = Hash::of("nobody/ever", &[]);
    let Err(answer) = house.ask_for_receipt(&[3, 2], never) else { panic!("it has a receipt") };
    assert!(matches!(answer, ClientError::NotHere { .. }), "it may have been, for all that they know: {answer}");
    // A bill or a history without what was final before would be a wrong one.
    let Err(answer) = house.ask_for_history(&[2]) else { panic!("it has all of a history") };
    assert!(matches!(answer, ClientError::NotHere { to_height, .. } if to_height == joined_at), "{answer}");
    house.ask_for_history(&[2, 1]).unwrap().verify(house.genesis()).unwrap();
}

/// The logs of those who stayed begin later, and hold from there; so do those of the two who joined, from their snapshots.
fn look_at_what_is_left(house: &House, away_at: u64, joined: [(usize, u64); 2]) {
    for index in [0, 1] {
        let (first, _) = heights(house, index);
        assert!(first > away_at + 1, "validator {index} still has header {first}");
        let chain = house.verify_chain(index);
        let from = chain["from_height"].as_u64().unwrap();
        assert!(from > first && from.is_multiple_of(CHECKPOINT), "{first}: {chain}");
    }
    for (index, snapshot) in joined {
        let found = house.inspect(index);
        assert_eq!(found["index"]["first_height"], snapshot + 1, "{found}");
        assert_eq!(found["safety"]["state"] == "signed", index == 3, "{found}");
        let chain = house.verify_chain(index);
        assert!(chain["from_height"].as_u64().unwrap() >= snapshot, "{chain}");
    }
}

/// A snapshot is copied out, checked, and restored into an empty directory only.
fn snapshots_travel_as_files(house: &House) {
    let (data, genesis) = (house.data_dir(2).to_str().unwrap(), house.genesis_file());
    let genesis = genesis.to_str().unwrap();
    let out = house.dir().join("monday.snapshot");
    let file = out.to_str().unwrap();
    let config = |index| house.config_file(index).to_str().unwrap();
    let made = house.gridbook(&["snapshot", "create", "--config", config(0), "--out", file]);
    let checked = house.gridbook(&["snapshot", "verify", file, "--genesis", genesis]);
    assert_eq!(made["snapshot_root"], checked["snapshot_root"]);
    let restore = ["snapshot", "restore", file, "--config", config(2)];
    let refused = house.gridbook_fails(&restore);
    assert!(refused.contains("is not empty"), "{refused}");
    fs::remove_dir_all(data).unwrap();
    house.gridbook(&restore);
    let restored = house.inspect(2);
    assert_eq!(restored["log"]["from_snapshots"][0], made["height"], "{restored}");
    assert!(restored["safety"]["state"].as_str().unwrap().starts_with("none"), "{restored}");
    spoil(&out);
    house.gridbook_fails(&["snapshot", "verify", file, "--genesis", genesis]);
}

/// The first and the last header that a validator's log says to be final.
fn heights(house: &House, index: usize) -> (u64, u64) {
    let found = house.inspect(index);
    let height = |place: usize| found["log"]["heights"][place].as_u64().unwrap_or_else(|| panic!("{found}"));
    (height(0), height(1))
}

/// The number of the first segment of a validator's log.
fn first_segment(house: &House, index: usize) -> u64 {
    let files = fs::read_dir(house.data_dir(index).join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    let number = |path: std::path::PathBuf| path.file_stem()?.to_str()?.parse().ok();
    segments.filter_map(number).min().unwrap()
}

fn spoil(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}
