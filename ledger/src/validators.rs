//! Who runs the ledger, and how many of them make it final.

use std::net::SocketAddr;

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, PublicKey};

/// A validator by its place in the set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct ValidatorIndex(pub u16);

impl ValidatorIndex {
    /// Stands for one that follows the ledger without a place in the set: it signs nothing.
    pub const OBSERVER: Self = Self(u16::MAX);
}

/// One validator of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it signs with, and what proves it to the others.
    pub key: PublicKey,
    /// Where others reach it, if the ledger says so; else everybody's own settings do.
    pub address: Option<SocketAddr>,
}

/// The validators of an epoch: n = 3f + 1, 4 to 49 of them, and which of them never lead in it.
///
/// The penalty list is part of the set, so that it is fixed for the epoch: nodes at different heights must agree on who leads a
/// view (CONSENSUS section 3, leader).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    members: Vec<Member>,
    penalised: Vec<ValidatorIndex>,
    /// The members less the penalised, in turn.
    rota: Vec<ValidatorIndex>,
}

/// Why members do not make a validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// Not 3f + 1, or outside 4..=49.
    #[error("{0} validators: there must be 3f + 1 of them, from 4 to 49")]
    Size(usize),
    /// A key twice, which would count one operator twice.
    #[error("validator {0} has the key of another")]
    Duplicate(usize),
    /// A key that may not be registered.
    #[error("validator {0} has a key that is not valid")]
    Key(usize),
    /// A penalty for nobody, twice, or out of order.
    #[error("the penalty list must name members of the set, each once, in ascending order")]
    Penalty,
    /// So many penalised that too few are left to lead.
    #[error("{0} penalised validators: at most f of 3f + 1 may be, so that honest ones are left to lead")]
    Penalties(usize),
}

impl ValidatorSet {
    /// The fewest and the most validators.
    pub const SIZES: core::ops::RangeInclusive<usize> = 4..=49;

    /// A set of the given keys, in their order; nobody is penalised.
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, ValidatorSetError> {
        Self::of_members(keys.into_iter().map(|key| Member { key, address: None }).collect(), Vec::new())
    }

    /// A set of the given members, in their order, of whom the penalised never lead.
    ///
    /// At most f may be penalised. More than f proven faults are beyond what the protocol bears at all; and with f at most, 2f + 1 are left
    /// to lead, of whom f + 1 are honest even if every penalty was unjust and f others are faulty.
    pub fn of_members(members: Vec<Member>, penalised: Vec<ValidatorIndex>) -> Result<Self, ValidatorSetError> {
        if !Self::SIZES.contains(&members.len()) || members.len() % 3 != 1 {
            return Err(ValidatorSetError::Size(members.len()));
        }
        for (i, member) in members.iter().enumerate() {
            if member.key.check().is_err() {
                return Err(ValidatorSetError::Key(i));
            }
            if members[..i].iter().any(|other| other.key == member.key) {
                return Err(ValidatorSetError::Duplicate(i));
            }
        }
        let is_member = |index: &ValidatorIndex| usize::from(index.0) < members.len();
        if !penalised.iter().all(is_member) || !penalised.is_sorted_by(|a, b| a < b) {
            return Err(ValidatorSetError::Penalty);
        }
        if penalised.len() > (members.len() - 1) / 3 {
            return Err(ValidatorSetError::Penalties(penalised.len()));
        }
        let rota = indices(members.len()).filter(|index| !penalised.contains(index)).collect();
        let members = members.into_iter().map(Member::canonical).collect();
        Ok(Self { members, penalised, rota })
    }

    /// The same validators with another order of leaders, which begins again when it is through. Whoever simulates may have
    /// anybody lead as often as it likes; without members that are known to be in the set this is `None`.
    pub fn with_rota(self, rota: Vec<ValidatorIndex>) -> Option<Self> {
        let known = !rota.is_empty() && rota.iter().all(|leader| self.key(*leader).is_some());
        known.then_some(Self { rota, ..self })
    }

