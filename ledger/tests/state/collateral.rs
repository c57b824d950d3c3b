//! Collateral against a plain model: lists of orders and of what trades hold, written from the text of MARKET section 7, computed anew after
//! every command. Random streams place, change, fill and cancel, pay in and out, misbehave, appeal and wait.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price, Side, TimeInForce};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{MeterSettled, Outcome, PartyRef, Purse, Record, RecordEvent, Trade};
use gridbook_ledger::reject::Code;

use crate::conduct::under_last_nonce;
use crate::town::{Dice, START, Town, entry, grid, key};

const METERS: u32 = 6;
const CAP: i128 = 400;
const FLOOR: i128 = -150;
const BEST_PPM: i128 = 700_000;
const WORST_PPM: i128 = 9_000_000;

/// Six accounts with a meter each, two in every area. Shares run from less than the whole to nine times of it.
fn town() -> Town {
    let settlement = SettlementRules {
        short_price_cap: Price(400),
        long_price_floor: Price(-150),
        share_ppm: 700_000,
        share_worst_ppm: 9_000_000,
        ..SettlementRules::default()
    };
    Town::in_areas(Genesis { settlement, ..grid() }, &[0, 0, 1, 1, 2, 2])
}

fn area_of(meter: u32) -> AreaId {
    AreaId(u16::try_from(meter / 2).unwrap())
}

#[derive(Clone, Copy, Debug)]
struct Open {
    period: DeliveryPeriod,
    side: Side,
    limit: i128,
    energy: i128,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    contract: Contract,
    amount: i128,
}

/// What the text of the rules says of every account. Accounts and meters have the same numbers here.
#[derive(Debug, Default)]
struct Model {
    balance: Vec<i128>,
    /// What each has been paid less what it has paid in its unsettled trades is its in the end: owed by contract.
    owed: Vec<BTreeMap<Contract, i128>>,
    held: Vec<Vec<Held>>,
    open: Vec<BTreeMap<u64, Open>>,
    /// Sold less bought, by period.
    sold: Vec<BTreeMap<DeliveryPeriod, i128>>,
    /// Points of the entries that stand, by number.
    entries: Vec<BTreeMap<u64, i128>>,
}

/// "a buy reserves the larger of `max(0, price)` and `share x max(0, price - down_floor)`; a sell the larger of `max(0, -price)` and
/// `share x max(0, up_cap - price)`", per Wh, the share rounded up.
fn rate(side: Side, price: i128, share_ppm: i128) -> i128 {
    let (own, distance) = match side {
        Side::Buy => (price.max(0), price - FLOOR),
        Side::Sell => ((-price).max(0), CAP - price),
    };
    let product = distance.max(0) * share_ppm;
    own.max(product / 1_000_000 + i128::from(product % 1_000_000 > 0))
}

impl Model {
    fn new() -> Self {
        let count = METERS as usize;
        Self {
            balance: vec![1_000_000; count],
            owed: vec![BTreeMap::new(); count],
            held: vec![Vec::new(); count],
            open: vec![BTreeMap::new(); count],
            sold: vec![BTreeMap::new(); count],
            entries: vec![BTreeMap::new(); count],
        }
    }

    fn score(&self, account: usize) -> i128 {
        (1_000 - self.entries[account].values().sum::<i128>()).max(0)
    }

    /// "on the straight line from the worst at 0 to the best at 1,000, rounded up".
    fn share(&self, account: usize) -> i128 {
        let thousandths = BEST_PPM * self.score(account) + WORST_PPM * (1_000 - self.score(account));
        thousandths / 1_000 + i128::from(thousandths % 1_000 > 0)
    }

    fn reserved_for(&self, account: usize, side: Side, limit: i128, energy: i128) -> i128 {
        rate(side, limit, self.share(account)) * energy
    }

    fn reserved(&self, account: usize) -> i128 {
        let open = self.open[account].values();
        let open: i128 = open.map(|open| self.reserved_for(account, open.side, open.limit, open.energy)).sum();
        open + self.held[account].iter().map(|held| held.amount).sum::<i128>()
    }

