//! The slow and obvious twin: MARKET section 7 written down once more, from its text alone, watt-hour by watt-hour.
//!
//! Every Wh sold or bought is a token with its price, every Wh that flows or is missing is handled by itself, and every amount moves from
//! one purse to another. It shares no type and no arithmetic with [`gridbook_ledger::settlement`].

use std::collections::BTreeMap;

/// A period, as far as settlement sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Period {
    pub(crate) areas: BTreeMap<u16, Area>,
    pub(crate) meters: BTreeMap<u32, Meter>,
    /// Oldest first.
    pub(crate) trades: Vec<Trade>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) up: i64,
    pub(crate) down: i64,
    pub(crate) up_cap: i64,
    pub(crate) down_floor: i64,
    /// The last auction's price, if energy was accepted.
    pub(crate) auction: Option<i64>,
    /// The area above, if there is one.
    pub(crate) parent: Option<u16>,
    /// What was read to go up over its edge, if somebody read it.
    pub(crate) edge: Option<i64>,
    /// Its operator answers for its losses, whatever they are.
    pub(crate) answered: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    pub(crate) area: u16,
    pub(crate) organisation: u32,
    /// Import, export and counter at the start and the end of the period, as far as they came in.
    pub(crate) start: Option<[u64; 3]>,
    pub(crate) end: Option<[u64; 3]>,
    pub(crate) import_max: u64,
    pub(crate) export_max: u64,
    pub(crate) week_before: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trade {
    pub(crate) buyer: u32,
    pub(crate) seller: u32,
    pub(crate) energy: u64,
    pub(crate) buyer_pays: i64,
    pub(crate) seller_gets: i64,
    /// The two would have traded with nobody else at this price.
    pub(crate) for_partner: bool,
}

/// Who has money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purse {
    Meter(u32),
    EdgeOperators,
    Imbalance(u16),
    Upstream(u16),
    Operator(u16),
}

/// What came out, in plain numbers.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) purses: BTreeMap<Purse, i128>,
    /// By meter: import, export, and whether it was estimated.
    pub(crate) deliveries: BTreeMap<u32, (u64, u64, bool)>,
    /// By meter: what was paid for its own trades, and for the rest.
    pub(crate) charges: BTreeMap<u32, (i128, i128)>,
    /// By trade and side (false buys, true sells): what was delivered of it.
    pub(crate) delivered: BTreeMap<(usize, bool), u64>,
    /// By area: what its meters gave, came up from below, went up, and got lost (or was found, if negative); and how that is known.
    pub(crate) residuals: BTreeMap<u16, ([i64; 4], Known)>,
    /// By area: Wh sold upstream, less those bought there.
    pub(crate) upstream: BTreeMap<u16, i64>,
    /// By area: what the operator paid for losses.
    pub(crate) losses: BTreeMap<u16, i128>,
    /// By area: what the imbalance account had left.
    pub(crate) surplus: BTreeMap<u16, i128>,
}

/// How a residual is known, before anything is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Read,
    /// Nobody read the area's edge.
    Unread,
    /// Somebody did, but nobody that of an area directly below.
    UnreadBelow,
}

/// One watt-hour that was sold or bought.
#[derive(Clone, Copy)]
struct Token {
    trade: usize,
    price: i64,
    delivered: bool,
}

pub(crate) fn settle(period: &Period) -> Outcome {
    let mut outcome = Outcome::default();
    pay_trades(period, &mut outcome);
    for (number, meter) in &period.meters {
        let bought: Vec<Token> = tokens(period, |trade| (trade.buyer == *number).then_some(trade.buyer_pays));
        let sold: Vec<Token> = tokens(period, |trade| (trade.seller == *number).then_some(trade.seller_gets));
        let mut delivery = read(meter, u64::try_from(bought.len()).unwrap());
        if delivery.2 && costs(period, *number, 0, &bought, &sold) > costs(period, *number, delivery.0, &bought, &sold)
        {
            delivery = (0, 0, true);
        }
        outcome.deliveries.insert(*number, delivery);
        let net = i64::try_from(delivery.1).unwrap() - i64::try_from(delivery.0).unwrap();
        charge(period, *number, net, bought.clone(), sold.clone(), &mut outcome);
        deliver(bought, sold, net, &mut outcome);
    }
    for (number, area) in &period.areas {
        let residual = residual(period, *number, &outcome);
        outcome.residuals.insert(*number, residual);
        close(*number, area, &mut outcome);
    }
    outcome
}

