//! What a line means: names become numbers, ids are tested for repeats, defaults are filled in.
//!
//! All of it depends on the lines before only, and on what is known to have left the books, which is tested again by the market.
//! So lines can be planned ahead of their execution, as many as one likes.

use std::collections::{BTreeSet, HashMap, HashSet};

use gridbook_engine::{
    AccountId, Contract, DeliveryPeriod, Energy, EnergySources, Event, LedgerTime, MeterId, NewBlock, NewOrder,
    OrderTag, Party, Prearranged, Preferences, Price, Reject, Side, TimeInForce,
};

use super::command::{Origin, PeriodCommand, Step, WideCommand};
use super::id_set::IdSet;
use super::line::{
    AuctionLine, BasketLine, BasketOrderLine, BlockLine, CancelAllLine, CapacityLine, ContractLine, Line, Name,
    PlaceLine, PrearrangedLine, SideWord, SourceWord, TimeInForceWord, id_of_unreadable,
};
use super::names::Names;
use super::number::{ClientId, EdgeCount, Milliseconds, Period};
use super::reader::RawLine;
use super::refusal::Refusal;
use super::routes::{Route, Routes};
use super::setup::Setup;

/// All that a file has said so far.
#[derive(Debug, Default)]
pub(super) struct Planner {
    pub(super) names: Names,
    pub(super) setup: Setup,
    pub(super) routes: Routes,
    ids: IdSet,
    /// By meter.
    client_ids: HashMap<MeterId, IdSet>,
    periods: HashSet<DeliveryPeriod>,
    period_last: Option<DeliveryPeriod>,
    time: LedgerTime,
}

type Planned = Result<Step, Refusal>;

impl Planner {
    /// What to do about a line.
    pub(super) fn plan(&mut self, raw: &RawLine<'_>) -> Step {
        let mut origin = Origin { line: raw.number, id: None };
        let Some(bytes) = raw.bytes else {
            return Step::Refused(origin, Refusal::Long);
        };
        let step = match Line::parse(bytes) {
            Ok(line) => {
                origin.id = line.id();
                self.plan_line(origin, line)
            }
            Err(sentence) => {
                origin.id = id_of_unreadable(bytes);
                Err(Refusal::Line(sentence))
            }
        };
        step.unwrap_or_else(|refusal| Step::Refused(origin, refusal))
    }

    /// The periods that the file has named, ascending.
    pub(super) fn periods(&self) -> BTreeSet<DeliveryPeriod> {
        self.periods.iter().copied().collect()
    }

    /// Forgets the orders that an event takes out of the books.
    pub(super) fn note(&mut self, event: &Event) {
        self.routes.note(event);
    }

    fn plan_line(&mut self, origin: Origin, line: Line<'_>) -> Planned {
        match line {
            Line::Network(line) => self.setup.take_network(&line, &mut self.names).map(|()| Step::Taken),
            Line::Rules(line) => self.setup.take_rules(line).map(|()| Step::Taken),
            other => {
                self.setup.begin();
                self.plan_command(origin, other)
            }
        }
    }

    fn plan_command(&mut self, origin: Origin, line: Line<'_>) -> Planned {
        match line {
            Line::Network(_) | Line::Rules(_) => Ok(Step::Taken),
            Line::Time(line) => self.time(origin, LedgerTime(line.at.0)),
            Line::Open(line) => self.contract(origin, &line, PeriodCommand::Open),
            Line::Gate(line) => self.contract(origin, &line, PeriodCommand::CloseCrossArea),
            Line::Close(line) => self.contract(origin, &line, PeriodCommand::Close),
            Line::PayAsBid(line) => self.contract(origin, &line, PeriodCommand::PayAsBid),
            Line::Place(line) => self.place(origin, &line),
            Line::Cancel(line) => self.resting(origin, line.id.0, PeriodCommand::Cancel { id: line.id.0 }),
            Line::Reduce(line) => {
                let (id, by) = (line.id.0, Energy(line.by.0));
                self.resting(origin, id, PeriodCommand::Reduce { id, by })
            }
            Line::Replace(line) => {
                let (id, price, energy) = (line.id.0, Price(line.price.0), Energy(line.energy.0));
                self.resting(origin, id, PeriodCommand::Replace { id, price, energy })
            }
            Line::CancelAll(line) => self.cancel_all(origin, &line),
            Line::Basket(line) => self.basket(origin, &line),
            Line::Block(line) => self.block(origin, &line),
            Line::Capacity(line) => self.capacity(origin, &line),
            Line::Auction(line) => self.auction(origin, line),
            Line::Prearranged(line) => self.prearranged(origin, &line),
        }
    }

