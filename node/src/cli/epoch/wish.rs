//! What an operator wants changed, on the command line.

use std::net::SocketAddr;

use clap::Args;
use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::validators::{Member, ValidatorIndex, ValidatorSet};

use crate::cli::genesis::parse_key;

/// Changes of the present set. Places are those of the present set; those behind a removed one move up.
#[derive(Args, Debug, Default)]
pub(crate) struct Wish {
    /// Give a validator another key; its operator, place and address stay.
    #[arg(long, value_name = "INDEX=KEY", value_parser = parse_rotation)]
    rotate: Vec<(u16, PublicKey)>,
    /// Put another validator in the place of one.
    #[arg(long, value_name = "INDEX=KEY@ADDRESS", value_parser = parse_replacement)]
    replace: Vec<(u16, Member)>,
    /// Add a validator at the end.
    #[arg(long, value_name = "KEY@ADDRESS", value_parser = parse_member)]
    add: Vec<Member>,
    /// Remove a validator.
    #[arg(long, value_name = "INDEX")]
    remove: Vec<u16>,
    /// Say on the ledger where a validator is reached.
    #[arg(long, value_name = "INDEX=ADDRESS", value_parser = parse_place)]
    address: Vec<(u16, SocketAddr)>,
    /// Have a validator not lead in the next epoch; it stays so in later ones until it is pardoned.
    #[arg(long, value_name = "INDEX")]
    penalise: Vec<u16>,
    /// Have a validator lead again.
    #[arg(long, value_name = "INDEX")]
    pardon: Vec<u16>,
}

impl Wish {
    /// The set that comes of it, or a sentence that says why there is none.
    pub(super) fn apply(&self, present: &ValidatorSet) -> Result<ValidatorSet, String> {
        let mut seats: Vec<(Option<Member>, bool)> = present
            .indices()
            .zip(present.members())
            .map(|(index, member)| (Some(*member), present.penalised().contains(&index)))
            .collect();
        let count = seats.len();
        let none = |index: u16| format!("there is no validator {index}: the present set has 0 to {}", count - 1);
        for (index, key) in &self.rotate {
            let (seat, _) = seats.get_mut(usize::from(*index)).ok_or_else(|| none(*index))?;
            *seat = seat.map(|member| Member { key: *key, ..member });
        }
        for (index, member) in &self.replace {
            // The penalty was the old operator's.
            *seats.get_mut(usize::from(*index)).ok_or_else(|| none(*index))? = (Some(*member), false);
        }
        for (index, address) in &self.address {
            let (seat, _) = seats.get_mut(usize::from(*index)).ok_or_else(|| none(*index))?;
            *seat = seat.map(|member| Member { address: Some(*address), ..member });
        }
        for (indices, penalised) in [(&self.penalise, true), (&self.pardon, false)] {
            for index in indices {
                seats.get_mut(usize::from(*index)).ok_or_else(|| none(*index))?.1 = penalised;
            }
        }
        for index in &self.remove {
            seats.get_mut(usize::from(*index)).ok_or_else(|| none(*index))?.0 = None;
        }
        seats.extend(self.add.iter().map(|member| (Some(*member), false)));
        let left: Vec<(Member, bool)> =
            seats.into_iter().filter_map(|(seat, penalised)| Some((seat?, penalised))).collect();
        let penalised =
            (0..).zip(&left).filter(|(_, (_, penalised))| *penalised).map(|(index, _)| ValidatorIndex(index));
        let penalised = penalised.collect();
        let next = ValidatorSet::of_members(left.iter().map(|(member, _)| *member).collect(), penalised)
            .map_err(|error| error.to_string())?;
        if next.hash() == present.hash() {
            return Err(
                "nothing would change: say what should, with --rotate, --replace, --add, --remove or --penalise".into(),
            );
        }
        Ok(next)
    }
}

fn parse_rotation(text: &str) -> Result<(u16, PublicKey), String> {
    let (index, key) = split(text, '=', "INDEX=KEY")?;
    Ok((parse_index(index)?, parse_key(key)?))
}

fn parse_replacement(text: &str) -> Result<(u16, Member), String> {
    let (index, member) = split(text, '=', "INDEX=KEY@ADDRESS")?;
    Ok((parse_index(index)?, parse_member(member)?))
}

