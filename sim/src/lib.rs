//! gridbook-sim
