//! A question that not everybody may ask, signed by who asks.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, LedgerTime, MeterId};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey, Signature};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::store::{FactOwner, FactPlace};

use super::{ConductSubject, read_flag, read_range, write_range};

const DOMAIN: &str = "gridbook/query/1";

/// What a meter may ask about itself, and who runs the market about all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryKind {
    /// To be sent what happens to its orders, from now on.
    Watch,
    /// The state of its account.
    Account,
    /// What the registry says of somebody: for organisations and the operator too.
    Registry,
    /// What the ledger told of a meter, an area or everybody, by delivery period: what bills and reports are made of. A meter may ask about
    /// the meters of its account, about areas and everybody; of an area's meters taken together only who runs the market or the grid is told.
    Facts {
        /// Whose.
        owner: FactOwner,
        /// From this fact on.
        from: FactPlace,
        /// The last period.
        to: DeliveryPeriod,
    },
    /// What a meter's bill comes to, day by day, without its lines. Told to whom its facts are told.
    Bill {
        /// Whose.
        meter: MeterId,
        /// The first period.
        from: DeliveryPeriod,
        /// The last one.
        to: DeliveryPeriod,
    },
    /// What records said of an account: the links of its history. A meter may ask about its own.
    Extracts {
        /// The account.
        account: AccountId,
        /// From this command on.
        from_seq: u64,
        /// Of that command's, from this byte on: an extract may be longer than a frame.
        from_byte: u32,
    },
    /// What stands against an account, or who waits for a ruling. A meter may ask about its account, an auditor about all.
    Conduct(ConductSubject),
    /// What became of certificates of origin of a meter since its account has it: issued, moved, claimed, closed. A meter may ask about
    /// the meters of its account.
    Certificates {
        /// The meter.
        meter: MeterId,
        /// From this command on.
        from_seq: u64,
    },
    /// How an account stands under the last final header, with the proof. A meter may ask about its own.
    Proof {
        /// The account.
        account: AccountId,
    },
    /// The record of the command with a sequence number, with its proof: a whole record, so it is told only to whoever it names, and who may
    /// read all that such a one may.
    Receipt {
        /// The number.
        seq: u64,
        /// As whose reader; none for the asker's own account, and for offices that read everything.
        of: Option<MeterId>,
        /// Where the record names others: the certificates that the asker had and whose life it is a part of.
        life: Option<CertificateLink>,
    },
    /// The record of one command of a bundle, with its proof. It is told as by its number, and to the organisation that sent the bundle. Who trades with
    /// a meter learns the id of the bundle that set the trade off, and by it no more than the records that name him.
    BundleReceipt {
        /// The bundle's id.
        bundle: Hash,
        /// The command's place in it, from 0.
        index: u16,
        /// As whose reader; none for the asker's own account, for the bundle's sender, and for offices that read everything.
        of: Option<MeterId>,
    },
    /// What the ledger told of an area's meters taken together, by delivery period: for who runs the market or the grid.
    AreaFacts {
        /// Which.
        area: AreaId,
        /// From this fact on.
        from: FactPlace,
        /// The last period.
        to: DeliveryPeriod,
    },
    /// What the owner of a meter has granted others. A meter may ask about the meters of its account.
    Grants {
        /// The meter.
        meter: MeterId,
    },
    /// What this validator told others of a meter under grants of its owner. A meter may ask about the meters of its account.
    Uses {
        /// The meter.
        meter: MeterId,
        /// From the use of this number on.
        from: u64,
    },
}

/// How a record belongs to the life of certificates that somebody had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertificateLink {
    /// Which certificates.
    pub range: CertificateRange,
    /// A record that says that all of them came to the asker, left him or were used by him.
    pub own: u64,
    /// A record that tells of some of them, and from which the wanted one follows: itself, the trade that a move names, or a reading at either
    /// end of the period of the meter that they were issued to, or claimed for.
    pub by: u64,
}

