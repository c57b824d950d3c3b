//! The query index: answers, and is thrown away without regret.

use std::fs;
use std::path::Path;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::store::{BundlePlace, Index, IndexBatch, IndexStart, LogIdentity, QueryIndex, StoreError};

use crate::bench::identity;

const MEMORY_BYTES: u64 = 32 << 20;

fn open(dir: &Path, final_height: u64) -> Index {
    Index::open(dir, identity(), MEMORY_BYTES, Some(final_height)).unwrap()
}

fn bundle(height: u64) -> Hash {
    Hash::of("bundle", &height.to_be_bytes())
}

/// Height h holds commands 10h to 10h + 9; every fifth height is empty.
fn batch(height: u64) -> IndexBatch {
    let first_seq = 10 * height;
    let empty = height.is_multiple_of(5);
    IndexBatch {
        height,
        header: format!("header {height}").into_bytes(),
        records: format!("records {height}").into_bytes(),
        first_seq,
        last_seq: if empty { first_seq - 1 } else { first_seq + 9 },
        bundles: if empty { Vec::new() } else { vec![(bundle(height), first_seq)] },
        ..IndexBatch::default()
    }
}

fn fill(index: &Index, from: u64, to: u64) {
    index.apply(&(from..=to).map(batch).collect::<Vec<_>>()).unwrap();
}

fn assert_answers(index: &Index, last: u64) {
    assert_eq!(index.last_height(), Some(last));
    for height in 1..=last {
        assert_eq!(index.header(height).unwrap(), Some(batch(height).header));
        assert_eq!(index.records(height).unwrap(), Some(batch(height).records));
        let full = !height.is_multiple_of(5);
        for seq in [10 * height, 10 * height + 9] {
            assert_eq!(index.height_of_seq(seq).unwrap(), full.then_some(height), "seq {seq}");
        }
        let place = BundlePlace { first_seq: 10 * height, height };
        assert_eq!(index.bundle(bundle(height)).unwrap(), full.then_some(place));
    }
    assert_eq!(index.header(last + 1).unwrap(), None);
    assert_eq!(index.height_of_seq(9).unwrap(), None);
    assert_eq!(index.height_of_seq(10 * last + 20).unwrap(), None);
}

/// A leader sequences a bundle again that is final since long, to have its receipt show the refusal of the copy. The bundle is found where
/// it was first, in one batch and in several, and also where the older heights come last.
#[test]
fn a_bundle_that_is_sequenced_again_stays_where_it_was_first() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), 100);
    let again = |height: u64, first: u64| IndexBatch { bundles: vec![(bundle(first), 10 * height)], ..batch(height) };
    index.apply(&[batch(1), batch(2), again(3, 1)]).unwrap();
    index.apply(&[again(4, 2)]).unwrap();
    for height in [1, 2] {
        let place = BundlePlace { first_seq: 10 * height, height };
        assert_eq!(index.bundle(bundle(height)).unwrap(), Some(place), "the bundle of height {height}");
    }
}

#[test]
fn every_question_is_answered_from_what_was_fed() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"), 0);
    assert_eq!((index.start(), index.last_height()), (&IndexStart::Made, None));
    fill(&index, 1, 7);
    fill(&index, 8, 12);
    assert_answers(&index, 12);
}

#[test]
fn a_gap_or_a_repetition_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"), 0);
    fill(&index, 1, 3);
    for heights in [vec![5], vec![3], vec![4, 6], vec![4, 4]] {
        let batches: Vec<_> = heights.iter().copied().map(batch).collect();
        assert!(matches!(index.apply(&batches), Err(StoreError::HeightGap { .. })), "{heights:?}");
    }
    assert_answers(&index, 3);
    assert_eq!(index.header(4).unwrap(), None);
}

#[test]
fn a_closed_index_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("index");
    let index = open(&dir, 0);
    fill(&index, 1, 6);
    index.flush().unwrap();
    drop(index);
    let index = open(&dir, 6);
    assert_eq!(index.start(), &IndexStart::Kept);
    assert_answers(&index, 6);
}

#[test]
fn an_index_that_is_open_elsewhere_is_refused_and_not_dropped() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("index");
    let index = open(&dir, 0);
    fill(&index, 1, 6);
    assert!(matches!(Index::open(&dir, identity(), MEMORY_BYTES, Some(6)), Err(StoreError::Io { .. })));
    assert_answers(&index, 6);
}

/// Feeds six heights, spoils the directory, and expects an empty index that can be fed again.
fn assert_rebuilt(spoil: impl FnOnce(&Path), identity: LogIdentity, final_height: Option<u64>) -> IndexStart {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("index");
    let index = open(&dir, 0);
    fill(&index, 1, 6);
    index.flush().unwrap();
    drop(index);
    spoil(&dir);
    let index = Index::open(&dir, identity, MEMORY_BYTES, final_height).unwrap();
    assert_eq!(index.last_height(), None);
    assert_eq!(index.header(1).unwrap(), None, "nothing old may be left");
    let start = index.start().clone();
    fill(&index, 1, 6);
    assert_answers(&index, 6);
    start
}

