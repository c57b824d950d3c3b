//! The replicated state from outside: entries in, records out, and what the accounts say afterwards.

#![allow(clippy::unwrap_used)]

mod agreements;
mod answered;
mod auctions;
mod baskets;
mod certificates;
mod changes;
mod collateral;
mod conduct;
mod consent;
mod corrections;
mod debts;
mod debts_drawn;
mod deliveries;
mod faults;
mod handovers;
mod histories;
mod metered_days;
mod money;
mod network;
mod orders;
mod others;
mod published;
mod random;
mod readings;
mod references;
mod refusals;
mod registry;
mod residuals;
mod snapshots;
mod statements;
mod town;
/// MARKET section 7 once more, watt-hour by watt-hour.
#[allow(dead_code)]
#[path = "../settlement_twin/twin.rs"]
mod twin;
mod validators;
mod work;