    fn free(&self, account: usize) -> i128 {
        self.balance[account] - self.reserved(account)
    }

    /// What one side of a trade pays and keeps back, by its own price.
    fn fill(&mut self, party: PartyRef, contract: Contract, side: Side, price: i128, energy: i128) {
        let account = party.meter.0 as usize;
        let own = match side {
            Side::Buy => price.max(0),
            Side::Sell => (-price).max(0),
        };
        let gets = match side {
            Side::Buy => (-price).max(0),
            Side::Sell => price.max(0),
        };
        self.balance[account] -= own * energy;
        *self.owed[account].entry(contract).or_default() += gets * energy;
        let amount = (rate(side, price, self.share(account)) - own) * energy;
        self.held[account].push(Held { contract, amount });
        let sign = if side == Side::Sell { 1 } else { -1 };
        *self.sold[account].entry(contract.period).or_default() += sign * energy;
        let open = self.open[account].get_mut(&party.client_id).expect("only open orders trade");
        open.energy -= energy;
        if open.energy == 0 {
            self.open[account].remove(&party.client_id);
        }
    }

    fn trade(&mut self, trade: &Trade) {
        let energy = i128::from(trade.energy.0);
        let contract = |party: PartyRef| Contract { area: area_of(party.meter.0), period: trade.period };
        let (buyer, seller) = (trade.buyer(), trade.seller());
        self.fill(buyer, contract(buyer), Side::Buy, trade.buyer_pays().0.into(), energy);
        self.fill(seller, contract(seller), Side::Sell, trade.seller_gets().0.into(), energy);
    }

    fn leaves(&mut self, order: PartyRef, remaining: Energy) {
        let open = self.open[order.meter.0 as usize].remove(&order.client_id).expect("only open orders leave");
        assert_eq!(open.energy, i128::from(remaining.0));
    }

    fn follow(&mut self, event: &RecordEvent) {
        match *event {
            RecordEvent::Trade(trade) => self.trade(&trade),
            RecordEvent::Cancelled { order, remaining }
            | RecordEvent::Dropped { order, remaining }
            | RecordEvent::Expired { order, remaining, .. } => self.leaves(order, remaining),
            RecordEvent::Reduced { order, remaining } => {
                let open = &mut self.open[order.meter.0 as usize];
                open.get_mut(&order.client_id).expect("only open orders shrink").energy = remaining.0.into();
                open.retain(|_, open| open.energy > 0);
            }
            RecordEvent::MeterSettled(MeterSettled { contract, account, trades, .. }) => {
                let owner = account.0 as usize;
                assert_eq!(self.owed[owner].remove(&contract).unwrap_or_default(), trades.0);
                self.balance[owner] += trades.0;
                self.held[owner].retain(|held| held.contract != contract);
            }
            RecordEvent::Posted { from: Purse::Outside, to: Purse::Account(account), amount } => {
                self.balance[account.0 as usize] += amount.0;
            }
            RecordEvent::Posted { from: Purse::Account(account), amount, .. } => {
                self.balance[account.0 as usize] -= amount.0;
            }
            RecordEvent::Misconduct { entry, account, .. } => {
                self.entries[account.0 as usize].insert(entry, 20);
            }
            RecordEvent::ConductRevised { entry, account, state, .. } if state.name() == "struck" => {
                self.entries[account.0 as usize].insert(entry, 0);
            }
            RecordEvent::ConductExpired { entry, account: Some(account) } => {
                self.entries[account.0 as usize].remove(&entry);
            }
            _ => {}
        }
    }

