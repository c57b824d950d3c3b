//! What stands against an account, for people and for programs.

use std::collections::BTreeSet;

use gridbook_engine::LedgerTime;
use gridbook_ledger::conduct::{Bearer, Entry, EntryState, Fault, SCORE_FULL, score};
use gridbook_ledger::crypto::PublicKey;
use serde_json::{Value, json};

use crate::moment::format_moment;
use crate::protocol::{ConductBook, ConductStanding, ConductSubject};
use crate::record_text::{percent, records_text};

/// A book of conduct, of a ledger with delivery periods of `mtu_minutes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConductText<'a> {
    pub(crate) book: &'a ConductBook,
    /// What was asked.
    pub(crate) subject: ConductSubject,
    pub(crate) mtu_minutes: u32,
}

impl ConductText<'_> {
    /// For people: what the entries come to, then each of them.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(ConductStanding { account, score, share_ppm, cost }) = self.book.standing {
            let (account, share) = (account.0, percent(share_ppm));
            lines.push(format!(
                "account {account}: a score of {score} of {SCORE_FULL}; its trades cover {share} % of the imbalance they may cause\n\
                 by its conduct its open orders set aside {cost} more than at a full score"
            ));
        }
        for (key, score) in self.validators() {
            lines.push(format!("validator with key {key}: a score of {score} of {SCORE_FULL}"));
        }
        if self.book.entries.is_empty() {
            lines.push(self.nothing().to_owned());
        }
        lines.extend(self.book.entries.iter().map(|(number, entry)| self.entry_text(*number, entry)));
        lines.join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let entries: Vec<Value> =
            self.book.entries.iter().map(|(number, entry)| self.entry_json(*number, entry)).collect();
        let mut value = json!({"as_of": format_moment(self.book.as_of), "entries": entries});
        let validators = self.validators();
        if !validators.is_empty() {
            let scores = validators.iter().map(|(key, score)| json!({"key": key.to_hex(), "score": score}));
            value["validators"] = scores.collect();
        }
        if let Some(ConductStanding { account, score, share_ppm, cost }) = self.book.standing {
            value["account"] = json!(account.0);
            value["score"] = json!(score);
            value["score_full"] = json!(SCORE_FULL);
            value["share_ppm"] = json!(share_ppm);
            value["cost_nano"] = json!(cost.0.to_string());
        }
        value
    }

    /// What to say where there is no entry.
    fn nothing(&self) -> &'static str {
        match self.subject {
            ConductSubject::Own | ConductSubject::Account(_) | ConductSubject::Meter(_) => "nothing stands against it",
            ConductSubject::Appealed { .. } => "no appeal waits for a ruling",
            ConductSubject::Validators { .. } => "nothing stands against any validator",
        }
    }

    /// The validators that bear entries, by key, and what is left of their scores.
    fn validators(&self) -> Vec<(PublicKey, u16)> {
        let bearer = |(_, entry): &(u64, Entry)| match entry.fault.bearer() {
            Bearer::Validator(key) => Some(key),
            Bearer::Account(_) => None,
        };
        let keys: BTreeSet<PublicKey> = self.book.entries.iter().filter_map(bearer).collect();
        let of = |key| self.book.entries.iter().filter(move |entry| bearer(entry) == Some(key));
        keys.into_iter().map(|key| (key, score(of(key).map(|(_, entry)| entry)))).collect()
    }

    fn entry_text(&self, number: u64, entry: &Entry) -> String {
        let (at, until) = (format_moment(entry.at), format_moment(entry.expires_at()));
        let what = match &entry.fault {
            Fault::Device { account, meter, kind, period, proof } => {
                let about = period.map_or(String::new(), |period| {
                    format!(" for the delivery of {}", format_moment(period.starts_at(self.mtu_minutes)))
                });
                let (kind, records) = (kind.name(), records_text(proof));
                let (meter, account) = (meter.0, account.0);
                format!(
                    "{kind} of meter {meter}{about}, entered {at} against account {account}\n  proven by {records}: see `gridbook meter receipt --seq`"
                )
            }
            Fault::Validator { key, kind, evidence, .. } => {
                format!(
                    "{} of the validator with key {key}, entered {at}\n  proven by evidence {evidence}",
                    kind.name()
                )
            }
        };
        let cost = match entry.points() {
            0 => "costs nothing any more".to_owned(),
            points => format!("costs {points} points until {until}"),
        };
        let advice = advice(&entry.fault).map_or(String::new(), |advice| format!("\n  what to do: {advice}"));
        format!("entry {number}: {what}\n  {cost}; {}{advice}", self.state_text(entry))
    }

    fn state_text(&self, entry: &Entry) -> String {
        match (entry.state, appeal_until(entry, self.book.as_of)) {
            (EntryState::Stands, Some(until)) => {
                format!("it stands, and can be appealed until {}", format_moment(until))
            }
            (EntryState::Stands, None) if matches!(entry.fault, Fault::Validator { .. }) => {
                "it stands: what a signature proves nobody rules on".to_owned()
            }
            (EntryState::Stands, None) => "it stands, and the time to appeal is over".to_owned(),
            (EntryState::Appealed, _) => "it is appealed, and counts until an auditor rules on it".to_owned(),
            (EntryState::Upheld, _) => "it was appealed and is upheld".to_owned(),
            (EntryState::Struck, _) => "it was appealed and is struck".to_owned(),
        }
    }

    /// One entry, for programs.
    pub(crate) fn entry_json(&self, number: u64, entry: &Entry) -> Value {
        let mut value = json!({
            "entry": number, "at": format_moment(entry.at), "points": entry.points(),
            "points_entered": entry.fault.terms().points, "until": format_moment(entry.expires_at()),
            "state": entry.state.name(), "appeal_until": appeal_until(entry, self.book.as_of).map(format_moment),
            "advice": advice(&entry.fault),
        });
        match &entry.fault {
            Fault::Device { account, meter, kind, period, proof } => {
                value["what"] = json!(kind.name());
                value["account"] = json!(account.0);
                value["meter"] = json!(meter.0);
                value["period"] = json!(period.map(|period| period.0));
                value["records"] = json!(proof.records());
            }
            Fault::Validator { key, kind, epoch, view, evidence } => {
                value["what"] = json!(kind.name());
                value["validator"] = json!(key.to_hex());
                value["epoch"] = json!(epoch);
                value["view"] = json!(view);
                value["evidence"] = json!(evidence.to_hex());
            }
        }
        value
    }
}

