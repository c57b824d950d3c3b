//! What was read under grants, for people and for programs.

use gridbook_engine::MeterId;
use gridbook_ledger::consent::Scope;
use gridbook_ledger::store::FactOwner;
use gridbook_ledger::validators::ValidatorIndex;
use serde_json::{Value, json};

use crate::client::{ClientError, NumberedUses};
use crate::moment::format_moment;
use crate::protocol::{ConductSubject, QueryKind, Use};

/// What all validators that were asked say of one meter, on a ledger with delivery periods of `mtu_minutes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsesText<'a> {
    pub(crate) meter: MeterId,
    pub(crate) told: &'a [(ValidatorIndex, Result<NumberedUses, ClientError>)],
    pub(crate) mtu_minutes: u32,
}

/// Answers to one question, of which each page is a use.
struct Reading<'a> {
    validator: ValidatorIndex,
    first: &'a Use,
    answers: usize,
}

impl UsesText<'_> {
    /// For people: what was read, oldest first, and who could not be asked.
    pub(crate) fn text(&self) -> String {
        let mut readings = self.readings();
        readings.sort_by_key(|reading| (reading.first.at, reading.validator));
        let mut lines: Vec<String> = readings.iter().map(|reading| self.line(reading)).collect();
        if lines.is_empty() {
            lines.push(format!("nobody has read anything of meter {} under a grant, as far as is known", self.meter.0));
        }
        lines.extend(self.told.iter().filter_map(|(validator, told)| {
            let error = told.as_ref().err()?;
            Some(format!("validator {} does not say what it has told: {error}", validator.0))
        }));
        lines.join("\n")
    }

    /// For programs: each use by validator.
    pub(crate) fn json(&self) -> Value {
        let validators = self.told.iter().map(|(validator, told)| match told {
            Ok(uses) => {
                let uses: Vec<Value> = uses.iter().map(|(number, used)| self.use_json(*number, used)).collect();
                json!({"validator": validator.0, "uses": uses})
            }
            Err(error) => json!({"validator": validator.0, "error": error.to_string()}),
        });
        let validators: Vec<Value> = validators.collect();
        json!({"meter": self.meter.0, "validators": validators})
    }

    /// A long answer comes in pages, each of which is noted: for a person they are one.
    fn readings(&self) -> Vec<Reading<'_>> {
        let mut readings: Vec<Reading<'_>> = Vec::new();
        for (validator, told) in self.told {
            for (_, used) in told.iter().flatten() {
                match readings.last_mut().filter(|last| last.validator == *validator && goes_on(last.first, used)) {
                    Some(last) => last.answers += 1,
                    None => readings.push(Reading { validator: *validator, first: used, answers: 1 }),
                }
            }
        }
        readings
    }

    fn line(&self, Reading { validator, first, answers }: &Reading<'_>) -> String {
        let who = match first.organisation {
            Some(organisation) => format!("organisation {} (key {})", organisation.0, first.key.to_hex()),
            None => format!("key {}", first.key.to_hex()),
        };
        let pages = if *answers > 1 { format!(", in {answers} answers") } else { String::new() };
        format!(
            "{} {who} read {}{pages}, by a grant of {}; told by validator {}",
            format_moment(first.at),
            self.what(&first.question),
            scope_text(first.scope),
            validator.0
        )
    }

    fn what(&self, question: &QueryKind) -> String {
        let begins = |period: gridbook_engine::DeliveryPeriod| format_moment(period.starts_at(self.mtu_minutes));
        match *question {
            QueryKind::Facts { owner: FactOwner::Meter(meter), from, to } => {
                format!("the facts of meter {}, deliveries {} to {}", meter.0, begins(from.period), begins(to))
            }
            QueryKind::Bill { meter, from, to } => {
                format!("the bill of meter {}, deliveries {} to {}", meter.0, begins(from), begins(to))
            }
            QueryKind::Certificates { meter, from_seq } => {
                format!("the certificates of meter {} from command {from_seq} on", meter.0)
            }
            QueryKind::Extracts { account, from_seq, .. } => {
                format!("the history of account {} from command {from_seq} on", account.0)
            }
            QueryKind::Receipt { seq, .. } => format!("record {seq}, whole and with the proof"),
            QueryKind::BundleReceipt { bundle, index, .. } => {
                format!("the record of command {index} of bundle {bundle}, whole and with the proof")
            }
            QueryKind::Proof { account } => format!("how account {} stands, with the proof", account.0),
            QueryKind::Conduct(ConductSubject::Meter(meter)) => format!("what stands against meter {}", meter.0),
            QueryKind::Conduct(ConductSubject::Account(account)) => {
                format!("what stands against account {}", account.0)
            }
            // No grant opens these; a validator of another version may know better.
            _ => format!("{question:?}"),
        }
    }

    fn use_json(&self, number: u64, used: &Use) -> Value {
        json!({
            "use": number, "at": format_moment(used.at), "meter": used.meter.0, "account": used.account.0,
            "key": used.key.to_hex(), "organisation": used.organisation.map(|organisation| organisation.0),
            "scope": scope_text(used.scope), "what": self.what(&used.question),
        })
    }
}

