//! One data directory, one process.

use gridbook_ledger::store::{DataDir, LogOptions, QueryIndex, StoreError};

use crate::bench::identity;

fn small() -> LogOptions {
    LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() }
}

#[test]
fn a_directory_is_opened_once_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("node/data");
    let first = DataDir::open(&root).unwrap();
    let refused = DataDir::open(&root).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { dir } if *dir == root));
    assert!(refused.to_string().contains(root.to_str().unwrap()), "{refused}");
    drop(first);
    DataDir::open(&root).unwrap();
}

#[test]
fn all_parts_open_in_one_directory() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::open(home.path()).unwrap();
    data.give_birth(identity()).unwrap();
    let (mut safety, none) = data.open_safety(identity()).unwrap().unwrap();
    assert_eq!(none, None);
    let (mut log, _) = data.open_log(identity(), small()).unwrap();
    log.append(1, b"first").unwrap();
    log.sync().unwrap();
    safety.write(&log.synced().to_bytes()).unwrap();
    assert_eq!(data.open_checkpoints(identity()).unwrap().newest().unwrap().checkpoint, None);
    assert_eq!(data.open_index(identity(), 32 << 20, None).unwrap().last_height(), None);

    let space = data.disk_space().unwrap();
    assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes);
    assert!(data.bytes_on_disk().unwrap() >= 64 << 10);
}

/// Someone removes the safety file, hoping that it comes back by itself; and then the log too, so that the directory looks new.
#[test]
fn a_directory_without_a_safety_record_means_do_not_sign() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::open(home.path()).unwrap();
    assert!(data.open_safety(identity()).unwrap().is_none(), "an empty directory may be a lost one");
    data.give_birth(identity()).unwrap();
    data.open_safety(identity()).unwrap().unwrap().0.write(b"voted").unwrap();
    data.open_log(identity(), small()).unwrap();
    std::fs::remove_file(home.path().join("safety")).unwrap();
    assert!(data.open_safety(identity()).unwrap().is_none());
    assert!(matches!(data.give_birth(identity()), Err(StoreError::Born { .. })), "it has a past");
    std::fs::remove_dir_all(data.log_dir()).unwrap();
    assert!(data.open_safety(identity()).unwrap().is_none(), "nothing is made by opening");
}

/// A record that is there is never replaced by a first one.
#[test]
fn a_validator_is_born_once() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::open(home.path()).unwrap();
    data.give_birth(identity()).unwrap();
    assert_eq!(data.open_safety(identity()).unwrap().unwrap().1, None);
    assert!(matches!(data.give_birth(identity()), Err(StoreError::Born { .. })));
}

#[test]
fn a_start_that_stopped_before_the_log_was_made_can_be_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::open(home.path()).unwrap();
    data.give_birth(identity()).unwrap();
    data.open_safety(identity()).unwrap();
    drop(data);
    let data = DataDir::open(home.path()).unwrap();
    assert_eq!(data.open_safety(identity()).unwrap().unwrap().1, None);
    data.open_log(identity(), small()).unwrap();
}