/// Rules 1 and 8. Every watt-hour that was given in an area, or came up from below, is crossed off against one that went up; what is left is
/// lost, and what went up without having been there was found.
fn residual(period: &Period, number: u16, outcome: &Outcome) -> ([i64; 4], Known) {
    let (net, below) = given(period, number, outcome);
    let edge = period.areas[&number].edge;
    let mut left = net + below;
    let sent_up = edge.unwrap_or(left);
    for _ in 0..sent_up.abs() {
        left -= sent_up.signum();
    }
    let mut children = period.areas.values().filter(|area| area.parent == Some(number));
    let known = match edge {
        None => Known::Unread,
        Some(_) if children.any(|child| child.edge.is_none()) => Known::UnreadBelow,
        Some(_) => Known::Read,
    };
    ([net, below, sent_up, left], known)
}

/// What an area's meters gave, and what came up from the areas below it.
fn given(period: &Period, number: u16, outcome: &Outcome) -> (i64, i64) {
    let mut net = 0;
    for (meter, (import, export, _)) in &outcome.deliveries {
        if period.meters[meter].area == number {
            net += i64::try_from(*export).unwrap() - i64::try_from(*import).unwrap();
        }
    }
    let children = period.areas.iter().filter(|(_, area)| area.parent == Some(number));
    let came_up = children.map(|(child, area)| {
        area.edge.unwrap_or_else(|| {
            let (net, below) = given(period, *child, outcome);
            net + below
        })
    });
    (net, came_up.sum())
}

fn tokens(period: &Period, price: impl Fn(&Trade) -> Option<i64>) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (trade, row) in period.trades.iter().enumerate() {
        if let Some(price) = price(row) {
            (0..row.energy).for_each(|_| tokens.push(Token { trade, price, delivered: false }));
        }
    }
    tokens
}

fn pay(outcome: &mut Outcome, from: Purse, to: Purse, amount: i64) {
    *outcome.purses.entry(from).or_default() -= i128::from(amount);
    *outcome.purses.entry(to).or_default() += i128::from(amount);
}

/// "Every trade is paid in full at its price and fee."
fn pay_trades(period: &Period, outcome: &mut Outcome) {
    for trade in &period.trades {
        for _ in 0..trade.energy {
            pay(outcome, Purse::Meter(trade.buyer), Purse::Meter(trade.seller), trade.seller_gets);
            pay(outcome, Purse::Meter(trade.buyer), Purse::EdgeOperators, trade.buyer_pays - trade.seller_gets);
        }
    }
}

/// Rule 1. What is missing or impossible is estimated against its owner.
fn read(meter: &Meter, bought: u64) -> (u64, u64, bool) {
    let week_before = meter.week_before.unwrap_or(0);
    let estimated = (if week_before > bought { week_before } else { bought }, 0, true);
    let (Some(start), Some(end)) = (meter.start, meter.end) else { return estimated };
    let falls_back = (0..3).any(|register| end[register] < start[register]);
    let stands_still = (0..3).all(|register| end[register] == start[register]);
    if falls_back || stands_still {
        return estimated;
    }
    let (import, export) = (end[0] - start[0], end[1] - start[1]);
    if import > meter.import_max || export > meter.export_max { estimated } else { (import, export, false) }
}

/// What a meter of which nobody knows anything would be charged, had it taken so much: the dearer assumption is the one against its owner.
fn costs(period: &Period, number: u32, taken: u64, bought: &[Token], sold: &[Token]) -> i128 {
    let mut tried = Outcome::default();
    charge(period, number, -i64::try_from(taken).unwrap(), bought.to_vec(), sold.to_vec(), &mut tried);
    let (own, rest) = tried.charges[&number];
    own + rest
}

/// Rules 2 to 4.
fn charge(period: &Period, number: u32, net: i64, mut bought: Vec<Token>, mut sold: Vec<Token>, out: &mut Outcome) {
    let (home, contracted) = (period.meters[&number].area, sold.len() as i64 - bought.len() as i64);
    let (area, (ref_up, ref_down)) = (&period.areas[&home], reference(period, home));
    let (account, imbalance_account) = (Purse::Meter(number), Purse::Imbalance(home));
    let (mut own, mut rest) = (0, 0);
    for _ in net..contracted {
        let token = sold.pop();
        let price = [Some(area.up), ref_up, token.map(|token| token.price)].into_iter().flatten().max().unwrap();
        pay(out, account, imbalance_account, price);
        *(if token.is_some() { &mut own } else { &mut rest }) += i128::from(price);
        *out.upstream.entry(home).or_default() -= 1;
    }
    for _ in contracted..net {
        let token = bought.pop();
        let price = [Some(area.down), ref_down, token.map(|token| token.price)].into_iter().flatten().min().unwrap();
        pay(out, imbalance_account, account, price);
        *(if token.is_some() { &mut own } else { &mut rest }) -= i128::from(price);
        *out.upstream.entry(home).or_default() += 1;
    }
    out.charges.insert(number, (own, rest));
}

