//! What is heard of a bundle on its way: its place, its certificate, its end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::sequenced::SequencedReceipt;
use serde_json::{Value, json};

use super::Session;
use super::held::Held;
use crate::client::{FinalBundle, Step};
use crate::network::write_new;

/// The way of one bundle, with the time that each step took since it was sent.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) done: FinalBundle,
    /// Every leader's word, oldest first.
    sequenced: Vec<Sequenced>,
    certified: Option<(HeaderRef, Duration)>,
    final_after: Duration,
}

#[derive(Debug)]
struct Sequenced {
    receipt: SequencedReceipt,
    /// Who gave its word, if that can be told: of later epochs only a final receipt knows who led.
    leader: Option<u16>,
    after: Duration,
    /// What became of the word, if that was asked.
    held: Option<Held>,
}

impl Session {
    /// Sends a bundle and tells on standard error what is heard of it, until it is final. The last S0 receipt goes to a file, if one
    /// is wanted; a leader that fails can make a second one come. Then every leader is held to its word.
    pub(super) async fn follow(
        &self,
        key: &SecretKey,
        commands: Vec<Command>,
        keep: Option<&PathBuf>,
    ) -> anyhow::Result<Course> {
        let sent = Instant::now();
        let mut submission = self.client.submit(&self.sign(key, commands));
        let (mut sequenced, mut certified) = (Vec::new(), None);
        loop {
            match submission.next().await? {
                Step::Accepted(_) => {}
                Step::Sequenced(receipt) => {
                    let step = self.sequenced(*receipt, sent.elapsed())?;
                    note!("{}", step.text());
                    sequenced.push(step);
                }
                Step::Certified(header) => {
                    let after = sent.elapsed();
                    note!("certified at {} after {}; not final yet", text_of(header), milliseconds(after));
                    certified = Some((header, after));
                }
                Step::Final(done) => {
                    let final_after = sent.elapsed();
                    if let (Some(file), Some(step)) = (keep, sequenced.last()) {
                        write_new(file, &step.receipt.encode())?;
                        self.hold_to_words(file, &mut sequenced).await;
                    }
                    return Ok(Course { done, sequenced, certified, final_after });
                }
            }
        }
    }

    async fn hold_to_words(&self, file: &Path, sequenced: &mut [Sequenced]) {
        let mut breaches = 0;
        for step in sequenced {
            let held = self.hold(&step.receipt, file, breaches).await;
            note!("{}", held.text());
            breaches += usize::from(held.is_broken());
            step.held = Some(held);
        }
    }

    /// Checks an S0 receipt, where the genesis says who leads.
    fn sequenced(&self, receipt: SequencedReceipt, after: Duration) -> anyhow::Result<Sequenced> {
        let leader = if receipt.chunk.epoch == FIRST_EPOCH {
            let verified = receipt.verify(self.genesis.chain_id(), FIRST_EPOCH, &self.genesis.validators);
            Some(verified.context("the validator sent a receipt of sequencing that proves nothing")?.leader.0)
        } else {
            None
        };
        Ok(Sequenced { receipt, leader, after, held: None })
    }
}

impl Course {
    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let sequenced = self.sequenced.last().map(|step| {
            json!({
                "fate": step.held.as_ref().map(Held::fate),
                "first_seq": step.receipt.place.first_seq, "epoch": step.receipt.chunk.epoch, "view": step.receipt.chunk.view,
                "leader": step.leader, "after_us": microseconds(step.after),
            })
        });
        let certified = self.certified.map(|(header, after)| {
            json!({"view": header.rank.view, "slot": header.rank.slot, "after_us": microseconds(after)})
        });
        let held = self.sequenced.iter().filter_map(|step| step.held.as_ref());
        let breaches: Vec<Value> = held.filter(|held| held.is_broken()).map(Held::to_json).collect();
        let is_final = json!({"after_us": microseconds(self.final_after)});
        json!({"sequenced": sequenced, "certified": certified, "final": is_final, "breaches": breaches})
    }

    /// How long it took, for people.
    pub(super) fn text(&self) -> String {
        format!("final after {}", milliseconds(self.final_after))
    }
}

impl Sequenced {
    fn text(&self) -> String {
        let (view, first_seq) = (self.receipt.chunk.view, self.receipt.place.first_seq);
        let by = self.leader.map_or("the leader".to_owned(), |leader| format!("validator {leader}"));
        format!("sequenced at {first_seq} by {by} in view {view} after {}; not final yet", milliseconds(self.after))
    }
}

fn text_of(header: HeaderRef) -> String {
    format!("view {} slot {}", header.rank.view, header.rank.slot)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn milliseconds(duration: Duration) -> String {
    let us = microseconds(duration);
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}
