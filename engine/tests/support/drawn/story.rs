//! A market told as a story: commands, and what each is answered.
//!
//! ```text
//! a1 sells 30 at 40 in 1             -> a1 rests 30
//! b1 buys 50 at 45 in 2 ioc          -> a1>b1 30@40+3; b1 drops 20
//! ```
//!
//! Every story is told to the engine and to its slow twin. Every command is carried out, undone and carried out again. A refused one
//! must leave no trace, and what buyers pay is what sellers and operators get, to the last unit.

use std::collections::BTreeMap;

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    AreaId, Contract, DeliveryPeriod, Engine, Event, LedgerTime, Limits, Market, MarketRules, MeterId, Network,
    OrderId, OrderTag, RestingOrder,
};

use super::super::purses::{Entry, Purses};
use super::script::{self, PERIOD, Words, tag_of};

/// The scene: rules, network, and how much each account may have open.
#[derive(Clone)]
pub(crate) struct Story {
    rules: MarketRules,
    network: Network,
    budget: u128,
}

/// Ticks of 1, lots of 1 Wh, no gate acts by time.
pub(crate) fn timeless() -> MarketRules {
    MarketRules { tick: 1, ..MarketRules::without_gates() }
}

/// Ticks of 1, lots of 1 Wh. Contract 8 (2:00) opens at minute 60, closes across areas at 90 and at home at 115.
pub(crate) fn timed() -> MarketRules {
    MarketRules { tick: 1, open_lead_ms: 3_600_000, ..MarketRules::default() }
}

impl Story {
    /// A tree written as `1>0 100/50 fee 3/0, 2>1 10/10`: child, parent, capacities and fees up and down. Empty for a single area.
    pub(crate) fn over(network: &str) -> Self {
        Self { rules: timeless(), network: script::network(network, 1), budget: u128::MAX }
    }

    pub(crate) fn islands(areas: u16) -> Self {
        Self { network: Network::islands(areas), ..Self::over("") }
    }

    pub(crate) fn rules(self, rules: MarketRules) -> Self {
        Self { rules, ..self }
    }

    /// Every contract begins with a call phase that only a command ends.
    pub(crate) fn called(self) -> Self {
        let rules = MarketRules { auction_at_open: true, ..self.rules };
        Self { rules, ..self }
    }

    pub(crate) fn budget(self, budget: u128) -> Self {
        Self { budget, ..self }
    }

    /// Tells the story to both markets; every answer that does not come as written is shown.
    #[track_caller]
    pub(crate) fn tell(&self, script: &str) {
        let wrong = [self.heard_by::<Engine>(script), self.heard_by::<Reference>(script)].concat();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    /// Tells a long story to the engine alone, each command once.
    pub(crate) fn tell_once(&self, script: &str) {
        let mut stage = Stage::<Engine>::new(self);
        for (command, wanted) in script::steps(script) {
            let words = Words::of(&command);
            let answer = stage.asked(&words).unwrap_or_else(|| Some(told(&stage.act(&words))));
            assert!(wanted.is_none_or(|wanted| Some(wanted) == answer), "{command}");
        }
    }

    fn heard_by<M: Staged>(&self, script: &str) -> Vec<String> {
        let mut stage = Stage::<M>::new(self);
        let mut wrong = Vec::new();
        for (command, wanted) in script::steps(script) {
            let answer = stage.run(&command);
            let Some(answer) = answer else { continue };
            match wanted {
                Some(wanted) if wanted != answer => {
                    wrong.push(format!("{}: {command}\n    wanted -> {wanted}\n    came   -> {answer}", M::NAME));
                }
                None if answer.starts_with("refused") => wrong.push(format!("{}: {command} -> {answer}", M::NAME)),
                _ => {}
            }
        }
        wrong
    }
}

/// A market that stories can be told to.
pub(crate) trait Staged: Market {
    const NAME: &str;

    fn fresh(rules: MarketRules, network: Network) -> Self;

    /// What rests, where the market shows it.
    fn shown(&self) -> Option<Vec<RestingOrder>>;
}

impl Staged for Engine {
    const NAME: &str = "engine";

