//! Random days: whatever comes, money is conserved, going back goes back, and replicas agree. The audit after every entry recomputes
//! reservations, headroom and clearing from the books.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money, Price, Side,
    TimeInForce,
};
use gridbook_ledger::command::{
    Accept, AgreedTerms, Block, BlockPart, Bundle, Command, GrantAccess, NewOrganisation, Offer, Place,
};
use gridbook_ledger::conduct::{EntryState, Ruling};
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Reason, Role, Roles, Subject};
use gridbook_ledger::state::Totals;

use crate::town::{Dice, START, Town, entry, grid, key, plant_of, register, with_calls};

/// Five accounts; the first has three meters, two of them in the substation, where all others have theirs; three more meters
/// are in the north. Every other village opens its periods by auctions.
pub(crate) fn village(seed: u64) -> Town {
    let genesis = if seed.is_multiple_of(2) { grid() } else { with_calls(grid()) };
    let settlement = SettlementRules { share_worst_ppm: 3_000_000, ..genesis.settlement };
    let genesis = Genesis { settlement, ..genesis };
    let mut town = Town::in_areas(genesis, &[0; 5]);
    town.operator(vec![register(5, AccountId(0), AreaId(0)), register(6, AccountId(0), AreaId(1))]);
    town.operator(vec![register(7, AccountId(1), AreaId(1)), register(8, AccountId(2), AreaId(1))]);
    town
}

fn random_place(dice: &mut Dice, meter: u32) -> Place {
    let time_in_force = match dice.below(8) {
        0 => TimeInForce::ImmediateOrCancel,
        1 => TimeInForce::FillOrKill,
        2 => TimeInForce::GoodTillTime(LedgerTime(DeliveryPeriod(START).starts_at(15).0 + dice.below(240) * 60_000)),
        _ => TimeInForce::GoodTillGate,
    };
    let contract = Contract { area: AreaId(u16::from(meter >= 6)), period: DeliveryPeriod(START + dice.small(16)) };
    let client_id = dice.below(400);
    let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
    let price = Price(i32::try_from(dice.below(31)).unwrap() * 50 - 500);
    let energy = Energy(dice.below(300));
    let display = if dice.below(6) == 0 { Energy(dice.below(100)) } else { Energy(0) };
    let sources =
        if dice.below(6) == 0 { EnergySources::from_bits(1 + u8::try_from(dice.below(63)).unwrap()) } else { None };
    let max_edges = if dice.below(8) == 0 { Some(u8::try_from(dice.below(3)).unwrap()) } else { None };
    let partner = if dice.below(12) == 0 { Some(AccountId(dice.small(6))) } else { None };
    let limit = Place::limit(client_id, contract, side, price, energy);
    Place { time_in_force, post_only: dice.below(10) == 0, display, sources, max_edges, partner, ..limit }
}

/// A basket of up to three orders that are likely to fill.
fn random_basket(dice: &mut Dice, meter: u32) -> Vec<Command> {
    let count = 1 + dice.below(3);
    let places = (0..count).map(|_| {
        let place = random_place(dice, meter);
        let energy = Energy(1 + place.energy.0 / 10);
        let (time_in_force, post_only) = (TimeInForce::FillOrKill, false);
        Command::Place(Place { time_in_force, post_only, energy, display: Energy(0), ..place })
    });
    let places: Vec<Command> = places.collect();
    [vec![Command::Basket { count: u16::try_from(count).unwrap() }], places].concat()
}

/// A block over up to six periods, within one opening more often than not.
fn random_block(dice: &mut Dice, meter: u32) -> Vec<Command> {
    let place = random_place(dice, meter);
    let mut part = BlockPart { first: DeliveryPeriod(START + dice.small(10)), energies: [Energy(0); 7] };
    for energy in part.energies.iter_mut().take(usize::try_from(1 + dice.below(4)).unwrap()) {
        *energy = Energy(dice.below(60));
    }
    let Place { client_id, area, side, price, .. } = place;
    vec![Command::Block(Block { client_id, area, side, price, parts: 1 }), Command::BlockPart(part)]
}

/// An offer to somebody, or the acceptance of one that may well be there.
fn random_agreement(dice: &mut Dice, meter: u32) -> Command {
    let client_id = dice.below(400);
    let period = DeliveryPeriod(START + 4 + dice.small(2));
    let offer = |side| AgreedTerms { period, side, price: Price(100), energy: Energy(20) };
    let partner = MeterId(dice.small(9));
    if dice.below(2) == 0 {
        Command::Offer(Offer { client_id: 400 + u64::from(meter), partner, terms: offer(Side::Sell) })
    } else {
        Command::Accept(Accept { client_id, partner, offer: 400 + u64::from(partner.0), terms: offer(Side::Buy) })
    }
}

