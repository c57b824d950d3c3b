//! gridbook-net
