//! One delivery period of a whole region on one core: its readings, its settlement, and what its accounts take in memory.

use std::time::{Duration, Instant};

use gridbook_benches::conditions;
use gridbook_benches::dice::Dice;
use gridbook_benches::measure::{Clock, grouped};
use gridbook_benches::town::{Town, bundle, genesis, key, order, trusted};
use gridbook_engine::{DeliveryPeriod, Energy, LedgerTime, Price, Side};
use gridbook_ledger::command::{Command, Reading};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::{SystemAccount, WORK_ITEMS_MAX};
use gridbook_node::metrics::MemoryUse;

const SEED: u64 = 2026;
/// Each pair of a buyer and a seller trades so often.
const TRADES_PER_PAIR: u64 = 2;
/// Entries between two headers.
const HEADER_ENTRIES: usize = 960;

fn main() {
    let quick = std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some();
    let meters = std::env::var("GRIDBOOK_BENCH_METERS").ok().and_then(|text| text.parse().ok());
    let meters: u32 = meters.unwrap_or(if quick { 2_000 } else { 1_000_000 });
    println!("one period of {} meters, processor time, seed {SEED}; {}\n", grouped(meters.into()), conditions::line());
    println!("| what | seconds | each | a second | memory MB |\n|---|---|---|---|---|");
    let mut region = Region::of(meters);
    region.trade();
    region.read(DeliveryPeriod(region.period.0 - 1), "readings at the start");
    region.read(region.period, "readings at the end");
    region.settle();
}

struct Region {
    town: Town,
    genesis: Genesis,
    chain: Hash,
    keys: Vec<PublicKey>,
    period: DeliveryPeriod,
    nonce: u64,
}

impl Region {
    fn of(meters: u32) -> Self {
        let settlement = SettlementRules { loss_bound_ppm: 1_000_000, ..SettlementRules::metered() };
        let genesis = Genesis { settlement, ..genesis() };
        let before = memory();
        let began = Clock::Processor.now();
        let town = Town::of_genesis(&genesis, meters);
        row("accounts and meters registered", Clock::Processor.now() - began, meters as usize);
        println!("| memory of an account and its meter | | {} bytes | | |", (memory() - before) / u64::from(meters));
        let keys = (0..meters).map(|meter| key(meter + 1).public()).collect();
        let period = DeliveryPeriod(DeliveryPeriod::containing(genesis.ledger_start, 15).0 + 8);
        Self { town, chain: genesis.chain_id(), genesis, keys, period, nonce: 0 }
    }

    /// Neighbours of one area in pairs: the even ones buy, the odd ones sell.
    fn trade(&mut self) {
        let mut dice = Dice::new(SEED);
        let mut entries = Vec::new();
        let meters = u32::try_from(self.keys.len()).expect("meters have 32-bit numbers");
        for client_id in 1..=TRADES_PER_PAIR {
            self.nonce += 1;
            for meter in 0..meters {
                // Meter m and m + 4 are of one area.
                let side = if (meter / 4).is_multiple_of(2) { Side::Buy } else { Side::Sell };
                let price = Price(250_000 + i32::try_from(dice.below(1_000)).expect("it is small") * 10);
                let place = order(client_id, meter, self.period, side, price, Energy(100));
                let limit = if side == Side::Buy { Price(280_000) } else { Price(200_000) };
                let Command::Place(place) = place else { unreachable!("an order is placed") };
                entries
                    .push(self.entry(meter, Command::Place(gridbook_ledger::command::Place { price: limit, ..place })));
            }
        }
        let count = entries.len();
        let took = self.apply(&entries);
        row("orders", took, count);
        let trades = self.town.state.totals().trades;
        row("trades of these", took, usize::try_from(trades).expect("a count"));
    }

    fn read(&mut self, period: DeliveryPeriod, what: &str) {
        self.tell(period.ends_at(15));
        self.nonce += 1;
        let mut dice = Dice::new(SEED ^ u64::from(period.0));
        let elapsed = u64::from(period.0 - (self.period.0 - 1));
        let entries: Vec<Entry> = (0..u32::try_from(self.keys.len()).expect("meters have 32-bit numbers"))
            .map(|meter| {
                let flow = elapsed * (180 + dice.below(40));
                let buys = (meter / 4).is_multiple_of(2);
                let (import, export) = if buys { (flow, 0) } else { (0, flow) };
                let registers =
                    Registers { import: 1_000_000 + import, export: 1_000_000 + export, counter: 7 + elapsed };
                self.entry(meter, Command::Reading(Reading { period, registers }))
            })
            .collect();
        let took = self.apply(&entries);
        row(what, took, entries.len());
    }

    fn settle(&mut self) {
        let deadline = self.period.ends_at(15).0 + self.genesis.settlement.reading_deadline_ms;
        self.town.apply(&Entry::Time(LedgerTime(deadline)));
        self.town.close_header();
        let (mut settled, mut worst, mut slices) = (0, Duration::ZERO, 0);
        let began = Clock::Processor.now();
        while self.town.state.has_work() {
            let slice = Instant::now();
            self.town.apply(&Entry::Work { limit: WORK_ITEMS_MAX });
            worst = worst.max(slice.elapsed());
            slices += 1;
            let is_settled = |event: &&RecordEvent| matches!(event, RecordEvent::MeterSettled(_));
            settled += self.town.records.iter().flat_map(|record| &record.events).filter(is_settled).count();
            self.town.close_header();
        }
        let took = Clock::Processor.now() - began;
        row("meters settled", took, settled);
        println!("| the longest of {slices} slices of work, wall time | {:.4} | | | |", worst.as_secs_f64());
        let began = Clock::Processor.now();
        let _ = self.town.state.state_root();
        row("state root over all of them", Clock::Processor.now() - began, settled);
        let holds = |account| self.town.state.system_account(account).balance.0;
        assert_eq!((holds(SystemAccount::Imbalance), holds(SystemAccount::Clearing)), (0, 0), "everything is settled");
        assert_eq!(self.town.state.money_sum().0, 0);
        assert!(settled >= self.keys.len(), "every meter was settled");
    }

    fn entry(&self, meter: u32, command: Command) -> Entry {
        trusted(&bundle(self.chain, self.keys[meter as usize], self.nonce, vec![command]))
    }

    fn tell(&mut self, at: LedgerTime) {
        self.town.apply(&Entry::Time(at));
        while self.town.state.has_work() {
            self.town.apply(&Entry::Work { limit: WORK_ITEMS_MAX });
        }
        self.town.close_header();
    }

    fn apply(&mut self, entries: &[Entry]) -> Duration {
        let began = Clock::Processor.now();
        for header in entries.chunks(HEADER_ENTRIES) {
            header.iter().for_each(|entry| self.town.apply(entry));
            let refused = self.town.records.iter().find(|record| record.outcome != Outcome::Done);
            assert!(refused.is_none(), "{refused:?}");
            self.town.close_header();
        }
        Clock::Processor.now() - began
    }
}

fn row(what: &str, took: Duration, count: usize) {
    let (seconds, count) = (took.as_secs_f64(), count as f64);
    let memory = memory() as f64 / 1e6;
    println!(
        "| {what} | {seconds:.2} | {:.0} ns | {} | {memory:.0} |",
        seconds * 1e9 / count,
        grouped(count / seconds)
    );
}

fn memory() -> u64 {
    MemoryUse::of_process("self").map_or(0, |memory| memory.resident_bytes)
}
