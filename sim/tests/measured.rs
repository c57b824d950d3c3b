//! Measured households: good files make a town, bad files are named with their line.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod toy;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gridbook_sim::{Measured, MeasuredError, Town, TownConfig};
use tempfile::TempDir;

/// `days` days of rows with the value of each.
fn series(days: usize, value: &str) -> String {
    let rows = (0..days * 96).map(|row| format!("{},{value}\n", 1_613_343_600 + row * 900));
    "timestamp,electricity\n".to_owned() + &rows.collect::<String>()
}

/// A folder of loads with one file of this text, and one of plants that is in order.
fn folders(name: &str, load: &[u8]) -> (TempDir, PathBuf, PathBuf) {
    let root = TempDir::new().unwrap();
    let (loads, plants) = (root.path().join("load"), root.path().join("pv"));
    fs::create_dir(&loads).unwrap();
    fs::create_dir(&plants).unwrap();
    fs::write(loads.join(name), load).unwrap();
    fs::write(plants.join("pv.csv"), series(2, "0.5")).unwrap();
    (root, loads, plants)
}

fn refused(load: &str) -> MeasuredError {
    let (_root, loads, plants) = folders("house.csv", load.as_bytes());
    Measured::load(&loads, &plants).unwrap_err()
}

#[test]
fn plain_and_gzipped_files_are_read_and_others_left_alone() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(series(3, "400").as_bytes()).unwrap();
    let (_root, loads, plants) = folders("house.csv.gz", &gzip.finish().unwrap());
    fs::write(loads.join("README.md"), "not a series").unwrap();
    fs::write(loads.join("other.csv"), series(1, "300.4")).unwrap();
    let measured = Measured::load(&loads, &plants).unwrap();
    assert_eq!((measured.household_count(), measured.plant_count()), (2, 1));
    let config = TownConfig { meters: 20, pv_share_ppm: 0, battery_share_ppm: 0, ..TownConfig::default() };
    let town = Town::from_measured(config, &measured).unwrap();
    for meter in town.meters() {
        // 300 or 400 W for a quarter of an hour, scaled by up to 15 %.
        let demand = meter.forecast(town.periods().next().unwrap(), 0).demand.0;
        assert!((63..=115).contains(&demand), "{demand}");
    }
}

#[test]
fn a_wrong_header_is_named() {
    let error = refused(&series(1, "5").replace("electricity", "heat"));
    assert!(matches!(&error, MeasuredError::Header { found, .. } if found == "timestamp,heat"));
    assert!(
        error.to_string().ends_with("house.csv:1: the header is \"timestamp,heat\", not \"timestamp,electricity\"")
    );
    assert!(matches!(refused(""), MeasuredError::Header { .. }));
}

#[test]
fn a_bad_number_is_named_with_its_line() {
    for bad in ["x", "", "-1", "NaN", "inf", "1e9", "1,000"] {
        let text = series(1, "5").replacen("1613344500,5", &format!("1613344500,{bad}"), 1);
        match refused(&text) {
            MeasuredError::Number { line, text, .. } => assert_eq!((line, text.as_str()), (3, bad)),
            MeasuredError::Row { line, problem, .. } => {
                assert_eq!((line, bad, problem.as_str()), (3, "1,000", "3 columns where there should be 2"));
            }
            other => panic!("{bad}: {other}"),
        }
    }
}

#[test]
fn a_bad_time_is_named_with_its_line() {
    for bad in ["2021-02-15", "1613344500.5", "-1613344500", "+1613344500", ""] {
        let error = refused(&series(1, "5").replacen("1613344500,", &format!("{bad},"), 1));
        assert!(matches!(&error, MeasuredError::Timestamp { line: 3, text, .. } if text == bad), "{error}");
    }
}

#[test]
fn a_gap_and_a_repeat_are_named_with_both_times() {
    let text = series(1, "5");
    let gap = refused(&text.replacen("1613344500,5\n", "", 1));
    assert!(matches!(gap, MeasuredError::Gap { line: 3, expected: 1_613_344_500, found: 1_613_345_400, .. }), "{gap}");
    let repeat = refused(&text.replacen("1613344500,5\n", "1613344500,5\n1613344500,5\n", 1));
    assert!(matches!(repeat, MeasuredError::Gap { line: 4, .. }), "{repeat}");
}

#[test]
fn less_than_a_day_is_refused() {
    let text = series(1, "5");
    let shorter = text.trim_end().rsplit_once('\n').unwrap().0;
    assert!(matches!(refused(shorter), MeasuredError::Short { rows: 95, .. }));
}

#[test]
fn empty_and_missing_folders_are_named() {
    let (_root, loads, plants) = folders("house.txt", b"");
    assert!(matches!(Measured::load(&loads, &plants), Err(MeasuredError::Empty { path }) if path == loads));
    let missing = loads.join("nowhere");
    assert!(matches!(Measured::load(&missing, &plants), Err(MeasuredError::Folder { path, .. }) if path == missing));
}

#[test]
fn a_broken_gzip_and_text_that_is_none_are_named() {
    let (_root, loads, plants) = folders("house.csv.gz", b"no gzip at all");
    let broken = Measured::load(&loads, &plants).unwrap_err();
    assert!(matches!(&broken, MeasuredError::Read { file, .. } if file.ends_with("house.csv.gz")), "{broken}");
    let (_root, loads, plants) = folders("house.csv", b"timestamp,electricity\n1613343600,\xff\n");
    let garbled = Measured::load(&loads, &plants).unwrap_err();
    assert!(matches!(garbled, MeasuredError::Row { line: 2, .. }), "{garbled}");
}

#[test]
fn real_households_make_a_town_that_trades() {
    let beside_the_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let folder = beside_the_workspace.join("shared/data/households");
    if !folder.is_dir() {
        println!("skipped: no measured households at {}", folder.display());
        return;
    }
    let measured = Measured::load(&folder.join("load"), &folder.join("pv")).unwrap();
    assert_eq!((measured.household_count(), measured.plant_count()), (16, 3));
    let config = TownConfig { meters: 100, ..TownConfig::default() };
    let town = Town::from_measured(config.clone(), &measured).unwrap();
    assert_eq!(town, Town::from_measured(config, &measured).unwrap());
    let (_, market, _) = toy::play(&town, toy::reliable);
    println!("{:?} {:?}", market.counts, market.supply.summary());
    assert!(market.counts.trades > 500, "{:?}", market.counts);
    assert_eq!(market.counts.over_headroom, 0);
}

#[test]
fn a_house_at_the_end_of_its_connection_never_orders_beyond_it() {
    // 20 kW behind a 14.5 kW connection, and a plant at 120 % of its peak: forecasts go over the limit, orders must not.
    for (load, sun) in [("20000", "0"), ("0", "1.2")] {
        let (_root, loads, plants) = folders("house.csv", series(1, load).as_bytes());
        fs::write(plants.join("pv.csv"), series(1, sun)).unwrap();
        let measured = Measured::load(&loads, &plants).unwrap();
        let config = TownConfig { meters: 20, pv_share_ppm: 1_000_000, battery_share_ppm: 0, ..TownConfig::default() };
        let town = Town::from_measured(config, &measured).unwrap();
        let meter = &town.meters()[0];
        let over = town.periods().filter(|&period| {
            let forecast = meter.forecast(period, 4);
            forecast.demand > meter.max_import || forecast.surplus > meter.max_export
        });
        assert!(over.count() > 10, "the story needs forecasts beyond the connection");
        let (_, market, _) = toy::play(&town, toy::reliable);
        assert_eq!(market.counts.over_headroom, 0);
    }
}
