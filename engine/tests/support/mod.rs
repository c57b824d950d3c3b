//! What several tests need: a seeded stream of commands, limits that keep count, and drawn books.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod accounts;
pub(crate) mod drawn;
pub(crate) mod stream;
