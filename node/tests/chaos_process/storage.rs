//! A validator whose disk or data is not what it needs: it says what is wrong, ends with exit code 1, and changes nothing.

use std::path::PathBuf;

use crate::house::{Home, in_namespace, overwrite, picture};

/// A segment carries the version of its format behind eight bytes that say what it is.
const VERSION_AT: u64 = 8;

/// A sector of the safety record.
const SAFETY_SECTOR_BYTES: u64 = 64 << 10;

/// The last segment of the log.
fn last_segment(home: &Home) -> PathBuf {
    let files = std::fs::read_dir(home.data().join("log")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap()
}

#[test]
fn another_validators_data_is_refused_and_left_alone() {
    let (mine, others) = (Home::empty(1), Home::of(0));
    std::fs::rename(others.data(), mine.data()).unwrap();
    let before = picture(&mine.data());
    mine.start().refuses("belongs to validator 0, not to 1");
    assert!(picture(&mine.data()) == before, "something was changed");
}

/// The genesis is another one: the same validators on another ledger.
#[test]
fn another_ledgers_data_is_refused_and_left_alone() {
    let home = Home::of(0);
    let genesis = std::fs::read_to_string(crate::house::network().join("genesis.json")).unwrap();
    let other = home.dir.path().join("genesis.json");
    std::fs::write(&other, genesis.replace("\"chaos\"", "\"another\"")).unwrap();
    let before = picture(&home.data());
    home.start_with(&["--genesis-file", &other.display().to_string()]).refuses("belongs to chain");
    assert!(picture(&home.data()) == before, "something was changed");
}

#[test]
fn data_of_an_older_or_newer_format_is_refused_with_what_to_do() {
    for (version, sentence) in [(0_u32, "convert it with the program that wrote it"), (9, "install the newer program")]
    {
        let home = Home::of(0);
        overwrite(&last_segment(&home), VERSION_AT, &version.to_le_bytes());
        let before = picture(&home.data().join("log"));
        home.start().refuses(sentence);
        assert!(picture(&home.data().join("log")) == before, "something was changed");
    }
}

/// The file system went read-only, as ext4 does after an error.
#[test]
fn a_read_only_file_system_is_refused_with_what_to_do() {
    let home = Home::of(0);
    let data = home.data().display().to_string();
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let Some(command) = in_namespace(script, &[vec![data], home.command()].concat()) else { return };
    home.run(&command).refuses("mount it writable");
    home.start().runs_and_ends_well();
}

/// A disk with less room than the first segment of the log needs: refused. More room: it starts.
#[test]
fn a_full_disk_is_refused_at_the_start_and_room_is_all_it_needs() {
    let home = Home::empty(0);
    std::fs::create_dir(home.data()).unwrap();
    let data = home.data().display().to_string();
    let script = |bytes: &str| format!("mount -t tmpfs -o size={bytes} gridbook \"$0\" && exec \"$@\"");
    let arguments = [vec![data], home.command()].concat();
    let Some(command) = in_namespace(&script("256k"), &arguments) else { return };
    home.run(&command).refuses("no space is left on the disk");
    home.run(&in_namespace(&script("64m"), &arguments).unwrap()).runs_and_ends_well();
}

/// The safety record is gone while the log is there: whoever signs on that may vote twice. It follows and serves, start after start, and
/// makes itself no new one.
#[test]
fn a_lost_safety_record_is_never_replaced_by_an_empty_one() {
    let home = Home::of(0);
    std::fs::remove_file(home.data().join("safety")).unwrap();
    for start in 1..=2 {
        let said = home.start().runs_and_ends_well();
        assert!(said.contains("signs nothing until an epoch begins"), "start {start}:\n{said}");
        assert!(!home.data().join("safety").exists(), "start {start} made a new one");
    }
}

/// Both sectors are damaged: what was promised is not known any more.
#[test]
fn a_damaged_safety_record_is_never_replaced_by_an_empty_one() {
    let home = Home::of(0);
    for sector in [0, SAFETY_SECTOR_BYTES] {
        overwrite(&home.data().join("safety"), sector + 200, &[0xaa; 16]);
    }
    let before = std::fs::read(home.data().join("safety")).unwrap();
    for start in 1..=2 {
        let said = home.start().runs_and_ends_well();
        assert!(said.contains("signs nothing until an epoch begins"), "start {start}:\n{said}");
        assert!(std::fs::read(home.data().join("safety")).unwrap() == before, "start {start} changed it");
    }
}

/// The log ends before what the safety record promised from it, as when somebody put an older copy of it back.
#[test]
fn a_log_that_is_shorter_than_what_was_promised_from_it_is_refused() {
    let home = Home::of(0);
    let segment = last_segment(&home);
    let bytes = std::fs::read(&segment).unwrap();
    // An older copy has nothing but zeros behind its end.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // Very old: whoever was stopped in the middle and caught up at the end signed nothing of what it was told then.
    let older = (end / 30 / 8 * 8) as u64;
    overwrite(&segment, older, &vec![0; bytes.len() - usize::try_from(older).unwrap()]);
    let (status, said) = home.start().end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("although it was synced") || said.contains("records are lost"), "{said}");
}
