//! Meters that trade without a pause: each sends a signed bundle, waits for its end, and sends the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use gridbook_engine::{Contract, DeliveryPeriod, Energy, Price, Side};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place, SignedBundle};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_sim::{Meter, Town};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answers::{Answered, Answers};
use super::dice::Dice;
use crate::client::{Client, Step, next_nonce, wall_us};

/// All meters at work.
pub(super) struct Load {
    answers: Arc<Mutex<Answers>>,
    stop: Arc<AtomicBool>,
    commands_final: Arc<AtomicU64>,
    tasks: JoinSet<()>,
    /// Ends when it is dropped.
    _count: JoinSet<()>,
}

/// How hard they work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What is drawn is drawn from this.
    pub(super) seed: u64,
    /// Bundles per second of all meters together, as long as the answers keep up.
    pub(super) bundles_per_s: u32,
    /// Commands in a bundle.
    pub(super) commands: usize,
}

/// One meter and its key.
struct Trader {
    meter: Arc<Meter>,
    key: SecretKey,
    gateway: Client,
    genesis: Arc<Genesis>,
    dice: Dice,
    /// Names of orders that may still rest.
    open: VecDeque<u64>,
}

/// Periods that are traded, counted from the present one: their gates are far enough away for a bundle that comes late.
const PERIODS_AHEAD: (u64, u64) = (3, 9);
/// Prices, in micro-currency per kWh: bids and asks overlap, so that about half of the orders trade.
const PRICES: (u64, u64) = (80_000, 300_000);
const TICK: u64 = 100;
/// Most energy of one order, in Wh.
const ENERGY_MAX_WH: u64 = 40;
/// How many of its orders a meter remembers in order to cancel them.
const OPEN_MAX: usize = 32;
/// How many of a thousand commands take an order out again.
const CANCELS_PER_MILLE: u64 = 250;

impl Load {
    /// Lets all meters of a town begin, each through its gateway in turn.
    pub(super) fn begin(pace: Pace, town: &Town, genesis: &Genesis, keys: &[SecretKey], gateways: &[Client]) -> Self {
        let (answers, stop) = (Arc::new(Mutex::new(Answers::default())), Arc::new(AtomicBool::new(false)));
        let (commands_final, genesis) = (Arc::new(AtomicU64::new(0)), Arc::new(genesis.clone()));
        let meters = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let between = Duration::from_secs(1) * meters / pace.bundles_per_s.max(1);
        let mut tasks = JoinSet::new();
        for ((meter, key), gateway) in town.meters().iter().zip(keys).zip(gateways.iter().cycle()) {
            let trader = Trader {
                meter: meter.clone(),
                key: key.clone(),
                gateway: gateway.clone(),
                genesis: genesis.clone(),
                dice: Dice::new(pace.seed, 10_000 + u64::from(meter.index)),
                open: VecDeque::new(),
            };
            let first = between * meter.index / meters;
            let (answers, stop, commands_final) = (answers.clone(), stop.clone(), commands_final.clone());
            tasks.spawn(trader.trade(pace.commands, first, between, answers, stop, commands_final));
        }
        let mut count = JoinSet::new();
        count.spawn(count_per_second(commands_final.clone(), answers.clone()));
        Self { answers, stop, commands_final, tasks, _count: count }
    }

    /// Final commands that clients were told of so far.
    pub(super) fn commands_final(&self) -> u64 {
        self.commands_final.load(Ordering::Relaxed)
    }

    /// Sends nothing more, and waits for nothing.
    pub(super) fn abandon(self) -> Answers {
        drop(self.tasks);
        std::mem::take(&mut *self.answers.lock())
    }

    /// Sends nothing more, and waits for the answers that are still to come: as long as a client waits for one.
    pub(super) async fn end(mut self) -> anyhow::Result<Answers> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a meter broke down")?;
        }
        Ok(std::mem::take(&mut *self.answers.lock()))
    }
}

async fn count_per_second(commands_final: Arc<AtomicU64>, answers: Arc<Mutex<Answers>>) {
    let (mut before, mut second) = (0, tokio::time::interval(Duration::from_secs(1)));
    second.tick().await;
    loop {
        second.tick().await;
        let now = commands_final.load(Ordering::Relaxed);
        answers.lock().finals_per_second.push(now - before);
        before = now;
    }
}

impl Trader {
    async fn trade(
        mut self,
        count: usize,
        first: Duration,
        between: Duration,
        answers: Arc<Mutex<Answers>>,
        stop: Arc<AtomicBool>,
        commands_final: Arc<AtomicU64>,
    ) {
        let mut next = Instant::now() + first;
        loop {
            tokio::time::sleep_until(next).await;
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let bundle = self.sign(count);
            let sent_us = wall_us();
            let (mut sequenced, mut certified) = (Vec::new(), Vec::new());
            let mut submission = self.gateway.submit(&bundle);
            let result = loop {
                match submission.next().await {
                    Ok(Step::Accepted(_)) => {}
                    Ok(Step::Sequenced(receipt)) => sequenced.push(*receipt),
                    Ok(Step::Certified(header)) => certified.push(header),
                    Ok(Step::Final(done)) => break Ok(done),
                    Err(error) => break Err(error),
                }
            };
            if let Ok(done) = &result {
                commands_final.fetch_add(done.records.len() as u64, Ordering::Relaxed);
            }
            answers.lock().note(Answered {
                bundle: bundle.id().0,
                commands: count,
                sent_us,
                sequenced,
                certified,
                result,
            });
            next = (next + between).max(Instant::now());
        }
    }

    fn sign(&mut self, count: usize) -> SignedBundle {
        let commands = (0..count).map(|_| self.command()).collect();
        let (chain, signer) = (self.genesis.chain_id(), self.key.public());
        Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.key)
    }

    fn command(&mut self) -> Command {
        if self.dice.per_mille(CANCELS_PER_MILLE)
            && let Some(client_id) = self.open.pop_front()
        {
            return Command::Cancel { client_id };
        }
        let client_id = next_nonce();
        self.open.push_back(client_id);
        if self.open.len() > OPEN_MAX {
            self.open.pop_front();
        }
        let now = self.genesis.rules.period_at(self.genesis.ledger_now(wall_us()));
        let ahead = u32::try_from(self.dice.between(PERIODS_AHEAD.0, PERIODS_AHEAD.1)).expect("a few periods");
        let contract = Contract { area: self.meter.area, period: DeliveryPeriod(now.0 + ahead) };
        let sells = !self.meter.max_export.is_zero() && self.dice.per_mille(700);
        let price = self.dice.between(PRICES.0 / TICK, PRICES.1 / TICK) * TICK;
        let price = Price(i32::try_from(price).expect("a small price"));
        let energy = Energy(self.dice.between(1, ENERGY_MAX_WH));
        Command::Place(Place::limit(client_id, contract, if sells { Side::Sell } else { Side::Buy }, price, energy))
    }
}
