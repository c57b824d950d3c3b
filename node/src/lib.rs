//! gridbook-node
