//! A ledger's beginning: one file, one chain id, one clock.

use std::collections::BTreeSet;

use gridbook_engine::{AreaId, Energy, Price};

use super::*;
use crate::crypto::SecretKey;
use crate::entry::{Entry, log_digest};

fn key(number: u8) -> PublicKey {
    SecretKey::from_seed([number; 32]).public()
}

fn genesis() -> Genesis {
    Genesis {
        name: "Kirchdorf".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_000_000,
        time_scale: 1_440,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["north".into(), "south".into()],
        operator: key(9),
        validators: ValidatorSet::new((1..5).map(key).collect()).unwrap(),
    }
}

/// A substation with two feeders below it.
fn with_feeders() -> Genesis {
    let edge =
        AreaEdge { parent: AreaId(0), up: Energy(5_000), down: Energy(7_000), fee_up: Price(10), fee_down: Price(20) };
    let feeder = |name: &str, edge| Area { name: name.into(), edge: Some(edge) };
    let east = AreaEdge { parent: AreaId(1), ..edge };
    Genesis { areas: vec!["substation".into(), feeder("north", edge), feeder("east", east)], ..genesis() }
}

/// The JSON form with one part replaced.
fn read_with(from: &str, to: &str) -> Result<Genesis, GenesisError> {
    let text = genesis().to_json();
    assert!(text.contains(from), "{from} is not in {text}");
    Genesis::from_json(&text.replacen(from, to, 1))
}

/// What `gridbook genesis` writes is what a validator reads, down to the chain id.
#[test]
fn the_json_form_reads_back() {
    let read = Genesis::from_json(&genesis().to_json()).unwrap();
    assert_eq!(read, genesis());
    assert_eq!(read.chain_id(), genesis().chain_id());
}

fn with_edge(change: impl FnOnce(&mut AreaEdge)) -> Genesis {
    let mut genesis = with_feeders();
    change(genesis.areas[1].edge.as_mut().unwrap());
    genesis
}

/// Two operators start from files that differ in anything: their ledgers must not take each other's signatures.
#[test]
fn everything_in_it_changes_the_chain_id() {
    let g = genesis;
    let rules = MarketRules::default;
    let others = [
        g(),
        Genesis { name: "Kirchdor".into(), ..g() },
        Genesis { ledger_start: LedgerTime(0), ..g() },
        Genesis { wall_start_ms: 1_000_001, ..g() },
        Genesis { time_scale: 1, ..g() },
        Genesis { areas: vec!["north".into()], ..g() },
        Genesis { areas: vec!["south".into(), "north".into()], ..g() },
        Genesis { areas: vec!["northsouth".into(), "".into()], ..g() },
        Genesis { operator: key(8), ..g() },
        Genesis { validators: ValidatorSet::new((2..6).map(key).collect()).unwrap(), ..g() },
        Genesis { validators: ValidatorSet::new((1..8).map(key).collect()).unwrap(), ..g() },
        Genesis { validators: ValidatorSet::new((1..5).rev().map(key).collect()).unwrap(), ..g() },
        Genesis { settlement: SettlementRules::metered(), ..g() },
        Genesis { settlement: SettlementRules { dispute_ms: 1, ..SettlementRules::default() }, ..g() },
        Genesis { settlement: SettlementRules { reading_deadline_ms: 1, ..SettlementRules::default() }, ..g() },
        Genesis { settlement: SettlementRules { short_price_cap: Price(1), ..SettlementRules::default() }, ..g() },
        Genesis { settlement: SettlementRules { long_price_floor: Price(-1), ..SettlementRules::default() }, ..g() },
        Genesis { settlement: SettlementRules { share_worst_ppm: 2_000_000, ..SettlementRules::default() }, ..g() },
        Genesis { settlement: SettlementRules { loss_bound_ppm: 1, ..SettlementRules::default() }, ..g() },
        Genesis { rules: MarketRules { mtu_minutes: 60, ..rules() }, ..g() },
        Genesis { rules: MarketRules { tick: 1, ..rules() }, ..g() },
        Genesis { rules: MarketRules { lot: 2, ..rules() }, ..g() },
        Genesis { rules: MarketRules { price_min: gridbook_engine::Price(0), ..rules() }, ..g() },
        Genesis { rules: MarketRules { price_max: gridbook_engine::Price(0), ..rules() }, ..g() },
        Genesis { rules: MarketRules { open_lead_ms: 1, ..rules() }, ..g() },
        Genesis { rules: MarketRules { gate_ms: 1, ..rules() }, ..g() },
        Genesis { rules: MarketRules { cross_area_gate_ms: 1, ..rules() }, ..g() },
        Genesis { rules: MarketRules { auction_at_open: true, ..rules() }, ..g() },
        Genesis { rules: MarketRules { call_ms: 1, ..rules() }, ..g() },
        Genesis { rules: MarketRules { periods_per_opening: 96, ..rules() }, ..g() },
        with_edge(|_| {}),
        with_edge(|edge| edge.parent = AreaId(2)),
        with_edge(|edge| edge.up = Energy(1)),
        with_edge(|edge| edge.down = Energy(1)),
        with_edge(|edge| edge.fee_up = Price(30)),
        with_edge(|edge| edge.fee_down = Price(30)),
    ];
    let ids: BTreeSet<Hash> = others.iter().map(Genesis::chain_id).collect();
    assert_eq!(ids.len(), others.len());
}

