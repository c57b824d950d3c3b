//! The words of the registry: organisations and their roles, how devices stand and why, and what stands behind a meter.
//!
//! Pure: nothing here knows a table or a signature. [`crate::command`] carries these words, [`crate::state`] acts on them. Numbers go
//! into signed bytes and never change their meaning.

mod organisation;
mod plant;
mod roles;
mod standing;

pub use organisation::{NAME_BYTES_MAX, ORGANISATIONS_MAX, OrganisationId, OrganisationName};
pub use plant::{CONNECTION_MAX, EFFICIENCY_PPM_MAX, Installation, Plant};
pub use roles::{Role, Roles};
pub use standing::{DeviceStanding, KeyStanding, Reason, Subject};
