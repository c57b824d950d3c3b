//! Certificates of origin (MARKET section 8): what a plant was measured to give out, numbered watt-hour by watt-hour, and followed over
//! the period's trades to whoever used it up.
//!
//! Four pure parts, which the state joins to its tables: what a plant may be certified for ([`entitled`], [`ChargeBalance`]); the numbers
//! an issuer gives ([`CertificateRange`], [`IssuerCounts`]); which way each watt-hour goes ([`Routes`]); and what a consumer may call
//! his own use ([`Consumption`]).
//!
//! An issuer is a delivery area: its grid operator answers for the meters. The life of a certificate lies within one delivery period:
//! issued and moved when the period is settled, claimed against consumption of the same period, and over when the period is final.
//!
//! Architecture invariant: `issued = active + cancelled + expired + revoked` for each issuer, at all times.
//! Architecture invariant: no watt-hour is certified that no meter measured, and none is claimed twice.

mod consumption;
mod counts;
mod entitlement;
pub mod proof;
mod range;
mod routes;

pub use consumption::Consumption;
pub use counts::{IssuerCounts, Standing};
pub use entitlement::{ChargeBalance, entitled};
pub use range::CertificateRange;
pub use routes::{Arrival, HOPS_MAX, Hop, Journey, Leg, Routes};