/// Until when an entry can be appealed, exclusive; none if it cannot any more, or was. Validators appeal nowhere on the ledger.
fn appeal_until(entry: &Entry, now: LedgerTime) -> Option<LedgerTime> {
    let is_open = entry.state == EntryState::Stands && now < entry.appeal_until();
    Some(entry.appeal_until()).filter(|_| is_open && matches!(entry.fault, Fault::Device { .. }))
}

fn advice(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Device { kind, .. } => Some(kind.advice()),
        Fault::Validator { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, DeliveryPeriod, MeterId, Money};
    use gridbook_ledger::conduct::{APPEAL_MS, DeviceFault, Proof};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::evidence::EvidenceKind;

    use super::*;

    fn book(state: EntryState, as_of: u64) -> ConductBook {
        let (account, meter, kind) = (AccountId(3), MeterId(7), DeviceFault::DoubleReading);
        let proof = Proof::of(&[4, 70]).unwrap();
        let fault = Fault::Device { account, meter, kind, period: Some(DeliveryPeriod(4)), proof };
        let standing = ConductStanding { account, score: 800, share_ppm: 1_200_000, cost: Money(70) };
        let entries = vec![(5, Entry { fault, at: LedgerTime(0), state })];
        ConductBook { as_of: LedgerTime(as_of), standing: Some(standing), entries, next: None }
    }

    fn told(book: &ConductBook, subject: ConductSubject) -> ConductText<'_> {
        ConductText { book, subject, mtu_minutes: 15 }
    }

    /// One voted twice, and forgot what it had signed; another broke its word.
    #[test]
    fn of_validators_the_scores_stand_before_the_entries() {
        let entry = |key, kind| {
            let (key, evidence) = (PublicKey([key; 32]), Hash([6; 32]));
            Entry {
                fault: Fault::Validator { key, kind, epoch: 0, view: 8, evidence },
                at: LedgerTime(0),
                state: EntryState::Stands,
            }
        };
        let kinds = [EvidenceKind::DoubleVote, EvidenceKind::Amnesia].map(|kind| entry(2, kind));
        let entries = vec![(1, kinds[0]), (2, entry(1, EvidenceKind::ReceiptBreach)), (3, kinds[1])];
        let book = ConductBook { entries, ..ConductBook::default() };
        let validators = told(&book, ConductSubject::Validators { from: 0 });
        let (text, json) = (validators.text(), validators.json());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("a score of 750 of 1000") && lines[1].ends_with("a score of 250 of 1000"), "{text}");
        assert!(text.contains("entry 1: double vote of the validator") && text.contains("nobody rules on"), "{text}");
        assert_eq!(json["validators"][1]["score"], 250);
        assert_eq!(json["entries"][1]["what"], "receipt breach");
    }

    /// A household must see what it did, what that costs and until when, and that it can still do something about it.
    #[test]
    fn an_entry_says_what_it_costs_until_when_and_what_can_be_done() {
        let text = |state, as_of| told(&book(state, as_of), ConductSubject::Own).text();
        let standing = text(EntryState::Stands, APPEAL_MS - 1);
        for part in [
            "a score of 800 of 1000; its trades cover 120 %",
            "entry 5: double reading of meter 7 for the delivery of 1970-01-01T01:00:00Z",
            "proven by records 4 and 70",
            "costs 200 points until 1970-06-30",
            "can be appealed until 1970-01-15T00:00:00Z",
            DeviceFault::DoubleReading.advice(),
        ] {
            assert!(standing.contains(part), "{part}: {standing}");
        }
        assert!(text(EntryState::Stands, APPEAL_MS).contains("the time to appeal is over"));
        assert!(text(EntryState::Appealed, 1).contains("counts until an auditor rules"));
        assert!(text(EntryState::Upheld, 1).contains("costs 200 points"));
        assert!(text(EntryState::Struck, 1).contains("costs nothing any more"));
    }

    #[test]
    fn programs_are_told_the_moment_until_which_an_appeal_is_possible_and_nothing_after_it() {
        let until =
            |state, as_of| told(&book(state, as_of), ConductSubject::Own).json()["entries"][0]["appeal_until"].clone();
        assert_eq!(until(EntryState::Stands, APPEAL_MS - 1), "1970-01-15T00:00:00Z");
        assert_eq!(until(EntryState::Stands, APPEAL_MS), Value::Null);
        assert_eq!(until(EntryState::Appealed, 1), Value::Null);
    }

    #[test]
    fn an_empty_book_says_that_there_is_nothing() {
        let appeals = ConductBook::default();
        let text = |subject| told(&appeals, subject).text();
        assert_eq!(text(ConductSubject::Appealed { from: 0 }), "no appeal waits for a ruling");
        assert_eq!(text(ConductSubject::Validators { from: 0 }), "nothing stands against any validator");
        let clean = ConductBook { entries: Vec::new(), ..book(EntryState::Stands, 0) };
        assert!(told(&clean, ConductSubject::Own).text().ends_with("nothing stands against it"));
    }
}