/// Rule 4's `ref`, for who is short and for who is long: looked for among all prices that the bounds allow.
fn reference(period: &Period, home: u16) -> (Option<i64>, Option<i64>) {
    let area = &period.areas[&home];
    if let Some(price) = area.auction {
        let bounded = price.max(area.down_floor).min(area.up_cap);
        return (Some(bounded), Some(bounded));
    }
    let (money, energy) = traded_between_organisations(period, home);
    if energy == 0 {
        return (None, None);
    }
    let mut allowed = area.down_floor..=area.up_cap;
    let not_below = allowed.clone().find(|price| price * energy >= money);
    let not_above = allowed.rfind(|price| price * energy <= money);
    (Some(not_below.unwrap_or(area.up_cap)), Some(not_above.unwrap_or(area.down_floor)))
}

/// A trade counts in each area that it touches, at what its side there pays or gets; a trade within one area counts once. It counts if anybody
/// could have made it, and no watt-hour counts for more or less than missing energy and surplus can ever cost and bring.
pub(crate) fn traded_between_organisations(period: &Period, home: u16) -> (i64, i64) {
    let (mut money, mut energy) = (0, 0);
    for trade in &period.trades {
        let (buyer, seller) = (&period.meters[&trade.buyer], &period.meters[&trade.seller]);
        if trade.for_partner || buyer.organisation == seller.organisation {
            continue;
        }
        let price = match (buyer.area == home, seller.area == home) {
            (true, _) => trade.buyer_pays,
            (false, true) => trade.seller_gets,
            (false, false) => continue,
        };
        let area = &period.areas[&home];
        for _ in 0..trade.energy {
            money += match price {
                dear if dear > area.up_cap => area.up_cap,
                cheap if cheap < area.down_floor => area.down_floor,
                usual => usual,
            };
            energy += 1;
        }
    }
    (money, energy)
}

/// Rule 5.
fn deliver(mut bought: Vec<Token>, mut sold: Vec<Token>, net: i64, outcome: &mut Outcome) {
    let mark = |tokens: &mut Vec<Token>| {
        let oldest = tokens.iter_mut().find(|token| !token.delivered);
        oldest.map(|token| token.delivered = true).is_some()
    };
    let open = |tokens: &[Token]| tokens.iter().any(|token| !token.delivered);
    while open(&bought) && open(&sold) {
        mark(&mut bought);
        mark(&mut sold);
    }
    for _ in 0..net.max(0) {
        mark(&mut sold);
    }
    for _ in 0..(-net).max(0) {
        mark(&mut bought);
    }
    for (sells, tokens) in [(false, bought), (true, sold)] {
        for token in tokens {
            *outcome.delivered.entry((token.trade, sells)).or_default() += u64::from(token.delivered);
        }
    }
}

/// Rule 8: losses, upstream, and what is left.
fn close(number: u16, area: &Area, outcome: &mut Outcome) {
    let (imbalance, operator, upstream) = (Purse::Imbalance(number), Purse::Operator(number), Purse::Upstream(number));
    let mut at_hand = outcome.upstream.remove(&number).unwrap_or(0);
    let (mut paid_for_losses, ([.., lost], _)) = (0, outcome.residuals[&number]);
    // Who answers for what contradicts itself has found nothing.
    let lost = if area.answered { lost.max(0) } else { lost };
    for _ in 0..lost.max(0) {
        pay(outcome, operator, imbalance, area.up);
        paid_for_losses += i128::from(area.up);
        at_hand -= 1;
    }
    for _ in lost.min(0)..0 {
        pay(outcome, imbalance, operator, area.down);
        paid_for_losses -= i128::from(area.down);
        at_hand += 1;
    }
    outcome.losses.insert(number, paid_for_losses);
    outcome.upstream.insert(number, at_hand);
    for _ in 0..at_hand.max(0) {
        pay(outcome, upstream, imbalance, area.down);
    }
    for _ in at_hand.min(0)..0 {
        pay(outcome, imbalance, upstream, area.up);
    }
    let left = outcome.purses.remove(&imbalance).unwrap_or(0);
    outcome.surplus.insert(number, left);
    *outcome.purses.entry(operator).or_default() += left;
}