    fn fresh(rules: MarketRules, network: Network) -> Self {
        Self::new(rules, network).unwrap()
    }

    fn shown(&self) -> Option<Vec<RestingOrder>> {
        Some(self.resting().collect())
    }
}

impl Staged for Reference {
    const NAME: &str = "reference";

    fn fresh(rules: MarketRules, network: Network) -> Self {
        Self::new(rules, network).unwrap()
    }

    fn shown(&self) -> Option<Vec<RestingOrder>> {
        None
    }
}

/// One market in one story.
struct Stage<M> {
    market: M,
    purses: Purses,
    handles: BTreeMap<OrderTag, (OrderId, MeterId)>,
    last: Vec<Event>,
}

type Answer = Result<Vec<Event>, String>;

impl<M: Staged> Stage<M> {
    fn new(story: &Story) -> Self {
        let market = M::fresh(story.rules, story.network.clone());
        Self { market, purses: Purses::new(story.budget), handles: BTreeMap::new(), last: Vec::new() }
    }

    /// The answer to a command or a question; nothing if this market does not show it.
    fn run(&mut self, command: &str) -> Option<String> {
        let words = Words::of(command);
        if let Some(answer) = self.asked(&words) {
            return answer;
        }
        let before = (self.market.digest(), self.purses.entries.clone());
        let (mark, purses, handles) = (self.market.mark(), self.purses.mark(), self.handles.clone());
        let first = self.act(&words);
        self.market.rollback(mark);
        self.purses.rollback(purses);
        self.handles = handles;
        assert!(before == (self.market.digest(), self.purses.entries.clone()), "undone, and yet a trace: {command}");
        let again = self.act(&words);
        assert_eq!(told(&first), told(&again), "the same command again: {command}");
        if again.is_err() {
            let after = (self.market.digest(), self.purses.entries.clone());
            assert!(before == after, "refused, and yet a trace: {command}");
        }
        let totals = &self.purses.totals;
        assert_eq!(totals.paid, totals.received + totals.collected, "money comes from nowhere: {command}");
        assert_eq!(totals.bought, totals.sold, "energy comes from nowhere: {command}");
        let answer = told(&again);
        self.last = again.unwrap_or_default();
        Some(answer)
    }

    /// Carries a command out, on top of an event that was there before.
    fn act(&mut self, words: &Words<'_>) -> Answer {
        let earlier = Event::Flow {
            child: AreaId(0),
            period: PERIOD,
            up: 0,
            fee: gridbook_engine::Money::ZERO,
            rent: gridbook_engine::Money::ZERO,
        };
        let mut events = vec![earlier];
        let done = self.command(words, &mut events);
        assert_eq!(events.remove(0), earlier, "what was told stays told");
        assert!(done.is_ok() || events.is_empty(), "refused, and yet told of: {events:?}");
        done.map(|()| events)
    }

