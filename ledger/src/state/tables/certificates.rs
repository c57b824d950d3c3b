//! Certificates of origin of periods that are settled and not final yet (MARKET section 8).

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, MeterId};

use super::Tables;
use super::undo::Undo;
use crate::origin::{CertificateRange, IssuerCounts};

/// Certificates that follow each other and stand alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Certified {
    pub(in crate::state) range: CertificateRange,
    /// Whose energy it was.
    pub(in crate::state) plant: MeterId,
    pub(in crate::state) source: EnergySources,
    /// The meter that they are with.
    pub(in crate::state) holder: MeterId,
    /// Whose that meter was when the period began.
    pub(in crate::state) account: AccountId,
    pub(in crate::state) state: CertifiedState,
}

/// How certificates stand before their period is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum CertifiedState {
    /// They are still with their plant and have to go where its energy went.
    Moving {
        /// The first one stands for this watt-hour of the plant's net export, counted from 0.
        from: u64,
        /// They are followed from this round of the period on: a later one if they have to wait for an area that is frozen.
        round: u32,
    },
    /// They may be claimed.
    Active,
    /// They stand for what this meter took in.
    Claimed { by: MeterId },
}

/// The certificates of one period.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct CertificateTable {
    /// All meters before this one were asked for what they gave out.
    next_plant: u32,
    /// How often a frozen area was looked at again: each time whoever waits for one is followed once more.
    round: u32,
    /// By issuer and first number.
    rows: BTreeMap<(AreaId, u64), Certified>,
    // What follows is said by the rows already, and is there to find them.
    moving: BTreeSet<(u32, AreaId, u64)>,
    by_plant: BTreeSet<(MeterId, u64)>,
    by_claimer: BTreeSet<(MeterId, AreaId, u64)>,
    covered: BTreeMap<MeterId, Energy>,
}

impl CertificateTable {
    pub(in crate::state) fn next_plant(&self) -> u32 {
        self.next_plant
    }

    /// By issuer and number.
    pub(in crate::state) fn rows(&self) -> impl Iterator<Item = &Certified> + '_ {
        self.rows.values()
    }

    pub(in crate::state) fn round(&self) -> u32 {
        self.round
    }

    /// Those that have to move first. Who waits for a frozen area does not.
    pub(in crate::state) fn first_moving(&self) -> Option<&Certified> {
        let (_, issuer, first) = self.moving.first().filter(|(round, ..)| *round <= self.round)?;
        Some(&self.rows[&(*issuer, *first)])
    }

    /// Those that all of `range` are among.
    pub(in crate::state) fn holding(&self, range: &CertificateRange) -> Option<&Certified> {
        let (_, row) = self.rows.range(..=(range.issuer(), range.first())).next_back()?;
        row.range.contains(range).then_some(row)
    }

    /// Those of a plant, highest numbers first.
    pub(in crate::state) fn of_plant(&self, plant: MeterId, issuer: AreaId) -> impl Iterator<Item = &Certified> + '_ {
        let numbers = self.by_plant.range((plant, 0)..=(plant, u64::MAX)).rev();
        numbers.map(move |(_, first)| &self.rows[&(issuer, *first)])
    }

    /// Those that stand for what a meter took in, highest numbers first.
    pub(in crate::state) fn claimed_by(&self, meter: MeterId) -> impl Iterator<Item = &Certified> + '_ {
        let claims = self.by_claimer.range((meter, AreaId(0), 0)..=(meter, AreaId(u16::MAX), u64::MAX)).rev();
        claims.map(|(_, issuer, first)| &self.rows[&(*issuer, *first)])
    }

    /// How much of what a meter took in certificates stand for.
    pub(in crate::state) fn covered(&self, meter: MeterId) -> Energy {
        self.covered.get(&meter).copied().unwrap_or_default()
    }

    /// Whether `rows` and what finds them agree, and no certificate is there twice.
    pub(in crate::state) fn is_consistent(&self) -> bool {
        let mut again = Self { next_plant: self.next_plant, round: self.round, ..Self::default() };
        for row in self.rows() {
            again.put(*row);
        }
        let overlap = self.rows().zip(self.rows().skip(1)).any(|(one, next)| one.range.overlaps(&next.range));
        let keys_fit = self.rows.iter().all(|(key, row)| *key == key_of(row));
        !overlap
            && keys_fit
            && again.moving == self.moving
            && again.by_plant == self.by_plant
            && again.by_claimer == self.by_claimer
            && again.covered == self.covered
    }

    /// Puts certificates there, in the place of any with the same first number.
    pub(super) fn put(&mut self, row: Certified) -> Option<Certified> {
        let old = self.take(key_of(&row));
        self.rows.insert(key_of(&row), row);
        let (issuer, first) = key_of(&row);
        self.by_plant.insert((row.plant, first));
        match row.state {
            CertifiedState::Moving { round, .. } => {
                self.moving.insert((round, issuer, first));
            }
            CertifiedState::Active => {}
            CertifiedState::Claimed { by } => {
                self.by_claimer.insert((by, issuer, first));
                *self.covered.entry(by).or_default() += row.range.energy();
            }
        }
        old
    }

    /// Takes certificates out, by issuer and first number.
    pub(super) fn take(&mut self, (issuer, first): (AreaId, u64)) -> Option<Certified> {
        let row = self.rows.remove(&(issuer, first))?;
        self.by_plant.remove(&(row.plant, first));
        match row.state {
            CertifiedState::Moving { round, .. } => {
                self.moving.remove(&(round, issuer, first));
            }
            CertifiedState::Active => {}
            CertifiedState::Claimed { by } => {
                self.by_claimer.remove(&(by, issuer, first));
                let covered = self.covered.get_mut(&by).expect("a claim is counted");
                *covered -= row.range.energy();
                if covered.is_zero() {
                    self.covered.remove(&by);
                }
            }
        }
        Some(row)
    }
}

