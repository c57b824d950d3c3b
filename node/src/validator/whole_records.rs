//! Who may see a whole record. A record cannot be cut: its hash stands in the tree that validators signed.

use gridbook_engine::{AccountId, DeliveryPeriod, MeterId};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{CertificateChange, Certificates, Party, Record, RecordEvent};

use super::leave::{Asker, Leave};
use super::reader::Reader;
use crate::protocol::meters_in;

/// Whoever asks for a whole record, and by what leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordReader {
    pub(super) leave: Leave,
    /// As whose reader he asks, or the meter whose key he has; none for offices and organisations.
    pub(super) meter: Option<MeterId>,
    /// Whether he named that meter himself.
    pub(super) is_of_meter: bool,
}

impl RecordReader {
    /// Somebody, who asks as the reader of a meter or for himself.
    pub(super) fn of(asker: &Asker, meter: Option<MeterId>, leave: Leave) -> Self {
        let own = match asker.device {
            Some(DeviceKind::Meter { meter, .. }) => Some(meter),
            Some(DeviceKind::Operator | DeviceKind::Organisation(_)) | None => None,
        };
        Self { leave, meter: meter.or(own), is_of_meter: meter.is_some() }
    }

    /// Whether a record is one that he may see by itself: an office sees all, or what names the meter that it asks about; an account what names
    /// it; an organisation what it ordered, also where nothing came of that; and who reads under a grant what names that meter while it was the
    /// account's.
    pub(super) fn may_see(&self, record: &Record) -> bool {
        let names_meter = self.meter.is_some_and(|meter| meters_in(record).contains(&meter));
        match self.leave.reader {
            Reader::Office => !self.is_of_meter || names_meter,
            Reader::Account(account) => {
                let by_name = names(record, account) && (self.leave.under.is_empty() || names_meter);
                // A command of the meter that came to nothing names nobody else.
                by_name || (names_nobody(record) && record.meter.is_some() && record.meter == self.meter)
            }
            Reader::Organisation(organisation) => match record.events.first() {
                Some(first) => *first == RecordEvent::Ordered { by: organisation },
                // A refused order says of nobody whose it was.
                None => record.meter.is_none(),
            },
            Reader::Anybody => false,
        }
    }

    /// Whether a record is a part of the life of certificates that came to his account, left it, or were used up by it: `own` says so, and the
    /// record follows from `by`, which tells of them.
    pub(super) fn may_trace(&self, range: &CertificateRange, own: &Record, by: &Record, record: &Record) -> bool {
        let Reader::Account(account) = self.leave.reader else { return false };
        let had =
            |event: &Certificates| event.account == account || event.other().is_some_and(|(_, other)| other == account);
        told_of(own).any(|event| event.range.contains(range) && had(&event))
            && told_of(by).any(|event| event.range.overlaps(range) && follows(&event, by, record))
    }
}

/// What a record says of certificates.
fn told_of(record: &Record) -> impl Iterator<Item = Certificates> + '_ {
    record.events.iter().filter_map(|event| match event {
        RecordEvent::Certificates(told) => Some(*told),
        _ => None,
    })
}

/// Whether a record proves what another says of certificates: the same, the trade that they went along with, or a reading at either end of
/// their period of the meter that gave them out or used them up.
fn follows(told: &Certificates, by: &Record, record: &Record) -> bool {
    let measured = match told.change {
        CertificateChange::Issued { .. } => Some(told.holder),
        CertificateChange::Claimed { by } => Some(by),
        CertificateChange::Moved { .. }
        | CertificateChange::Unclaimed { .. }
        | CertificateChange::Revoked { .. }
        | CertificateChange::Closed { .. } => None,
    };
    let is_trade = matches!(told.change, CertificateChange::Moved { trade, .. } if trade == record.seq);
    let is_end = |period: DeliveryPeriod| period == told.period || period.0.checked_add(1) == Some(told.period.0);
    let is_reading = |event: &RecordEvent| match event {
        RecordEvent::Read(read) => Some(read.meter) == measured && is_end(read.period),
        _ => false,
    };
    by.seq == record.seq || is_trade || record.events.iter().any(is_reading)
}

fn parties(record: &Record) -> Vec<Party> {
    let mut parties = Vec::new();
    record.events.iter().for_each(|event| event.name_parties(&mut parties));
    parties
}

fn names(record: &Record, account: AccountId) -> bool {
    parties(record).contains(&Party::Account(account))
}

