//! The day: at every quarter-hour each meter plans, signs one bundle and sends it; fills come back and are told to its prosumer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::command::{Command, Reading};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_sim::{Intent, Town};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::edges::Edges;
use super::mishap::{Cast, Mishaps};
use super::operator::Operator;
use super::screen::{Moment, Screen};
use super::tally::Tally;
use super::trader::{Trader, orders, tell};
use super::{DemoOptions, Lines, time_until};
use crate::client::{ClientError, FinalBundle, Step, WatchEvent, wall_us};
use crate::cluster::Cluster;
use crate::interrupt::Interrupts;
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
    /// What goes wrong with meters, what their operators see at the edges, and the operators.
    mishaps: Mishaps,
    edges: Edges,
    operator: Operator,
    operated: mpsc::UnboundedReceiver<Result<FinalBundle, ClientError>>,
    chunk_pause: Duration,
    outcomes: mpsc::UnboundedSender<Sent>,
    outcome: mpsc::UnboundedReceiver<Sent>,
    in_flight: usize,
    kill: Option<Kill>,
    began: Instant,
    first_sent: Option<Instant>,
}

/// A bundle's end.
struct Sent {
    trader: usize,
    readings: Vec<Reading>,
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

/// Ledger time after a reading deadline, or the end of a time for disputes, in which what is due then is done.
pub(super) const SETTLING_MS: u64 = 15 * 60_000;

/// How long the end of the day waits for its last periods to be settled and final, at most; and for how long nobody must have been told of a
/// settlement then.
const FINAL_WITHIN: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(1);

/// Quarter-hours after the last bundle of orders in which meters send readings: two end then, and one is for those that come again.
const READING_ROUNDS: u64 = 3;

/// How often the screen is drawn.
const DRAW: Duration = Duration::from_millis(250);

impl Day {
    pub(super) fn new(
        options: &DemoOptions,
        town: &Town,
        network: &Network,
        keys: Vec<SecretKey>,
        operator: SecretKey,
        lines: Lines,
        screen: Screen,
    ) -> Self {
        let mishaps = Mishaps::new(town);
        let traders = town.prosumers().into_iter().zip(keys).zip(lines.gateways.iter().cycle());
        let traders: Vec<Trader> = traders
            .map(|((mut prosumer, key), gateway)| {
                mishaps.befall(&mut prosumer);
                Trader::new(prosumer, key, gateway.clone())
            })
            .collect();
        let (done, operated) = mpsc::unbounded_channel();
        let operator = Operator::new(network.genesis.chain_id(), operator, lines.gateways[0].clone(), done);
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
            batches: batches(town),
            mishaps,
            edges: Edges::new(town),
            operator,
            operated,
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

    /// Plays the day to its end, and waits until all that was sent is final, and all that was traded is settled and final too.
    pub(super) async fn play(
        mut self,
        cluster: &mut Cluster,
        interrupts: &mut Interrupts,
    ) -> anyhow::Result<(DayEnd, Lines, Tally, Cast)> {
        let mut moment = Moment::watch(&self.lines.inspectors);
        let end = tokio::select! {
            played = self.trade(cluster, &mut moment) => played.map(|()| DayEnd::Evening)?,
            () = interrupts.next() => DayEnd::Interrupted,
        };
        self.draw(&moment);
        self.screen.finish();
        self.tally.unanswered += self.in_flight as u64;
        Ok((end, self.lines, self.tally, self.mishaps.cast))
    }

    async fn trade(&mut self, cluster: &mut Cluster, moment: &mut Moment) -> anyhow::Result<()> {
        let mut draw = interval(DRAW);
        draw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut chunk = interval(self.chunk_pause.max(Duration::from_millis(1)));
        chunk.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let rules = &self.genesis.settlement;
        let last_final = LedgerTime(self.ends_at.0 + rules.reading_deadline_ms + rules.dispute_ms);
        let final_at = LedgerTime(last_final.0 + SETTLING_MS);
        let last_wait = time_until(&self.genesis, self.ends_at) + FINAL_WITHIN;
        let closes_by = Instant::now() + last_wait;
        let closes_at = closes_by.min(Instant::now() + time_until(&self.genesis, final_at));
        let last_answers_by = closes_by + LAST_ANSWERS;
        loop {
            let next_batch = self.batches.front().map(|at| time_until(&self.genesis, *at));
            tokio::select! {
                Some(sent) = self.outcome.recv() => self.on_sent(sent),
                Some(told) = self.lines.events.recv() => match told {
                    Ok(event) => self.on_event(&event),
                    Err(end) => self.screen.note(&end.to_string()),
                },
                Some(done) = self.operated.recv() => self.on_operated(&done),
                () = tokio::time::sleep(next_batch.unwrap_or_default()), if next_batch.is_some() => {
                    self.batches.pop_front();
                    self.to_plan = (0..self.traders.len()).collect();
                    chunk.reset_immediately();
                },
                _ = chunk.tick(), if !self.to_plan.is_empty() => self.plan_chunk(),
                _ = draw.tick() => {
                    self.kill_one(cluster, moment).await?;
                    cluster.check_alive()?;
                    self.operate();
                    self.draw(moment);
                    // Validators that stall come to the end of their work later than the clock does.
                    let is_final = moment.ledger_time() >= last_final || Instant::now() >= closes_by;
                    let is_over = self.batches.is_empty() && Instant::now() >= closes_at && is_final;
                    let is_down = matches!(self.kill, Some(Kill::Down { .. }));
                    if is_over && !is_down && (self.is_quiet() || Instant::now() > last_answers_by) {
                        return Ok(());
                    }
                },
            }
        }
    }

    /// Everything that was sent is answered, and nothing more is being settled.
    fn is_quiet(&self) -> bool {
        let last = self.tally.settlement.last;
        self.in_flight == 0 && self.operator.is_idle() && last.is_none_or(|last| last.elapsed() >= QUIET)
    }

    /// The operator reads the edges that can be read, and what a meter has lost, once that was settled by an estimate.
    fn operate(&mut self) {
        let edges = self.edges.take_due();
        self.operator.order(edges.into_iter().map(Command::AreaReading));
        if let Some(period) = self.mishaps.lost_period() {
            let rules = &self.genesis.settlement;
            let deadline = period.ends_at(self.genesis.rules.mtu_minutes).0 + rules.reading_deadline_ms;
            // The watch tells of the settlement; where it was lost, time does.
            if self.now().0 >= deadline + rules.dispute_ms / 2 {
                self.correct();
            }
        }
    }

    fn correct(&mut self) {
        self.operator.order(self.mishaps.find().map(Command::Correction));
    }

    fn on_operated(&mut self, done: &Result<FinalBundle, ClientError>) {
        if done.is_err() {
            self.tally.unanswered += 1;
        }
        self.operator.on_done(done).into_iter().for_each(|(code, count)| self.tally.on_rejected(code, count));
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
        let meter = trader.prosumer.meter().index;
        for measured in trader.prosumer.measure(now) {
            self.edges.flowed(trader.area, &measured);
            let is_read = |period| self.edges.is_last_read(meter, period);
            trader.unread.extend(self.mishaps.said(MeterId(meter), &measured, is_read));
        }
        let intents = trader.prosumer.plan(now);
        let readings = std::mem::take(&mut trader.unread);
        if intents.is_empty() && readings.is_empty() {
            return;
        }
        let bundle = trader.sign(self.chain, &readings, &intents);
        self.tally.bundles += 1;
        self.tally.commands += (readings.len() + intents.len()) as u64;
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
            let _ =
                outcomes.send(Sent { trader: index, readings, intents, sequenced, took: submitted.elapsed(), result });
        });
    }