pub(crate) fn random_commands(town: &Town, dice: &mut Dice, meter: u32) -> Vec<Command> {
    match dice.below(14) {
        0 => random_basket(dice, meter),
        1 => random_block(dice, meter),
        2 => vec![random_agreement(dice, meter)],
        _ => vec![random_command(town, dice, meter)],
    }
}

fn random_command(town: &Town, dice: &mut Dice, meter: u32) -> Command {
    let open = town.state.open_orders(MeterId(meter));
    let pick = usize::try_from(dice.below(open.len().max(1) as u64)).unwrap();
    let client_id = open.get(pick).map_or(1_000, |order| order.client_id);
    match dice.below(20) {
        0 | 1 => Command::Cancel { client_id },
        2 => Command::Reduce { client_id, by: Energy(dice.below(100)) },
        3 | 4 => {
            let place = random_place(dice, meter);
            Command::Replace { client_id, price: place.price, energy: place.energy }
        }
        7 if dice.below(2) == 0 => {
            let entry = town.state.conduct().last().map_or(1, |(number, _)| number);
            Command::Appeal { entry, statement: Hash::ZERO }
        }
        8 if dice.below(2) == 0 => random_consent(town, dice, meter),
        5 if dice.below(5) == 0 => Command::CancelAll,
        6 if dice.below(5) == 0 => Command::CancelAllOfAccount,
        _ => Command::Place(random_place(dice, meter)),
    }
}

/// Lets one of a few read for some minutes or hours, or takes it back.
fn random_consent(town: &Town, dice: &mut Dice, meter: u32) -> Command {
    let reader = match dice.small(4) {
        0 => GrantReader::Organisation(OrganisationId(0)),
        number => GrantReader::Key(crate::town::key(7_000 + number)),
    };
    let meter = MeterId(meter);
    if dice.below(3) == 0 {
        return Command::RevokeAccess { meter, reader };
    }
    let scope = Scope::from_bits(u8::try_from(1 + dice.below(7)).unwrap()).unwrap();
    let until = LedgerTime(town.state.time().0 + 60_000 * (1 + dice.below(300)));
    Command::GrantAccess(GrantAccess { meter, reader, scope, until })
}

fn random_operator_command(town: &Town, dice: &mut Dice) -> Command {
    let account = AccountId(dice.small(6));
    let meter = MeterId(dice.small(9));
    let period = DeliveryPeriod(START + dice.small(12));
    let appealed = town.state.conduct().find(|(_, entry)| entry.state == EntryState::Appealed);
    if let Some((entry, _)) = appealed.filter(|_| dice.below(3) == 0) {
        let ruling = if dice.below(2) == 0 { Ruling::Upheld } else { Ruling::Struck };
        return Command::RuleAppeal { entry, ruling, reasons: Hash::ZERO };
    }
    match dice.below(9) {
        6 | 7 => Command::SetCapacity {
            area: AreaId(u16::try_from(dice.below(3)).unwrap()),
            period,
            up: Energy(dice.below(400)),
            down: Energy(dice.below(400)),
        },
        8 => Command::PayAsBid { contract: Contract { area: AreaId(0), period } },
        0 => Command::RegisterAccount { account: AccountId(town.state.accounts_count()), organisation: None },
        1 => register(town.state.meters_count(), AccountId(0), AreaId(0)),
        2 if dice.below(3) == 0 => Command::Suspend { subject: Subject::Meter(meter), reason: Reason::Other },
        2 | 3 => Command::Resume { subject: Subject::Meter(meter), reason: Reason::Resolved },
        4 => Command::Deposit { account, amount: Money(i128::from(dice.below(10_000))) },
        _ => Command::Withdraw { account, amount: Money(i128::from(dice.below(100_000))) },
    }
}

/// Something for the registry: much of it refused, because it is not its sender's to say or does not fit.
fn random_registry_command(town: &Town, dice: &mut Dice) -> Command {
    let number = dice.small(9);
    let is_meter = dice.below(3) > 0;
    let known = u64::from(town.state.organisations_count()) + 1;
    let organisation = OrganisationId(u16::try_from(dice.below(known)).unwrap());
    let subject = if is_meter { Subject::Meter(MeterId(number)) } else { Subject::Organisation(organisation) };
    let reason = *dice.one_of(Reason::ALL);
    match dice.below(12) {
        0..=2 => {
            let roles = Roles::from_bits(u8::try_from(dice.below(64)).unwrap()).unwrap();
            let area = roles.has(Role::GridOperator).then(|| AreaId(u16::try_from(dice.below(4)).unwrap()));
            let name = OrganisationName::new("Stadtwerke").unwrap();
            let (organisation, key) = (OrganisationId(town.state.organisations_count()), key(50_000 + dice.small(500)));
            Command::RegisterOrganisation(NewOrganisation { organisation, key, name, roles, area })
        }
        3 => Command::Suspend { subject, reason },
        4..=6 => Command::Resume { subject, reason },
        7 => Command::RotateKey { subject, key: key(100_000 + dice.small(100)) },
        8 => Command::TransferMeter { meter: MeterId(number), account: AccountId(dice.small(6)), reason },
        9 if dice.below(if is_meter { 30 } else { 3 }) == 0 => Command::Revoke { subject, reason },
        10 => Command::RegisterAccount {
            account: AccountId(town.state.accounts_count()),
            organisation: Some(organisation),
        },
        _ => {
            let plant = plant_of(dice.small(4));
            let (import_max, export_max) = (Energy(1_000), Energy(900 + dice.below(2) * 100));
            let certificate = Hash([u8::try_from(dice.below(3)).unwrap(); 32]);
            let installation = Installation { plant, import_max, export_max, certificate };
            Command::SetInstallation { meter: MeterId(number), installation }
        }
    }
}

