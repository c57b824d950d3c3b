//! What it costs to ask whether there is work, beside a day of periods that are settled and may still be corrected. The core asks several
//! times for each input.

use criterion::Throughput;
use gridbook_benches::conditions;
use gridbook_benches::measure::{self, bench};
use gridbook_benches::town::{Town, bundle, genesis, key, trusted};
use gridbook_engine::{DeliveryPeriod, LedgerTime};
use gridbook_ledger::command::{Command, Reading};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::{PeriodStage, WORK_ITEMS_MAX};

/// Of four areas.
const METERS: u32 = 100;
/// As many as there are between the readings' deadline and the end of the day for corrections, and those that readings may still come for.
const PERIODS: u32 = 104;

fn main() {
    let conditions = conditions::line();
    let mut criterion = measure::criterion(3.0);
    let mut group = criterion.benchmark_group("due");
    group.throughput(Throughput::Elements(1));
    let town = settled_day();
    let ns = bench(&mut group, "beside a day", || town.state.next_due()).unwrap_or(f64::NAN);
    println!("\nnext_due, one thread, processor time, median of 10 samples; {METERS} meters; {conditions}\n");
    println!("| settled periods that are not final | ns a call |\n|---|---|");
    println!("| {} | {ns:.0} |", settled_periods(&town));
}

/// Every meter is read at the end of every period.
fn settled_day() -> Town {
    let genesis = Genesis { settlement: SettlementRules::metered(), ..genesis() };
    let (mut town, chain) = (Town::of_genesis(&genesis, METERS), genesis.chain_id());
    let keys: Vec<_> = (0..METERS).map(|meter| key(meter + 1).public()).collect();
    let first = DeliveryPeriod::containing(genesis.ledger_start, 15).0;
    for (nonce, period) in (1..).zip((first..=first + PERIODS).map(DeliveryPeriod)) {
        advance(&mut town, period.ends_at(15));
        for key in &keys {
            let registers = Registers { import: nonce * 200, export: 0, counter: nonce };
            let reading = Command::Reading(Reading { period, registers });
            town.apply(&trusted(&bundle(chain, *key, nonce, vec![reading])));
        }
        town.close_header();
    }
    let last = DeliveryPeriod(first + PERIODS);
    advance(&mut town, LedgerTime(last.ends_at(15).0 + genesis.settlement.reading_deadline_ms - 1));
    assert!(settled_periods(&town) > usize::try_from(PERIODS - 10).expect("a count"), "a day is settled and not final");
    town
}

fn advance(town: &mut Town, at: LedgerTime) {
    town.apply(&Entry::Time(at));
    while town.state.has_work() {
        town.apply(&Entry::Work { limit: WORK_ITEMS_MAX });
    }
    town.close_header();
}

fn settled_periods(town: &Town) -> usize {
    let latest = DeliveryPeriod::containing(town.state.time(), 15).0;
    let stages = (latest - 2 * PERIODS..=latest).map(|period| town.state.period_stage(DeliveryPeriod(period)));
    stages.filter(|stage| matches!(stage, Some(PeriodStage::Settled { .. }))).count()
}
