//! Settlement of one period as pure computation: no state, no postings, no events.

use criterion::Throughput;
use gridbook_benches::conditions;
use gridbook_benches::dice::Dice;
use gridbook_benches::measure::{self, bench, grouped, per_second};
use gridbook_engine::{Energy, Money, Price, Side};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::settlement::{
    AreaSums, Delivery, ImbalancePrices, Reference, Registers, TradeSide, delivered, delta, estimate, settle_meter,
};

const SEED: u64 = 2026;
/// In pairs: a seller and a buyer with the same two trades between them.
const METERS: usize = 1_000_000;
/// What a connection carries in a quarter-hour, in Wh.
const CONNECTION: Energy = Energy(5_000);

fn main() {
    let conditions = conditions::line();
    let mut criterion = measure::criterion(5.0);
    let mut group = criterion.benchmark_group("settlement");
    group.throughput(Throughput::Elements(METERS as u64));
    let street = Street::drawn();
    let rows = [
        ("readings into deliveries", bench(&mut group, "readings", || street.read())),
        ("imbalance of each meter, area closed", bench(&mut group, "imbalance", || street.settle())),
        ("delivered energy of each trade", bench(&mut group, "delivered", || street.deliver())),
        ("all three", bench(&mut group, "all", || (street.read(), street.settle(), street.deliver()))),
    ];
    println!(
        "\nsettlement, one thread, processor time, median of 10 samples; {METERS} meters with two trades each, one in ten off by more than a tenth, \
         seed {SEED}; {conditions}\n"
    );
    println!("| pure computation | ms for {METERS} meters | ns a meter | meters/s |\n|---|---|---|---|");
    for (what, ns) in rows {
        let ns = ns.unwrap_or(f64::NAN);
        let (per_meter, meters) = (ns / METERS as f64, grouped(per_second(ns, METERS as u64)));
        println!("| {what} | {:.1} | {per_meter:.1} | {meters} |", ns / 1e6);
    }
}

/// A million meters in a row, each with its trades beside it.
struct Street {
    prices: ImbalancePrices,
    trades: Vec<[TradeSide; 2]>,
    readings: Vec<(Registers, Registers)>,
    deliveries: Vec<Delivery>,
}

impl Street {
    fn drawn() -> Self {
        let mut dice = Dice::new(SEED);
        let prices = ImbalancePrices::new(Price(600_000), Price(20_000), &SettlementRules::metered());
        let prices = prices.expect("they are within the bounds of those rules");
        let prices = prices.with_reference(Reference::mean(Money(281_300_017), Energy(1_000)));
        let (mut trades, mut readings) = (Vec::with_capacity(METERS), Vec::with_capacity(METERS));
        for _ in 0..METERS / 2 {
            let mut trade = || {
                let price = Price(100_000 + i32::try_from(dice.below(400_000)).expect("it is small"));
                TradeSide { side: Side::Sell, price, energy: Energy(1 + dice.below(1_000)) }
            };
            let sold = [trade(), trade()];
            trades.push(sold);
            trades.push(sold.map(|trade| TradeSide { side: Side::Buy, ..trade }));
            let contracted = sold[0].energy.0 + sold[1].energy.0;
            let mut flowed =
                || if dice.below(10) == 0 { dice.below(4_000) } else { contracted - dice.below(contracted / 10 + 1) };
            let start = Registers { import: 40_000_000, export: 9_000_000, counter: 35_000 };
            let end = Registers { counter: 35_001, ..start };
            readings.push((start, Registers { export: start.export + flowed(), ..end }));
            readings.push((start, Registers { import: start.import + flowed(), ..end }));
        }
        let deliveries = readings.iter().map(|(start, end)| delivery(start, end)).collect();
        Self { prices, trades, readings, deliveries }
    }

    fn read(&self) -> u64 {
        self.readings.iter().map(|(start, end)| delivery(start, end).import.0).sum()
    }

    fn settle(&self) -> Money {
        let mut sums = AreaSums::new(0);
        for (trades, delivery) in self.trades.iter().zip(&self.deliveries) {
            sums.add(&settle_meter(trades, *delivery, &self.prices));
        }
        sums.close(&self.prices, 0, 0, 0).expect("all trades have two sides").surplus
    }

    fn deliver(&self) -> u64 {
        let (mut out, mut sum) = (Vec::new(), 0);
        for (trades, delivery) in self.trades.iter().zip(&self.deliveries) {
            delivered(trades, delivery.net_wh(), &mut out);
            sum += out.iter().map(|energy| energy.0).sum::<u64>();
        }
        sum
    }
}

fn delivery(start: &Registers, end: &Registers) -> Delivery {
    delta(start, end, CONNECTION, CONNECTION).unwrap_or_else(|_| estimate(Energy(0), None))
}
