//! What is proven, and what proves it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gridbook_ledger::header::Header;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::Record;

use super::Target;
use crate::quartet::{day, receipts};
use crate::village::genesis;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "header", seeds: headers, run: header, held_bytes_max: (16 << 10, 8), short_runs: 40_000 },
    Target { name: "record", seeds: records, run: record, held_bytes_max: (16 << 10, 64), short_runs: 30_000 },
    Target { name: "receipt", seeds: receipt_bytes, run: receipt, held_bytes_max: (64 << 10, 32), short_runs: 5_000 },
];

fn headers() -> Vec<Vec<u8>> {
    day().finals.iter().map(|step| step.proposal.header.encode()).collect()
}

fn header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
        let _ = (header.hash(), header.log_end(), header.is_empty());
    }
}

fn records() -> Vec<Vec<u8>> {
    day().finals.iter().flat_map(|step| step.records.clone()).collect()
}

fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
}

fn receipt_bytes() -> Vec<Vec<u8>> {
    receipts(day()).iter().map(Receipt::encode).collect()
}

/// What a receipt proves really happened.
fn receipt(bytes: &[u8]) {
    static HAPPENED: LazyLock<BTreeSet<Vec<u8>>> = LazyLock::new(|| records().into_iter().collect());
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes);
        if receipt.verify(genesis()).is_ok() {
            assert!(HAPPENED.contains(&receipt.record), "proven, and never happened: {receipt:?}");
        }
    }
}