/// Proof that the holder of a meter's key asks. Good for as many uses as fit before it expires: it only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedQuery {
    /// The ledger that is asked.
    pub chain: Hash,
    /// The meter's key. That it belongs to a registered meter is for the validator to check.
    pub key: PublicKey,
    /// What is asked.
    pub kind: QueryKind,
    /// The ledger time at and after which it is void.
    pub expires_at: LedgerTime,
    /// By `key`, over everything above.
    pub signature: Signature,
}

const WATCH: u8 = 1;
const ACCOUNT: u8 = 2;
const FACTS: u8 = 3;
const EXTRACTS: u8 = 4;
const PROOF: u8 = 5;
const BILL: u8 = 6;
const REGISTRY: u8 = 16;
const CONDUCT: u8 = 17;
const CERTIFICATES: u8 = 42;
const USES: u8 = 40;
const GRANTS: u8 = 41;
const RECEIPT: u8 = 43;
const AREA_FACTS: u8 = 44;
const BUNDLE_RECEIPT: u8 = 45;

impl QueryKind {
    pub(super) fn write(self, w: &mut Writer) {
        match self {
            Self::Watch => _ = w.u8(WATCH),
            Self::Account => _ = w.u8(ACCOUNT),
            Self::Registry => _ = w.u8(REGISTRY),
            Self::Facts { owner, from, to } => {
                let (tag, number) = match owner {
                    FactOwner::Meter(meter) => (1, meter.0),
                    FactOwner::Area(area) => (2, area.0.into()),
                    FactOwner::All => (3, 0),
                };
                w.u8(FACTS).u8(tag).u32(number).u32(from.period.0).u64(from.seq).u32(from.place).u32(to.0);
            }
            Self::Bill { meter, from, to } => _ = w.u8(BILL).u32(meter.0).u32(from.0).u32(to.0),
            Self::Extracts { account, from_seq, from_byte } => {
                _ = w.u8(EXTRACTS).u32(account.0).u64(from_seq).u32(from_byte)
            }
            Self::Proof { account } => _ = w.u8(PROOF).u32(account.0),
            Self::Certificates { meter, from_seq } => _ = w.u8(CERTIFICATES).u32(meter.0).u64(from_seq),
            Self::Conduct(subject) => subject.write(w.u8(CONDUCT)),
            Self::Grants { meter } => _ = w.u8(GRANTS).u32(meter.0),
            Self::Receipt { seq, of, life } => {
                write_reader(w.u8(RECEIPT).u64(seq), of);
                w.u8(life.is_some().into());
                if let Some(CertificateLink { range, own, by }) = life {
                    write_range(w, range);
                    w.u64(own).u64(by);
                }
            }
            Self::BundleReceipt { bundle, index, of } => {
                write_reader(w.u8(BUNDLE_RECEIPT).bytes(&bundle.0).u16(index), of);
            }
            Self::AreaFacts { area, from, to } => {
                w.u8(AREA_FACTS).u16(area.0).u32(from.period.0).u64(from.seq).u32(from.place).u32(to.0);
            }
            Self::Uses { meter, from } => _ = w.u8(USES).u32(meter.0).u64(from),
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match r.u8()? {
            WATCH => Self::Watch,
            ACCOUNT => Self::Account,
            REGISTRY => Self::Registry,
            FACTS => {
                let owner = match (r.u8()?, r.u32()?) {
                    (1, number) => FactOwner::Meter(MeterId(number)),
                    (2, number) => FactOwner::Area(AreaId(u16::try_from(number).map_err(|_| BytesError::Padding)?)),
                    (3, 0) => FactOwner::All,
                    (3, _) => return Err(BytesError::Padding),
                    _ => return Err(BytesError::Unknown),
                };
                let from = FactPlace { period: DeliveryPeriod(r.u32()?), seq: r.u64()?, place: r.u32()? };
                Self::Facts { owner, from, to: DeliveryPeriod(r.u32()?) }
            }
            BILL => {
                let (meter, from) = (MeterId(r.u32()?), DeliveryPeriod(r.u32()?));
                Self::Bill { meter, from, to: DeliveryPeriod(r.u32()?) }
            }
            EXTRACTS => Self::Extracts { account: AccountId(r.u32()?), from_seq: r.u64()?, from_byte: r.u32()? },
            PROOF => Self::Proof { account: AccountId(r.u32()?) },
            CERTIFICATES => Self::Certificates { meter: MeterId(r.u32()?), from_seq: r.u64()? },
            CONDUCT => Self::Conduct(ConductSubject::read(r)?),
            RECEIPT => {
                let (seq, of) = (r.u64()?, read_reader(r)?);
                let life = if read_flag(r)? { Some(read_link(r)?) } else { None };
                Self::Receipt { seq, of, life }
            }
            BUNDLE_RECEIPT => Self::BundleReceipt { bundle: Hash(r.array()?), index: r.u16()?, of: read_reader(r)? },
            AREA_FACTS => {
                let area = AreaId(r.u16()?);
                let from = FactPlace { period: DeliveryPeriod(r.u32()?), seq: r.u64()?, place: r.u32()? };
                Self::AreaFacts { area, from, to: DeliveryPeriod(r.u32()?) }
            }
            GRANTS => Self::Grants { meter: MeterId(r.u32()?) },
            USES => Self::Uses { meter: MeterId(r.u32()?), from: r.u64()? },
            _ => return Err(BytesError::Unknown),
        })
    }
}

