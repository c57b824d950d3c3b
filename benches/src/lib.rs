//! gridbook-benches