#[test]
fn a_deleted_index_is_rebuilt() {
    let start = assert_rebuilt(|dir| fs::remove_dir_all(dir).unwrap(), identity(), Some(6));
    assert_eq!(start, IndexStart::Made);
}

#[test]
fn an_index_ahead_of_the_log_is_dropped() {
    let start = assert_rebuilt(|_| {}, identity(), Some(5));
    assert!(matches!(start, IndexStart::Dropped(why) if why.contains("ahead")));
    assert!(matches!(assert_rebuilt(|_| {}, identity(), None), IndexStart::Dropped(_)));
}

#[test]
fn another_nodes_index_is_dropped() {
    for other in [LogIdentity { validator: 4, ..identity() }, LogIdentity { chain: Hash::ZERO, ..identity() }] {
        assert!(matches!(assert_rebuilt(|_| {}, other, Some(6)), IndexStart::Dropped(_)));
    }
}

#[test]
fn garbage_in_any_of_its_files_is_dropped() {
    for name in ["db", "conf"] {
        let spoil = |dir: &Path| {
            let size = usize::try_from(fs::metadata(dir.join(name)).unwrap().len()).unwrap();
            fs::write(dir.join(name), vec![0xa5; size]).unwrap();
            fs::read_dir(dir).unwrap().for_each(|entry| {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with("snap") {
                    fs::write(path, [0xa5; 100]).unwrap();
                }
            });
        };
        assert!(matches!(assert_rebuilt(spoil, identity(), Some(6)), IndexStart::Dropped(_)), "{name}");
    }
}

#[test]
fn an_empty_directory_is_an_index_that_lost_its_beginning() {
    let spoil = |dir: &Path| {
        fs::remove_dir_all(dir).unwrap();
        fs::create_dir(dir).unwrap();
    };
    assert!(matches!(assert_rebuilt(spoil, identity(), Some(6)), IndexStart::Dropped(_)));
}

#[test]
fn an_opening_that_killed_the_process_is_not_tried_again() {
    let spoil = |dir: &Path| fs::write(dir.with_file_name("index.opening"), b"").unwrap();
    let start = assert_rebuilt(spoil, identity(), Some(6));
    assert!(matches!(start, IndexStart::Dropped(why) if why.contains("did not finish")));
}

/// The index was lost and the validator starts from a snapshot at height 6: it answers for what comes after at once, and for what
/// was before as it is filled.
///
/// ```text
/// heights  1 2 3 | 4 5 6 | 7 8 9
///          filled   gap    held from the start on
/// ```
#[test]
fn an_index_that_begins_late_is_filled_from_below() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("index");
    let index = open(&dir, 0);
    index.begin_at(7).unwrap();
    assert_eq!((index.through(), index.first_height(), index.gap_after()), (6, Some(7), Some(0)));
    assert!(matches!(index.apply(&[batch(8)]), Err(StoreError::HeightGap { height: 8, last_height: 6 })));
    fill(&index, 7, 9);
    assert_eq!((index.last_height(), index.header(3).unwrap()), (Some(9), None));

    index.fill(&[batch(1), batch(2), batch(3)]).unwrap();
    assert!(matches!(index.fill(&[batch(5)]), Err(StoreError::HeightGap { height: 5, last_height: 3 })));
    assert_eq!((index.gap_after(), index.first_height()), (Some(3), Some(7)));
    index.flush().unwrap();
    drop(index);
    let index = open(&dir, 9);
    assert_eq!(index.start(), &IndexStart::Kept);
    // The last piece reaches beyond the gap: what is there already is left as it is.
    index.fill(&[batch(4), batch(5), batch(6), batch(7)]).unwrap();
    assert_eq!((index.gap_after(), index.first_height()), (None, Some(1)));
    assert_answers(&index, 9);
}

/// It held heights 1 to 4 when a snapshot of height 8 was taken over: nothing of the first four is lost, and it goes on with 9.
#[test]
fn an_index_keeps_what_is_below_a_gap() {
    let home = tempfile::tempdir().unwrap();
    let index = open(&home.path().join("index"), 0);
    fill(&index, 1, 4);
    index.begin_at(9).unwrap();
    fill(&index, 9, 10);
    assert_eq!((index.gap_after(), index.first_height(), index.last_height()), (Some(4), Some(9), Some(10)));
    for height in [1, 4, 9, 10] {
        assert_eq!(index.header(height).unwrap(), Some(batch(height).header));
    }
    assert_eq!(index.height_of_seq(61).unwrap(), None);
}

/// ```text
/// heights  1 2 3 | 4
///          filled  nothing yet
/// ```
///
/// The index was removed, and the gap is closed before anything new is final. The next height must find its place, or the validator
/// stops for good.
#[test]
fn a_gap_that_is_closed_before_anything_lies_above_it_is_gone_on_from() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("index");
    let index = open(&dir, 0);
    index.begin_at(4).unwrap();
    index.fill(&[batch(1), batch(2), batch(3)]).unwrap();
    assert_eq!((index.gap_after(), index.first_height(), index.last_height()), (None, Some(1), Some(3)));
    index.flush().unwrap();
    drop(index);
    let index = open(&dir, 3);
    assert_eq!((index.start(), index.through()), (&IndexStart::Kept, 3));
    fill(&index, 4, 4);
    assert_answers(&index, 4);
}
