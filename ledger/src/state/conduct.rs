//! Entries against accounts and validators: made from proofs, challenged, ruled on, over ([`crate::conduct`]).

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, LedgerTime, MeterId};

use super::State;
use super::tables::{DeliveryRow, Holder, Meter, Position};
use crate::admission::DeviceKind;
use crate::command::Bundle;
use crate::conduct::{
    Bearer, DeliveryWindow, DeviceFault, ENTRIES_MAX, Entry, EntryState, Fault, Judgement, Proof, Ruling, Sale, score,
};
use crate::crypto::Hash;
use crate::evidence::{Evidence, EvidenceKey};
use crate::record::RecordEvent;
use crate::reject::Code;
use crate::settlement::Delivery;

/// Making entries.
impl State {
    /// Enters a fault that is proven, unless an entry says the same already, and lets its bearer's score and share follow. Of one bearer no
    /// more than [`ENTRIES_MAX`] are kept: before one more, a struck one goes, else the one that would be over first.
    pub(super) fn enter(&mut self, fault: Fault, events: &mut Vec<RecordEvent>) {
        let (now, bearer) = (self.time(), fault.bearer());
        if self.tables.conduct().of(bearer).any(|(_, entry)| entry.covers(&fault, now)) {
            return;
        }
        if self.tables.conduct().of(bearer).count() >= ENTRIES_MAX {
            let order =
                |(number, entry): (u64, &Entry)| (entry.state != EntryState::Struck, entry.expires_at(), number);
            let first = self.tables.conduct().of(bearer).map(order).min();
            let (_, _, number) = first.expect("a full list has a first");
            self.let_go(number, events);
        }
        let entry = self.tables.add_entry(Entry::new(fault, now));
        events.push(match fault {
            Fault::Device { account, meter, kind, period, proof } => {
                RecordEvent::Misconduct { entry, account, meter, kind, period, proof }
            }
            Fault::Validator { key, kind, evidence, .. } => {
                RecordEvent::ValidatorMisconduct { entry, validator: key, kind, evidence }
            }
        });
        self.rescore(bearer, events);
    }

    /// A fault of a meter. Whoever has it now bears it, of whichever period it is: what proves it was signed, or settled, in his time
    /// ([`Tables::disown_readings`](super::tables::Tables::disown_readings)).
    pub(super) fn enter_device(
        &mut self,
        meter: MeterId,
        kind: DeviceFault,
        period: Option<DeliveryPeriod>,
        records: &[u64],
        events: &mut Vec<RecordEvent>,
    ) {
        let account = self.tables.meter(meter).expect("only registered meters are blamed").facts.account;
        let proof = Proof::of(records).expect("a fault is proven by one to four records, oldest first");
        self.enter(Fault::Device { account, meter, kind, period, proof }, events);
    }

    /// A bundle was refused as a replay by the record `seq`. Anybody can send a copy of a bundle again, so that a copy is nobody's fault; but
    /// only the device can have signed another one with the same nonce. Of what it signed with older nonces nothing is known any more.
    pub(super) fn blame_for_reuse(&mut self, bundle: &Bundle, id: Hash, seq: u64, events: &mut Vec<RecordEvent>) {
        let kind = self.device(&bundle.signer).map(|device| device.kind);
        let Some(DeviceKind::Meter { meter, .. }) = kind else { return };
        let Some(Meter { status, .. }) = self.tables.meter(meter) else { return };
        let Some(last) = status.last_bundle else { return };
        if bundle.nonce == status.access.nonce && id != last.id {
            // Once for each nonce, however often anybody sends this one, or further ones, again.
            self.tables.set_last_bundle(meter, None);
            self.enter_device(meter, DeviceFault::NonceReuse, None, &[last.seq, seq], events);
        }
    }

    /// The present record has settled a period by what a meter was seen to deliver.
    pub(super) fn judge_delivery(
        &mut self,
        meter: MeterId,
        period: DeliveryPeriod,
        delivery: Delivery,
        events: &mut Vec<RecordEvent>,
    ) {
        let sale = self.sale_of(meter, period, delivery);
        if sale.has_failed() {
            self.tables.count_failure(period, meter);
        }
        let judgement = DeliveryWindow::judge(self.window_of(meter), &sale);
        self.remember(meter, judgement, events);
    }

