//! From the plant's meter to the claim, record by record.

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, MeterId, Side};

use super::{CertificateError, Step, StepKind, VerifiedCertificate};
use crate::origin::{CertificateRange, Standing};
use crate::receipt::VerifiedReceipt;
use crate::record::{CertificateChange, Certificates, RecordEvent};
use crate::settlement::{Delivery, Registers, delta};

/// Where the certificates are, after the records so far.
struct Walk<'a> {
    records: &'a [VerifiedReceipt],
    range: CertificateRange,
    verified: VerifiedCertificate,
    holder: MeterId,
    account: AccountId,
    /// Whose consumption they stand for.
    claimed_by: Option<MeterId>,
}

/// Follows certificates through records, oldest first.
pub(super) fn walk(
    range: CertificateRange,
    records: &[VerifiedReceipt],
) -> Result<VerifiedCertificate, CertificateError> {
    let mut walk: Option<Walk<'_>> = None;
    for (record, event) in certificate_events(range, records) {
        let seq = record.record.seq;
        let is_whole = event.range.contains(&range);
        match (&mut walk, event.change) {
            (_, _) if !is_whole => return Err(CertificateError::Part { seq, part: common(&event.range, &range) }),
            (None, CertificateChange::Issued { .. }) => walk = Some(Walk::begin(range, records, record, &event)?),
            (None, _) => return Err(CertificateError::NotIssued),
            (Some(_), CertificateChange::Issued { .. }) => return Err(CertificateError::IssuedTwice(seq)),
            (Some(walk), _) => walk.go_on(record, &event)?,
        }
    }
    walk.map(|walk| walk.verified).ok_or(CertificateError::NotIssued)
}

/// What records say of any of the certificates, oldest first.
fn certificate_events(
    range: CertificateRange,
    records: &[VerifiedReceipt],
) -> impl Iterator<Item = (&VerifiedReceipt, Certificates)> {
    let events = records.iter().flat_map(|record| record.record.events.iter().map(move |event| (record, event)));
    events.filter_map(move |(record, event)| match event {
        RecordEvent::Certificates(event) if event.range.overlaps(&range) => Some((record, *event)),
        _ => None,
    })
}

/// What two ranges of one issuer that overlap have in common.
fn common(one: &CertificateRange, other: &CertificateRange) -> CertificateRange {
    let first = one.first().max(other.first());
    let energy = Energy(one.end().min(other.end()) - first);
    CertificateRange::new(one.issuer(), first, energy).expect("they overlap")
}

impl<'a> Walk<'a> {
    /// The plant measured at least all that was issued to it at once.
    fn begin(
        range: CertificateRange,
        records: &'a [VerifiedReceipt],
        record: &VerifiedReceipt,
        issued: &Certificates,
    ) -> Result<Self, CertificateError> {
        let CertificateChange::Issued { source } = issued.change else { return Err(CertificateError::NotIssued) };
        let Certificates { period, holder: plant, account, range: among, .. } = *issued;
        let verified = VerifiedCertificate {
            range,
            period,
            source,
            plant,
            steps: Vec::new(),
            standing: Standing::Active,
            is_final: false,
        };
        let mut walk = Self { records, range, verified, holder: plant, account, claimed_by: None };
        walk.measure(plant, record.record.seq, true, among.energy())?;
        walk.step(record, StepKind::Issued { among, plant, account });
        Ok(walk)
    }

    fn go_on(&mut self, record: &VerifiedReceipt, event: &Certificates) -> Result<(), CertificateError> {
        let seq = record.record.seq;
        let is_open = !self.verified.is_final && self.verified.standing != Standing::Revoked;
        if event.period != self.verified.period || !is_open {
            return Err(CertificateError::Contradiction(seq));
        }
        if let CertificateChange::Moved { from, from_account, trade } = event.change {
            return self.move_on(record, event, (from, from_account), trade);
        }
        if event.holder != self.holder {
            return Err(CertificateError::Gap { seq, at: event.holder });
        }
        if event.account != self.account {
            return Err(CertificateError::Contradiction(seq));
        }
        let is_claimed = self.claimed_by.is_some();
        let what = match event.change {
            CertificateChange::Claimed { by } if !is_claimed => {
                self.measure(by, seq, false, self.range.energy())?;
                (self.claimed_by, self.verified.standing) = (Some(by), Standing::Cancelled);
                StepKind::Claimed { holder: self.holder, by }
            }
            CertificateChange::Unclaimed { by } if self.claimed_by == Some(by) => {
                (self.claimed_by, self.verified.standing) = (None, Standing::Active);
                StepKind::Unclaimed { by }
            }
            CertificateChange::Revoked { was_claimed } if was_claimed == is_claimed => {
                self.verified.standing = Standing::Revoked;
                StepKind::Revoked
            }
            CertificateChange::Closed { was_claimed } if was_claimed == is_claimed => {
                self.verified.standing = if was_claimed { Standing::Cancelled } else { Standing::Expired };
                self.verified.is_final = true;
                StepKind::Closed { was_claimed }
            }
            _ => return Err(CertificateError::Contradiction(seq)),
        };
        self.step(record, what);
        Ok(())
    }

