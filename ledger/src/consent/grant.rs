//! One grant, whom it is to, and the hash over all of a meter's.

use gridbook_engine::LedgerTime;

use super::Scope;
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Hasher, PublicKey};
use crate::registry::OrganisationId;

/// The most readers of one meter: bounds what an owner can make every validator remember.
pub const GRANTS_MAX: usize = 32;
/// The longest that a grant lasts, in ledger milliseconds: 400 days, so that a year's contract fits and nothing is granted for ever.
pub const GRANT_MS_MAX: u64 = 400 * 86_400_000;
/// How long a grant that is over is remembered, in ledger milliseconds: a week. Until then its reader is told that it is over, and not
/// as if it had never been.
pub const REMEMBERED_MS: u64 = 7 * 86_400_000;

/// Who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantReader {
    /// An organisation, whatever key it has at the time.
    Organisation(OrganisationId),
    /// Whoever has the key, registered or not; it ends with the key.
    Key(PublicKey),
}

/// What somebody may read of a meter, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub scope: Scope,
    /// The ledger time at and after which nothing is told any more.
    pub until: LedgerTime,
}

/// Why a grant has ended and is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EndCause {
    /// The owner took it back.
    Revoked = 1,
    /// Its time was over, and so was the time for which that is remembered; or it was over and made room for another.
    Expired = 2,
    /// The meter has another owner.
    Transferred = 3,
    /// The meter was revoked: its key signs nothing more, and could not take it back.
    MeterRevoked = 4,
}

const ORGANISATION: u8 = 0;
const KEY: u8 = 1;

/// Length of a reader's bytes: kind, then a key or a number and zeros.
const READER_BYTES: usize = 33;
/// Length of a grant with its reader.
pub(crate) const GRANT_ROW_BYTES: usize = READER_BYTES + 9;

impl GrantReader {
    /// Canonical bytes, always as long as each other.
    pub fn write(&self, w: &mut Writer) {
        match self {
            Self::Organisation(organisation) => _ = w.u8(ORGANISATION).u16(organisation.0).bytes(&[0; 30]),
            Self::Key(key) => _ = w.u8(KEY).bytes(&key.0),
        }
    }

    /// Reads what [`GrantReader::write`] wrote.
    ///
    /// # Errors
    /// If it would not have written that.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        match r.u8()? {
            ORGANISATION => {
                let organisation = OrganisationId(r.u16()?);
                r.padding(30)?;
                Ok(Self::Organisation(organisation))
            }
            KEY => Ok(Self::Key(PublicKey(r.array()?))),
            _ => Err(BytesError::Unknown),
        }
    }
}

impl Grant {
    /// Whether it opens anything at a moment.
    pub fn is_live(&self, now: LedgerTime) -> bool {
        now < self.until
    }

    /// When it is forgotten, if it is not taken back before.
    pub fn forgotten_at(&self) -> LedgerTime {
        LedgerTime(self.until.0.saturating_add(REMEMBERED_MS))
    }

    /// Canonical bytes.
    pub fn write(&self, w: &mut Writer) {
        w.u8(self.scope.bits()).u64(self.until.0);
    }

    /// Reads what [`Grant::write`] wrote.
    ///
    /// # Errors
    /// If it would not have written that.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let scope = Scope::from_bits(r.u8()?).ok_or(BytesError::Unknown)?;
        Ok(Self { scope, until: LedgerTime(r.u64()?) })
    }
}

impl EndCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Revoked, Self::Expired, Self::Transferred, Self::MeterRevoked];

    /// The cause with this number, as records carry it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.number() == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Transferred => "the meter was transferred",
            Self::MeterRevoked => "the meter was revoked",
        }
    }
}

/// What a meter's leaf says of its grants: a hash over all of them, by reader, ascending; zero if there are none.
pub fn grants_hash<'a>(grants: impl Iterator<Item = (&'a GrantReader, &'a Grant)>) -> Hash {
    let mut w = Writer::new();
    for (reader, grant) in grants {
        reader.write(&mut w);
        grant.write(&mut w);
    }
    if w.as_slice().is_empty() {
        return Hash::ZERO;
    }
    let mut hasher = Hasher::new("gridbook/grants/1");
    hasher.update(w.as_slice());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers() -> [GrantReader; 3] {
        [
            GrantReader::Organisation(OrganisationId(0)),
            GrantReader::Organisation(OrganisationId(4_095)),
            GrantReader::Key(PublicKey([7; 32])),
        ]
    }

    #[test]
    fn readers_and_grants_come_back_as_they_were_written_and_are_cut_short_nowhere() {
        for reader in readers() {
            let grant = Grant { scope: Scope::ALL, until: LedgerTime(u64::MAX) };
            let mut w = Writer::new();
            reader.write(&mut w);
            grant.write(&mut w);
            let bytes = w.finish();
            assert_eq!(bytes.len(), GRANT_ROW_BYTES);
            let mut r = Reader::new(&bytes);
            assert_eq!((GrantReader::read(&mut r), Grant::read(&mut r)), (Ok(reader), Ok(grant)));
            for length in 0..bytes.len() {
                let mut r = Reader::new(&bytes[..length]);
                let read = GrantReader::read(&mut r).and_then(|_| Grant::read(&mut r));
                assert_eq!(read, Err(BytesError::Truncated), "cut to {length}");
            }
        }
    }

    #[test]
    fn other_kinds_of_readers_and_numbers_with_something_behind_them_are_refused() {
        let mut w = Writer::new();
        GrantReader::Organisation(OrganisationId(3)).write(&mut w);
        let bytes = w.finish();
        for (place, value, error) in
            [(0, 2, BytesError::Unknown), (3, 1, BytesError::Padding), (32, 1, BytesError::Padding)]
        {
            let mut wrong = bytes.clone();
            wrong[place] = value;
            assert_eq!(GrantReader::read(&mut Reader::new(&wrong)), Err(error), "byte {place}");
        }
    }

    /// At the moment itself it is over: two validators must not differ about that.
    #[test]
    fn a_grant_is_over_at_its_end_and_forgotten_a_week_later() {
        let grant = Grant { scope: Scope::STATEMENT, until: LedgerTime(1_000) };
        assert!(grant.is_live(LedgerTime(999)) && !grant.is_live(LedgerTime(1_000)));
        assert_eq!(grant.forgotten_at(), LedgerTime(1_000 + 7 * 86_400_000));
    }

    #[test]
    fn the_hash_of_grants_changes_with_each_part_of_each_and_is_zero_without_any() {
        let grant = Grant { scope: Scope::STATEMENT, until: LedgerTime(9) };
        let hash = |rows: &[(GrantReader, Grant)]| grants_hash(rows.iter().map(|(reader, grant)| (reader, grant)));
        let [first, second, third] = readers();
        let rows = [(first, grant), (second, grant)];
        let others = [
            vec![(first, grant)],
            vec![(first, grant), (third, grant)],
            vec![(first, grant), (second, Grant { scope: Scope::ALL, ..grant })],
            vec![(first, Grant { until: LedgerTime(10), ..grant }), (second, grant)],
        ];
        assert_eq!(hash(&[]), Hash::ZERO);
        assert!(others.iter().all(|other| hash(other) != hash(&rows)));
    }
}
