//! A change of validators as a file that goes from operator to operator: JSON, so that everybody can read what he signs.

use std::net::SocketAddr;

use gridbook_ledger::crypto::{Hash, PublicKey, Signature};
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::validators::{Member, ValidatorIndex};
use serde::{Deserialize, Serialize};

/// Why a file is no change of validators.
#[derive(Debug, thiserror::Error)]
pub enum EpochFileError {
    /// Not JSON, or not of this form.
    #[error("it cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that is none.
    #[error("`{0}` does not hold hexadecimal digits of the right number")]
    Hex(&'static str),
    /// Approvals that are not each by another validator, in order.
    #[error("the approvals must be by validators 0 to 63, each once, in ascending order")]
    Approvals,
    /// An epoch behind which there is no number for another.
    #[error("`ends_epoch` is the last number there is: no epoch could follow it")]
    LastEpoch,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeFile {
    chain: String,
    ends_epoch: u32,
    next_validators: Vec<MemberFile>,
    #[serde(default)]
    penalised: Vec<u16>,
    #[serde(default)]
    approvals: Vec<ApprovalFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalFile {
    validator: u16,
    signature: String,
}

/// Writes a change as text, with a newline at the end.
pub fn change_to_text(change: &Reconfigure) -> String {
    let member = |member: &Member| MemberFile { key: member.key.to_hex(), address: member.address };
    let approval = |(voter, signature): (ValidatorIndex, &Signature)| {
        let [left, right] = halves(signature).map(Hash::to_hex);
        ApprovalFile { validator: voter.0, signature: left + &right }
    };
    let file = ChangeFile {
        chain: change.chain.to_hex(),
        ends_epoch: change.epoch,
        next_validators: change.members.iter().map(member).collect(),
        penalised: change.penalised.iter().map(|index| index.0).collect(),
        approvals: change.voters().zip(&change.signatures).map(approval).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("texts, numbers and lists always make JSON");
    text.push('\n');
    text
}

/// Reads a change. Whether it makes sense, and whether the approvals are good, is for [`Reconfigure::verify`].
///
/// # Errors
/// Whatever keeps it from being one.
pub fn change_from_text(text: &str) -> Result<Reconfigure, EpochFileError> {
    let file: ChangeFile = serde_json::from_str(text)?;
    let member = |member: &MemberFile| {
        let key = PublicKey::from_hex(&member.key).ok_or(EpochFileError::Hex("key"))?;
        Ok(Member { key, address: member.address })
    };
    if file.ends_epoch == u32::MAX {
        return Err(EpochFileError::LastEpoch);
    }
    let voters: Vec<u16> = file.approvals.iter().map(|approval| approval.validator).collect();
    if !voters.is_sorted_by(|a, b| a < b) || voters.iter().any(|voter| *voter > 63) {
        return Err(EpochFileError::Approvals);
    }
    Ok(Reconfigure {
        chain: Hash::from_hex(&file.chain).ok_or(EpochFileError::Hex("chain"))?,
        epoch: file.ends_epoch,
        members: file.next_validators.iter().map(member).collect::<Result<_, EpochFileError>>()?,
        penalised: file.penalised.into_iter().map(ValidatorIndex).collect(),
        signers: voters.iter().fold(0, |bits, voter| bits | 1 << voter),
        signatures: file
            .approvals
            .iter()
            .map(|approval| read_signature(&approval.signature))
            .collect::<Result<_, _>>()?,
    })
}

fn halves(signature: &Signature) -> [Hash; 2] {
    let (left, right) = signature.0.split_at(32);
    [left, right].map(|half| Hash(half.try_into().expect("half of 64 bytes")))
}

fn read_signature(text: &str) -> Result<Signature, EpochFileError> {
    let bad = || EpochFileError::Hex("signature");
    let (left, right) = text.split_at_checked(64).ok_or_else(bad)?;
    let halves = [left, right].map(|half| Hash::from_hex(half).ok_or_else(bad));
    let [left, right] = halves;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&left?.0);
    bytes[32..].copy_from_slice(&right?.0);
    Ok(Signature(bytes))
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::crypto::SecretKey;
    use gridbook_ledger::validators::ValidatorSet;

    use super::*;

    fn change() -> Reconfigure {
        let keys: Vec<SecretKey> = (1..6).map(|seed| SecretKey::from_seed([seed; 32])).collect();
        let set = ValidatorSet::new(keys[..4].iter().map(SecretKey::public).collect()).unwrap();
        let address = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let members =
            keys[1..].iter().zip(7_000..).map(|(key, port)| Member { key: key.public(), address: address(port) });
        let next = ValidatorSet::of_members(members.collect(), vec![ValidatorIndex(2)]).unwrap();
        let mut change = Reconfigure::propose(Hash([7; 32]), 3, &next);
        change.approve(&set, &keys[3]).unwrap();
        change.approve(&set, &keys[0]).unwrap();
        change
    }

    #[test]
    fn a_change_comes_back_from_its_text() {
        assert_eq!(change_from_text(&change_to_text(&change())).unwrap(), change());
    }

    /// Two operators merge their copies by hand.
    #[test]
    fn an_approval_twice_or_out_of_order_is_refused() {
        let mut value: serde_json::Value = serde_json::from_str(&change_to_text(&change())).unwrap();
        let approvals = value["approvals"].as_array().unwrap().clone();
        for wrong in
            [vec![approvals[0].clone(), approvals[0].clone()], vec![approvals[1].clone(), approvals[0].clone()]]
        {
            value["approvals"] = wrong.into();
            assert!(matches!(change_from_text(&value.to_string()), Err(EpochFileError::Approvals)));
        }
        value["approvals"][0]["validator"] = 64.into();
        assert!(matches!(change_from_text(&value.to_string()), Err(EpochFileError::Approvals)));
    }

    /// Whoever submits it says which epoch has begun by it.
    #[test]
    fn the_end_of_an_epoch_that_none_can_follow_is_refused() {
        let ends = |epoch| change_to_text(&Reconfigure { epoch, ..change() });
        assert!(matches!(change_from_text(&ends(u32::MAX)), Err(EpochFileError::LastEpoch)));
        assert_eq!(change_from_text(&ends(u32::MAX - 1)).unwrap().epoch, u32::MAX - 1);
    }

    #[test]
    fn what_is_not_hexadecimal_is_named() {
        let text = change_to_text(&change());
        for (field, expected) in [("chain", "`chain`"), ("signature", "`signature`")] {
            let at = text.find(&format!("\"{field}\": \"")).unwrap() + field.len() + 5;
            let wrong = format!("{}zz{}", &text[..at], &text[at + 2..]);
            let sentence = change_from_text(&wrong).unwrap_err().to_string();
            assert!(sentence.contains(expected), "{sentence}");
        }
        assert!(change_from_text("{}").is_err());
    }
}