/// A day in a minute: 1,440 ledger milliseconds in one, exact to the microsecond, never a drift.
#[test]
fn ledger_time_runs_exactly_at_its_scale() {
    let at = |wall_us| genesis().ledger_now(wall_us).0 - 1_743_451_200_000;
    let start_us = 1_000_000_000;
    assert_eq!(at(start_us), 0);
    assert_eq!(at(start_us + 1), 1, "1.44 ms, rounded down");
    assert_eq!(at(start_us + 1_000), 1_440);
    assert_eq!(at(start_us + 60_000_000), 86_400_000, "a day in a minute");
    let year_us = 31_536_000_000_000;
    assert_eq!(at(start_us + year_us), 31_536_000_000 * 1_440);
}

/// Before the start, and at the end of all numbers, the clock stands still; it never goes back or wraps.
#[test]
fn ledger_time_never_goes_back() {
    for wall_us in [0, 1, 999_999_999] {
        assert_eq!(genesis().ledger_now(wall_us), genesis().ledger_start);
    }
    let fastest = Genesis { time_scale: TIME_SCALE_MAX, ledger_start: LedgerTime(u64::MAX - 5), ..genesis() };
    assert_eq!(fastest.ledger_now(u64::MAX), LedgerTime(u64::MAX));
    let never = Genesis { wall_start_ms: u64::MAX, ..genesis() };
    assert_eq!(never.ledger_now(u64::MAX), never.ledger_start);
    let walk: Vec<_> = (999_999_990..1_000_000_500).map(|wall_us| genesis().ledger_now(wall_us)).collect();
    assert!(walk.is_sorted());
}

/// The first header builds on an empty log of this ledger.
#[test]
fn the_root_header_is_an_empty_log_of_this_ledger() {
    let root = genesis().root_header(Hash([5; 32]));
    assert!(root.is_empty());
    assert_eq!((root.chain, root.height, root.rank), (genesis().chain_id(), 0, Rank::default()));
    assert_eq!((root.first_seq, root.last_seq, root.time()), (1, 0, genesis().ledger_start));
    assert_eq!((root.log_digest, root.state_root), (genesis().initial_log_digest(), Hash([5; 32])));
    let other = Genesis { name: "other".into(), ..genesis() };
    let time = Entry::Time(LedgerTime(1));
    assert_ne!(
        log_digest(genesis().initial_log_digest(), 1, &time),
        log_digest(other.initial_log_digest(), 1, &time),
        "logs of two ledgers differ from the start"
    );
}

/// A typing error in a field name must not silently become a default.
#[test]
fn unknown_missing_and_doubled_fields_are_refused() {
    let error = read_with("\"time_scale\"", "\"time_scales\"").unwrap_err();
    assert!(error.to_string().contains("time_scales"), "{error}");
    assert!(read_with("\"tick\": 10,", "").unwrap_err().to_string().contains("tick"));
    assert!(read_with("\"tick\": 10,", "\"tick\": 10, \"tack\": 10,").unwrap_err().to_string().contains("tack"));
    assert!(read_with("\"tick\": 10,", "\"tick\": 10, \"tick\": 10,").is_err());
    assert!(matches!(Genesis::from_json(""), Err(GenesisError::Json(_))));
    assert!(matches!(Genesis::from_json(&format!("{}x", genesis().to_json())), Err(GenesisError::Json(_))));
}

