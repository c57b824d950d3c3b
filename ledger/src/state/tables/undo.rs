//! Going back.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, MeterId, Money, OrderTag};

use super::certificates::CertificatesUndo;
use super::conduct::ConductUndo;
use super::consent::ConsentUndo;
use super::{
    Account, AreaIncome, Borne, ContractRow, Counters, DeliveryRow, EpochRow, Former, Holder, MeterStatus, Name,
    Organisation, PeriodTable, Position, ReadingRow, ReadingTable, Stage, Tables, index,
};
use crate::command::Offer;
use crate::crypto::PublicKey;
use crate::defects::{Defect, omits};
use crate::registry::{Installation, OrganisationId, Subject};

/// How to take one change back.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    Epoch(Box<EpochRow>),
    Counters(Box<Counters>),
    Account(Holder, Account),
    AccountAdded,
    Meter(MeterId, MeterStatus),
    MeterAdded,
    Organisation(OrganisationId, Box<Organisation>),
    OrganisationAdded,
    KeyReplaced(Subject, PublicKey),
    Owner(MeterId, AccountId),
    FormerNoted(MeterId, DeliveryPeriod),
    FormerForgotten(MeterId, DeliveryPeriod, Box<Former>),
    Installation(MeterId, Box<Installation>),
    Period(DeliveryPeriod),
    PeriodDropped(DeliveryPeriod, Box<PeriodTable>),
    Position(DeliveryPeriod, MeterId, Position),
    Trade(DeliveryPeriod, u32),
    Contract(DeliveryPeriod, AreaId, Option<Box<ContractRow>>),
    Stage(DeliveryPeriod, Stage),
    Delivery(DeliveryPeriod, MeterId, Option<DeliveryRow>),
    Registers(DeliveryPeriod, MeterId, Option<ReadingRow>),
    ReadingsDropped(DeliveryPeriod, Box<ReadingTable>),
    Imports(DeliveryPeriod, Option<Vec<u32>>),
    Borne(DeliveryPeriod, MeterId, Option<Box<Borne>>),
    HeldBack(DeliveryPeriod, MeterId),
    BroughtBack(DeliveryPeriod, MeterId),
    FailureCounted(DeliveryPeriod, MeterId),
    FailureForgiven(DeliveryPeriod, MeterId),
    CorrectionAdded(DeliveryPeriod, MeterId),
    CorrectionTaken(DeliveryPeriod, MeterId),
    Cleared(DeliveryPeriod, Money),
    Named(DeliveryPeriod, MeterId, u64),
    Name(MeterId, u64, Name),
    NameForgotten(MeterId, u64, Name),
    BlockAdded(OrderTag),
    BlockDropped(OrderTag, MeterId, u64),
    OfferAdded(MeterId, u64),
    OfferDropped(MeterId, Offer),
    Certificates(CertificatesUndo),
    Income(AreaId, Option<Box<AreaIncome>>),
    Conduct(Box<ConductUndo>),
    Consent(Box<ConsentUndo>),
    Debt(AccountId, Money),
}

impl Tables {
    pub(in crate::state) fn place_in_journal(&self) -> u64 {
        self.journal.mark()
    }

    pub(in crate::state) fn forget(&mut self, mark: u64) {
        self.journal.forget(mark);
    }