    /// A period that was settled is settled again by another delivery. Where the meter has delivered after all, nothing of it is remembered
    /// against it; where it has not after all, it is remembered, unless it was before: an entry that was made of it stays. A new owner is not
    /// asked about what was before his time.
    pub(super) fn judge_again(
        &mut self,
        meter: MeterId,
        period: DeliveryPeriod,
        (old, new): (Delivery, DeliveryRow),
        events: &mut Vec<RecordEvent>,
    ) {
        let (old, sale) = (self.sale_of(meter, period, old), self.sale_of(meter, period, new.delivery));
        let window = self.window_of(meter);
        let is_owner = self.tables.meter(meter).is_some_and(|meter| meter.facts.account == new.account);
        match (old.has_failed(), sale.has_failed()) {
            (true, false) => {
                let is_remembered = |window: &DeliveryWindow| window.failures().iter().any(|one| one.period == period);
                if let Some(window) = window.filter(is_remembered) {
                    self.tables.set_window(meter, window.without(period));
                    self.tables.forgive_failure(period, meter);
                }
            }
            (false, true) if is_owner && self.tables.count_failure(period, meter) => {
                self.remember(meter, DeliveryWindow::find_out(window, &sale), events);
            }
            _ => {}
        }
    }

    fn window_of(&self, meter: MeterId) -> Option<DeliveryWindow> {
        self.tables.conduct().windows().get(&meter).copied()
    }

    fn remember(&mut self, meter: MeterId, judgement: Judgement, events: &mut Vec<RecordEvent>) {
        match judgement {
            Judgement::Clean => self.tables.set_window(meter, None),
            Judgement::Watched(window) => self.tables.set_window(meter, Some(window)),
            Judgement::Failed(records) => {
                self.tables.set_window(meter, None);
                self.enter_device(meter, DeviceFault::NonDelivery, None, &records, events);
            }
        }
    }
}

/// What validators are convicted of.
impl State {
    /// Enters what evidence proves against a validator of this epoch or the one before. What is known is found out before any signature is
    /// looked at.
    pub(super) fn apply_evidence(&mut self, evidence: &Evidence, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let (kind, epoch, view) = (evidence.kind, evidence.epoch(), evidence.view());
        let set = self.tables.epoch().set_of(epoch).ok_or(Code::EvidenceEpoch)?;
        let claimed = evidence.accused(set).ok_or(Code::EvidenceStranger)?;
        if self.holds_evidence(EvidenceKey { epoch, culprit: claimed, kind }) {
            return Err(Code::EvidenceEntered);
        }
        let culprit = evidence.verify(self.chain, epoch, set)?;
        let key = *set.key(culprit).ok_or(Code::EvidenceStranger)?;
        self.tables.add_accused(EvidenceKey { epoch, culprit, kind });
        self.enter(Fault::Validator { key, kind, epoch, view, evidence: evidence.id() }, events);
        Ok(())
    }

    /// Whether evidence of an epoch can still be entered.
    pub fn takes_evidence_of(&self, epoch: u32) -> bool {
        self.tables.epoch().set_of(epoch).is_some()
    }

    /// Whether misconduct of this kind was entered already against this validator of this epoch or the one before.
    pub fn holds_evidence(&self, key: EvidenceKey) -> bool {
        self.tables.conduct().accused().contains(&key)
    }
}

/// What readings prove.
impl State {
    /// Of what a meter sold, what it bought passes through; the rest is delivered up to what it gave out (MARKET section 7, rule 5).
    fn sale_of(&self, meter: MeterId, period: DeliveryPeriod, delivery: Delivery) -> Sale {
        let Position { bought, sold, .. } = self.tables.position(period, meter);
        let sold = sold - bought.min(sold);
        let given = delivery.net_wh().clamp(0, i128::from(sold.0));
        let delivered = Energy(u64::try_from(given).expect("at least nothing, and no more than was sold"));
        Sale { period, sold, delivered, record: self.seq }
    }

    /// A reading was refused because it cannot be true together with what the meter itself said by the record `earlier`.
    pub(super) fn blame_for_reading(
        &mut self,
        meter: MeterId,
        period: DeliveryPeriod,
        (code, earlier): (Code, u64),
        events: &mut Vec<RecordEvent>,
    ) {
        let kind = match code {
            Code::MeterContradiction => DeviceFault::DoubleReading,
            Code::MeterBackwards | Code::MeterBeyond | Code::MeterFrozen => DeviceFault::ImpossibleReading,
            _ => return,
        };
        self.enter_device(meter, kind, Some(period), &[earlier, self.seq], events);
    }
}

