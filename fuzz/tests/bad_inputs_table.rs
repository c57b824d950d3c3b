//! `docs/bad-inputs.md` names a test for every bad input. A test that is renamed or removed must not stay in the table.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the table must have rows for.
const SECTIONS: [(&str, usize); 9] = [
    ("Wire", 24),
    ("Orders", 20),
    ("Readings", 15),
    ("Registry", 16),
    ("Certificates", 11),
    ("Crypto", 10),
    ("Consensus", 17),
    ("Storage", 13),
    ("Audit", 10),
];

/// The source of a file under the root of the project.
fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a file has a test of this name that is run.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let function =
        |line: &&str| line.starts_with(&format!("fn {name}(")) || line.starts_with(&format!("async fn {name}("));
    let Some(place) = lines.iter().position(function) else { return false };
    let attributes = lines[..place].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let attributes: Vec<&&str> = attributes.collect();
    let is_test = attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    // A property test stands in a macro that says `#[test]` too.
    is_test && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

/// The rows of a section: what comes in, what becomes of it, and the tests as (file, name).
fn rows(table: &str) -> BTreeMap<String, Vec<[String; 3]>> {
    let mut section = String::new();
    let mut rows: BTreeMap<String, Vec<[String; 3]>> = BTreeMap::new();
    for line in table.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let cells: Vec<&str> = cells.split(" | ").collect();
        if let [input, effect, tests] = cells[..]
            && input != "input"
        {
            rows.entry(section.clone()).or_default().push([input, effect, tests].map(str::to_owned));
        }
    }
    rows
}

#[test]
fn every_row_of_the_table_has_tests_that_are_there() {
    let rows = rows(&source("docs/bad-inputs.md"));
    for (section, count) in SECTIONS {
        let rows = rows.get(section).unwrap_or_else(|| panic!("there is no section {section}"));
        assert!(rows.len() >= count, "{section} has {} rows of {count}", rows.len());
        for [input, effect, tests] in rows {
            assert!(!effect.trim().is_empty(), "{section}: {input} has no effect");
            assert!(!tests.trim().is_empty(), "{section}: {input} has no test");
            for test in tests.split("; ") {
                let [path, name] = test.split_whitespace().collect::<Vec<_>>()[..] else {
                    panic!("{section}, {input}: `{test}` is not a file and a test in it")
                };
                let (path, name) = (path.trim_matches('`'), name.trim_matches('`'));
                assert!(has_test(&source(path), name), "{section}, {input}: there is no test {name} in {path}");
            }
        }
    }
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let source = "#[test]\nfn here() {}\n\n#[test]\n#[ignore]\nfn asleep() {}\n\nfn helper() {}\n";
    assert!(has_test(source, "here"));
    assert!(!["asleep", "helper", "gone", "her"].into_iter().any(|name| has_test(source, name)));
}