    /// A command of a meter with its record. What it asks for is tested against the model's own money before anything happens.
    fn command(&mut self, meter: u32, command: &Command, record: &Record) {
        let account = meter as usize;
        let done = record.outcome == Outcome::Done;
        let poor = record.outcome == Outcome::Rejected(Code::CreditMoney);
        match *command {
            Command::Place(place) => {
                let (limit, energy) = (i128::from(place.price.0), i128::from(place.energy.0));
                let needed = self.reserved_for(account, place.side, limit, energy);
                assert!(!done || needed <= self.free(account), "an order that could not be covered was taken");
                assert!(!poor || needed > self.free(account), "an order that could be covered was refused");
                if done {
                    let open = Open { period: place.period, side: place.side, limit, energy };
                    self.open[account].insert(place.client_id, open);
                }
            }
            Command::Replace { client_id, price, energy } if done || poor => {
                let old = self.open[account][&client_id];
                let new = Open { limit: price.0.into(), energy: energy.0.into(), ..old };
                let is_reduction = new.limit == old.limit && new.energy <= old.energy;
                let before = self.reserved_for(account, old.side, old.limit, old.energy);
                let needed = self.reserved_for(account, new.side, new.limit, new.energy) - before;
                assert!(!poor || needed > self.free(account), "a replacement that could be covered was refused");
                assert!(!done || is_reduction || needed <= self.free(account), "one that could not was taken");
                if done && !is_reduction {
                    self.open[account].insert(client_id, new);
                }
            }
            _ => {}
        }
    }

    /// What the ledger says against what the model says, and both against the limits.
    fn compare(&self, town: &Town, seed: u64) {
        for number in 0..METERS {
            let (account, view) = (number as usize, town.state.account(AccountId(number)).unwrap());
            assert_eq!(i128::from(view.score), self.score(account), "seed {seed}, account {number}");
            assert_eq!(i128::from(view.share_ppm), self.share(account), "seed {seed}, account {number}");
            let expected = (self.balance[account], self.reserved(account));
            assert_eq!(town.purse(number), expected, "seed {seed}, account {number}: {self:?}");
            assert!(view.free() >= Money::ZERO, "seed {seed}: account {number} is below its reservations");
            let mut resting: BTreeMap<DeliveryPeriod, [i128; 2]> = BTreeMap::new();
            for open in self.open[account].values() {
                resting.entry(open.period).or_default()[usize::from(open.side == Side::Sell)] += open.energy;
            }
            for (period, [buys, sells]) in resting {
                let sold = self.sold[account].get(&period).copied().unwrap_or_default();
                assert!(
                    sells + sold <= 1_000 && buys - sold <= 1_000,
                    "seed {seed}: meter {number} beyond its connection"
                );
            }
        }
    }
}

fn random_command(town: &Town, dice: &mut Dice, meter: u32) -> Command {
    let open = town.state.open_orders(MeterId(meter));
    let pick = usize::try_from(dice.below(open.len().max(1) as u64)).unwrap();
    let client_id = open.get(pick).map_or(10_000, |order| order.client_id);
    let price = Price(i32::try_from(dice.below(60)).unwrap() * 10 - 150);
    let energy = Energy(1 + dice.below(600));
    let time_in_force = match dice.below(6) {
        0 => TimeInForce::ImmediateOrCancel,
        1 => TimeInForce::FillOrKill,
        _ => TimeInForce::GoodTillGate,
    };
    match dice.below(12) {
        0 => Command::Cancel { client_id },
        1 => Command::Reduce { client_id, by: Energy(dice.below(200)) },
        2 | 3 => Command::Replace { client_id, price, energy },
        4 if dice.below(4) == 0 => Command::CancelAllOfAccount,
        _ => {
            let contract = Contract { area: area_of(meter), period: DeliveryPeriod(START + 3 + dice.small(4)) };
            let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
            let limit = Place::limit(dice.below(1 << 40), contract, side, price, energy);
            Command::Place(Place { time_in_force, ..limit })
        }
    }
}

fn random_deed(town: &Town, dice: &mut Dice) -> Command {
    let account = AccountId(dice.small(METERS));
    let appealed: Vec<u64> =
        town.state.conduct().filter(|(_, entry)| entry.state.name() == "appealed").map(|(number, _)| number).collect();
    match appealed.first() {
        Some(entry) if dice.below(2) == 0 => {
            let ruling = if dice.below(3) == 0 { Ruling::Upheld } else { Ruling::Struck };
            Command::RuleAppeal { entry: *entry, ruling, reasons: Hash::ZERO }
        }
        _ if dice.below(2) == 0 => Command::Deposit { account, amount: Money(1 + i128::from(dice.below(200_000))) },
        _ => Command::Withdraw { account, amount: Money(1 + i128::from(dice.below(500_000))) },
    }
}

