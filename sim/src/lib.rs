//! A seeded town for the Gridbook electricity market: households, PV plants and batteries, what they need and give on a day,
//! and the orders they would place.
//!
//! A [`Town`] is a pure function of its seed (and of the measured files, where they are used): the same on every processor and
//! in every run. The crate contains no clocks, threads, sockets, keys or signatures. An [`Prosumer`] says what a meter wants as plain
//! [`Intent`]s; whoever drives it signs them, sends them, and tells it what became of them.
//!
//! The town's clock is UTC: the day of the configured date begins at 00:00 UTC and its 96 quarter-hours follow the profiles as
//! if UTC were the local time, summer time included.

pub mod calendar;
pub mod cluster;
pub mod consensus;
#[cfg(feature = "defects")]
pub mod defects;
mod draw;
pub mod measured;
pub mod meter;
pub mod profiles;
pub mod register;
pub mod report;
pub mod strategy;
mod sun;
pub mod town;
pub mod twins;

pub use calendar::{Date, DateError, DayKind};
pub use measured::{Measured, MeasuredError};
pub use meter::{BatterySpec, Forecast, Meter, MeterKind};
pub use profiles::{PERIODS_PER_DAY, Profile};
pub use register::Measurement;
pub use report::{LocalSummary, LocalSupply};
pub use strategy::{Intent, Position, Prosumer};
pub use town::{Town, TownConfig, TownError};