    fn command(&mut self, words: &Words<'_>, events: &mut Vec<Event>) -> Result<(), String> {
        let (market, limits) = (&mut self.market, &mut self.purses);
        let contract = Contract { area: AreaId(words.count_at(1)), period: words.period() };
        let refused = |reject: gridbook_engine::Reject| format!("refused {reject:?}");
        match words.at(0) {
            "cancel" => {
                let (id, meter) = words.handle(&self.handles);
                market.cancel(id, meter, limits, events).map_err(refused)
            }
            "reduce" => {
                let (id, meter) = words.handle(&self.handles);
                market.reduce(id, meter, words.energy_at(2), limits, events).map_err(refused)
            }
            "replace" => {
                let (id, meter) = words.handle(&self.handles);
                let new = market.replace(id, meter, words.price(), words.energy_at(2), limits, events);
                if let Some(new) = new.map_err(refused)? {
                    self.handles.insert(tag_of(words.at(1)), (new, meter));
                }
                Ok(())
            }
            "basket" => {
                let refused =
                    |refusal: gridbook_engine::BasketRefused| format!("refused {} {:?}", refusal.at, refusal.why);
                market.basket(&words.basket(), limits, events).map_err(refused)
            }
            "block" => market.place_block(words.block(), limits, events).map_err(refused),
            "unblock" => {
                let meter = MeterId(words.account(words.at(1)).0);
                market.cancel_block(tag_of(words.at(1)), meter, limits, events).map_err(refused)
            }
            "capacity" => {
                let (up, down) = (words.energy("up"), words.energy("down"));
                market.set_capacity(contract.area, contract.period, up, down, limits, events).map_err(refused)
            }
            "deal" => market.prearranged(words.deal(), limits, events).map_err(refused),
            "pay" => market.pay_as_bid(contract, limits, events).map_err(refused),
            "auction" => {
                market.auction(&words.periods(), limits, events);
                Ok(())
            }
            "open" => {
                market.open(contract);
                Ok(())
            }
            "close" => {
                market.close(contract);
                Ok(())
            }
            "cut" => {
                market.close_cross_area(contract);
                Ok(())
            }
            "clock" => {
                market.advance(LedgerTime(words.number_at(1) * 60_000));
                Ok(())
            }
            "sweep" => {
                let max = if words.len() > 1 { words.number_at(1) as usize } else { 1_000 };
                market.sweep(max, limits, events);
                Ok(())
            }
            _ => {
                let order = words.order();
                let handle = market.place(order, limits, events).map_err(refused)?;
                if let Some(handle) = handle {
                    self.handles.insert(order.tag, (handle, order.meter));
                }
                Ok(())
            }
        }
    }

    /// Questions change nothing. `None` for what is a command.
    fn asked(&self, words: &Words<'_>) -> Option<Option<String>> {
        let contract = || Contract { area: AreaId(words.count_at(1)), period: words.period() };
        let answer = match words.at(0) {
            "edge" => {
                let edge = self.market.edge(contract().area, contract().period);
                edge.map_or("none".to_owned(), |edge| format!("flow {} of {}/{}", edge.flow, edge.up.0, edge.down.0))
            }
            "view" => {
                let levels = words.after("top").map_or(99, |top| top.parse().unwrap());
                let view = self.market.view(contract(), levels);
                format!("{} | {}", script::levels(&view.bids), script::levels(&view.asks)).trim().to_owned()
            }
            "operators" => self.operators(),
            "held" => self.purses.totals.held.get(&tag_of(words.at(1))).copied().unwrap_or(0).to_string(),
            "due" => self.market.next_due().map_or("never".to_owned(), |due| (due.0 / 60_000).to_string()),
            "fills" => script::fills(&self.last),
            "book" => return Some(self.market.shown().map(|orders| script::book(&orders, contract()))),
            "depth" => return Some(self.market.shown().map(|orders| script::depth(&orders, contract()))),
            _ => return None,
        };
        Some(Some(answer))
    }

    /// What each edge's operator has got so far, as `child: fees`, and `+ rents` where there are any.
    fn operators(&self) -> String {
        let mut got: BTreeMap<(AreaId, DeliveryPeriod), (i128, i128)> = BTreeMap::new();
        for entry in &self.purses.entries {
            if let Entry::Collect(child, period, fee, rent) = entry {
                let sums = got.entry((*child, *period)).or_default();
                *sums = (sums.0 + fee.0, sums.1 + rent.0);
            }
        }
        let tell = |(&(child, period), &(fee, rent)): (&(AreaId, DeliveryPeriod), &(i128, i128))| {
            let rent = if rent == 0 { String::new() } else { format!("+{rent}") };
            format!("{}{}:{fee}{rent}", child.0, script::suffix(period))
        };
        got.iter().map(tell).collect::<Vec<_>>().join(" ")
    }
}

fn told(answer: &Answer) -> String {
    match answer {
        Ok(events) if events.is_empty() => "nothing".to_owned(),
        Ok(events) => events.iter().map(script::told).collect::<Vec<_>>().join("; "),
        Err(refused) => refused.clone(),
    }
}