/// Money and times are whole numbers, also in files.
#[test]
fn numbers_that_are_not_whole_or_too_large_are_refused() {
    assert!(matches!(read_with("\"tick\": 10", "\"tick\": 10.5"), Err(GenesisError::Json(_))));
    assert!(matches!(read_with("\"tick\": 10", "\"tick\": 3000000000"), Err(GenesisError::Json(_))));
    assert!(matches!(read_with("\"wall_start_ms\": 1000000", "\"wall_start_ms\": -1"), Err(GenesisError::Json(_))));
}

/// A key is told by the field it stands in.
#[test]
fn a_bad_key_is_named() {
    let second = key(2).to_hex();
    let named = |to: &str| match read_with(&second, to) {
        Err(GenesisError::Key { field }) => field,
        other => panic!("{other:?}"),
    };
    let weak = format!("01{}", "0".repeat(62));
    for bad in ["", "12", &second.to_uppercase(), &second[1..], &weak] {
        assert_eq!(named(bad), "validators[1]", "{bad}");
    }
    assert!(matches!(read_with(&key(9).to_hex(), "77"), Err(GenesisError::Key { field }) if field == "operator"));
    assert!(matches!(read_with(&second, &key(1).to_hex()), Err(GenesisError::Validators(_))), "a key twice");
}

/// Values that no market could run with.
#[test]
fn values_out_of_bounds_are_refused() {
    assert!(matches!(read_with("\"time_scale\": 1440", "\"time_scale\": 0"), Err(GenesisError::TimeScale(0))));
    assert!(matches!(read_with("\"time_scale\": 1440", "\"time_scale\": 86401"), Err(GenesisError::TimeScale(_))));
    assert!(matches!(read_with("\"mtu_minutes\": 15", "\"mtu_minutes\": 7"), Err(GenesisError::Rules(_))));
    assert!(matches!(read_with("\"Kirchdorf\"", "\"\""), Err(GenesisError::Name(_))));
    assert!(matches!(read_with("\"Kirchdorf\"", "\"a\\nb\""), Err(GenesisError::Name(_))));
    assert!(matches!(read_with("\"south\"", "\"north\""), Err(GenesisError::DuplicateArea(_))));
    let lead =
        |open_lead_ms| Genesis { rules: MarketRules { open_lead_ms, ..genesis().rules }, ..genesis() }.validate();
    assert!(matches!(lead(MarketRules::NO_GATES_MS), Err(GenesisError::Lead(_))), "names would never be forgotten");
    assert!(lead(400 * 86_400_000).is_ok());
    let no_areas = Genesis { areas: vec![], ..genesis() };
    assert!(matches!(no_areas.validate(), Err(GenesisError::Areas(0))));
    let three = genesis().to_json().replace(&format!("\"{}\",", key(2).to_hex()), "");
    assert!(matches!(Genesis::from_json(&three), Err(GenesisError::Validators(_))));
}

/// The network that a validator trades on is the one that the operator wrote down.
#[test]
fn areas_with_edges_make_a_tree_and_read_back() {
    let read = Genesis::from_json(&with_feeders().to_json()).unwrap();
    assert_eq!(read, with_feeders());
    let network = read.network().unwrap();
    let (north, east) = (network.edge(AreaId(1)).unwrap(), network.edge(AreaId(2)).unwrap());
    assert_eq!((network.root(), north.parent, east.parent), (AreaId(0), AreaId(0), AreaId(1)));
    assert_eq!(
        (north.up, north.down, north.fee_up, north.fee_down),
        (Energy(5_000), Energy(7_000), Price(10), Price(20))
    );
    assert!(!genesis().network().unwrap().has_edges(), "without edges, areas are islands");
}

