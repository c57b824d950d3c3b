//! Who is registered, to and from a snapshot's rows.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, MeterId};

use super::image::{FormerImage, MeterImage, OrganisationImage, ReplacedKeyImage};
use super::{MONEY_MAX, RestoreError};
use crate::crypto::PublicKey;
use crate::genesis::Genesis;
use crate::origin::ChargeBalance;
use crate::registry::{ORGANISATIONS_MAX, Subject};
use crate::state::registry::first_period_after;
use crate::state::rights::roles_fit_area;
use crate::state::tables::{Former, Holder, MeterFacts, MeterStatus, Organisation, Tables};

pub(super) fn restore_organisations(
    genesis: &Genesis,
    tables: &mut Tables,
    rows: &[OrganisationImage],
) -> Result<(), RestoreError> {
    if rows.len() > usize::from(ORGANISATIONS_MAX) {
        return Err(RestoreError::Row("the number of organisations"));
    }
    for row in rows {
        let area_exists = row.area.is_none_or(|area| usize::from(area.0) < genesis.areas.len());
        if !is_free(genesis, tables, &row.key) || !area_exists || !roles_fit_area(row.roles, row.area) {
            return Err(RestoreError::Row("an organisation"));
        }
        tables.add_organisation(row.into());
    }
    Ok(())
}

pub(super) fn restore_meter(genesis: &Genesis, tables: &mut Tables, row: &MeterImage) -> Result<(), RestoreError> {
    let facts = MeterFacts {
        account: AccountId(row.account),
        key: row.key,
        area: AreaId(row.area),
        first_period: DeliveryPeriod(row.first_period),
        import_max: Energy(row.import_max),
        export_max: Energy(row.export_max),
        plant: row.plant,
        certificate: row.certificate,
    };
    let account_exists = tables.account(Holder::User(facts.account)).is_some();
    if row.charge.unsigned_abs() > MONEY_MAX {
        return Err(RestoreError::Row("an absurd charge"));
    }
    let present = first_period_after(tables.counters().now, genesis.rules.mtu_minutes);
    if facts.first_period > present {
        return Err(RestoreError::Row("a meter that is yet to be registered"));
    }
    if !account_exists || !is_free(genesis, tables, &facts.key) || usize::from(facts.area.0) >= genesis.areas.len() {
        return Err(RestoreError::Row("a meter"));
    }
    let meter = tables.add_meter(facts);
    let charge = ChargeBalance(row.charge);
    let MeterImage { access, last_bundle, history, grants, .. } = *row;
    let status = MeterStatus { access, last_bundle, charge, history, grants };
    tables.change_meter(meter, |present| *present = status);
    Ok(())
}

pub(super) fn restore_replaced_keys(
    genesis: &Genesis,
    tables: &mut Tables,
    rows: &[ReplacedKeyImage],
) -> Result<(), RestoreError> {
    if rows.windows(2).any(|pair| pair[0].key >= pair[1].key) {
        return Err(RestoreError::Row("the order of replaced keys"));
    }
    for ReplacedKeyImage { key, subject } in rows {
        if tables.access(*subject).is_none() || !is_free(genesis, tables, key) {
            return Err(RestoreError::Row("a replaced key"));
        }
        tables.add_replaced_key(*key, *subject);
    }
    Ok(())
}

/// Of meters and accounts that are there, what changed in a period that has begun.
pub(super) fn restore_former_facts(
    genesis: &Genesis,
    tables: &mut Tables,
    rows: &[FormerImage],
) -> Result<(), RestoreError> {
    if rows.windows(2).any(|pair| (pair[0].meter, pair[0].last) >= (pair[1].meter, pair[1].last)) {
        return Err(RestoreError::Row("the order of former facts"));
    }
    for FormerImage { meter, last, account, installation } in rows {
        let (meter, last, account) = (MeterId(*meter), DeliveryPeriod(*last), AccountId(*account));
        let has_begun = last.starts_at(genesis.rules.mtu_minutes) <= tables.counters().now;
        let are_there = tables.meter(meter).is_some() && tables.account(Holder::User(account)).is_some();
        if !has_begun || !are_there || !genesis.settlement.metering {
            return Err(RestoreError::Row("what a meter was"));
        }
        tables.note_former(meter, last, Former { account, installation: *installation });
    }
    Ok(())
}

fn is_free(genesis: &Genesis, tables: &Tables, key: &PublicKey) -> bool {
    tables.key_use(key).is_none() && *key != genesis.operator
}

impl MeterImage {
    pub(super) fn new(facts: &MeterFacts, status: &MeterStatus) -> Self {
        Self {
            account: facts.account.0,
            key: facts.key,
            area: facts.area.0,
            first_period: facts.first_period.0,
            import_max: facts.import_max.0,
            export_max: facts.export_max.0,
            plant: facts.plant,
            certificate: facts.certificate,
            access: status.access,
            last_bundle: status.last_bundle,
            charge: status.charge.0,
            history: status.history,
            grants: status.grants,
        }
    }
}

impl From<&Organisation> for OrganisationImage {
    fn from(organisation: &Organisation) -> Self {
        let Organisation { key, name, roles, area, access, history } = *organisation;
        Self { key, name, roles, area, access, history }
    }
}

impl From<&OrganisationImage> for Organisation {
    fn from(image: &OrganisationImage) -> Self {
        let OrganisationImage { key, name, roles, area, access, history } = *image;
        Self { key, name, roles, area, access, history }
    }
}

impl From<(MeterId, DeliveryPeriod, Former)> for FormerImage {
    fn from((meter, last, former): (MeterId, DeliveryPeriod, Former)) -> Self {
        let Former { account, installation } = former;
        Self { meter: meter.0, last: last.0, account: account.0, installation }
    }
}

impl From<(&PublicKey, Subject)> for ReplacedKeyImage {
    fn from((key, subject): (&PublicKey, Subject)) -> Self {
        Self { key: *key, subject }
    }
}
