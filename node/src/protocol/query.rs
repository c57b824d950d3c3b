//! A question only a meter may ask, signed by the meter.

use gridbook_engine::LedgerTime;
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey, Signature};

const DOMAIN: &str = "gridbook/query/1";

/// What a meter may ask about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryKind {
    /// To be sent what happens to its orders, from now on.
    Watch,
    /// The state of its account.
    Account,
    /// What the registry says of somebody: for organisations and the operator too.
    Registry,
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

impl QueryKind {
    fn tag(self) -> u8 {
        match self {
            Self::Watch => 1,
            Self::Account => 2,
            Self::Registry => 16,
        }
    }

    fn from_tag(tag: u8) -> Result<Self, BytesError> {
        match tag {
            1 => Ok(Self::Watch),
            2 => Ok(Self::Account),
            16 => Ok(Self::Registry),
            _ => Err(BytesError::Unknown),
        }
    }
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
        w.bytes(&self.chain.0).bytes(&self.key.0).u8(self.kind.tag()).u64(self.expires_at.0).bytes(&self.signature.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            chain: Hash(r.array()?),
            key: PublicKey(r.array()?),
            kind: QueryKind::from_tag(r.u8()?)?,
            expires_at: LedgerTime(r.u64()?),
            signature: Signature(r.array()?),
        })
    }
}

fn signed_bytes(chain: Hash, key: PublicKey, kind: QueryKind, expires_at: LedgerTime) -> Vec<u8> {
    let mut w = Writer::new();
    w.domain(DOMAIN).bytes(&chain.0).bytes(&key.0).u8(kind.tag()).u64(expires_at.0);
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