fn parse_place(text: &str) -> Result<(u16, SocketAddr), String> {
    let (index, address) = split(text, '=', "INDEX=ADDRESS")?;
    Ok((parse_index(index)?, parse_address(address)?))
}

fn parse_member(text: &str) -> Result<Member, String> {
    let (key, address) = split(text, '@', "KEY@ADDRESS")?;
    Ok(Member { key: parse_key(key)?, address: Some(parse_address(address)?) })
}

fn split<'a>(text: &'a str, at: char, form: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once(at).ok_or_else(|| format!("write it as {form}"))
}

fn parse_index(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is not the number of a validator"))
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an address with a port, such as 10.0.0.9:7100"))
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::crypto::SecretKey;

    use super::*;

    fn key(number: u8) -> PublicKey {
        SecretKey::from_seed([number; 32]).public()
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn present() -> ValidatorSet {
        let members = (1..8).map(|number| Member { key: key(number), address: None }).collect();
        ValidatorSet::of_members(members, vec![ValidatorIndex(3), ValidatorIndex(5)]).unwrap()
    }

    fn keys(set: &ValidatorSet) -> Vec<PublicKey> {
        set.members().iter().map(|member| member.key).collect()
    }

    #[test]
    fn a_rotated_key_keeps_its_place_and_its_penalty() {
        let wish = Wish { rotate: vec![(3, key(33))], address: vec![(3, at(7))], ..Wish::default() };
        let next = wish.apply(&present()).unwrap();
        assert_eq!(next.members()[3], Member { key: key(33), address: Some(at(7)) });
        assert_eq!(next.penalised(), present().penalised());
    }

    /// The penalty follows its operator to the place he moves up to, and does not stay for whoever comes after him.
    #[test]
    fn who_is_removed_or_replaced_takes_his_penalty_along() {
        let new = Member { key: key(55), address: Some(at(9)) };
        let replaced = Wish { replace: vec![(5, new)], ..Wish::default() }.apply(&present()).unwrap();
        assert_eq!((replaced.members()[5], replaced.penalised()), (new, &[ValidatorIndex(3)][..]));
        let smaller = Wish { remove: vec![0, 1, 5], ..Wish::default() }.apply(&present()).unwrap();
        assert_eq!(keys(&smaller), [3, 4, 5, 7].map(key));
        assert_eq!(smaller.penalised(), [ValidatorIndex(1)]);
    }

    #[test]
    fn three_are_added_and_one_is_pardoned() {
        let member = |number: u8| Member { key: key(number), address: Some(at(number.into())) };
        let wish = Wish { add: vec![member(11), member(12), member(13)], pardon: vec![3], ..Wish::default() };
        let next = wish.apply(&present()).unwrap();
        assert_eq!((next.count(), next.penalised()), (10, &[ValidatorIndex(5)][..]));
        assert_eq!(keys(&next)[7..], [11, 12, 13].map(key));
    }

    #[test]
    fn wishes_that_make_no_set_are_told_so() {
        let sentence = |wish: Wish| wish.apply(&present()).unwrap_err();
        assert!(sentence(Wish::default()).contains("nothing would change"));
        assert!(sentence(Wish { remove: vec![0], ..Wish::default() }).contains("3f + 1"));
        assert!(sentence(Wish { penalise: vec![0], ..Wish::default() }).contains("at most f"));
        assert!(sentence(Wish { rotate: vec![(7, key(33))], ..Wish::default() }).contains("no validator 7"));
        assert!(sentence(Wish { rotate: vec![(2, key(1))], ..Wish::default() }).contains("key of another"));
    }

    #[test]
    fn flags_are_read_or_their_form_is_told() {
        let hex = key(1).to_hex();
        assert_eq!(parse_rotation(&format!("2={hex}")), Ok((2, key(1))));
        let member = Member { key: key(1), address: Some(at(7)) };
        assert_eq!(parse_replacement(&format!("2={hex}@10.0.0.1:7")), Ok((2, member)));
        for wrong in ["", "2", "x=1", &format!("2={hex}")] {
            assert!(parse_replacement(wrong).is_err(), "{wrong}");
        }
        assert!(parse_place("2=10.0.0.1").unwrap_err().contains("port"));
    }
}
