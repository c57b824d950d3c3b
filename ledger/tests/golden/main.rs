//! Signed and hashed bytes, field by field. If one of these changes, every signature and receipt ever made is void: then the
//! domain tag's version must change with it, and a new golden stand beside the old.

mod commands;
mod events;
mod log;
mod records;

use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::SecretKey;

/// A field's name and its bytes in hexadecimal; `..` stands for zeros up to the end.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn joined(fields: Fields<'_>) -> String {
    fields.iter().map(|(_, hex)| hex.replace(' ', "")).collect()
}

#[track_caller]
pub(crate) fn assert_golden(bytes: &[u8], fields: Fields<'_>) {
    let (actual, mut at) = (hex(bytes), 0);
    for (name, field) in fields {
        let field = field.replace(' ', "");
        let end = (at + field.len()).min(actual.len());
        assert_eq!(actual[at..end], field, "field `{name}` at byte {}", at / 2);
        at = end;
    }
    assert_eq!(actual.len(), at, "bytes after the last field: {}", &actual[at..]);
}

#[track_caller]
pub(crate) fn assert_command(command: Command, fields: Fields<'_>) {
    let used = joined(fields);
    let zeros = "0".repeat(128 - used.len());
    assert_golden(&command.encode(), &[fields, &[("zeros", &zeros)]].concat());
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

pub(crate) const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