/// A slip of the pen in an edge is found before anybody signs, and the sentence says which area is meant.
#[test]
fn areas_that_make_no_network_are_refused_with_a_sentence() {
    let read_with = |from: &str, to: &str| {
        let text = with_feeders().to_json();
        assert!(text.contains(from), "{from} is not in {text}");
        Genesis::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let unknown = read_with("\"parent\": \"substation\"", "\"parent\": \"substitution\"");
    assert_eq!(unknown, "area \"north\" lies below \"substitution\", which is not among the areas");
    let circle = read_with("\"parent\": \"substation\"", "\"parent\": \"east\"");
    assert!(circle.contains("area 1 lies on a circle"), "{circle}");
    let roots = read_with("\"substation\",", "\"substation\", \"island\",");
    assert!(roots.contains("areas 0 and 1 both have nothing above them"), "{roots}");
    assert!(read_with("\"fee_up\": 10", "\"fee_up\": 15").contains("off the tick"));
    assert!(read_with("\"fee_up\": 10", "\"fee_up\": -10").contains("negative"));
    assert!(read_with("\"up_wh\": 5000", "\"up_wh\": 1152921504606846977").contains("more than 2^60 Wh"));
    assert!(read_with("\"up_wh\"", "\"upp_wh\"").contains("upp_wh"));
    assert!(read_with("\"up_wh\": 5000,", "").contains("up_wh"));
    assert!(read_with("\"substation\",", "7,").contains("an area: its name, or a table"));
}

/// Files from before these rules go on as they were: no auction, gates for other areas not later than inside an area.
#[test]
fn rules_that_a_file_leaves_out_have_their_defaults() {
    let text = genesis().to_json();
    let start = text.find(",\n    \"cross_area_gate_ms\"").unwrap();
    let end = start + text[start..].find("\n  }").unwrap();
    let short = format!("{}{}", &text[..start], &text[end..]);
    assert_eq!(Genesis::from_json(&short).unwrap(), genesis());
    let late = short.replace("\"gate_ms\": 300000", "\"gate_ms\": 3600000");
    assert_eq!(Genesis::from_json(&late).unwrap().rules.cross_area_gate_ms, 3_600_000);
    assert!(matches!(
        read_with("\"periods_per_opening\": 1", "\"periods_per_opening\": 0"),
        Err(GenesisError::Rules(_))
    ));
}

/// A file from before metering, or one that does not say how it settles: every trade counts as delivered, as it did.
#[test]
fn a_genesis_that_does_not_say_how_it_settles_counts_trades_as_delivered() {
    let text = genesis().to_json();
    let from = text.find("  \"settlement\"").unwrap();
    let to = from + text[from..].find("},\n").unwrap() + 3;
    let read = Genesis::from_json(&format!("{}{}", &text[..from], &text[to..])).unwrap();
    assert_eq!(read, genesis());
    assert!(!read.settlement.metering);
}

/// Prices that would pay for idling, a share that covers nothing, a deadline beyond all plans, more lost than there is.
#[test]
fn settlement_rules_that_contradict_themselves_are_refused() {
    let good = SettlementRules::metered();
    assert_eq!(good.validate(), Ok(()));
    let prices = |long_price_floor, long_price, short_price, short_price_cap| SettlementRules {
        long_price_floor: Price(long_price_floor),
        long_price: Price(long_price),
        short_price: Price(short_price),
        short_price_cap: Price(short_price_cap),
        ..good
    };
    for (floor, long, short, cap) in [(0, 5, 4, 9), (0, 1, 2, 1), (3, 3, 4, 5), (-9, -8, -7, -6), (-1, -2, 0, 0)] {
        assert_eq!(prices(floor, long, short, cap).validate(), Err(SettlementRulesError::Prices));
    }
    let shares = |share_ppm, share_worst_ppm| SettlementRules { share_ppm, share_worst_ppm, ..good };
    for (best, worst) in [(0, 1), (2, 1), (1, 10_000_001)] {
        assert_eq!(shares(best, worst).validate(), Err(SettlementRulesError::Shares));
    }
    let late = SettlementRules { reading_deadline_ms: u64::MAX, ..good };
    assert_eq!(late.validate(), Err(SettlementRulesError::Window(u64::MAX)));
    let lossy = SettlementRules { loss_bound_ppm: 1_000_001, ..good };
    assert_eq!(lossy.validate(), Err(SettlementRulesError::Losses(1_000_001)));
    let text = genesis().to_json().replace("\"share_ppm\": 1000000", "\"share_ppm\": 0");
    assert!(matches!(Genesis::from_json(&text), Err(GenesisError::Settlement(SettlementRulesError::Shares))));
}
