//! Certificates of origin on the ledger (MARKET section 8): from the roof's meter to the kitchen's.

mod claims;
mod corrections;
mod drawn;
mod frozen;
mod proof;
mod storage;
mod travel;

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money};
use gridbook_ledger::command::{Claim, Command, Correction, Reading};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::origin::{CertificateRange, IssuerCounts, Standing};
use gridbook_ledger::record::{CertificateChange, Certificates, Outcome, Record, RecordEvent};
use gridbook_ledger::registry::{Installation, Plant};
use gridbook_ledger::settlement::Registers;

use crate::town::{PERIOD, Town, genesis};

const HOUR_MS: u64 = 3_600_000;

/// A ledger that reads its meters; certificates are issued by the north, area 0.
fn metered() -> Genesis {
    Genesis { settlement: SettlementRules::metered(), ..genesis() }
}

/// `count` accounts with a meter each in the north: solar roofs with a certified installation, whoever has nothing to give out too.
fn roofs(count: u32) -> Town {
    roofs_in(&vec![0; count as usize])
}

/// One for each area named, with money enough for any imbalance.
fn roofs_in(areas: &[u16]) -> Town {
    roofs_of(metered(), areas)
}

/// The same on a ledger of this genesis.
fn roofs_of(genesis: Genesis, areas: &[u16]) -> Town {
    let mut town = Town::in_areas(genesis, areas);
    let deposit = |account| Command::Deposit { account: AccountId(account), amount: Money(1_000_000_000_000) };
    let accounts = u32::try_from(areas.len()).unwrap();
    let records = town.operator((0..accounts).map(deposit).collect());
    assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    for meter in 0..accounts {
        install(&mut town, meter, Plant::of(EnergySources::SOLAR));
    }
    town
}

/// An installer has certified what stands behind a meter.
pub(crate) fn install(town: &mut Town, meter: u32, plant: Plant) {
    let (max, certificate) = (Energy(1_000), Hash([7; 32]));
    let installation = Installation { plant, import_max: max, export_max: max, certificate };
    let records = town.operator(vec![Command::SetInstallation { meter: MeterId(meter), installation }]);
    assert_eq!(records[0].outcome, Outcome::Done);
}

fn after(period: DeliveryPeriod) -> DeliveryPeriod {
    DeliveryPeriod(period.0 + 1)
}

/// When the readings of a period are due.
fn deadline(period: DeliveryPeriod) -> LedgerTime {
    LedgerTime(period.ends_at(15).0 + 2 * HOUR_MS)
}

/// When nothing of it can be changed any more.
fn final_at(period: DeliveryPeriod) -> LedgerTime {
    LedgerTime(deadline(period).0 + 24 * HOUR_MS)
}

/// What registers show at the end of a period, where each starts at 10,000: import and export of the period itself.
fn registers(period: DeliveryPeriod, (import, export): (u64, u64)) -> Registers {
    Registers { import: 10_000 + import, export: 10_000 + export, counter: period.0.into() }
}

/// Meters tell what they took in and gave out in a period, more than zero for given out. Who is left out says nothing.
fn read(town: &mut Town, period: DeliveryPeriod, net_wh: &[(u32, i64)]) {
    if town.state.time() < period.ends_at(15) {
        town.time(period.ends_at(15));
    }
    for (meter, net) in net_wh {
        let flow = if *net > 0 { (0, net.unsigned_abs()) } else { (net.unsigned_abs(), 0) };
        let start = DeliveryPeriod(period.0 - 1);
        let readings = [(start, (0, 0)), (period, flow)]
            .map(|(period, flow)| Command::Reading(Reading { period, registers: registers(period, flow) }));
        let records = town.meter(*meter, readings.to_vec());
        assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    }
}

/// The operator has read a meter in its owner's place.
fn correct(town: &mut Town, period: DeliveryPeriod, meter: u32, net: i64) {
    let flow = if net > 0 { (0, net.unsigned_abs()) } else { (net.unsigned_abs(), 0) };
    let start = DeliveryPeriod(period.0 - 1);
    for (period, flow) in [(start, (0, 0)), (period, flow)] {
        let reading = Reading { period, registers: registers(period, flow) };
        town.operator(vec![Command::Correction(Correction { meter: MeterId(meter), reading })]);
    }
}

/// Settles and certifies what is due at a period's deadline; what happened to certificates.
fn settle(town: &mut Town, period: DeliveryPeriod) -> Vec<Certificates> {
    town.time(deadline(period));
    told(&town.work_all(1_000))
}

/// What records say of certificates, in order.
fn told(records: &[Record]) -> Vec<Certificates> {
    let certificates = |event: &RecordEvent| match event {
        RecordEvent::Certificates(certificates) => Some(*certificates),
        _ => None,
    };
    records.iter().flat_map(|record| &record.events).filter_map(certificates).collect()
}

/// One line for each: `0/1-300 1 moved 0`, the range, with whom it is, what happened.
fn lines(told: &[Certificates]) -> Vec<String> {
    let what = |change: &CertificateChange| match change {
        CertificateChange::Issued { source } => format!("issued {source}"),
        CertificateChange::Moved { from, .. } => format!("moved from {}", from.0),
        CertificateChange::Claimed { by } => format!("claimed for {}", by.0),
        CertificateChange::Unclaimed { by } => format!("unclaimed for {}", by.0),
        CertificateChange::Revoked { was_claimed: true } => "revoked, claimed".to_owned(),
        CertificateChange::Revoked { was_claimed: false } => "revoked".to_owned(),
        CertificateChange::Closed { was_claimed: true } => "cancelled".to_owned(),
        CertificateChange::Closed { was_claimed: false } => "expired".to_owned(),
    };
    told.iter().map(|one| format!("{} at {} {}", one.range, one.holder.0, what(&one.change))).collect()
}

fn range(first: u64, energy: u64) -> CertificateRange {
    CertificateRange::new(AreaId(0), first, Energy(energy)).unwrap()
}

/// Claims certificates of the north in [`PERIOD`] for what a meter took in.
fn claim(first: u64, energy: u64, meter: u32) -> Command {
    Command::Claim(Claim { range: range(first, energy), period: PERIOD, meter: MeterId(meter) })
}

/// Issued, active, cancelled, expired, revoked by the north.
fn counts(town: &Town) -> [u64; 5] {
    let counts: IssuerCounts = town.state.issuer(AreaId(0));
    let stand = [Standing::Active, Standing::Cancelled, Standing::Expired, Standing::Revoked];
    let [active, cancelled, expired, revoked] = stand.map(|standing| counts.standing(standing));
    [counts.issued(), active, cancelled, expired, revoked]
}

/// What each account holds and may still claim, in Wh.
fn active(town: &Town, period: DeliveryPeriod) -> BTreeMap<AccountId, u64> {
    let mut sums = BTreeMap::new();
    for row in town.state.certificates(period).iter().filter(|row| row.claimed_by.is_none()) {
        *sums.entry(row.account).or_default() += row.range.energy().0;
    }
    sums
}
