//! `gridbook auction` as a person meets it: files in, files out, and a sentence for every mistake.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

/// A seller in `south`, a buyer in `north`, four may flow between them. Abroad is behind `north`.
const ORDERS: &str = "\
timestamp,zone,side,price_eur_per_mwh,quantity_mwh
t1,north,demand,50.0,10.0
t1,north,supply,40.5,10.0
t1,south,supply,20.0,10.0
t2,north,demand,-1.25,0.0015
";
const NETWORK: &str = "\
timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh
t1,north,south,-4.0,0.0
t2,north,south,-4.0,0.0
";

struct Files {
    dir: TempDir,
}

impl Files {
    fn new(orders: &str, network: &str) -> Self {
        let files = Self { dir: TempDir::new().unwrap() };
        files.write("orders.csv", orders);
        files.write("network.csv", network);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Runs the command on the two files, with more arguments.
    fn run(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
        command.current_dir(self.dir.path());
        command.args(["auction", "--orders", "orders.csv", "--network", "network.csv"]).args(more);
        command.output().unwrap()
    }

    /// What is said to standard error when it fails.
    fn complaint(&self, more: &[&str]) -> String {
        let output = self.run(&[&["--prices", "out.csv"], more].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!self.path("out.csv").exists() && !self.path("out.csv.part").exists());
        String::from_utf8(output.stderr).unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn prices_and_flows_are_written_and_the_rest_is_said_on_standard_error() {
    let files = Files::new(ORDERS, NETWORK);
    let output = files.run(&["--prices", "prices.csv", "--flows", "flows.csv"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(text(&output.stderr).contains("2 auctions of 2 zones, 4 orders"), "{output:?}");
    let prices = fs::read_to_string(files.path("prices.csv")).unwrap();
    assert_eq!(prices, "timestamp,zone,price_eur_per_mwh\nt1,north,40.5\nt1,south,20.0\nt2,north,-1.25\n");
    let flows = fs::read_to_string(files.path("flows.csv")).unwrap();
    assert_eq!(flows, "timestamp,from_zone,to_zone,flow_mwh\nt1,north,south,-4.0\nt2,north,south,0.0\n");
    assert!(!files.path("prices.csv.part").exists());
}

#[test]
fn standard_output_is_for_one_table_or_for_json() {
    let files = Files::new(ORDERS, NETWORK);
    let output = files.run(&["--prices", "-"]);
    assert!(text(&output.stdout).starts_with("timestamp,zone,price_eur_per_mwh\nt1,north,40.5\n"));
    let output = files.run(&["--prices", "prices.csv", "--json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["auctions"], &summary["zones"], &summary["orders"]), (&2.into(), &2.into(), &4.into()));
    assert_eq!(summary["cases"], serde_json::json!({"empty": 1, "marginal_seller": 2}));
    assert!(summary["clearing_ms"].is_f64() && summary["reading_ms"].is_f64());
    for both in [&["--prices", "-", "--json"][..], &["--prices", "-", "--flows", "-"]] {
        assert_eq!(files.run(both).status.code(), Some(2));
    }
}

#[test]
fn gzip_is_known_by_its_first_bytes_not_by_its_name() {
    let files = Files::new("", NETWORK);
    let mut gzip = GzEncoder::new(fs::File::create(files.path("orders.csv")).unwrap(), Compression::fast());
    gzip.write_all(ORDERS.as_bytes()).unwrap();
    gzip.finish().unwrap();
    assert!(text(&files.run(&["--prices", "-"]).stdout).contains("t1,south,20.0\n"));
}

/// Five decimals, exact binary dust, capacities of half a lot: text becomes integers, and nothing passes through a float.
#[test]
fn decimal_text_is_read_exactly() {
    let orders =
        "timestamp,zone,side,price_eur_per_mwh,quantity_mwh\nt,a,demand,99.0,74.89999999999999\nt,a,supply,1.0,100.0\n";
    let network = "timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh\nt,a,abroad,-0.1005,0.0\n";
    let files = Files::new(orders, network);
    files.write("borders.csv", "timestamp,zone,price_eur_per_mwh\nt,abroad,0.12345\n");
    let flows = |more: &[&str]| {
        let output =
            files.run(&[&["--border-prices", "borders.csv", "--prices", "p.csv", "--flows", "-"], more].concat());
        text(&output.stdout).lines().nth(1).unwrap_or(text(&output.stderr)).to_owned()
    };
    assert_eq!(flows(&[]), "t,a,abroad,-0.1");
    assert_eq!(flows(&["--lot-mwh", "0.0001"]), "t,a,abroad,-0.1005");
    let schedule = "timestamp,zone,border_zone,energy_mwh\nt,a,abroad,-74.9\n";
    files.write("schedules.csv", schedule);
    let price = |rounding: &str| {
        let output = files.run(&["--border-flows", "schedules.csv", "--quantities", rounding, "--prices", "-"]);
        text(&output.stdout).lines().nth(1).unwrap().to_owned()
    };
    // 74.9 come in. Rounded down the zone wants 74.899: what is fixed does not fit, and there is no price.
    assert_eq!([price("down"), price("nearest")], ["t,a,", "t,a,1.0"]);
}

/// Without fees 20 and 40.5 are a full edge apart; a fee of 21 keeps the seller at home.
#[test]
fn the_network_may_have_fees() {
    let fees = "timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh,fee_from_to,fee_to_from\n\
                t1,north,south,-4.0,0.0,0,21\nt2,north,south,-4.0,0.0,,\n";
    let files = Files::new(ORDERS, fees);
    let output = files.run(&["--prices", "p.csv", "--flows", "-"]);
    assert!(text(&output.stdout).contains("t1,north,south,0.0\n"), "{output:?}");
}

#[test]
fn expected_results_are_compared_and_only_strict_fails() {
    let files = Files::new(ORDERS, NETWORK);
    files.write("good.csv", "timestamp,zone,price_eur_per_mwh\nt1,north,40.50\nt1,south,20\n");
    files.write("bad.csv", "timestamp,zone,price_eur_per_mwh\nt1,north,41.5\nt1,south,20\nt9,south,20\n");
    files.write("flows.csv", "timestamp,from_zone,to_zone,flow_mwh\nt1,south,north,4.0\n");
    let run = |prices: &str, more: &[&str]| {
        let given = ["--prices", "out.csv", "--expect-flows", "flows.csv", "--expect-prices", prices];
        files.run(&[&given[..], more].concat())
    };
    assert!(run("good.csv", &["--strict"]).status.success());
    let output = run("bad.csv", &[]);
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains(
        "1 of 3 published prices come out exactly; mean difference 0.5000 per MWh, at most 1.000 at t1 north"
    ));
    assert!(said.contains("1 have no counterpart here") && said.contains("1 of 1 published flows come out exactly"));
    assert_eq!(run("bad.csv", &["--strict"]).status.code(), Some(1));
}

/// Each mistake with the file, the line, and what would be right.
#[test]
fn a_wrong_line_is_named_with_what_to_do() {
    let header = "timestamp,zone,side,price_eur_per_mwh,quantity_mwh\n";
    for (line, sentence) in [
        ("t1,north,sell,10,1", "\"sell\" is no side: write supply or demand"),
        ("t1,north,supply,10.005,1", "the price 10.005 is off the tick; --tick sets another"),
        ("t1,north,supply,1e9,1", "a price lies between"),
        ("t1,north,supply,ten,1", "\"ten\" is not a decimal number: write it like 105.3"),
        ("t1,north,supply,10,-1", "the quantity -1 is below zero or too large"),
        ("t1,north,supply,10,nan", "is not a decimal number"),
        ("t1,,supply,10,1", "the zone is empty"),
        ("t1,north,supply,10", "4 fields where the first line names 5"),
    ] {
        let complaint = Files::new(&format!("{header}t1,north,demand,50,1\n{line}\n"), NETWORK).complaint(&[]);
        assert!(complaint.contains("orders.csv, line 3") && complaint.contains(sentence), "{complaint}");
    }
    let complaint = Files::new("timestamp,zone,price_eur_per_mwh,quantity_mwh\n", NETWORK).complaint(&[]);
    assert!(complaint.contains("there is no column `side`"), "{complaint}");
    assert!(Files::new(header, NETWORK).complaint(&[]).contains("there are no orders"));
    let files = Files::new(ORDERS, NETWORK);
    fs::remove_file(files.path("network.csv")).unwrap();
    assert!(files.complaint(&[]).contains("cannot read network.csv"));
}

#[test]
fn a_network_that_is_not_a_tree_is_refused_with_a_sentence() {
    let header = "timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh\n";
    let complaint = |links: &str, more: &[&str]| {
        let files = Files::new(ORDERS, &format!("{header}{links}"));
        files.write("borders.csv", "timestamp,zone,price_eur_per_mwh\nt1,abroad,10\nt1,far,10\n");
        files.complaint(more)
    };
    let circle = "t1,north,south,-1,1\nt1,south,east,-1,1\nt1,east,north,-1,1\n";
    assert!(complaint(circle, &[]).contains("closes a circle: the network must be a tree"));
    assert!(complaint("t1,north,south,-1,1\nt1,south,north,-1,1\n", &[]).contains("closes a circle"));
    assert!(complaint("t1,north,north,-1,1\nt1,north,south,-1,1\n", &[]).contains("closes a circle"));
    assert!(complaint("t1,north,east,-1,1\n", &[]).contains("no way of links leads from zone"));
    assert!(complaint("t9,north,south,-1,1\n", &[]).contains("no way of links leads from zone"));
    assert!(complaint("t1,north,south,1,2\n", &[]).contains("line 2: a link must be able to carry nothing"));
    assert!(
        complaint("t1,north,south,-1,1\n", &["--root", "west"]).contains("zone west of --root is not in the network")
    );
    let borders = ["--border-prices", "borders.csv"];
    let tree = "t1,north,south,-1,1\n";
    assert!(complaint(&format!("{tree}t1,abroad,far,-1,1\n"), &borders).contains("are both across the border"));
    let second = format!("{tree}t2,north,abroad,-1,1\n");
    assert!(complaint(&second, &borders).contains("border zone abroad has neither a price nor a schedule with north"));
}

#[test]
fn wrong_numbers_on_the_command_line_are_wrong_usage() {
    let files = Files::new(ORDERS, NETWORK);
    for more in
        [["--tick", "0"], ["--tick", "0.000001"], ["--lot-mwh", "0.0000001"], ["--lot-mwh", "-1"], ["--tick", "x"]]
    {
        assert_eq!(files.run(&[&["--prices", "out.csv"], &more[..]].concat()).status.code(), Some(2), "{more:?}");
        assert!(!Path::new("out.csv").exists());
    }
}