    fn time(&mut self, origin: Origin, at: LedgerTime) -> Planned {
        if at < self.time {
            return Err(Refusal::Time);
        }
        self.time = at;
        Ok(Step::Wide(origin, WideCommand::Time(at)))
    }

    fn contract(&mut self, origin: Origin, line: &ContractLine<'_>, command: fn(Contract) -> PeriodCommand) -> Planned {
        let contract = self.contract_of(line.area.as_ref(), line.period)?;
        Ok(Step::Period(origin, contract.period, command(contract)))
    }

    fn contract_of(&mut self, area: Option<&Name<'_>>, period: Period) -> Result<Contract, Refusal> {
        let area = self.names.area(area)?;
        Ok(Contract { period: self.period(period), area })
    }

    fn period(&mut self, period: Period) -> DeliveryPeriod {
        let period = DeliveryPeriod(period.0);
        if self.period_last != Some(period) {
            self.period_last = Some(period);
            self.periods.insert(period);
        }
        period
    }

    /// A command about an order that came in before.
    fn resting(&mut self, origin: Origin, id: u64, command: PeriodCommand) -> Planned {
        let route = self.routes.find(id).ok_or(Reject::MatchUnknownOrder)?;
        Ok(Step::Period(origin, route.period, command))
    }

    fn place(&mut self, origin: Origin, line: &PlaceLine<'_>) -> Planned {
        let time_in_force = time_in_force(line.tif, line.until)?;
        let price = self.limit(line)?;
        let sources = line.sources.as_deref().map(sources_of).transpose()?;
        self.take_id(line.id.0)?;
        let (account, meter) = self.party(&line.account, line.meter.as_ref(), line.client_id)?;
        if line.all_or_none {
            return Err(Refusal::AllOrNone);
        }
        let contract = self.contract_of(line.area.as_ref(), line.period)?;
        let side = side(line.side);
        let order = NewOrder {
            tag: OrderTag(line.id.0),
            account,
            meter,
            contract,
            side,
            price,
            energy: Energy(line.energy.0),
            time_in_force,
            post_only: line.post_only,
            display: Energy(line.display.0),
            preferences: self.preferences(side, sources, line.max_edges, line.partner.as_ref())?,
        };
        self.routes.add(line.id.0, Route { account, meter, period: contract.period });
        Ok(Step::Period(origin, contract.period, PeriodCommand::Place(order)))
    }

    /// A market order is an immediate-or-cancel order at the price limit of its side.
    fn limit(&self, line: &PlaceLine<'_>) -> Result<Price, Refusal> {
        let rules = self.setup.rules();
        match (line.price, line.tif, line.side) {
            (Some(price), ..) => Ok(Price(price.0)),
            (None, Some(TimeInForceWord::Ioc), SideWord::Buy) => Ok(rules.price_max),
            (None, Some(TimeInForceWord::Ioc), SideWord::Sell) => Ok(rules.price_min),
            (None, ..) => Err(Refusal::line("an order needs a price, unless it is a market order: ioc")),
        }
    }

    fn preferences(
        &mut self,
        side: Side,
        sources: Option<EnergySources>,
        max_edges: Option<EdgeCount>,
        partner: Option<&Name<'_>>,
    ) -> Result<Preferences, Refusal> {
        let none = Preferences::none(side);
        let partner = partner.map(|partner| self.names.account(partner)).transpose()?;
        Ok(Preferences {
            sources: sources.unwrap_or(none.sources),
            max_edges: max_edges.map_or(none.max_edges, |edges| edges.0),
            partner,
        })
    }

    fn take_id(&mut self, id: u64) -> Result<(), Refusal> {
        if self.ids.insert(id) { Ok(()) } else { Err(Refusal::DuplicateId) }
    }

