//! `gridbook verify receipt`, for a leader's word on a place.

use std::path::Path;

use anyhow::{Context as _, bail};
use gridbook_ledger::genesis::{FIRST_EPOCH, Genesis};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::sequenced::{Fate, Place, SequencedReceipt};
use serde_json::json;

use super::super::{Global, Usage};
use crate::client::breach;
use crate::network::write_new;

/// Says what a receipt of sequencing proves, and what became of it if the final receipt at its place is given; the proof of a breach may go
/// to a file.
pub(super) fn verify(
    global: &Global,
    receipt: &SequencedReceipt,
    settled: Option<(&Path, Option<&Path>)>,
    genesis: &Genesis,
) -> anyhow::Result<()> {
    match settled {
        Some((settled, evidence)) => verify_fate(global, receipt, settled, evidence, genesis),
        None => verify_word(global, receipt, genesis),
    }
}

fn verify_word(global: &Global, receipt: &SequencedReceipt, genesis: &Genesis) -> anyhow::Result<()> {
    let epoch = receipt.chunk.epoch;
    if epoch != FIRST_EPOCH {
        return Err(Usage::error(format!(
            "the genesis does not say who led in epoch {epoch}: give a final receipt of that place by --settled"
        )));
    }
    let verified = receipt.verify(genesis.chain_id(), epoch, &genesis.validators);
    let verified = verified.context("the receipt of sequencing proves nothing")?;
    let Place { first_seq, count, entry } = verified.place;
    let last_seq = verified.place.last_seq().expect("what is verified lies within its chunk");
    let value = json!({
        "verified": true, "final": false, "chain": genesis.chain_id().to_hex(), "bundle": entry.to_hex(),
        "first_seq": first_seq, "count": count, "epoch": epoch, "view": verified.view, "leader": verified.leader.0,
    });
    global.print(&value, || {
        format!(
            "Sequenced, not final: validator {} of {:?} signed, as leader of view {}, that bundle {entry} takes the places {first_seq} \
             to {last_seq}.",
            verified.leader.0, genesis.name, verified.view,
        )
    })
}

fn verify_fate(
    global: &Global,
    receipt: &SequencedReceipt,
    settled: &Path,
    evidence: Option<&Path>,
    genesis: &Genesis,
) -> anyhow::Result<()> {
    let bytes = std::fs::read(settled).with_context(|| format!("cannot read {}", settled.display()))?;
    let settled = Receipt::decode(&bytes).with_context(|| {
        format!("{} is not a receipt: `gridbook meter receipt --out` writes one", settled.display())
    })?;
    let fate = receipt.fate(genesis, &settled)?;
    let (name, sentence) = match fate {
        Fate::Kept => ("kept", "The leader kept its word: the bundle is final at the place that was promised."),
        Fate::Void => (
            "void",
            "The word is void: the leader's view ended before its log became final that far. The bundle may be final elsewhere: ask for its \
             receipt.",
        ),
        Fate::Breach => (
            "breach",
            "The leader broke its word: a final header of the same view, so by the same leader, has another command there, or it was final \
             before the view had ended. The two files together prove it.",
        ),
    };
    let written = evidence.filter(|_| fate == Fate::Breach);
    if let Some(file) = written {
        let proof =
            breach(receipt, &settled).context("the proof is longer than evidence may be: keep the two files")?;
        write_new(file, &proof.encode())?;
    }
    let value = json!({
        "verified": true, "fate": name, "bundle": receipt.place.entry.to_hex(), "view": receipt.chunk.view, "evidence": written,
    });
    global.print(&value, || match written {
        Some(file) => format!("{sentence} So does {}, which `gridbook evidence submit` hands in.", file.display()),
        None => sentence.to_owned(),
    })?;
    if fate == Fate::Breach {
        bail!("the leader of view {} gave one place twice", receipt.chunk.view);
    }
    Ok(())
}
