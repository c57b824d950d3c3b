//! Against a network whose meters are read: four validators of this binary over QUIC, for each test its own.

#![allow(clippy::unwrap_used)]

mod answered;
mod battery;
mod bill;
mod certificates;
mod conduct;
mod consent;
mod debt;
mod house;
mod registers;
#[path = "../validators/mod.rs"]
mod validators;