    /// n: how many there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// f: how many may misbehave.
    pub fn faulty_max(&self) -> usize {
        (self.members.len() - 1) / 3
    }

    /// 2f + 1: any two such groups share an honest validator.
    pub fn quorum(&self) -> usize {
        2 * self.faulty_max() + 1
    }

    /// f + 1: any such group has an honest validator.
    pub fn one_honest(&self) -> usize {
        self.faulty_max() + 1
    }

    /// The key of a validator, if there is such a validator.
    pub fn key(&self, index: ValidatorIndex) -> Option<&PublicKey> {
        self.members.get(usize::from(index.0)).map(|member| &member.key)
    }

    /// All of them, by ascending place.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Who of them never leads in this epoch, ascending.
    pub fn penalised(&self) -> &[ValidatorIndex] {
        &self.penalised
    }

    /// Which validator has this key.
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        let place = self.members.iter().position(|member| member.key == *key)?;
        u16::try_from(place).ok().map(ValidatorIndex)
    }

    /// All of them.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        indices(self.members.len())
    }

    /// Who leads a view: in turn, the penalised passed over. The root is view 0 and nobody's.
    pub fn leader(&self, view: u64) -> ValidatorIndex {
        let place = view % (self.rota.len() as u64);
        self.rota[usize::try_from(place).expect("at most 49")]
    }

    /// Its name: a hash over all that it says. The header that ends an epoch names the next set by it.
    pub fn hash(&self) -> Hash {
        let mut w = Writer::new();
        self.write(&mut w);
        Hash::of("gridbook/validator-set/1", w.as_slice())
    }

    /// Lays its canonical bytes.
    pub fn write(&self, w: &mut Writer) {
        write_members(w, &self.members, &self.penalised);
    }

    /// Reads what [`ValidatorSet::write`] laid, and refuses what is no validator set.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (members, penalised) = read_members(r)?;
        Self::of_members(members, penalised).map_err(|_| BytesError::Unknown)
    }
}

impl Member {
    const BARE: u8 = 0;
    const ADDRESSED: u8 = 1;

    /// One address, one form: an IPv4 address is never written as the IPv6 address that stands for it, and scopes mean nothing to others.
    fn canonical(self) -> Self {
        let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { key: self.key, address: self.address.map(plain) }
    }