    pub(in crate::state) fn undo_to(&mut self, mark: u64) {
        while let Some(undo) = self.journal.pop_after(mark) {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Epoch(old) => self.epoch = *old,
            Undo::Counters(old) => {
                self.operator_touched |= old.operator_nonce != self.counters.operator_nonce;
                let totals = if omits(Defect::TotalsNotUndone) { self.counters.totals } else { old.totals };
                self.counters = Counters { totals, ..*old };
            }
            Undo::Account(holder, old) => {
                let row = match holder {
                    Holder::System(account) => &mut self.system[account as usize],
                    Holder::User(account) => {
                        self.stale_accounts.touch(account.0);
                        &mut self.accounts[index(account.0)]
                    }
                };
                self.balances += old.balance - row.balance;
                *row = old;
            }
            Undo::AccountAdded => {
                self.accounts.pop();
                self.owned.pop();
            }
            Undo::Meter(meter, old) => self.undo_meter(meter, old),
            Undo::MeterAdded => self.undo_add_meter(),
            Undo::Organisation(organisation, old) => {
                self.touch(Subject::Organisation(organisation));
                self.organisations[usize::from(organisation.0)] = *old;
            }
            Undo::OrganisationAdded => {
                let organisation = self.organisations.pop().expect("it was added");
                self.keys.forget(&organisation.key);
                self.touched_keys.push(organisation.key);
            }
            Undo::KeyReplaced(subject, old) => self.undo_replace_key(subject, old),
            Undo::Owner(meter, old) => _ = self.move_meter(meter, old),
            Undo::FormerNoted(meter, last) => self.former_facts.undo_note(meter, last),
            Undo::FormerForgotten(meter, last, former) => self.former_facts.undo_forget(meter, last, *former),
            Undo::Installation(meter, old) => self.undo_install(meter, *old),
            Undo::Period(period) => {
                if let Some(table) = self.periods.remove(&period) {
                    self.take_off_agenda(period, &table);
                }
            }
            Undo::PeriodDropped(period, table) => {
                self.periods.insert(period, *table);
                self.put_on_agenda(period);
            }
            Undo::Position(period, meter, old) => _ = self.table(period).positions.put(meter, old),
            Undo::Trade(period, traders) => {
                self.table(period).trades.pop();
                self.table(period).traders = traders;
            }
            Undo::Contract(period, area, old) => {
                self.table(period).put_contract(area, old.map(|old| *old));
                self.reschedule(period);
            }
            Undo::Stage(period, old) => {
                self.table(period).stage = old;
                self.reschedule(period);
            }
            Undo::Delivery(period, meter, old) => {
                self.table(period).deliveries.put(meter, old);
                self.reschedule(period);
            }
            Undo::Registers(period, meter, old) => self.undo_registers(period, meter, old),
            Undo::ReadingsDropped(period, old) => {
                self.readings.insert(period, *old);
            }
            Undo::Imports(period, Some(old)) => {
                self.imports.insert(period, old);
            }
            Undo::Imports(period, None) => {
                self.imports.remove(&period);
            }
            Undo::Borne(period, meter, Some(old)) => {
                self.table(period).borne.insert(meter, *old);
            }
            Undo::Borne(period, meter, None) => {
                self.table(period).borne.remove(&meter);
            }
            Undo::HeldBack(period, meter) => {
                self.table(period).held_back.remove(&meter);
            }
            Undo::BroughtBack(period, meter) => {
                self.table(period).held_back.insert(meter);
            }
            Undo::FailureCounted(period, meter) => {
                self.table(period).failed.remove(&meter);
            }
            Undo::FailureForgiven(period, meter) => {
                self.table(period).failed.insert(meter);
            }
            Undo::CorrectionAdded(period, meter) => {
                self.corrections.remove(&(period, meter));
                self.reschedule(period);
            }
            Undo::CorrectionTaken(period, meter) => {
                self.corrections.insert((period, meter));
                self.reschedule(period);
            }
            Undo::Cleared(period, old) => self.table(period).cleared = old,
            Undo::Named(period, meter, client_id) => {
                self.table(period).names.pop();
                self.note_names(period);
                self.meters[index(meter.0)].names.remove(&client_id);
            }
            Undo::Name(meter, client_id, old) => {
                self.meters[index(meter.0)].names.insert(client_id, old);
            }
            Undo::NameForgotten(meter, client_id, old) => {
                self.table(old.period).names.push((meter, client_id));
                self.note_names(old.period);
                self.meters[index(meter.0)].names.insert(client_id, old);
            }
            Undo::BlockAdded(tag) => {
                self.blocks.remove(&tag);
            }
            Undo::BlockDropped(tag, meter, client_id) => {
                self.blocks.insert(tag, (meter, client_id));
            }
            Undo::OfferAdded(meter, client_id) => {
                self.offers.remove(&(meter, client_id));
            }
            Undo::OfferDropped(meter, offer) => {
                self.offers.insert((meter, offer.client_id), offer);
            }
            Undo::Certificates(undo) => self.undo_certificates(undo),
            Undo::Income(area, Some(old)) => {
                self.incomes.insert(area, *old);
            }
            Undo::Conduct(undo) => self.conduct.undo(*undo),
            Undo::Consent(undo) => self.consent.undo(*undo),
            Undo::Debt(account, old) => _ = self.put_debt(account, old),
            Undo::Income(area, None) => {
                self.incomes.remove(&area);
            }
        }
    }

    fn undo_meter(&mut self, meter: MeterId, old: MeterStatus) {
        let status = &mut self.meters[index(meter.0)].status;
        if old.access != status.access {
            self.touched_meters.touch(meter.0);
        }
        let history = if omits(Defect::HistoryNotUndone) { status.history } else { old.history };
        let now = status.access.standing;
        *status = MeterStatus { history, ..old };
        self.stale_meters.touch(meter.0);
        self.recount_revoked(meter, now, old.access.standing);
    }

    fn undo_add_meter(&mut self) {
        let meter = self.meters.pop().expect("it was added");
        self.keys.forget(&meter.facts.key);
        self.owned[index(meter.facts.account.0)].pop();
        self.touched_keys.push(meter.facts.key);
    }

    fn undo_registers(&mut self, period: DeliveryPeriod, meter: MeterId, old: Option<ReadingRow>) {
        let table = self.readings.get_mut(&period).expect("a reading that is undone has its table");
        let registers = table.rows.put(meter, old);
        table.count = table.count + u32::from(old.is_some()) - u32::from(registers.is_some());
        if self.meters[index(meter.0)].is_revoked() {
            table.of_revoked = table.of_revoked + u32::from(old.is_some()) - u32::from(registers.is_some());
        }
        if table.count == 0 {
            self.readings.remove(&period);
        }
    }

    fn table(&mut self, period: DeliveryPeriod) -> &mut PeriodTable {
        self.periods.get_mut(&period).expect("a period whose change is undone exists")
    }
}
