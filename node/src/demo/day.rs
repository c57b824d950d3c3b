//! The day: at every quarter-hour each meter plans, signs one bundle and sends it; fills come back and are told to its prosumer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gridbook_engine::{Contract, LedgerTime, MeterId, TimeInForce};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place, SignedBundle};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::{Outcome, PartyRef, Record, RecordEvent};
use gridbook_sim::{Intent, Prosumer, Town};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::screen::{Moment, Screen};
use super::tally::Tally;
use super::{DemoOptions, Lines, time_until};
use crate::client::{Client, ClientError, FinalBundle, Step, WatchEvent, next_nonce, wall_us};
use crate::cluster::Cluster;
use crate::interrupt::interrupted;
use crate::network::Network;

/// How the day ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayEnd {
    /// It went to its end.
    Evening,
    /// By Ctrl-C.
    Interrupted,
}

/// The day while it is being played.
pub(super) struct Day {
    genesis: Genesis,
    chain: Hash,
    traders: Vec<Trader>,
    lines: Lines,
    tally: Tally,
    screen: Screen,
    batches: VecDeque<LedgerTime>,
    ends_at: LedgerTime,
    /// Meters that have not planned in the present quarter-hour yet.
    to_plan: VecDeque<usize>,
    chunk_pause: Duration,
    outcomes: mpsc::UnboundedSender<Sent>,
    outcome: mpsc::UnboundedReceiver<Sent>,
    in_flight: usize,
    kill: Option<Kill>,
    began: Instant,
    first_sent: Option<Instant>,
}

struct Trader {
    prosumer: Prosumer,
    key: SecretKey,
    gateway: Client,
    area: gridbook_engine::AreaId,
    in_flight: bool,
    /// It wanted to plan while its last bundle was still on its way.
    waiting: bool,
}

/// A bundle's end.
struct Sent {
    trader: usize,
    intents: Vec<Intent>,
    /// After how long the leader's word on its place came, if it came before finality.
    sequenced: Option<Duration>,
    took: Duration,
    result: Result<FinalBundle, ClientError>,
}

/// The killing of the leading validator.
enum Kill {
    Planned(LedgerTime),
    Down { index: usize, back_at: Instant },
}

/// Meters that plan in one go, before answers are looked at again.
const CHUNK: usize = 25;

/// Which part of a quarter-hour the meters' planning is spread over, in per cent.
const SPREAD_PERCENT: u32 = 25;

/// How long a killed validator stays down.
const DOWN: Duration = Duration::from_secs(3);

/// How long the last bundles may take after the day's end. Longer than a client takes to give one up.
const LAST_ANSWERS: Duration = Duration::from_secs(70);

/// Ledger time after the last delivery in which it is settled.
const SETTLING_MS: u64 = 15 * 60_000;

/// How often the screen is drawn.
const DRAW: Duration = Duration::from_millis(250);

impl Day {
    pub(super) fn new(
        options: &DemoOptions,
        town: &Town,
        network: &Network,
        keys: Vec<SecretKey>,
        lines: Lines,
        screen: Screen,
    ) -> Self {
        let traders = town.prosumers().into_iter().zip(keys).zip(lines.gateways.iter().cycle());
        let traders: Vec<Trader> = traders
            .map(|((prosumer, key), gateway)| {
                let (area, gateway) = (prosumer.meter().area, gateway.clone());
                Trader { prosumer, key, gateway, area, in_flight: false, waiting: false }
            })
            .collect();
        let chunks = u32::try_from(traders.len().div_ceil(CHUNK)).unwrap_or(u32::MAX).max(1);
        let quarter = Duration::from_secs(u64::from(options.seconds)) / 96;
        let (outcomes, outcome) = mpsc::unbounded_channel();
        let midday = LedgerTime(town.starts_at().0.midpoint(town.ends_at().0));
        Self {
            chain: network.genesis.chain_id(),
            genesis: network.genesis.clone(),
            traders,
            lines,
            tally: Tally::new(town),
            screen,
            batches: town.batch_times().collect(),
            ends_at: town.ends_at(),
            to_plan: VecDeque::new(),
            chunk_pause: quarter * SPREAD_PERCENT / 100 / chunks,
            outcomes,
            outcome,
            in_flight: 0,
            kill: options.kill_one.then_some(Kill::Planned(midday)),
            began: Instant::now(),
            first_sent: None,
        }
    }