    fn write(&self, w: &mut Writer) {
        w.bytes(&self.key.0);
        match self.address {
            None => w.u8(Self::BARE),
            Some(address) => {
                let ip = match address.ip() {
                    std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    std::net::IpAddr::V6(v6) => v6,
                };
                w.u8(Self::ADDRESSED).bytes(&ip.octets()).u16(address.port())
            }
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let key = PublicKey(r.array()?);
        let address = match r.u8()? {
            Self::BARE => None,
            Self::ADDRESSED => {
                let ip = std::net::Ipv6Addr::from(r.array::<16>()?);
                Some(SocketAddr::new(std::net::IpAddr::V6(ip).to_canonical(), r.u16()?))
            }
            _ => return Err(BytesError::Unknown),
        };
        Ok(Self { key, address })
    }
}

/// Lays members and penalty list, whether or not they make a set: a proposal of one is judged where it is executed.
pub(crate) fn write_members(w: &mut Writer, members: &[Member], penalised: &[ValidatorIndex]) {
    w.u16(short(members.len()));
    members.iter().for_each(|member| member.write(w));
    w.u16(short(penalised.len()));
    penalised.iter().for_each(|index| _ = w.u16(index.0));
}

/// Reads what [`write_members`] laid. Counts beyond the largest set are refused before anything is read.
pub(crate) fn read_members(r: &mut Reader<'_>) -> Result<(Vec<Member>, Vec<ValidatorIndex>), BytesError> {
    let members = (0..at_most_a_set(r.u16()?)?).map(|_| Member::read(r)).collect::<Result<_, _>>()?;
    let penalised = (0..at_most_a_set(r.u16()?)?).map(|_| Ok(ValidatorIndex(r.u16()?)));
    Ok((members, penalised.collect::<Result<_, BytesError>>()?))
}

fn at_most_a_set(count: u16) -> Result<u16, BytesError> {
    if usize::from(count) <= *ValidatorSet::SIZES.end() { Ok(count) } else { Err(BytesError::TooLong) }
}

fn indices(count: usize) -> impl Iterator<Item = ValidatorIndex> + use<> {
    (0..short(count)).map(ValidatorIndex)
}

fn short(count: usize) -> u16 {
    u16::try_from(count).expect("far fewer than 2^16")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    fn members(count: u8) -> Vec<Member> {
        (1..=count).map(|seed| Member { key: SecretKey::from_seed([seed; 32]).public(), address: None }).collect()
    }

    fn penalise(count: u8, places: &[u16]) -> Result<ValidatorSet, ValidatorSetError> {
        ValidatorSet::of_members(members(count), places.iter().copied().map(ValidatorIndex).collect())
    }

    fn leaders(set: &ValidatorSet) -> Vec<u16> {
        (1..9).map(|view| set.leader(view).0).collect()
    }

    /// Row 20 of CONSENSUS section 4: who is penalised is part of the set, and so the same at every height of the epoch.
    #[test]
    fn a_penalised_validator_leads_no_view_of_its_epoch() {
        assert_eq!(leaders(&penalise(4, &[]).unwrap()), [1, 2, 3, 0, 1, 2, 3, 0]);
        assert_eq!(leaders(&penalise(4, &[2]).unwrap()), [1, 3, 0, 1, 3, 0, 1, 3]);
        assert_eq!(leaders(&penalise(7, &[0, 6]).unwrap()), [2, 3, 4, 5, 1, 2, 3, 4]);
    }

    #[test]
    fn penalties_for_more_than_f_or_for_nobody_are_refused() {
        assert_eq!(penalise(4, &[0, 1]), Err(ValidatorSetError::Penalties(2)));
        assert_eq!(penalise(7, &[0, 1, 2]), Err(ValidatorSetError::Penalties(3)));
        for unordered in [&[4][..], &[1, 1], &[2, 1]] {
            assert_eq!(penalise(4, unordered), Err(ValidatorSetError::Penalty), "{unordered:?}");
        }
    }

    /// Two writings of one address would be two names of one set.
    #[test]
    fn an_address_has_one_form_and_comes_back_from_its_bytes() {
        let mut given = members(4);
        given[0].address = Some("127.0.0.1:7100".parse().unwrap());
        given[1].address = Some("[::ffff:10.0.0.7]:7103".parse().unwrap());
        given[2].address = Some("[2001:db8::5]:7106".parse().unwrap());
        let set = ValidatorSet::of_members(given, vec![ValidatorIndex(3)]).unwrap();
        assert_eq!(set.members()[1].address, Some("10.0.0.7:7103".parse().unwrap()));
        let mut w = Writer::new();
        set.write(&mut w);
        let bytes = w.finish();
        assert_eq!(ValidatorSet::read(&mut Reader::new(&bytes)), Ok(set));
        assert!((0..bytes.len()).all(|length| ValidatorSet::read(&mut Reader::new(&bytes[..length])).is_err()));
    }

    /// Whatever distinguishes two sets distinguishes their hashes.
    #[test]
    fn keys_their_order_addresses_and_penalties_are_all_in_the_hash() {
        let plain = penalise(4, &[]).unwrap();
        let mut swapped = members(4);
        swapped.swap(0, 1);
        let mut addressed = members(4);
        addressed[0].address = Some("127.0.0.1:7100".parse().unwrap());
        let others = [
            ValidatorSet::of_members(swapped, Vec::new()).unwrap(),
            ValidatorSet::of_members(addressed, Vec::new()).unwrap(),
            penalise(4, &[1]).unwrap(),
            penalise(7, &[]).unwrap(),
        ];
        assert!(others.iter().all(|other| other.hash() != plain.hash()));
    }
}
