//! How stories are written and read: the words of commands, and events, views and books in words.

use std::collections::BTreeMap;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Direction, Edge, Energy, EnergySources, Event, Expiry, LedgerTime,
    MeterId, Network, NewBlock, NewOrder, OrderId, OrderRef, OrderTag, Party, Prearranged, Price, RestingOrder, Side,
    TimeInForce, Trade, TradeKind, ViewLevel,
};

/// The period of all that names none.
pub(crate) const PERIOD: DeliveryPeriod = DeliveryPeriod(8);

/// The steps of a script: a command and, after `->`, its answer. A line that begins with `;` goes on with the answer above. Commands
/// whose answer does not matter may share a line, with commas. What follows `//` is for the reader.
pub(crate) fn steps(script: &str) -> Vec<(String, Option<String>)> {
    let mut steps: Vec<(String, Option<String>)> = Vec::new();
    for line in script.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some(more) = line.strip_prefix(';') {
            let answer = steps.last_mut().and_then(|step| step.1.as_mut()).expect("an answer to go on with");
            *answer = format!("{answer}; {}", tidy(more));
        } else if let Some((command, answer)) = line.split_once("->") {
            steps.push((tidy(command), Some(tidy(answer))));
        } else {
            steps
                .extend(line.split(',').map(tidy).filter(|command| !command.is_empty()).map(|command| (command, None)));
        }
    }
    steps
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1>0 100/50 fee 3/0, 2>1 10/10`.
pub(crate) fn network(text: &str, tick: i32) -> Network {
    let both = |text: &str| {
        let (up, down) = text.split_once('/').expect("up/down");
        (number(up), number(down))
    };
    let edge = |text: &str| {
        let words = Words::of(text);
        let (child, parent) = words.at(0).split_once('>').expect("child>parent");
        let (up, down) = both(words.at(1));
        let (fee_up, fee_down) = words.after("fee").map_or((0, 0), both);
        let [child, parent] = [child, parent].map(|area| AreaId(area.parse().unwrap()));
        let [up, down] = [up, down].map(|energy| Energy(energy.try_into().unwrap()));
        let [fee_up, fee_down] = [fee_up, fee_down].map(|fee| Price(fee.try_into().unwrap()));
        Edge { child, parent, up, down, fee_up, fee_down }
    };
    let edges: Vec<Edge> = text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(edge).collect();
    Network::new(u16::try_from(edges.len() + 1).unwrap(), tick, &edges).unwrap()
}

/// `12`, `-5`, `2^60`, `2^64-1`, `-2^31`.
fn number(text: &str) -> i128 {
    let power = |text: &str| {
        let (negative, digits) = (text.starts_with('-'), text.trim_start_matches('-'));
        let value = match digits.split_once('^') {
            Some((base, exponent)) => base.parse::<i128>().unwrap().pow(exponent.parse().unwrap()),
            None => digits.replace('_', "").parse().unwrap_or_else(|_| panic!("{text} is no number")),
        };
        if negative { -value } else { value }
    };
    match text.char_indices().skip(1).find(|(_, sign)| "+-".contains(*sign)) {
        Some((at, _)) => power(&text[..at]) + power(text[at..].trim_start_matches('+')),
        None => power(text),
    }
}

pub(crate) fn tag_of(name: &str) -> OrderTag {
    OrderTag(name.bytes().fold(0, |tag, byte| tag * 256 + u64::from(byte)))
}

pub(crate) fn name_of(tag: OrderTag) -> String {
    tag.0.to_be_bytes().iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}

/// A command, word by word.
pub(crate) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(text.split_whitespace().collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn at(&self, place: usize) -> &'a str {
        self.0.get(place).copied().unwrap_or_default()
    }

    pub(crate) fn after(&self, word: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|other| *other == word)?;
        self.0.get(place + 1).copied()
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    pub(crate) fn number_at(&self, place: usize) -> u64 {
        number(self.at(place)).try_into().unwrap()
    }

    /// An area's number; zero if there is none.
    pub(crate) fn count_at(&self, place: usize) -> u16 {
        self.at(place).parse().unwrap_or(0)
    }

    pub(crate) fn energy_at(&self, place: usize) -> Energy {
        Energy(self.number_at(place))
    }

    pub(crate) fn energy(&self, word: &str) -> Energy {
        Energy(self.after(word).map_or(0, |text| number(text).try_into().unwrap()))
    }

    pub(crate) fn price(&self) -> Price {
        Price(number(self.after("at").expect("a price")).try_into().unwrap())
    }

    pub(crate) fn period(&self) -> DeliveryPeriod {
        self.after("for").map_or(PERIOD, |period| DeliveryPeriod(period.parse().unwrap()))
    }

    fn area(&self, word: &str) -> AreaId {
        AreaId(self.after(word).map_or(0, |area| area.parse().unwrap()))
    }

    /// Whose an order of this name is: `as` whom, or the name's letter, or its number.
    pub(crate) fn account(&self, name: &str) -> AccountId {
        party(self.after("as").unwrap_or(name))
    }

    pub(crate) fn handle(&self, handles: &BTreeMap<OrderTag, (OrderId, MeterId)>) -> (OrderId, MeterId) {
        let (id, meter) = handles.get(&tag_of(self.at(1))).copied().unwrap_or((OrderId(u64::MAX), MeterId(0)));
        (id, self.after("as").map_or(meter, |name| MeterId(party(name).0)))
    }

    /// `auction`, `auction 8 9`.
    pub(crate) fn periods(&self) -> Vec<DeliveryPeriod> {
        let periods: Vec<_> = self.0[1..].iter().map(|period| DeliveryPeriod(period.parse().unwrap())).collect();
        if periods.is_empty() { vec![PERIOD] } else { periods }
    }

    /// `a1 sells 30 at 40`, and then `in 1`, `for 9`, `ioc`, `fok`, `post`, `until 90`, `shows 5`, `within 0`, `with b`, `of solar+wind`,
    /// `as c`.
    pub(crate) fn order(&self) -> NewOrder {
        let side = self.side(1);
        let account = self.account(self.at(0));
        let contract = Contract { area: self.area("in"), period: self.period() };
        let (price, energy) = (self.price(), self.energy_at(2));
        let tag = tag_of(self.at(0));
        let mut order = NewOrder::limit(tag, account, MeterId(account.0), contract, side, price, energy);
        order.time_in_force = self.time_in_force();
        order.post_only = self.has("post");
        order.display = self.energy("shows");
        if let Some(edges) = self.after("within") {
            order.preferences.max_edges = edges.parse().unwrap();
        }
        order.preferences.partner = self.after("with").map(party);
        if let Some(names) = self.after("of") {
            order.preferences.sources = sources(names);
        }
        order
    }

    fn side(&self, place: usize) -> Side {
        match self.at(place) {
            "buys" => Side::Buy,
            "sells" => Side::Sell,
            other => panic!("{other:?} is no command: {:?}", self.0),
        }
    }

    fn time_in_force(&self) -> TimeInForce {
        match self.after("until") {
            Some(minute) => TimeInForce::GoodTillTime(LedgerTime(minute.parse::<u64>().unwrap() * 60_000)),
            None if self.has("ioc") => TimeInForce::ImmediateOrCancel,
            None if self.has("fok") => TimeInForce::FillOrKill,
            None => TimeInForce::GoodTillGate,
        }
    }

    /// `basket a1 buys 5 at 9 + a2 sells 5 at 8 in 1`: each fill-or-kill, unless it says `rests`.
    pub(crate) fn basket(&self) -> Vec<NewOrder> {
        let orders = self.0[1..].split(|word| *word == "+").filter(|words| !words.is_empty());
        let order = |words: &[&'a str]| {
            let words = Words(words.to_vec());
            let fill_or_kill = if words.has("rests") { TimeInForce::GoodTillGate } else { TimeInForce::FillOrKill };
            NewOrder { time_in_force: fill_or_kill, ..words.order() }
        };
        orders.map(order).collect()
    }

    /// `block k1 sells at 40 in 1 of 8:10 9:20`.
    pub(crate) fn block(&self) -> NewBlock {
        let account = self.account(self.at(1));
        let energy = |text: &&'a str| {
            let (period, energy) = text.split_once(':')?;
            Some((DeliveryPeriod(period.parse().unwrap()), Energy(number(energy).try_into().unwrap())))
        };
        NewBlock {
            tag: tag_of(self.at(1)),
            account,
            meter: MeterId(account.0),
            area: self.area("in"),
            side: self.side(2),
            price: self.price(),
            energies: self.0.iter().filter_map(energy).collect(),
        }
    }

    /// `deal d1 a to b 10 at 30 from 1 into 2`.
    pub(crate) fn deal(&self) -> Prearranged {
        let one = |name: &str, area: AreaId| Party { account: party(name), meter: MeterId(party(name).0), area };
        Prearranged {
            tag: tag_of(self.at(1)),
            seller: one(self.at(2), self.area("from")),
            buyer: one(self.at(4), self.area("into")),
            period: self.period(),
            price: self.price(),
            energy: self.energy_at(5),
        }
    }
}

fn party(name: &str) -> AccountId {
    AccountId(name.parse().unwrap_or_else(|_| u32::from(name.as_bytes()[0])))
}

fn sources(names: &str) -> EnergySources {
    let source = |name: &str| {
        let mut all = EnergySources::NAMES.iter();
        all.find(|(_, other)| *other == name).unwrap_or_else(|| panic!("no source is called {name}")).0
    };
    names.split('+').map(source).reduce(EnergySources::with).expect("at least one")
}

/// Nothing for the period that all is about, else `/9`.
pub(crate) fn suffix(period: DeliveryPeriod) -> String {
    if period == PERIOD { String::new() } else { format!("/{}", period.0) }
}

/// An event in words.
pub(crate) fn told(event: &Event) -> String {
    let name = |order: &OrderRef| name_of(order.tag);
    match event {
        Event::Trade(trade) => trade_told(trade),
        Event::Rested { order, remaining } => format!("{} rests {}", name(order), remaining.0),
        Event::Dropped { order, remaining } => format!("{} drops {}", name(order), remaining.0),
        Event::Cancelled { order, remaining } => format!("{} cancelled {}", name(order), remaining.0),
        Event::Reduced { order, remaining } => format!("{} reduced to {}", name(order), remaining.0),
        Event::Expired { order, remaining, cause } => {
            let cause = if *cause == Expiry::Until { "time" } else { "gate" };
            format!("{} over by {cause} {}", name(order), remaining.0)
        }
        Event::Filled { order, contract, energy, price, remaining, .. } => {
            let left = if remaining.is_zero() { String::new() } else { format!(" left {}", remaining.0) };
            format!("{} fills {}@{}{}{left}", name(order), energy.0, price.0, suffix(contract.period))
        }
        Event::Cleared { contract, price, case } => {
            let price = price.map_or("none".to_owned(), |price| price.0.to_string());
            format!("{}{}={price} {case:?}", contract.area.0, suffix(contract.period))
        }
        Event::Flow { child, period, up, fee, rent } => {
            format!("edge {}{} {up:+} fee {} rent {}", child.0, suffix(*period), fee.0, rent.0)
        }
        Event::Block { order, state } => format!("{} {state:?}", name(order)),
        Event::Overload { child, period, direction, by } => {
            let way = if *direction == Direction::Up { "up" } else { "down" };
            format!("overload {}{} {way} by {}", child.0, suffix(*period), by.0)
        }
    }
}

/// `a1>b1 30@40+3`: the seller a1 gets 40 and the buyer b1, who came in, pays 43. `@40-3`: the seller came in and gets 37.
fn trade_told(trade: &Trade) -> String {
    let (seller, buyer) = (trade.seller(), trade.buyer());
    let fee = match (trade.fee.0, trade.taker_side) {
        (0, _) => String::new(),
        (fee, Side::Buy) => format!("+{fee}"),
        (fee, Side::Sell) => format!("-{fee}"),
    };
    let names = match trade.kind {
        TradeKind::Prearranged => format!("{} {}>{}", name_of(seller.tag), account_name(seller), account_name(buyer)),
        _ => format!("{}>{}", name_of(seller.tag), name_of(buyer.tag)),
    };
    let kind = match trade.kind {
        TradeKind::Continuous => "",
        TradeKind::PayAsBid => " as bid",
        TradeKind::Prearranged => " agreed",
    };
    format!("{names}{} {}@{}{fee}{kind}", suffix(trade.period), trade.energy.0, trade.price.0)
}

fn account_name(order: &OrderRef) -> char {
    char::from_u32(order.account.0).unwrap_or('?')
}

/// `40:10 41:30`: price and energy.
pub(crate) fn levels(levels: &[ViewLevel]) -> String {
    levels.iter().map(|level| format!("{}:{}", level.price.0, level.energy.0)).collect::<Vec<_>>().join(" ")
}

/// `b1:10@45 | a1:20@40 a2:30@41(5)`: bids, then asks, best first, with what shows where something is hidden.
pub(crate) fn book(orders: &[RestingOrder], contract: Contract) -> String {
    let told = |order: &RestingOrder| {
        let shown = if order.shown == order.remaining { String::new() } else { format!("({})", order.shown.0) };
        format!("{}:{}@{}{shown}", name_of(order.order.tag), order.remaining.0, order.terms.price.0)
    };
    let side = |side| {
        let mut orders: Vec<_> =
            orders.iter().filter(|order| order.terms.contract == contract && order.terms.side == side).collect();
        orders.sort_by_key(|order| (better(order), order.priority));
        orders.into_iter().map(told).collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}", side(Side::Buy), side(Side::Sell)).trim().to_owned()
}

/// `1250:100x1 | 1251:100x1 1252:100x1`: price, energy, how many orders; best first.
pub(crate) fn depth(orders: &[RestingOrder], contract: Contract) -> String {
    let side = |side| {
        let mut levels: BTreeMap<i64, (i32, u64, u64)> = BTreeMap::new();
        for order in orders.iter().filter(|order| order.terms.contract == contract && order.terms.side == side) {
            let level = levels.entry(better(order)).or_insert((order.terms.price.0, 0, 0));
            (level.1, level.2) = (level.1 + order.remaining.0, level.2 + 1);
        }
        let told = |(price, energy, count): &(i32, u64, u64)| format!("{price}:{energy}x{count}");
        levels.values().map(told).collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}", side(Side::Buy), side(Side::Sell)).trim().to_owned()
}

/// Less for the better price.
fn better(order: &RestingOrder) -> i64 {
    let price = i64::from(order.terms.price.0);
    if order.terms.side == Side::Buy { -price } else { price }
}

/// `a1:30=1200 b1:30=1200`: what each order traded, and for how much, in the order of names.
pub(crate) fn fills(events: &[Event]) -> String {
    let mut fills: BTreeMap<String, (u64, i128)> = BTreeMap::new();
    for event in events {
        if let Event::Trade(trade) = event {
            for order in [&trade.maker, &trade.taker] {
                let fill = fills.entry(name_of(order.tag)).or_default();
                *fill = (fill.0 + trade.energy.0, fill.1 + trade.price.times(trade.energy).0);
            }
        }
    }
    fills.iter().map(|(name, (energy, cost))| format!("{name}:{energy}={cost}")).collect::<Vec<_>>().join(" ")
}
