//! Two processes and one data directory. Apart from the other tests, because a process that is being started holds open files
//! of this one for a moment, and with them the locks of whatever else runs here.
#![allow(clippy::unwrap_used)] // A test may stop where it stands.

use std::path::Path;
use std::process::Command;

use gridbook_ledger::store::{DataDir, StoreError};

/// Tells the child process which directory to open.
const CHILD_DIR: &str = "GRIDBOOK_TEST_DATA_DIR";

#[test]
fn a_second_process_is_refused() {
    // The test runs itself as another process while it holds the directory, and once more after it let go.
    if let Ok(dir) = std::env::var(CHILD_DIR) {
        let code = if matches!(DataDir::open(Path::new(&dir)), Err(StoreError::Locked { .. })) { 42 } else { 43 };
        std::process::exit(code);
    }
    let home = tempfile::tempdir().unwrap();
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_second_process_is_refused"]).env(CHILD_DIR, home.path());
        command.output().unwrap().status.code()
    };
    let held = DataDir::open(home.path()).unwrap();
    assert_eq!(child(), Some(42));
    drop(held);
    assert_eq!(child(), Some(43));
}
