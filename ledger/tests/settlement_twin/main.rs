//! Settlement against a slow and obvious twin, on drawn periods, and against worked cases of other systems (MARKET section 7).

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod drawn;
mod others;
mod promises;
mod twin;