/// Whether a use is the next page of what another began.
fn goes_on(first: &Use, next: &Use) -> bool {
    let same = (first.key, first.organisation, first.scope) == (next.key, next.organisation, next.scope);
    let same_question = match (first.question, next.question) {
        (
            QueryKind::Facts { owner, from, to },
            QueryKind::Facts { owner: next_owner, from: next_from, to: next_to },
        ) => (owner, to) == (next_owner, next_to) && from < next_from,
        (
            QueryKind::Extracts { account, from_seq, from_byte },
            QueryKind::Extracts { account: next_account, from_seq: next_from, from_byte: next_byte },
        ) => account == next_account && (from_seq, from_byte) < (next_from, next_byte),
        (
            QueryKind::Certificates { meter, from_seq },
            QueryKind::Certificates { meter: next_meter, from_seq: next_from },
        ) => meter == next_meter && from_seq < next_from,
        (QueryKind::Bill { meter, from, to }, QueryKind::Bill { meter: next_meter, from: next_from, to: next_to }) => {
            (meter, to) == (next_meter, next_to) && from < next_from
        }
        _ => false,
    };
    same && same_question
}

fn scope_text(bits: u8) -> String {
    Scope::from_bits(bits).map_or_else(|| format!("kind {bits}"), |scope| scope.to_string())
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, DeliveryPeriod, LedgerTime};
    use gridbook_ledger::crypto::PublicKey;
    use gridbook_ledger::registry::OrganisationId;
    use gridbook_ledger::reject::Code;
    use gridbook_ledger::store::FactPlace;

    use super::*;

    const METER: MeterId = MeterId(7);

    fn page(at: u64, from: u32, to: u32) -> Use {
        let from = FactPlace::first_of(DeliveryPeriod(from));
        Use {
            at: LedgerTime(at),
            meter: METER,
            account: AccountId(4),
            key: PublicKey([5; 32]),
            organisation: Some(OrganisationId(3)),
            scope: Scope::STATEMENT.bits(),
            question: QueryKind::Facts { owner: FactOwner::Meter(METER), from, to: DeliveryPeriod(to) },
        }
    }

    fn text(told: &[(ValidatorIndex, Result<NumberedUses, ClientError>)]) -> String {
        UsesText { meter: METER, told, mtu_minutes: 15 }.text()
    }

    /// The works read a day in three pages at one validator, then the next day at another; a third validator is down. Its owner sees two lines
    /// in the order in which it was read, and that one validator may know more.
    #[test]
    fn pages_of_one_answer_are_one_line_and_who_is_silent_is_named() {
        let told = [
            (ValidatorIndex(0), Ok(vec![(3, page(2_000, 96, 191))])),
            (ValidatorIndex(1), Ok(vec![(1, page(1_000, 0, 95)), (2, page(1_000, 10, 95)), (3, page(1_000, 20, 95))])),
            (ValidatorIndex(2), Err(ClientError::Late)),
        ];
        let text = text(&told);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, parts) in [
            (0, ["1970-01-01T00:00:01Z organisation 3", "in 3 answers", "of statement; told by validator 1"]),
            (1, ["1970-01-01T00:00:02Z", "deliveries 1970-01-02T00:00:00Z to 1970-01-02T23:45:00Z", "by validator 0"]),
            (2, ["validator 2", "does not say", "no final answer in time"]),
        ] {
            assert!(parts.iter().all(|part| lines[line].contains(part)), "{}", lines[line]);
        }
    }

    /// Whoever asks for the same day twice has read it twice.
    #[test]
    fn the_same_question_again_is_another_use() {
        let told = [(ValidatorIndex(0), Ok(vec![(1, page(1_000, 0, 95)), (2, page(1_500, 0, 95))]))];
        assert_eq!(text(&told).lines().count(), 2);
    }

    #[test]
    fn without_uses_that_is_said_and_programs_see_who_refused() {
        let told =
            [(ValidatorIndex(0), Ok(Vec::new())), (ValidatorIndex(1), Err(ClientError::Refused(Code::AuthForeign)))];
        assert!(text(&told).starts_with("nobody has read anything of meter 7 under a grant, as far as is known"));
        let json = UsesText { meter: METER, told: &told, mtu_minutes: 15 }.json();
        assert_eq!(json["validators"][0], json!({"validator": 0, "uses": []}));
        assert!(json["validators"][1]["error"].as_str().unwrap().contains("AuthForeign"), "{json}");
    }
}
