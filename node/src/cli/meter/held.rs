//! A leader held to its word, once the order is final.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gridbook_ledger::sequenced::{Fate, SequencedReceipt};
use serde_json::{Value, json};

use super::Session;
use crate::cli::evidence::{line_of_told, told_to_json};
use crate::client::{ClientError, HandedIn, Verdict, is_with_an_honest_one};
use crate::network::write_new;

/// A leader's word and what became of it.
#[derive(Debug)]
pub(super) struct Held {
    first_seq: u64,
    view: u64,
    end: End,
}

#[derive(Debug)]
enum End {
    Kept,
    Void,
    Broken {
        proof: PathBuf,
        written: Result<(), String>,
        told: Option<HandedIn>,
    },
    /// The ledger has not come to that place.
    Open,
    /// Neither the word nor what the validator shows can be relied on.
    Unproven(String),
}

/// How long the ledger may take to come to a place that another command has now. On an idle ledger that is never.
const SETTLED_WITHIN: Duration = Duration::from_secs(3);

impl Session {
    /// Judges a word that is kept in `file`; of a breach the proof is written beside it and handed in. `breaches` of earlier words are
    /// there already.
    pub(super) async fn hold(&self, word: &SequencedReceipt, file: &Path, breaches: usize) -> Held {
        let end = match self.client.judge(&self.genesis, word, SETTLED_WITHIN).await {
            Ok(Verdict { fate: Fate::Kept, .. }) => End::Kept,
            Ok(Verdict { fate: Fate::Void, .. }) => End::Void,
            Ok(Verdict { fate: Fate::Breach, settled, evidence }) => match evidence {
                Some(evidence) => {
                    let (proof, bytes) = (beside(file, "evidence", breaches), evidence.encode());
                    // First written: whatever the validators say, the proof is in good hands.
                    let written = write_new(&proof, &bytes).map_err(|error| format!("{error:#}"));
                    End::Broken { proof, written, told: Some(self.client.hand_in_to_all(&bytes).await) }
                }
                None => {
                    let proof = beside(file, "receipt", breaches);
                    let written = write_new(&proof, &settled.encode()).map_err(|error| format!("{error:#}"));
                    End::Broken { proof, written, told: None }
                }
            },
            Err(ClientError::NotFinal) => End::Open,
            Err(error) => End::Unproven(error.to_string()),
        };
        Held { first_seq: word.place.first_seq, view: word.chunk.view, end }
    }
}

/// `order.s0.evidence`, and `order.s0.2.evidence` for a second one.
fn beside(file: &Path, ending: &str, before: usize) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    if before > 0 {
        name.push(format!(".{}", before + 1));
    }
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}

impl Held {
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.end, End::Broken { .. })
    }

    /// What became of it, in a word.
    pub(super) fn fate(&self) -> &'static str {
        match self.end {
            End::Kept => "kept",
            End::Void => "void",
            End::Broken { .. } => "breach",
            End::Open => "open",
            End::Unproven(_) => "unproven",
        }
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({"fate": self.fate(), "first_seq": self.first_seq, "view": self.view});
        if let End::Broken { proof, written, told } = &self.end {
            value["proof"] = written.is_ok().then(|| json!(proof)).into();
            value["handed_in"] = told.as_ref().map(told_to_json).into();
        }
        value
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { first_seq, view, end } = self;
        match end {
            End::Kept => format!("the leader of view {view} kept its word on place {first_seq}"),
            End::Void => format!("the leader's word on place {first_seq} is void: its view {view} ended first"),
            End::Open => format!(
                "the ledger has not come to place {first_seq} yet, on which the leader of view {view} gave its word: \
                 `gridbook verify receipt` tells what became of it once `meter receipt --seq {first_seq}` gives its receipt"
            ),
            End::Unproven(why) => format!("the leader's word on place {first_seq} cannot be judged: {why}"),
            End::Broken { proof, written, told } => {
                let mut text = format!(
                    "BREACH: the leader of view {view} gave place {first_seq} to this order, and the ledger has another command there"
                );
                match written {
                    Ok(()) => text.push_str(&format!("\nthe proof is in {}", proof.display())),
                    Err(why) => text.push_str(&format!("\nthe proof could not be written: {why}")),
                }
                match told {
                    Some(told) => text.push_str(&format!("\nhanded in: {}", line_of_told(told))),
                    None => text.push_str(
                        "\nit is too long to be handed in; together with the word it proves the breach offline",
                    ),
                }
                if told.as_ref().is_some_and(|told| !is_with_an_honest_one(told)) {
                    text.push_str(&format!("\nhand it in again: gridbook evidence submit {}", proof.display()));
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_lies_beside_the_word_that_it_is_about() {
        assert_eq!(beside(Path::new("a/order.s0"), "evidence", 0), Path::new("a/order.s0.evidence"));
        assert_eq!(beside(Path::new("a/order.s0"), "evidence", 1), Path::new("a/order.s0.2.evidence"));
    }
}