    fn on_sent(&mut self, sent: Sent) {
        self.in_flight -= 1;
        let trader = &mut self.traders[sent.trader];
        trader.in_flight = false;
        let meter = MeterId(trader.prosumer.meter().index);
        match &sent.result {
            Ok(done) => {
                // Readings came first in the bundle.
                for (reading, record) in sent.readings.iter().zip(&done.records) {
                    match record.outcome {
                        Outcome::Done => {
                            self.tally.readings += 1;
                            self.edges.read(trader.area, meter.0, reading.period);
                        }
                        Outcome::Rejected(code) => {
                            self.tally.on_rejected(code.name(), 1);
                            self.mishaps.on_refused(meter, reading, code);
                            // The clock of whoever led was behind.
                            trader.unread.extend((code == Code::MeterFuture).then_some(*reading));
                        }
                    }
                }
                for record in done.records.iter().skip(sent.readings.len()) {
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
                self.tally.on_rejected(code.name(), (sent.readings.len() + sent.intents.len()) as u64);
                trader.unread.extend(&sent.readings);
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
        if let Some(lost) = self.mishaps.lost_period()
            && self.mishaps.cast.corrected == Some(event.meter)
            && event
                .record
                .events
                .iter()
                .any(|event| matches!(event, RecordEvent::MeterSettled(settled) if settled.contract.period == lost))
        {
            self.correct();
        }
        let trader = usize::try_from(event.meter.0).ok().and_then(|index| self.traders.get_mut(index));
        if let Some(trader) = trader {
            tell(&mut trader.prosumer, event.meter, &event.record);
        }
    }

    async fn kill_one(&mut self, cluster: &mut Cluster, moment: &Moment) -> anyhow::Result<()> {
        match self.kill {
            Some(Kill::Planned(at)) if self.now() >= at => {
                // Nobody may have said lately who leads: then it is asked again at the next turn.
                let Some(index) = moment.leader() else { return Ok(()) };
                cluster.kill(index).await?;
                self.screen.note(&format!("validator {index}, the leader, was killed with SIGKILL"));
                self.kill = Some(Kill::Down { index, back_at: Instant::now() + DOWN });
            }
            Some(Kill::Down { index, back_at }) if Instant::now() >= back_at => {
                cluster.restart(index)?;
                self.screen.note(&format!("validator {index} was started again"));
                self.kill = None;
                self.tally.killed += 1;
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

/// When meters send: with orders, one period before each delivery; and with readings alone, until the last periods were read.
fn batches(town: &Town) -> VecDeque<LedgerTime> {
    let mtu_ms = u64::from(town.config().rules.mtu_minutes) * 60_000;
    let last = town.ends_at().0 - mtu_ms;
    let readings = (0..READING_ROUNDS).map(|round| LedgerTime(last + round * mtu_ms));
    town.batch_times().chain(readings).collect()
}