/// The operator, an organisation, or a meter that has no business there.
fn random_office(town: &Town, dice: &mut Dice) -> PublicKey {
    let number = u16::try_from(dice.below(8)).unwrap();
    match town.state.organisation(OrganisationId(number)) {
        Some(organisation) if dice.below(2) == 0 => organisation.key,
        _ if dice.below(6) == 0 => meter_key(town, dice.small(9)),
        _ => key(0),
    }
}

/// The key that signs for a meter now.
fn meter_key(town: &Town, meter: u32) -> PublicKey {
    town.state.meter(MeterId(meter)).unwrap().key
}

pub(crate) fn random_entry(town: &Town, dice: &mut Dice) -> Entry {
    match dice.below(21) {
        20 => {
            let signer = random_office(town, dice);
            let commands = (0..1 + dice.below(3)).map(|_| random_registry_command(town, dice)).collect();
            entry(&town.bundle(signer, commands))
        }
        0 => Entry::Time(LedgerTime(town.state.time().0 + dice.below(12) * 60_000)),
        1 | 2 => Entry::Work { limit: dice.small(8) },
        3 => {
            let command = random_operator_command(town, dice);
            // Amounts of nothing are a matter of form, which decoding refuses.
            let command = match command {
                Command::Deposit { account, .. } => Command::Deposit { account, amount: Money(500) },
                Command::Withdraw { account, .. } => Command::Withdraw { account, amount: Money(700) },
                other => other,
            };
            entry(&town.bundle(key(0), vec![command]))
        }
        // Something else is signed with the nonce of the last bundle: an entry, and its account covers more from then on.
        4 if dice.below(2) == 0 => {
            let meter = dice.small(9);
            let bundle = town.bundle(meter_key(town, meter), random_commands(town, dice, meter));
            entry(&Bundle { nonce: bundle.nonce - 1, ..bundle })
        }
        _ => {
            let meter = dice.small(9);
            let count = 1 + dice.below(4);
            let commands = (0..count).flat_map(|_| random_commands(town, dice, meter)).collect();
            entry(&town.bundle(meter_key(town, meter), commands))
        }
    }
}

/// Applies some random entries and tells them with their records.
fn some_entries(town: &mut Town, dice: &mut Dice, count: u64) -> Vec<(Entry, Vec<Record>)> {
    let mut applied = Vec::new();
    for _ in 0..count {
        let entry = random_entry(town, dice);
        let records = town.apply(&entry);
        applied.push((entry, records));
    }
    applied
}

/// A view change undoes speculation: the state must be the earlier one in every respect, and behave like it.
#[test]
fn rolling_back_brings_back_the_same_state_and_the_same_future() {
    let mut days = Vec::new();
    for seed in 0..12 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        for _ in 0..12 {
            some_entries(&mut town, &mut dice, 5);
            let (mark, seq) = (town.state.mark(), town.next_seq);
            let (root, snapshot) = (town.state.state_root(), town.state.snapshot());
            let count = 1 + dice.below(8);
            let future = some_entries(&mut town, &mut dice, count);
            let (root_then, snapshot_then) = (town.state.state_root(), town.state.snapshot());
            town.state.rollback(mark);
            town.next_seq = seq;
            assert_eq!(town.state.audit(), Ok(()));
            assert!(town.state.snapshot() == snapshot, "seed {seed}");
            assert_eq!(town.state.state_root(), root, "seed {seed}");
            for (entry, records) in future {
                assert_eq!(town.apply(&entry), records, "seed {seed}");
            }
            assert!(town.state.snapshot() == snapshot_then, "seed {seed}");
            assert_eq!(town.state.state_root(), root_then, "seed {seed}");
        }
        let totals = town.state.totals();
        assert!(totals.orders > 0 && totals.rejected > 0, "a dull day: {totals:?}");
        days.push(totals);
    }
    let sum = |of: fn(&Totals) -> u64| days.iter().map(of).sum::<u64>();
    let all = (sum(|day| day.trades), sum(|day| day.expired), sum(|day| day.fills));
    assert!(all.0 > 0 && all.1 > 0 && all.2 > 0, "dull days: {all:?}");
}

