//! What is proven, and what proves it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gridbook_engine::{AccountId, AreaId, Energy, MeterId, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::Header;
use gridbook_ledger::merkle::Path;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::origin::proof::CertificateProof;
use gridbook_ledger::receipt::{AccountHistory, AccountProof, Receipt};
use gridbook_ledger::record::Record;
use gridbook_ledger::settlement::statement::Statement;
use gridbook_ledger::state::{AccountView, StateProof};
use gridbook_ledger::store::{Fact, FactRow, IndexBatch};
use gridbook_node::record_text::RecordText;

use super::Target;
use crate::quartet::{day, receipts};
use crate::village::genesis;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "header", seeds: headers, run: header, held_bytes_max: (16 << 10, 8), short_runs: 40_000 },
    Target { name: "record", seeds: records, run: record, held_bytes_max: (16 << 10, 64), short_runs: 30_000 },
    Target { name: "receipt", seeds: receipt_bytes, run: receipt, held_bytes_max: (64 << 10, 32), short_runs: 5_000 },
    Target { name: "origin", seeds: origins, run: origin, held_bytes_max: (256 << 10, 64), short_runs: 1_000 },
    Target { name: "history", seeds: histories, run: history, held_bytes_max: (64 << 10, 64), short_runs: 5_000 },
    Target { name: "facts", seeds: facts, run: fact, held_bytes_max: (16 << 10, 64), short_runs: 20_000 },
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
        assert!(!RecordText::of(&record, 15).to_string().is_empty());
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

fn origins() -> Vec<Vec<u8>> {
    let range = CertificateRange::new(AreaId(1), 1_001, Energy(500)).expect("five hundred certificates");
    let seq = |receipt: &Receipt| Record::decode(&receipt.record).map_or(0, |record| record.seq);
    let mut all = receipts(day());
    all.sort_by_key(seq);
    all.dedup_by_key(|receipt| seq(receipt));
    let some = |count: usize| CertificateProof { range, receipts: all.iter().take(count).cloned().collect() };
    [1, 3, 8].map(|count| some(count).encode()).to_vec()
}

/// Nobody was certified for anything on that day.
fn origin(bytes: &[u8]) {
    if let Ok(proof) = CertificateProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        assert!(proof.verify(genesis()).is_err(), "proven, and never issued: {proof:?}");
    }
}

/// Histories whose header is final and whose account is made up: no change may prove it.
fn histories() -> Vec<Vec<u8>> {
    let receipt = &receipts(day())[0];
    let (account, head) = (AccountId(1), Hash([3; 32]));
    let state = AccountView {
        balance: Money(5),
        reserved: Money(1),
        history_head: head,
        score: 900,
        share_ppm: 7,
        organisation: None,
    };
    let path = Path { index: 1, count: 2, siblings: vec![Hash([4; 32])] };
    let proof = StateProof { path, accounts_root: head, meters_root: head, counters_hash: head };
    let (headers, child, qc) = (receipt.headers.clone(), receipt.child.clone(), receipt.qc.clone());
    let proof = AccountProof { epochs: receipt.epochs.clone(), account, state, proof, headers, child, qc };
    let records = records().into_iter().filter_map(|bytes| Record::decode(&bytes).ok());
    let extracts = records.flat_map(|record| record.account_extracts().into_values()).take(6);
    vec![AccountHistory { proof, extracts: extracts.map(|extract| extract.encode()).collect() }.encode()]
}

fn history(bytes: &[u8]) {
    if let Ok(history) = AccountHistory::decode(bytes) {
        assert_eq!(history.encode(), bytes);
        assert!(history.verify(genesis()).is_err(), "proven, and never happened: {history:?}");
    }
}

/// As an answer carries them.
fn facts() -> Vec<Vec<u8>> {
    let mut batch = IndexBatch::default();
    records().iter().filter_map(|bytes| Record::decode(bytes).ok()).for_each(|record| batch.enter(&record));
    let rows: Vec<FactRow> = batch.facts.iter().map(|(_, row)| *row).collect();
    rows.chunks(4).take(16).map(FactRow::encode_all).collect()
}

fn fact(bytes: &[u8]) {
    if let Ok(rows) = FactRow::decode_all(bytes) {
        assert_eq!(FactRow::encode_all(&rows), bytes);
        // Whoever asked for them makes a bill of them.
        let events = rows.iter().filter_map(|row| match &row.fact {
            Fact::Event(event) => Some((row.seq, event)),
            Fact::Meters(_) => None,
        });
        let _ = Statement::of(MeterId(1), events);
    }
}