fn write_reader(w: &mut Writer, of: Option<MeterId>) {
    w.u8(of.is_some().into()).u32(of.map_or(0, |meter| meter.0));
}

fn read_reader(r: &mut Reader<'_>) -> Result<Option<MeterId>, BytesError> {
    let (is_of, meter) = (read_flag(r)?, r.u32()?);
    if !is_of && meter != 0 {
        return Err(BytesError::Padding);
    }
    Ok(is_of.then_some(MeterId(meter)))
}

fn read_link(r: &mut Reader<'_>) -> Result<CertificateLink, BytesError> {
    Ok(CertificateLink { range: read_range(r)?, own: r.u64()?, by: r.u64()? })
}

impl SignedQuery {
    /// Signs a question.
    pub fn sign(chain: Hash, kind: QueryKind, expires_at: LedgerTime, key: &SecretKey) -> Self {
        let public = key.public();
        let signature = key.sign(&signed_bytes(chain, public, kind, expires_at));
        Self { chain, key: public, kind, expires_at, signature }
    }

    /// Whether the signature is the key's. Chain, expiry and the key's meter are checked by whoever knows the ledger.
    #[must_use]
    pub fn verify(&self) -> bool {
        self.key.verify(&signed_bytes(self.chain, self.key, self.kind, self.expires_at), &self.signature)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.kind.write(w.bytes(&self.chain.0).bytes(&self.key.0));
        w.u64(self.expires_at.0).bytes(&self.signature.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            chain: Hash(r.array()?),
            key: PublicKey(r.array()?),
            kind: QueryKind::read(r)?,
            expires_at: LedgerTime(r.u64()?),
            signature: Signature(r.array()?),
        })
    }
}

fn signed_bytes(chain: Hash, key: PublicKey, kind: QueryKind, expires_at: LedgerTime) -> Vec<u8> {
    let mut w = Writer::new();
    kind.write(w.domain(DOMAIN).bytes(&chain.0).bytes(&key.0));
    w.u64(expires_at.0);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_changed_in_any_signed_field_is_not_the_meters_any_more() {
        let key = SecretKey::from_seed([7; 32]);
        let query = SignedQuery::sign(Hash([1; 32]), QueryKind::Watch, LedgerTime(5), &key);
        assert!(query.verify());
        let other = SecretKey::from_seed([8; 32]).public();
        assert!(!SignedQuery { kind: QueryKind::Account, ..query.clone() }.verify());
        assert!(!SignedQuery { expires_at: LedgerTime(6), ..query.clone() }.verify());
        assert!(!SignedQuery { chain: Hash([2; 32]), ..query.clone() }.verify());
        assert!(!SignedQuery { key: other, ..query }.verify());
    }
}