/// Marks nest: three entries deep, undone one by one, with roots asked for in between or not.
#[test]
fn marks_nest() {
    for seed in 100..104 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        let mut stack = Vec::new();
        for step in 0..60 {
            let root = (step % 2 == 0).then(|| town.state.state_root());
            stack.push((town.state.mark(), town.state.snapshot_root(), root));
            some_entries(&mut town, &mut dice, 1);
        }
        while let Some((mark, snapshot_root, root)) = stack.pop() {
            town.state.rollback(mark);
            assert_eq!(town.state.snapshot_root(), snapshot_root);
            if let Some(root) = root {
                assert_eq!(town.state.state_root(), root);
            }
        }
    }
}

/// One replica follows the log straight; the other speculates, errs and goes back before every entry, and forgets as it goes.
#[test]
fn a_replica_that_speculates_ends_where_one_that_does_not() {
    for seed in 200..206 {
        let (mut straight, mut nervous) = (village(seed), village(seed));
        let (mut dice, mut doubts) = (Dice(seed), Dice(seed + 1_000));
        for _ in 0..80 {
            let (mark, seq) = (nervous.state.mark(), nervous.next_seq);
            some_entries(&mut nervous, &mut doubts, 2);
            nervous.state.rollback(mark);
            nervous.state.forget(mark);
            nervous.next_seq = seq;
            let entry = random_entry(&straight, &mut dice);
            assert_eq!(straight.apply(&entry), nervous.apply(&entry));
            assert_eq!(straight.state.state_root(), nervous.state.state_root());
        }
        assert_eq!(straight.state.snapshot_root(), nervous.state.snapshot_root());
    }
}

/// A dull day proves nothing: in all the random days together, everything that the market offers must have happened.
#[test]
fn the_random_days_have_everything_in_them() {
    let mut seen = [0; 21];
    for seed in 0..24 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        for (entry, records) in some_entries(&mut town, &mut dice, 200) {
            let Entry::Bundle(admitted) = &entry else {
                let auctions = records.iter().flat_map(|record| &record.events);
                seen[0] += auctions.filter(|event| matches!(event, RecordEvent::Filled { .. })).count();
                continue;
            };
            for event in records.iter().flat_map(|record| &record.events) {
                seen[16] += usize::from(matches!(event, RecordEvent::Misconduct { .. }));
                seen[17] +=
                    usize::from(matches!(event, RecordEvent::ConductRevised { state: EntryState::Appealed, .. }));
                seen[18] += usize::from(matches!(event, RecordEvent::ConductRevised { state: EntryState::Struck, .. }));
            }
            for (command, record) in admitted.bundle().commands.iter().zip(&records) {
                let is_done = record.outcome == Outcome::Done;
                let across = record.events.iter().any(|event| match event {
                    RecordEvent::Trade(trade) => trade.maker_area != trade.taker_area,
                    _ => false,
                });
                seen[1] += usize::from(across);
                seen[2] += usize::from(is_done && matches!(command, Command::Basket { .. }));
                seen[3] += usize::from(is_done && matches!(command, Command::Block(_)));
                seen[4] += usize::from(is_done && matches!(command, Command::Accept(_)));
                seen[5] += usize::from(is_done && matches!(command, Command::SetCapacity { .. }));
                seen[6] += usize::from(is_done && matches!(command, Command::Place(place) if !place.display.is_zero()));
                seen[7] += usize::from(is_done && matches!(command, Command::PayAsBid { .. }));
                seen[8] += usize::from(is_done && matches!(command, Command::RegisterOrganisation(_)));
                seen[9] += usize::from(is_done && matches!(command, Command::Suspend { .. }));
                seen[10] += usize::from(is_done && matches!(command, Command::Resume { .. }));
                seen[11] += usize::from(is_done && matches!(command, Command::Revoke { .. }));
                seen[12] += usize::from(is_done && matches!(command, Command::RotateKey { .. }));
                seen[13] += usize::from(is_done && matches!(command, Command::TransferMeter { .. }));
                seen[19] += usize::from(is_done && matches!(command, Command::GrantAccess(_)));
                seen[20] += usize::from(is_done && matches!(command, Command::RevokeAccess { .. }));
                seen[14] += usize::from(is_done && matches!(command, Command::SetInstallation { .. }));
                let by_organisation = |event: &RecordEvent| matches!(event, RecordEvent::Ordered { .. });
                seen[15] += usize::from(is_done && record.events.iter().any(by_organisation));
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "fills, trades across, baskets, blocks, .. : {seen:?}");
}
