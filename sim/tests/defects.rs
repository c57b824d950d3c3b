//! Every clause that can be left out is missed by somebody: see `gridbook_sim::defects`. Needs the feature of that name.

use gridbook_ledger::crypto::SignatureMemo;
use gridbook_sim::defects::{Verdict, cases};

#[test]
fn every_seeded_defect_is_caught() {
    let _memo = SignatureMemo::on_this_thread();
    let mut bad = Vec::new();
    for case in cases() {
        let verdict = case.hunt();
        println!("{:<32} {:<36} {verdict:?}", case.name(), case.hunter.name());
        if !matches!(verdict, Verdict::Caught { .. }) {
            bad.push((case.name(), verdict));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