    /// They go from whoever has them, along with a trade of his.
    fn move_on(
        &mut self,
        record: &VerifiedReceipt,
        event: &Certificates,
        (from, from_account): (MeterId, AccountId),
        trade: u64,
    ) -> Result<(), CertificateError> {
        let seq = record.record.seq;
        if from != self.holder {
            return Err(CertificateError::Gap { seq, at: from });
        }
        if from_account != self.account || self.claimed_by.is_some() {
            return Err(CertificateError::Contradiction(seq));
        }
        let to = event.holder;
        if !self.is_trade(trade, from, to) {
            return Err(CertificateError::NoTrade { from, to, trade });
        }
        (self.holder, self.account) = (to, event.account);
        self.step(record, StepKind::Moved { from, to, account: event.account, trade });
        Ok(())
    }

    /// Whether a record says that one meter sold to the other in the period: by a trade, or because both were filled in one auction.
    fn is_trade(&self, trade: u64, from: MeterId, to: MeterId) -> bool {
        let period = self.verified.period;
        let record = self.records.iter().find(|record| record.record.seq == trade);
        let events = record.map_or(&[][..], |record| &record.record.events);
        let traded = |event: &RecordEvent| match event {
            RecordEvent::Trade(trade) => {
                trade.period == period && trade.seller().meter == from && trade.buyer().meter == to
            }
            _ => false,
        };
        let filled = |meter: MeterId, of: Side| {
            events.iter().any(|event| match event {
                RecordEvent::Filled { order, side, contract, .. } => {
                    order.meter == meter && *side == of && contract.period == period
                }
                _ => false,
            })
        };
        events.iter().any(traded) || (filled(from, Side::Sell) && filled(to, Side::Buy))
    }

    /// Two readings that were known by then say that the meter gave out, or took in, at least so much.
    fn measure(&mut self, meter: MeterId, by: u64, is_export: bool, energy: Energy) -> Result<(), CertificateError> {
        let missing = CertificateError::NotMeasured { meter, is_export, energy_wh: energy.0 };
        let period = self.verified.period;
        let before = period.0.checked_sub(1).map(DeliveryPeriod);
        let start = before.and_then(|before| self.registers(meter, before, by));
        let end = self.registers(meter, period, by);
        let (Some((start_at, start)), Some((end_at, end))) = (start, end) else { return Err(missing) };
        let unlimited = Energy(u64::MAX);
        let Ok(delivery) = delta(&start, &end, unlimited, unlimited) else { return Err(missing) };
        let net_wh = if is_export { delivery.net_wh() } else { -delivery.net_wh() };
        if net_wh < i128::from(energy.0) {
            return Err(missing);
        }
        let (first, last) =
            if start_at.record.seq < end_at.record.seq { (start_at, end_at) } else { (end_at, start_at) };
        self.tell_measured(first.record.seq, last, meter, delivery);
        Ok(())
    }

    fn tell_measured(&mut self, start_seq: u64, last: &VerifiedReceipt, meter: MeterId, delivery: Delivery) {
        let what = StepKind::Measured { meter, start_seq, delivery };
        self.step(last, what);
    }

    /// What a meter's registers showed at the end of a period, as it was last known before a record.
    fn registers(&self, meter: MeterId, period: DeliveryPeriod, by: u64) -> Option<(&'a VerifiedReceipt, Registers)> {
        let known = self.records.iter().take_while(|record| record.record.seq < by);
        let read = known.flat_map(|record| record.record.events.iter().map(move |event| (record, event)));
        let of_meter = read.filter_map(|(record, event)| match event {
            RecordEvent::Read(read) if read.meter == meter && read.period == period => Some((record, read.registers)),
            _ => None,
        });
        of_meter.last()
    }

    fn step(&mut self, record: &VerifiedReceipt, what: StepKind) {
        self.verified.steps.push(Step { seq: record.record.seq, time: record.time, what });
    }
}
