//! `gridbook match` from outside: where files come from and go to, what is said, and how it ends.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SAMPLE: &str = "tests/data/order_files/every_command.jsonl";
/// The closing digest of [`SAMPLE`]: the same on every machine, in every build.
const SAMPLE_DIGEST: &str = "8cb06bbe059c60b2fb7967b30a42c70f501d998a9d8975d47981e0e6507d7c9e";

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE)
}

fn matching(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.arg("match").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    matching(arguments).output().unwrap()
}

fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = matching(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn one_file_gives_the_same_bytes_however_it_comes_in_and_goes_out() {
    let (path, file) = (sample(), fs::read(sample()).unwrap());
    let input = path.to_str().unwrap();
    let plain = run(&["--json", "--input", input]);
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain.stderr));
    assert_eq!(text(&plain.stdout).lines().last().unwrap(), format!("{{\"digest\": \"{SAMPLE_DIGEST}\"}}"));

    let dir = tempfile::tempdir().unwrap();
    let (zipped, out) = (dir.path().join("orders.jsonl.gz"), dir.path().join("answers.jsonl"));
    fs::write(&zipped, gzipped(&file)).unwrap();
    let arguments = [
        "--json",
        "--input",
        zipped.to_str().unwrap(),
        "--output",
        out.to_str().unwrap(),
        "--shards",
        "3",
        "--batch",
        "2",
    ];
    let aside = run(&arguments);
    assert!(aside.status.success() && aside.stdout.is_empty(), "{}", text(&aside.stderr));
    assert_eq!(fs::read(&out).unwrap(), plain.stdout);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");

    for input in [file.clone(), gzipped(&file)] {
        assert_eq!(fed(&["--json", "--input", "-"], &input).stdout, plain.stdout);
    }
}

#[test]
fn people_get_sentences_and_a_summary() {
    let path = sample();
    let output = run(&["--input", path.to_str().unwrap()]);
    let answers = text(&output.stdout);
    assert!(
        answers
            .contains("\ntrade 1: 2 sells 400 Wh to 1 at 250 (seller gets 230, fee 20) from B to A period 1937176\n"),
        "{answers}"
    );
    assert!(answers.ends_with(&format!("\ndigest {SAMPLE_DIGEST}\n")), "{answers}");
    let summary = text(&output.stderr);
    for part in [
        "20 commands in ",
        " commands/s\n",
        "3 accepted, 5 rejected, 2 trades of 500 Wh\n",
        "  2 x FormLine\n",
        "  1 x MatchFillOrKill\n",
    ] {
        assert!(summary.contains(part), "{part:?} is not in\n{summary}");
    }
}

#[test]
fn a_strict_run_ends_at_the_first_unreadable_line_with_one_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (sample(), dir.path().join("answers.jsonl"));
    let input = path.to_str().unwrap();
    let output = run(&["--strict", "--json", "--input", input]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("every_command.jsonl: line 15: "), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().last().unwrap().contains("\"line\": 15"), "what came before is answered");
    let output = run(&["--strict", "--input", input, "--output", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // An order that the market refuses can be read.
    let refused = b"{\"cancel\": {\"id\": 1}}\n{\"place\": {\"id\": 1, \"account\": \"a\", \"period\": 0, \"side\": \"buy\", \"price\": 10, \"energy\": 1, \"all_or_none\": true}}\n";
    let output = fed(&["--strict", "--json", "--input", "-"], refused);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("\"code\": \"FormAllOrNone\""));
}

#[test]
fn what_cannot_be_read_or_written_ends_with_one_and_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.jsonl");
    let output = run(&["--input", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing.jsonl"), "{}", text(&output.stderr));

    let nowhere = dir.path().join("no/such/answers.jsonl");
    let output = run(&["--input", sample().to_str().unwrap(), "--output", nowhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("answers.jsonl"), "{}", text(&output.stderr));

    let torn = dir.path().join("torn.gz");
    let zipped = gzipped(&fs::read(sample()).unwrap());
    fs::write(&torn, &zipped[..zipped.len() - 9]).unwrap();
    let output = run(&["--json", "--input", torn.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("torn.gz: cannot read on after line "), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("digest"), "half a file has no digest");
}

#[test]
fn wrong_usage_ends_with_two_and_help_teaches_by_example() {
    for arguments in [
        &[][..],
        &["--input"],
        &["--input", "-", "--shards", "0"],
        &["--input", "-", "--shards", "65"],
        &["--input", "-", "--batch", "no"],
        &["x"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in ["gridbook match --input", "{\"place\": ", "--strict", "--shards", "digest"] {
        assert!(text(&help.stdout).contains(part), "{part}");
    }
}

/// `gridbook match ... | head -1` is no failure.
#[test]
fn a_reader_that_has_read_enough_ends_the_run_quietly() {
    let mut child = matching(&["--json", "--input", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let line = b"{\"cancel\": {\"id\": 1}}\n".repeat(1_000);
        // It ends when the other side does.
        while input.write_all(&line).is_ok() {}
    });
    let mut first = [0; 12];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"{\"rejected\":");
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}