    fn party(
        &mut self,
        account: &Name<'_>,
        meter: Option<&Name<'_>>,
        client_id: Option<ClientId>,
    ) -> Result<(AccountId, MeterId), Refusal> {
        let account = self.names.account(account)?;
        self.party_of(account, meter, client_id)
    }

    fn party_of(
        &mut self,
        account: AccountId,
        meter: Option<&Name<'_>>,
        client_id: Option<ClientId>,
    ) -> Result<(AccountId, MeterId), Refusal> {
        let meter = self.names.meter(account, meter)?;
        match client_id {
            Some(id) if !self.client_ids.entry(meter).or_default().insert(id.0) => Err(Refusal::DuplicateClientId),
            _ => Ok((account, meter)),
        }
    }

    fn cancel_all(&mut self, origin: Origin, line: &CancelAllLine<'_>) -> Planned {
        let of = match (&line.account, &line.meter) {
            (Some(account), None) => self.names.find_account(account).map(|account| (account, None)),
            (None, Some(meter)) => self.names.find_meter(meter).map(|(meter, account)| (account, Some(meter))),
            _ => return Err(Refusal::line("cancel_all takes either an account or a meter")),
        };
        // Of one that was never named nothing rests.
        Ok(of.map_or(Step::Taken, |(account, meter)| Step::Wide(origin, WideCommand::CancelAll { account, meter })))
    }

    fn basket(&mut self, origin: Origin, line: &BasketLine<'_>) -> Planned {
        self.take_id(line.id.0)?;
        let account = self.names.account(&line.account)?;
        let mut orders = Vec::with_capacity(line.orders.len().min(100));
        for (at, order) in line.orders.iter().enumerate() {
            let order = self.basket_order(line, account, order);
            orders.push(order.map_err(|why| Refusal::Basket { at, why: Box::new(why) })?);
        }
        Ok(Step::Wide(origin, WideCommand::Basket { id: line.id.0, orders }))
    }

    fn basket_order(
        &mut self,
        basket: &BasketLine<'_>,
        account: AccountId,
        line: &BasketOrderLine<'_>,
    ) -> Result<NewOrder, Refusal> {
        let sources = line.sources.as_deref().map(sources_of).transpose()?;
        if let Some(id) = line.id {
            self.take_id(id.0)?;
        }
        let meter = line.meter.as_ref().or(basket.meter.as_ref());
        let (account, meter) = self.party_of(account, meter, line.client_id)?;
        let contract = self.contract_of(line.area.as_ref(), line.period)?;
        let side = side(line.side);
        Ok(NewOrder {
            tag: OrderTag(line.id.unwrap_or(basket.id).0),
            account,
            meter,
            contract,
            side,
            price: Price(line.price.0),
            energy: Energy(line.energy.0),
            time_in_force: time_in_force(line.tif.or(Some(TimeInForceWord::Fok)), None)?,
            post_only: false,
            display: Energy::ZERO,
            preferences: self.preferences(side, sources, line.max_edges, line.partner.as_ref())?,
        })
    }

    fn block(&mut self, origin: Origin, line: &BlockLine<'_>) -> Planned {
        self.take_id(line.id.0)?;
        let (account, meter) = self.party(&line.account, line.meter.as_ref(), line.client_id)?;
        let area = self.names.area(line.area.as_ref())?;
        let energies: Vec<_> =
            line.energies.iter().map(|&(period, energy)| (self.period(period), Energy(energy.0))).collect();
        // A block without periods is refused by any market.
        let first = energies.first().map_or(DeliveryPeriod(0), |&(period, _)| period);
        let block = NewBlock {
            tag: OrderTag(line.id.0),
            account,
            meter,
            area,
            side: side(line.side),
            price: Price(line.price.0),
            energies,
        };
        self.routes.add(line.id.0, Route { account, meter, period: first });
        Ok(Step::Period(origin, first, PeriodCommand::Block(block)))
    }

    fn capacity(&mut self, origin: Origin, line: &CapacityLine<'_>) -> Planned {
        let Contract { period, area: child } = self.contract_of(Some(&line.child), line.period)?;
        let (up, down) = (line.up.map(|up| Energy(up.0)), line.down.map(|down| Energy(down.0)));
        Ok(Step::Period(origin, period, PeriodCommand::Capacity { child, period, up, down }))
    }

