//! Certificates in a snapshot, and the way back.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, EnergySources, MeterId};

use crate::genesis::Genesis;
use crate::origin::{IssuerCounts, Standing};
use crate::state::image::{CertificatesImage, CertifiedImage, IssuerImage, RestImage};
use crate::state::tables::{CertificateTable, Certified, CertifiedState, Holder, Tables};
use crate::state::{RestoreError, index};

/// Periods that are settled and not final yet, with their certificates.
pub(in crate::state) fn certificates_image(tables: &Tables) -> Vec<CertificatesImage> {
    let image = |(period, table): (&DeliveryPeriod, &CertificateTable)| CertificatesImage {
        period: period.0,
        next_plant: table.next_plant(),
        round: table.round(),
        rows: table.rows().map(CertifiedImage::from).collect(),
    };
    tables.certificates().iter().map(image).collect()
}

/// All issuers' counts.
pub(in crate::state) fn issuers_image(tables: &Tables) -> Vec<IssuerImage> {
    let image = |(area, counts): (&AreaId, &IssuerCounts)| {
        let [active, cancelled, expired, revoked] =
            [Standing::Active, Standing::Cancelled, Standing::Expired, Standing::Revoked]
                .map(|standing| counts.standing(standing));
        IssuerImage { area: area.0, counts: [counts.issued(), active, cancelled, expired, revoked] }
    };
    tables.issuers().iter().map(image).collect()
}

/// What refers to something, refers to something that is there. Whether it all adds up is the audit's business.
pub(in crate::state) fn restore_certificates(
    genesis: &Genesis,
    tables: &mut Tables,
    rest: &RestImage,
) -> Result<(), RestoreError> {
    for IssuerImage { area, counts: [issued, active, cancelled, expired, revoked] } in &rest.issuers {
        let counts = IssuerCounts::from_kept(*issued, *active, *cancelled, *expired, *revoked);
        let counts = counts.filter(|_| usize::from(*area) < genesis.areas.len());
        let counts = counts.ok_or(RestoreError::Row("an issuer"))?;
        tables.change_issuer(AreaId(*area), |present| *present = counts);
    }
    for CertificatesImage { period, next_plant, round, rows } in &rest.certificates {
        // Who waits for a frozen area waits for the next round, and there is one.
        let is_next = |next: u32| rows.iter().all(|row| row.round <= next);
        if index(*next_plant) > tables.meters().len() || !round.checked_add(1).is_some_and(is_next) {
            return Err(RestoreError::Row("a period's certificates"));
        }
        tables.set_next_plant(DeliveryPeriod(*period), *next_plant);
        tables.set_round(DeliveryPeriod(*period), *round);
        for row in rows {
            let row = read_row(tables, row).ok_or(RestoreError::Row("a certificate"))?;
            tables.put_certificates(DeliveryPeriod(*period), row);
        }
    }
    Ok(())
}

fn read_row(tables: &Tables, row: &CertifiedImage) -> Option<Certified> {
    let meter = |number: u32| Some(MeterId(number)).filter(|meter| tables.meter(*meter).is_some());
    let (plant, holder, account) = (meter(row.plant)?, meter(row.holder)?, AccountId(row.account));
    tables.account(Holder::User(account))?;
    let area = tables.meter(plant)?.facts.area;
    let state = match row.state {
        0 => CertifiedState::Moving { from: row.of, round: row.round },
        1 => CertifiedState::Active,
        2 => CertifiedState::Claimed { by: meter(u32::try_from(row.of).ok()?)? },
        _ => return None,
    };
    let source = EnergySources::from_bits(row.source)?;
    (row.range.issuer() == area).then_some(Certified { range: row.range, plant, source, holder, account, state })
}

impl From<&Certified> for CertifiedImage {
    fn from(row: &Certified) -> Self {
        let (state, of, round) = match row.state {
            CertifiedState::Moving { from, round } => (0, from, round),
            CertifiedState::Active => (1, 0, 0),
            CertifiedState::Claimed { by } => (2, by.0.into(), 0),
        };
        let Certified { range, plant, source, holder, account, .. } = *row;
        Self { range, plant: plant.0, source: source.bits(), holder: holder.0, account: account.0, state, of, round }
    }
}