fn names_nobody(record: &Record) -> bool {
    parties(record).iter().all(|party| Some(*party) == record.meter.map(Party::Meter))
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, Energy, EnergySources};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::record::{Outcome, RegistersRead};
    use gridbook_ledger::registry::OrganisationId;
    use gridbook_ledger::reject::Code;
    use gridbook_ledger::settlement::Registers;

    use super::*;

    const ROOF: MeterId = MeterId(1);
    const FLAT: MeterId = MeterId(2);
    const SELLER: AccountId = AccountId(11);
    const BUYER: AccountId = AccountId(12);
    const PERIOD: DeliveryPeriod = DeliveryPeriod(900);

    fn reader(reader: Reader, meter: Option<MeterId>, is_of_meter: bool) -> RecordReader {
        RecordReader { leave: Leave::of_right(reader), meter, is_of_meter }
    }

    fn record(seq: u64, events: Vec<RecordEvent>) -> Record {
        Record { seq, entry: Hash([1; 32]), index: 0, meter: None, client_id: 0, outcome: Outcome::Done, events }
    }

    fn reading(seq: u64, meter: MeterId, account: AccountId, period: u32) -> Record {
        let registers = Registers { import: 1, export: 2, counter: 3 };
        let (period, is_correction) = (DeliveryPeriod(period), false);
        record(seq, vec![RecordEvent::Read(RegistersRead { meter, account, period, registers, is_correction })])
    }

    fn told(seq: u64, first: u64, holder: (MeterId, AccountId), change: CertificateChange) -> Record {
        let (range, (holder, account)) = (range(first, 300), holder);
        record(seq, vec![RecordEvent::Certificates(Certificates { range, period: PERIOD, holder, account, change })])
    }

    fn range(first: u64, energy: u64) -> CertificateRange {
        CertificateRange::new(AreaId(0), first, Energy(energy)).unwrap()
    }

    /// The roof's reading is its owner's, and the market's and the grid's; of the neighbour, and of who has the meter later, it is none.
    #[test]
    fn a_record_is_seen_by_whom_it_names_and_by_offices() {
        let of_roof = reading(5, ROOF, SELLER, 900);
        for (who, sees) in [
            (reader(Reader::Account(SELLER), Some(ROOF), false), true),
            (reader(Reader::Account(BUYER), Some(FLAT), false), false),
            (reader(Reader::Account(BUYER), Some(ROOF), false), false),
            (reader(Reader::Office, None, false), true),
            (reader(Reader::Office, Some(ROOF), true), true),
            (reader(Reader::Office, Some(FLAT), true), false),
            (reader(Reader::Anybody, Some(ROOF), false), false),
        ] {
            assert_eq!(who.may_see(&of_roof), sees, "{who:?}");
        }
    }

    /// A command that came to nothing names only the meter whose it was.
    #[test]
    fn a_refused_command_is_seen_by_its_meter() {
        let outcome = Outcome::Rejected(Code::AuthReplay);
        let refused = Record { meter: Some(ROOF), outcome, ..record(7, Vec::new()) };
        assert!(reader(Reader::Account(SELLER), Some(ROOF), false).may_see(&refused));
        assert!(!reader(Reader::Account(BUYER), Some(FLAT), false).may_see(&refused));
        assert!(!reader(Reader::Account(BUYER), None, false).may_see(&record(8, Vec::new())), "nobody's is nobody's");
    }

    /// A registrar orders, and is once refused. It sees both, and neither what another ordered nor what only meters and the market did.
    #[test]
    fn an_organisation_sees_what_it_ordered_and_nothing_else() {
        let [own, other] = [OrganisationId(3), OrganisationId(4)];
        let registered = RecordEvent::MeterRegistered { meter: ROOF, account: SELLER };
        let ordered = |by| record(7, vec![RecordEvent::Ordered { by }, registered]);
        let refused = Record { outcome: Outcome::Rejected(Code::AuthRegistry), ..record(8, Vec::new()) };
        let meters_own = Record { meter: Some(ROOF), ..refused.clone() };
        let registrar = reader(Reader::Organisation(own), None, false);
        for (record, sees) in [
            (ordered(own), true),
            (refused, true),
            (ordered(other), false),
            (meters_own, false),
            (record(9, vec![registered]), false),
            (record(9, vec![RecordEvent::PeriodFinal { period: PERIOD }, RecordEvent::Ordered { by: own }]), false),
        ] {
            assert_eq!(registrar.may_see(&record), sees, "{record:?}");
        }
    }

    /// The buyer of certificates sees where they came from: the issue, the roof's two readings, the trade. Not the roof's other readings, not other
    /// trades, nothing by certificates of others, and nothing by records that do not hang together.
    #[test]
    fn whoever_had_certificates_traces_them_and_nothing_else() {
        let issued = told(10, 1, (ROOF, SELLER), CertificateChange::Issued { source: EnergySources::SOLAR });
        let change = CertificateChange::Moved { from: ROOF, from_account: SELLER, trade: 4 };
        let moved = told(11, 1, (FLAT, BUYER), change);
        let [before, after, later] = [(5, 899), (6, 900), (7, 901)].map(|(seq, at)| reading(seq, ROOF, SELLER, at));
        let (trade, other_trade) = (record(4, Vec::new()), record(3, Vec::new()));
        let buyer = reader(Reader::Account(BUYER), Some(FLAT), false);
        let part = range(50, 100);
        let traced = |own, by, record| buyer.may_trace(&part, own, by, record);
        for (by, wanted) in [(&issued, &issued), (&issued, &before), (&issued, &after), (&moved, &trade)] {
            assert!(traced(&moved, by, wanted), "{}", wanted.seq);
        }
        for (by, wanted) in [(&issued, &later), (&moved, &before), (&moved, &other_trade), (&issued, &trade)] {
            assert!(!traced(&moved, by, wanted), "{}", wanted.seq);
        }
        let flats = reading(8, FLAT, BUYER, 900);
        assert!(!traced(&moved, &issued, &flats), "of another meter");
        assert!(!traced(&issued, &issued, &after), "the issue does not say that they came to the buyer");
        let others = told(12, 1_000, (FLAT, BUYER), change);
        assert!(!traced(&others, &issued, &after), "he had others");
        assert!(!reader(Reader::Anybody, None, false).may_trace(&part, &moved, &issued, &after));
    }

    /// The plant measured what the meter that claims measures: the claim names both.
    #[test]
    fn a_claim_is_proven_by_the_readings_of_the_meter_that_it_is_for() {
        let claimed = told(13, 1, (ROOF, SELLER), CertificateChange::Claimed { by: FLAT });
        let seller = reader(Reader::Account(SELLER), Some(ROOF), false);
        let sees = |meter| seller.may_trace(&range(1, 300), &claimed, &claimed, &reading(6, meter, SELLER, 900));
        assert!(sees(FLAT) && !sees(ROOF));
    }
}
