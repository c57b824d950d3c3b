//! Pre-arranged trades: two signatures or no trade.

use gridbook_engine::{DeliveryPeriod, Energy, Expiry, MeterId, Money, Price, Side, TradeKind};
use gridbook_ledger::command::{Accept, AgreedTerms, Command, Offer};
use gridbook_ledger::record::{Outcome, PartyRef, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{OFFERS_MAX, State};

use crate::town::{PERIOD, Town, before, buy, delivered, genesis, grid, grid_income, sell, trades};

fn terms(side: Side) -> AgreedTerms {
    AgreedTerms { period: PERIOD, side, price: Price(200), energy: Energy(100) }
}

/// Meter 0 in the north offers to sell to meter 1 in the south.
fn offer(client_id: u64) -> Command {
    Command::Offer(Offer { client_id, partner: MeterId(1), terms: terms(Side::Sell) })
}

fn accept(client_id: u64, offer: u64) -> Accept {
    Accept { client_id, partner: MeterId(0), offer, terms: terms(Side::Buy) }
}

fn town() -> Town {
    Town::in_areas(grid(), &[1, 2, 2])
}

fn name(number: u32, client_id: u64) -> PartyRef {
    PartyRef { account: gridbook_engine::AccountId(number), meter: MeterId(number), client_id }
}

/// The offer alone moves nothing; with the second signature it is a trade like any other, with its way, and marked as what it is.
#[test]
fn a_prearranged_trade_needs_both_signatures() {
    let mut town = town();
    let record = town.done(0, offer(1));
    let [RecordEvent::Offered { offer: offered, to, price, .. }] = record.events[..] else { panic!("{record:?}") };
    assert_eq!((offered, to, price), (name(0, 1), MeterId(1), Price(200)));
    assert_eq!((town.purse(0), town.purse(1)), ((1_000_000, 0), (1_000_000, 0)));
    let record = town.done(1, Command::Accept(accept(5, 1)));
    let [trade] = trades(&record)[..] else { panic!("{record:?}") };
    assert_eq!((trade.kind, trade.seller(), trade.buyer()), (TradeKind::Prearranged, name(0, 1), name(1, 5)));
    assert_eq!((trade.seller_gets(), trade.buyer_pays(), trade.energy), (Price(200), Price(250), Energy(100)));
    assert_eq!((town.purse(1), grid_income(&town).0), ((975_000, 0), 5_000));
    assert_eq!(town.refused(1, Command::Accept(accept(6, 1))), Code::MatchOffer, "an offer is good for one trade");
    assert_eq!(town.refused(0, offer(1)), Code::MatchDuplicate);
    town.time(delivered());
    town.work_all(5);
    assert_eq!((town.purse(0), town.state.money_sum()), ((1_020_000, 0), Money::ZERO));
}

/// He signs other terms, or somebody else signs, or names another offer: none of them is a second signature.
#[test]
fn an_acceptance_of_anything_else_is_none() {
    let mut town = town();
    town.done(0, offer(1));
    let with = |change: fn(&mut Accept)| {
        let mut accept = accept(5, 1);
        change(&mut accept);
        Command::Accept(accept)
    };
    for wrong in [
        with(|accept| accept.terms.price = Price(199)),
        with(|accept| accept.terms.energy = Energy(101)),
        with(|accept| accept.terms.side = Side::Sell),
        with(|accept| accept.terms.period = DeliveryPeriod(PERIOD.0 + 1)),
        with(|accept| accept.offer = 2),
        with(|accept| accept.partner = MeterId(2)),
    ] {
        assert_eq!(town.refused(1, wrong), Code::MatchOffer, "{wrong:?}");
    }
    assert_eq!(town.refused(2, Command::Accept(accept(5, 1))), Code::MatchOffer);
    assert_eq!(town.refused(0, Command::Accept(accept(5, 1))), Code::MatchOffer, "not even his own");
    assert!(trades(&town.done(1, Command::Accept(accept(5, 1)))).len() == 1);
}

/// The edge is full, or the money is not there, when the answer comes: no trade, and the offer goes on waiting.
#[test]
fn an_acceptance_that_cannot_be_carried_out_leaves_the_offer() {
    let mut town = town();
    town.done(0, offer(1));
    town.done(1, buy_in_south(9, 1_100, 890));
    assert_eq!(town.refused(1, Command::Accept(accept(5, 1))), Code::CreditMoney);
    town.done(1, Command::Cancel { client_id: 9 });
    let area = gridbook_engine::AreaId(2);
    let set = |down| Command::SetCapacity { area, period: PERIOD, up: Energy(0), down: Energy(down) };
    town.operator(vec![set(99)]);
    assert_eq!(town.refused(1, Command::Accept(accept(5, 1))), Code::MatchCapacity);
    town.operator(vec![set(100)]);
    town.done(1, Command::Accept(accept(5, 1)));
}

fn buy_in_south(client_id: u64, price: i32, energy: u64) -> Command {
    crate::town::at(2, buy(client_id, price, energy))
}

/// An offer is taken back by its name, by the kill switch, or by the gate.
#[test]
fn an_offer_ends_when_it_is_taken_back_or_the_gate_closes() {
    let mut town = town();
    for (client_id, undo) in
        [(1, Command::Cancel { client_id: 1 }), (2, Command::CancelAll), (3, Command::CancelAllOfAccount)]
    {
        town.done(0, offer(client_id));
        let record = town.done(0, undo);
        assert_eq!(record.events, [RecordEvent::Cancelled { order: name(0, client_id), remaining: Energy(100) }]);
        assert_eq!(town.refused(1, Command::Accept(accept(5, client_id))), Code::MatchOffer);
    }
    town.done(0, offer(4));
    assert_eq!(town.state.next_due(), Some(before(5)));
    town.time(before(5));
    assert_eq!(town.refused(1, Command::Accept(accept(5, 4))), Code::GateClosed);
    let events: Vec<_> = town.work_all(1).into_iter().flat_map(|record| record.events).collect();
    let (order, remaining, cause) = (name(0, 4), Energy(100), Expiry::Gate);
    assert_eq!(events, [RecordEvent::Expired { order, remaining, cause }]);
    assert_eq!(town.refused(1, Command::Accept(accept(5, 4))), Code::MatchOffer);
}

#[test]
fn an_offer_that_could_never_be_accepted_is_refused() {
    let mut town = Town::in_areas(genesis(), &[0, 0]);
    town.operator(vec![crate::town::register(2, gridbook_engine::AccountId(0), gridbook_engine::AreaId(0))]);
    let with = |change: fn(&mut Offer)| {
        let mut offer = Offer { client_id: 1, partner: MeterId(1), terms: terms(Side::Sell) };
        change(&mut offer);
        Command::Offer(offer)
    };
    town.done(0, sell(8, 999, 1));
    for (wrong, code) in [
        (with(|offer| offer.partner = MeterId(9)), Code::AuthMeter),
        (with(|offer| offer.partner = MeterId(2)), Code::MatchSelfTrade),
        (with(|offer| offer.partner = MeterId(0)), Code::MatchSelfTrade),
        (with(|offer| offer.client_id = 8), Code::MatchDuplicate),
        (with(|offer| offer.terms.energy = Energy(0)), Code::FormZeroEnergy),
        (with(|offer| offer.terms.price = Price(10_000_000)), Code::FormPriceLimit),
        (with(|offer| offer.terms.period = DeliveryPeriod(crate::town::START)), Code::GateClosed),
        (with(|offer| offer.terms.period = DeliveryPeriod(u32::MAX)), Code::GateNotOpen),
    ] {
        let before = town.substance();
        assert_eq!(town.refused(0, wrong), code, "{wrong:?}");
        assert_eq!(town.substance(), before);
    }
    let operator = town.operator(vec![offer(1)]);
    assert_eq!(operator[0].outcome, Outcome::Rejected(Code::AuthRole));
}

/// A meter gone mad offers and offers: others must not have to remember it all.
#[test]
fn one_meter_has_a_bounded_number_of_offers() {
    let mut town = Town::in_areas(genesis(), &[0, 0]);
    let most = u64::try_from(OFFERS_MAX).unwrap();
    let records = town.meter(0, (0..most + 1).map(offer).collect());
    assert!(records[..OFFERS_MAX].iter().all(|record| record.outcome == Outcome::Done));
    assert_eq!(records[OFFERS_MAX].outcome, Outcome::Rejected(Code::QuotaOffers));
    town.done(0, Command::Cancel { client_id: 0 });
    town.done(0, offer(most));
}

/// Offers that wait are part of the state: a joiner has them, and speculation that goes wrong gives them back.
#[test]
fn waiting_offers_are_in_the_snapshot_and_come_back_by_rollback() {
    let mut town = town();
    town.done(0, offer(1));
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let mut again = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
    assert_eq!(again.state.snapshot_root(), town.state.snapshot_root());
    let (mark, root, seq) = (town.state.mark(), town.state.snapshot_root(), town.next_seq);
    let record = town.done(1, Command::Accept(accept(5, 1)));
    town.state.rollback(mark);
    town.next_seq = seq;
    assert_eq!(town.state.snapshot_root(), root);
    assert_eq!(again.done(1, Command::Accept(accept(5, 1))), record);
    assert_eq!(town.done(1, Command::Accept(accept(5, 1))), record);
    assert_eq!(again.state.snapshot_root(), town.state.snapshot_root());
}