    fn auction(&mut self, origin: Origin, line: AuctionLine) -> Planned {
        let named = match (line.periods, line.period) {
            (Some(periods), None) => periods,
            (None, Some(period)) => vec![period],
            _ => return Err(Refusal::line("an auction takes either a period or periods")),
        };
        let periods: BTreeSet<DeliveryPeriod> = named.into_iter().map(|period| self.period(period)).collect();
        let periods: Vec<DeliveryPeriod> = periods.into_iter().collect();
        Ok(match periods[..] {
            [] => return Err(Refusal::line("an auction takes at least one period")),
            [period] => Step::Period(origin, period, PeriodCommand::Auction(periods)),
            _ => Step::Wide(origin, WideCommand::Auction(periods)),
        })
    }

    fn prearranged(&mut self, origin: Origin, line: &PrearrangedLine<'_>) -> Planned {
        self.take_id(line.id.0)?;
        let (buyer, buy_meter) = self.party(&line.buyer, line.buy_meter.as_ref(), None)?;
        let (seller, sell_meter) = self.party(&line.seller, line.sell_meter.as_ref(), None)?;
        let buy_area = self.names.area(line.buy_area.as_ref())?;
        let sell_area = self.names.area(line.sell_area.as_ref())?;
        let period = self.period(line.period);
        let trade = Prearranged {
            tag: OrderTag(line.id.0),
            buyer: Party { account: buyer, meter: buy_meter, area: buy_area },
            seller: Party { account: seller, meter: sell_meter, area: sell_area },
            period,
            price: Price(line.price.0),
            energy: Energy(line.energy.0),
        };
        Ok(Step::Period(origin, period, PeriodCommand::Prearranged(trade)))
    }
}

impl Line<'_> {
    /// The id that a line names, if it names one.
    fn id(&self) -> Option<u64> {
        match self {
            Self::Place(line) => Some(line.id.0),
            Self::Cancel(line) => Some(line.id.0),
            Self::Reduce(line) => Some(line.id.0),
            Self::Replace(line) => Some(line.id.0),
            Self::Basket(line) => Some(line.id.0),
            Self::Block(line) => Some(line.id.0),
            Self::Prearranged(line) => Some(line.id.0),
            Self::Network(_)
            | Self::Rules(_)
            | Self::Time(_)
            | Self::Open(_)
            | Self::Gate(_)
            | Self::Close(_)
            | Self::CancelAll(_)
            | Self::Capacity(_)
            | Self::Auction(_)
            | Self::PayAsBid(_) => None,
        }
    }
}

fn side(word: SideWord) -> Side {
    match word {
        SideWord::Buy => Side::Buy,
        SideWord::Sell => Side::Sell,
    }
}

fn time_in_force(word: Option<TimeInForceWord>, until: Option<Milliseconds>) -> Result<TimeInForce, Refusal> {
    match (word.unwrap_or(TimeInForceWord::Gtg), until) {
        (TimeInForceWord::Gtt, Some(until)) => Ok(TimeInForce::GoodTillTime(LedgerTime(until.0))),
        (TimeInForceWord::Gtt, None) => Err(Refusal::line("a gtt order needs until")),
        (_, Some(_)) => Err(Refusal::line("until is for gtt orders only")),
        (TimeInForceWord::Gtg, None) => Ok(TimeInForce::GoodTillGate),
        (TimeInForceWord::Ioc, None) => Ok(TimeInForce::ImmediateOrCancel),
        (TimeInForceWord::Fok, None) => Ok(TimeInForce::FillOrKill),
    }
}

fn sources_of(words: &[SourceWord]) -> Result<EnergySources, Refusal> {
    let source = |word: &SourceWord| match word {
        SourceWord::Solar => EnergySources::SOLAR,
        SourceWord::Wind => EnergySources::WIND,
        SourceWord::Hydro => EnergySources::HYDRO,
        SourceWord::Biomass => EnergySources::BIOMASS,
        SourceWord::Storage => EnergySources::STORAGE,
        SourceWord::GridMix => EnergySources::GRID_MIX,
    };
    words
        .iter()
        .map(source)
        .reduce(EnergySources::with)
        .ok_or_else(|| Refusal::line("sources needs at least one source"))
}