fn key_of(row: &Certified) -> (AreaId, u64) {
    (row.range.issuer(), row.range.first())
}

impl Tables {
    pub(in crate::state) fn certificates(&self) -> &BTreeMap<DeliveryPeriod, CertificateTable> {
        &self.certificates
    }

    pub(in crate::state) fn issuers(&self) -> &BTreeMap<AreaId, IssuerCounts> {
        &self.issuers
    }

    /// Puts certificates there, in the place of those with the same first number.
    pub(in crate::state) fn put_certificates(&mut self, period: DeliveryPeriod, row: Certified) {
        let old = self.certificates_mut(period).put(row);
        self.note_certificates(match old {
            Some(old) => CertificatesUndo::Changed(period, Box::new(old)),
            None => CertificatesUndo::Put(period, row.range.issuer(), row.range.first()),
        });
        self.reschedule(period);
    }

    /// Takes certificates out.
    pub(in crate::state) fn take_certificates(&mut self, period: DeliveryPeriod, range: &CertificateRange) {
        if let Some(old) = self.certificates_mut(period).take((range.issuer(), range.first())) {
            self.note_certificates(CertificatesUndo::Changed(period, Box::new(old)));
            self.reschedule(period);
        }
    }

    /// All meters before this one were asked for what they gave out.
    pub(in crate::state) fn set_next_plant(&mut self, period: DeliveryPeriod, next: u32) {
        let old = core::mem::replace(&mut self.certificates_mut(period).next_plant, next);
        self.note_certificates(CertificatesUndo::NextPlant(period, old));
        self.reschedule(period);
    }

    /// Whoever waits for a frozen area is followed again.
    pub(in crate::state) fn set_round(&mut self, period: DeliveryPeriod, round: u32) {
        let old = core::mem::replace(&mut self.certificates_mut(period).round, round);
        self.note_certificates(CertificatesUndo::Round(period, old));
        self.reschedule(period);
    }

    /// Forgets a period's certificates.
    pub(in crate::state) fn drop_certificates(&mut self, period: DeliveryPeriod) {
        if let Some(table) = self.certificates.remove(&period) {
            self.note_certificates(CertificatesUndo::Dropped(period, Box::new(table)));
            self.reschedule(period);
        }
    }

    pub(in crate::state) fn change_issuer<T>(
        &mut self,
        issuer: AreaId,
        change: impl FnOnce(&mut IssuerCounts) -> T,
    ) -> T {
        let old = self.issuers.get(&issuer).copied();
        let result = change(self.issuers.entry(issuer).or_default());
        self.note_certificates(CertificatesUndo::Issuer(issuer, old.map(Box::new)));
        result
    }

    fn certificates_mut(&mut self, period: DeliveryPeriod) -> &mut CertificateTable {
        self.certificates.entry(period).or_insert_with(|| {
            self.journal.push(Undo::Certificates(CertificatesUndo::Opened(period)));
            CertificateTable::default()
        })
    }

    fn certified(&mut self, period: DeliveryPeriod) -> &mut CertificateTable {
        self.certificates.get_mut(&period).expect("a table whose change is undone exists")
    }

    fn note_certificates(&mut self, undo: CertificatesUndo) {
        self.journal.push(Undo::Certificates(undo));
    }

    pub(super) fn undo_certificates(&mut self, undo: CertificatesUndo) {
        let of = undo.period();
        match undo {
            CertificatesUndo::Opened(period) => {
                self.certificates.remove(&period);
            }
            CertificatesUndo::Put(period, issuer, first) => {
                self.certified(period).take((issuer, first));
            }
            CertificatesUndo::Changed(period, old) => {
                self.certified(period).put(*old);
            }
            CertificatesUndo::NextPlant(period, old) => self.certified(period).next_plant = old,
            CertificatesUndo::Round(period, old) => self.certified(period).round = old,
            CertificatesUndo::Dropped(period, old) => {
                self.certificates.insert(period, *old);
            }
            CertificatesUndo::Issuer(issuer, Some(old)) => {
                self.issuers.insert(issuer, *old);
            }
            CertificatesUndo::Issuer(issuer, None) => {
                self.issuers.remove(&issuer);
            }
        }
        if let Some(period) = of {
            self.reschedule(period);
        }
    }
}

/// How to take a change of certificates back.
#[derive(Clone, Debug)]
pub(super) enum CertificatesUndo {
    Opened(DeliveryPeriod),
    Put(DeliveryPeriod, AreaId, u64),
    Changed(DeliveryPeriod, Box<Certified>),
    NextPlant(DeliveryPeriod, u32),
    Round(DeliveryPeriod, u32),
    Dropped(DeliveryPeriod, Box<CertificateTable>),
    Issuer(AreaId, Option<Box<IssuerCounts>>),
}

impl CertificatesUndo {
    /// Of which period something changed.
    fn period(&self) -> Option<DeliveryPeriod> {
        match *self {
            Self::Opened(period)
            | Self::Put(period, ..)
            | Self::Changed(period, _)
            | Self::NextPlant(period, _)
            | Self::Round(period, _)
            | Self::Dropped(period, _) => Some(period),
            Self::Issuer(..) => None,
        }
    }
}