    /// Plays the day to its end, and waits until all that was sent is final and all that was traded is settled.
    pub(super) async fn play(mut self, cluster: &mut Cluster) -> anyhow::Result<(DayEnd, Lines, Tally)> {
        let mut moment = Moment::watch(&self.lines.inspectors);
        let end = tokio::select! {
            played = self.trade(cluster, &mut moment) => played.map(|()| DayEnd::Evening)?,
            () = interrupted() => DayEnd::Interrupted,
        };
        self.draw(&moment);
        self.screen.finish();
        self.tally.unanswered += self.in_flight as u64;
        Ok((end, self.lines, self.tally))
    }

    async fn trade(&mut self, cluster: &mut Cluster, moment: &mut Moment) -> anyhow::Result<()> {
        let mut draw = interval(DRAW);
        draw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut chunk = interval(self.chunk_pause.max(Duration::from_millis(1)));
        chunk.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let settled_at = LedgerTime(self.ends_at.0 + SETTLING_MS);
        let mut last_answers_by = None;
        loop {
            let next_batch = self.batches.front().map(|at| time_until(&self.genesis, *at));
            tokio::select! {
                Some(sent) = self.outcome.recv() => self.on_sent(sent),
                Some(event) = self.lines.events.recv() => self.on_event(&event),
                () = tokio::time::sleep(next_batch.unwrap_or_default()), if next_batch.is_some() => {
                    self.batches.pop_front();
                    self.to_plan = (0..self.traders.len()).collect();
                    chunk.reset_immediately();
                },
                _ = chunk.tick(), if !self.to_plan.is_empty() => self.plan_chunk(),
                _ = draw.tick() => {
                    self.kill_one(cluster, moment).await?;
                    cluster.check_alive()?;
                    self.draw(moment);
                    let is_over = self.batches.is_empty() && self.now() >= settled_at;
                    let by = *last_answers_by.get_or_insert_with(|| Instant::now() + LAST_ANSWERS + time_until(&self.genesis, settled_at));
                    let is_down = matches!(self.kill, Some(Kill::Down { .. }));
                    if is_over && !is_down && (self.in_flight == 0 || Instant::now() > by) {
                        return Ok(());
                    }
                },
            }
        }
    }

    fn now(&self) -> LedgerTime {
        self.genesis.ledger_now(wall_us())
    }

    fn plan_chunk(&mut self) {
        for _ in 0..CHUNK.min(self.to_plan.len()) {
            let Some(index) = self.to_plan.pop_front() else { return };
            if self.traders[index].in_flight {
                // Its next nonce must not overtake the last one.
                self.traders[index].waiting = true;
            } else {
                self.plan(index);
            }
        }
    }