/// What a run has seen: a run without these proves nothing.
#[derive(Debug, Default)]
struct Seen {
    trades: u64,
    entries: u64,
    struck: u64,
    over: u64,
    withdrawn: u64,
    poor: u64,
}

impl Seen {
    fn look(&mut self, record: &Record) {
        self.poor += u64::from(record.outcome == Outcome::Rejected(Code::CreditMoney));
        let mut changed = false;
        for event in &record.events {
            match event {
                RecordEvent::Trade(_) => self.trades += 1,
                RecordEvent::Misconduct { .. } => self.entries += 1,
                RecordEvent::ConductRevised { state, .. } => self.struck += u64::from(state.name() == "struck"),
                RecordEvent::ConductExpired { .. } => self.over += 1,
                RecordEvent::ScoreChanged { .. } => changed = true,
                RecordEvent::Cancelled { .. } if changed => self.withdrawn += 1,
                _ => {}
            }
        }
    }
}

fn step(town: &mut Town, model: &mut Model, dice: &mut Dice, seen: &mut Seen) {
    let meter = dice.small(METERS);
    let (log_entry, sender) = match dice.below(16) {
        0 => (Entry::Work { limit: 1 + dice.small(6) }, None),
        1 => (entry(&town.bundle(key(0), vec![random_deed(town, dice)])), None),
        2 => {
            let standing = town.state.conduct().find(|(_, entry)| entry.state.name() == "stands");
            let number = standing.map_or(1, |(number, _)| number);
            let commands = vec![Command::Appeal { entry: number, statement: Hash::ZERO }];
            (entry(&town.bundle(key(meter + 1), commands)), None)
        }
        3 | 4 => {
            (entry(&under_last_nonce(town, meter, vec![Command::Cancel { client_id: dice.below(1 << 50) }])), None)
        }
        5 if dice.below(4) == 0 => {
            let later = town.state.time().0 + 60_000 * (1 + dice.below(20));
            (Entry::Time(gridbook_engine::LedgerTime(later)), None)
        }
        _ => (entry(&town.bundle(key(meter + 1), vec![random_command(town, dice, meter)])), Some(meter)),
    };
    let records = town.apply(&log_entry);
    for record in &records {
        seen.look(record);
        if let (Some(meter), Entry::Bundle(admitted)) = (sender, &log_entry) {
            model.command(meter, &admitted.bundle().commands[usize::from(record.index)], record);
        }
        record.events.iter().for_each(|event| model.follow(event));
    }
}

#[test]
fn no_interleaving_overruns_a_limit_and_every_reservation_is_the_models() {
    let mut seen = Seen::default();
    for seed in 0..24 {
        let (mut town, mut model, mut dice) = (town(), Model::new(), Dice(seed));
        // Everybody has used a nonce, so that it can be used again.
        for meter in 0..METERS {
            town.done(meter, Command::CancelAll);
        }
        for _ in 0..400 {
            step(&mut town, &mut model, &mut dice, &mut seen);
            model.compare(&town, seed);
        }
        // Everything is delivered and paid; then, a month and some days later, everything is forgiven.
        let now = town.state.time().0;
        for later in [now + 4 * 3_600_000, now + 40 * 86_400_000] {
            town.time(gridbook_engine::LedgerTime(later));
            while town.state.has_work() {
                let record = town.work(3);
                seen.look(&record);
                record.events.iter().for_each(|event| model.follow(event));
                model.compare(&town, seed);
            }
        }
        for account in 0..METERS {
            let view = town.state.account(AccountId(account)).unwrap();
            assert_eq!((view.score, view.share_ppm, view.reserved), (1_000, 700_000, Money::ZERO), "seed {seed}");
        }
    }
    let Seen { trades, entries, struck, over, withdrawn, poor } = seen;
    assert!([trades, entries, struck, over, withdrawn, poor].iter().all(|count| *count > 20), "dull: {seen:?}");
}
