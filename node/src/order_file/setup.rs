//! The network and the rules that a file asks for, before its first command.

use std::collections::HashMap;

use gridbook_engine::{AreaId, Edge, Energy, MarketRules, Network, Price};

use super::line::{EdgeLine, Name, NetworkLine, RulesLine};
use super::names::{ISLANDS_MAX, Names};
use super::number::{Milliseconds, UnitPrice};
use super::refusal::Refusal;

/// What a file says of the market that it is for.
#[derive(Debug)]
pub(super) struct Setup {
    network: Network,
    has_network: bool,
    lot: Option<u64>,
    tick: Option<i32>,
    rules_line: Option<RulesLine>,
    /// What the two lines together make.
    rules: MarketRules,
    has_begun: bool,
}

impl Default for Setup {
    /// Islands without gates.
    fn default() -> Self {
        Self {
            network: Network::islands(ISLANDS_MAX),
            has_network: false,
            lot: None,
            tick: None,
            rules_line: None,
            rules: MarketRules::without_gates(),
            has_begun: false,
        }
    }
}

impl Setup {
    /// From now on it stays as it is: the first command has come.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
    }

    pub(super) fn rules(&self) -> &MarketRules {
        &self.rules
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// Takes the network line.
    ///
    /// # Errors
    /// [`Refusal::Line`] if it comes too late or twice, or is no network.
    pub(super) fn take_network(&mut self, line: &NetworkLine<'_>, names: &mut Names) -> Result<(), Refusal> {
        self.may_come("network", self.has_network)?;
        let count = u16::try_from(line.areas.len())
            .map_err(|_| Refusal::line(format!("a network has at most {} areas", u16::MAX)))?;
        let mut areas = HashMap::new();
        for (number, area) in (0..count).zip(&line.areas) {
            if areas.insert(area.text(), AreaId(number)).is_some() {
                return Err(Refusal::line(format!("the area {:?} is there twice", area.text())));
            }
        }
        let (lot, tick) = (line.lot.map(|lot| lot.0), line.tick.map(|tick| tick.0));
        let rules = together(self.rules_line.as_ref(), lot, tick)?;
        let edges: Vec<Edge> = line.edges.iter().map(|edge| read_edge(edge, &areas)).collect::<Result<_, _>>()?;
        let network = Network::new(count, rules.tick, &edges).map_err(|error| named(&error, &line.areas))?;
        (self.network, self.has_network) = (network, true);
        (self.lot, self.tick, self.rules) = (lot, tick, rules);
        names.fix_areas(&line.areas);
        Ok(())
    }

    /// Takes the rules line.
    ///
    /// # Errors
    /// [`Refusal::Line`] if it comes too late or twice, or the rules make no sense together.
    pub(super) fn take_rules(&mut self, line: RulesLine) -> Result<(), Refusal> {
        self.may_come("rules", self.rules_line.is_some())?;
        self.rules = together(Some(&line), self.lot, self.tick)?;
        self.rules_line = Some(line);
        Ok(())
    }

    fn may_come(&self, what: &str, is_there: bool) -> Result<(), Refusal> {
        if self.has_begun {
            Err(Refusal::line(format!("the {what} line must come before the first command")))
        } else if is_there {
            Err(Refusal::line(format!("there is a {what} line already")))
        } else {
            Ok(())
        }
    }
}

/// The rules of a file: its rules line over the defaults of MARKET sections 1 and 2, with the steps of its network line. Without a
/// rules line no gate acts by time. Price limits that are left out are cut to the tick.
fn together(line: Option<&RulesLine>, lot: Option<u64>, tick: Option<i32>) -> Result<MarketRules, Refusal> {
    let base = if line.is_some() { MarketRules::default() } else { MarketRules::without_gates() };
    let line = line.copied().unwrap_or_default();
    let tick = tick.unwrap_or(base.tick);
    let on_tick = |limit: Price| Price(limit.0 - limit.0.checked_rem(tick).unwrap_or(0));
    let or = |given: Option<Milliseconds>, default: u64| given.map_or(default, |ms| ms.0);
    let rules = MarketRules {
        mtu_minutes: line.mtu_minutes.map_or(base.mtu_minutes, |minutes| minutes.0),
        tick,
        lot: lot.unwrap_or(base.lot),
        price_min: line.price_min.map_or_else(|| on_tick(base.price_min), |price| Price(price.0)),
        price_max: line.price_max.map_or_else(|| on_tick(base.price_max), |price| Price(price.0)),
        open_lead_ms: or(line.open_lead_ms, base.open_lead_ms),
        gate_ms: or(line.gate_ms, base.gate_ms),
        cross_area_gate_ms: or(line.cross_area_gate_ms, base.cross_area_gate_ms),
        auction_at_open: line.auction_at_open.unwrap_or(base.auction_at_open),
        call_ms: or(line.call_ms, base.call_ms),
        periods_per_opening: line.periods_per_opening.map_or(base.periods_per_opening, |periods| periods.0),
    };
    rules.validate().map_err(|error| Refusal::line(error.to_string()))?;
    Ok(rules)
}

fn read_edge(line: &EdgeLine<'_>, areas: &HashMap<&str, AreaId>) -> Result<Edge, Refusal> {
    let area = |name: &Name<'_>| {
        let number = areas.get(name.text()).copied();
        number.ok_or_else(|| Refusal::line(format!("the edge names {:?}, which is not among the areas", name.text())))
    };
    let fee = |own: Option<UnitPrice>| Price(own.or(line.fee).unwrap_or_default().0);
    Ok(Edge {
        child: area(&line.child)?,
        parent: area(&line.parent)?,
        up: Energy(line.up.0),
        down: Energy(line.down.0),
        fee_up: fee(line.fee_up),
        fee_down: fee(line.fee_down),
    })
}

/// The network's own sentence, which knows areas by number, with the list of names that the numbers count.
fn named(error: &gridbook_engine::NetworkError, areas: &[Name<'_>]) -> Refusal {
    let list: Vec<String> =
        areas.iter().take(8).enumerate().map(|(index, name)| format!("{index} = {}", name.text())).collect();
    Refusal::line(format!("{error} (areas: {}{})", list.join(", "), if areas.len() > 8 { ", ..." } else { "" }))
}