    fn plan(&mut self, index: usize) {
        let now = self.now();
        let trader = &mut self.traders[index];
        trader.waiting = false;
        let intents = trader.prosumer.plan(now);
        if intents.is_empty() {
            return;
        }
        let bundle = trader.sign(self.chain, &intents);
        self.tally.bundles += 1;
        self.tally.commands += intents.len() as u64;
        self.tally.orders += orders(&intents);
        trader.in_flight = true;
        self.in_flight += 1;
        let submitted = Instant::now();
        self.first_sent.get_or_insert(submitted);
        let mut submission = trader.gateway.submit(&bundle);
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            let mut sequenced = None;
            let result = loop {
                match submission.next().await {
                    Ok(Step::Final(done)) => break Ok(done),
                    Ok(Step::Sequenced(_)) => _ = sequenced.get_or_insert_with(|| submitted.elapsed()),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            };
            // Nobody listens any more after Ctrl-C.
            let _ = outcomes.send(Sent { trader: index, intents, sequenced, took: submitted.elapsed(), result });
        });
    }

    fn on_sent(&mut self, sent: Sent) {
        self.in_flight -= 1;
        let trader = &mut self.traders[sent.trader];
        trader.in_flight = false;
        let meter = MeterId(trader.prosumer.meter().index);
        match &sent.result {
            Ok(done) => {
                for record in &done.records {
                    if let Outcome::Rejected(code) = record.outcome {
                        self.tally.on_rejected(code.name(), 1);
                        trader.prosumer.on_rejected(record.client_id);
                    }
                    tell(&mut trader.prosumer, meter, record);
                }
                self.tally.traded_for = self.first_sent.map_or(Duration::ZERO, |first| first.elapsed());
                self.tally.on_final(done, orders(&sent.intents), sent.took);
                self.tally.on_sequenced(sent.sequenced);
            }
            Err(ClientError::Refused(code)) => {
                self.tally.on_rejected(code.name(), sent.intents.len() as u64);
                sent.intents.iter().for_each(|intent| trader.prosumer.on_rejected(intent.client_id()));
            }
            Err(error) => {
                tracing::warn!(meter = meter.0, %error, "a bundle's end is not known");
                self.tally.unanswered += 1;
            }
        }
        if trader.waiting {
            self.plan(sent.trader);
        }
    }

    fn on_event(&mut self, event: &WatchEvent) {
        self.tally.on_watched(event.meter, &event.record);
        let trader = usize::try_from(event.meter.0).ok().and_then(|index| self.traders.get_mut(index));
        if let Some(trader) = trader {
            tell(&mut trader.prosumer, event.meter, &event.record);
        }
    }

    async fn kill_one(&mut self, cluster: &mut Cluster, moment: &Moment) -> anyhow::Result<()> {
        match self.kill {
            Some(Kill::Planned(at)) if self.now() >= at => {
                let index = moment.leader().context("no validator says who leads")?;
                cluster.kill(index).await?;
                self.screen.note(&format!("validator {index}, the leader, was killed with SIGKILL"));
                self.kill = Some(Kill::Down { index, back_at: Instant::now() + DOWN });
            }
            Some(Kill::Down { index, back_at }) if Instant::now() >= back_at => {
                cluster.restart(index)?;
                self.screen.note(&format!("validator {index} was started again"));
                self.kill = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn draw(&mut self, moment: &Moment) {
        let now = self.now();
        self.screen.draw(now, self.ends_at, self.began.elapsed(), &self.tally, self.in_flight, moment);
    }
}

impl Trader {
    fn sign(&self, chain: Hash, intents: &[Intent]) -> SignedBundle {
        let commands = intents.iter().map(|intent| command(intent, self.area)).collect();
        let signer = self.key.public();
        Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.key)
    }
}

fn command(intent: &Intent, area: gridbook_engine::AreaId) -> Command {
    match *intent {
        Intent::Place { client_id, period, side, price, energy, good_till, ioc } => {
            let time_in_force = match (ioc, good_till) {
                (true, _) => TimeInForce::ImmediateOrCancel,
                (false, Some(until)) => TimeInForce::GoodTillTime(until),
                (false, None) => TimeInForce::GoodTillGate,
            };
            let limit = Place::limit(client_id, Contract { area, period }, side, price, energy);
            Command::Place(Place { time_in_force, ..limit })
        }
        Intent::Cancel { client_id } => Command::Cancel { client_id },
        Intent::Reduce { client_id, by } => Command::Reduce { client_id, by },
        Intent::Replace { client_id, price, energy } => Command::Replace { client_id, price, energy },
    }
}

/// Commands that put an order in or give one new terms.
fn orders(intents: &[Intent]) -> u64 {
    intents.iter().filter(|intent| matches!(intent, Intent::Place { .. } | Intent::Replace { .. })).count() as u64
}

/// Tells a prosumer what a record says about its orders. Being told twice, by the answer and by the watch, changes nothing.
fn tell(prosumer: &mut Prosumer, meter: MeterId, record: &Record) {
    let mut met: Vec<(PartyRef, PartyRef)> = Vec::new();
    for event in &record.events {
        match *event {
            RecordEvent::Trade(trade) => {
                let pair = (trade.maker, trade.taker);
                let before = met.iter().filter(|earlier| **earlier == pair).count();
                met.push(pair);
                let number = trade_number(record.seq, pair, before);
                for (party, price) in [(trade.buyer(), trade.buyer_pays()), (trade.seller(), trade.seller_gets())] {
                    if party.meter == meter {
                        prosumer.on_trade(number, party.client_id, trade.energy, price);
                    }
                }
            }
            RecordEvent::Dropped { order, remaining }
            | RecordEvent::Cancelled { order, remaining }
            | RecordEvent::Expired { order, remaining, .. }
                if order.meter == meter =>
            {
                prosumer.on_gone(order.client_id, remaining);
            }
            RecordEvent::Reduced { order, remaining } if order.meter == meter && remaining.is_zero() => {
                prosumer.on_gone(order.client_id, remaining);
            }
            _ => {}
        }
    }
}

/// A number for a trade that is the same in every notice of it: two orders may meet again, when hidden reserve comes up, but every
/// notice has all their trades of one command in the same order.
fn trade_number(seq: u64, (maker, taker): (PartyRef, PartyRef), before: usize) -> u64 {
    let party = |party: PartyRef| [u64::from(party.meter.0), party.client_id];
    let [maker, taker] = [party(maker), party(taker)];
    let parts = [seq, maker[0], maker[1], taker[0], taker[1], before as u64];
    let name = parts.map(u64::to_le_bytes).concat();
    let hash = Hash::of("gridbook/demo-trade/1", &name);
    u64::from_le_bytes(*hash.0.first_chunk().expect("a hash is longer than 8 bytes"))
}