/// Challenging entries.
impl State {
    /// A device challenges an entry against its account. It counts until somebody rules on it.
    pub(super) fn appeal(&mut self, meter: MeterId, number: u64, statement: Hash) -> Result<RecordEvent, Code> {
        let account = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?.facts.account;
        let entry = *self.tables.conduct().entry(number).ok_or(Code::ConductUnknown)?;
        if entry.fault.bearer() != Bearer::Account(account) {
            return Err(Code::ConductOther);
        }
        if entry.state != EntryState::Stands {
            return Err(Code::ConductChallenged);
        }
        if self.time() >= entry.appeal_until() {
            return Err(Code::ConductLate);
        }
        let state = EntryState::Appealed;
        self.tables.set_entry_state(number, state);
        Ok(RecordEvent::ConductRevised { entry: number, account, state, fingerprint: statement })
    }

    /// Rules on an appeal. A struck entry gives its points back.
    pub(super) fn rule_appeal(
        &mut self,
        number: u64,
        ruling: Ruling,
        reasons: Hash,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let entry = *self.tables.conduct().entry(number).ok_or(Code::ConductUnknown)?;
        let (EntryState::Appealed, Bearer::Account(account)) = (entry.state, entry.fault.bearer()) else {
            return Err(Code::ConductNoAppeal);
        };
        let state = ruling.state();
        self.tables.set_entry_state(number, state);
        events.push(RecordEvent::ConductRevised { entry: number, account, state, fingerprint: reasons });
        self.rescore(entry.fault.bearer(), events);
        Ok(())
    }
}

/// What time does.
impl State {
    /// When the next entry is over.
    pub(super) fn next_conduct_due(&self) -> Option<LedgerTime> {
        self.tables.conduct().next_end().map(|(at, _)| at)
    }

    /// Lets go of up to `max` entries that are over; tells how many.
    pub(super) fn expire_conduct(&mut self, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        for gone in 0..max {
            let due = self.tables.conduct().next_end().filter(|(at, _)| *at <= self.time());
            let Some((_, number)) = due else { return gone };
            let bearer = self.let_go(number, events);
            self.rescore(bearer, events);
        }
        max
    }

    fn let_go(&mut self, number: u64, events: &mut Vec<RecordEvent>) -> Bearer {
        let bearer = self.tables.drop_entry(number).fault.bearer();
        let account = match bearer {
            Bearer::Account(account) => Some(account),
            Bearer::Validator(_) => None,
        };
        events.push(RecordEvent::ConductExpired { entry: number, account });
        bearer
    }

    /// Brings an account's score, and with it its share, up to date. A validator's is computed when somebody asks: nothing is reserved by it.
    fn rescore(&mut self, bearer: Bearer, events: &mut Vec<RecordEvent>) {
        let Bearer::Account(account) = bearer else { return };
        let score = self.score_of(bearer);
        let row = self.tables.account(Holder::User(account)).expect("only registered accounts bear anything");
        if score != row.score {
            let share_ppm = self.tables.collateral().shares.at(score);
            events.push(RecordEvent::ScoreChanged { account, score, share_ppm });
            self.set_score(account, score, events);
        }
    }
}

/// Looking.
impl State {
    /// An entry, by its number, until it is over.
    pub fn conduct_entry(&self, number: u64) -> Option<Entry> {
        self.tables.conduct().entry(number).copied()
    }

    /// What stands against somebody, by number.
    pub fn conduct_of(&self, bearer: Bearer) -> Vec<(u64, Entry)> {
        self.tables.conduct().of(bearer).map(|(number, entry)| (number, *entry)).collect()
    }

    /// What somebody's conduct is worth: from 0 to [`SCORE_FULL`](crate::conduct::SCORE_FULL).
    pub fn score_of(&self, bearer: Bearer) -> u16 {
        score(self.tables.conduct().of(bearer).map(|(_, entry)| entry))
    }

    /// Everything that was entered and is not over, by number.
    pub fn conduct(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.tables.conduct().entries().iter().map(|(number, entry)| (*number, entry))
    }

    /// The same from a number on, without going through those before.
    pub fn conduct_from(&self, number: u64) -> impl Iterator<Item = (u64, &Entry)> {
        self.tables.conduct().entries().range(number..).map(|(number, entry)| (*number, entry))
    }

    /// All accounts that bear the entries, ascending: for the audit.
    pub(super) fn accounts_with_entries(&self) -> impl Iterator<Item = AccountId> + '_ {
        let bearers = self.tables.conduct().entries().values().map(|entry| entry.fault.bearer());
        bearers.filter_map(|bearer| match bearer {
            Bearer::Account(account) => Some(account),
            Bearer::Validator(_) => None,
        })
    }
}
