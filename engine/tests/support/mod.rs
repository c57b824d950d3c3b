//! What several tests need: seeded streams of commands, limits that keep count, drawn books, and what must always hold.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod accounts;
pub(crate) mod drawn;
pub(crate) mod driven;
pub(crate) mod invariants;
pub(crate) mod market_stream;
pub(crate) mod purses;
pub(crate) mod shadow;
pub(crate) mod stream;
pub(crate) mod world;
