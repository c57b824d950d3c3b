//! The wish of 2f + 1 validators for another set.

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Batch, Hash, SecretKey, Signature};
use crate::reject::Code;
use crate::validators::{Member, ValidatorIndex, ValidatorSet, ValidatorSetError, read_members, write_members};

/// Ends an epoch and names the set of the next, once 2f + 1 members of the present set have signed it.
///
/// What it asks for need not make sense: it is judged where it is executed, at its place in the log, against the set of that place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfigure {
    /// The ledger.
    pub chain: Hash,
    /// The epoch that it ends. It is good for no other, so an old one cannot be put in again.
    pub epoch: u32,
    /// The next set's members, in their order.
    pub members: Vec<Member>,
    /// Who of them never leads in the next epoch, ascending.
    pub penalised: Vec<ValidatorIndex>,
    /// Who of the present set signed, a bit for each: nobody can be named twice.
    pub signers: u64,
    /// Their signatures, by ascending index.
    pub signatures: Vec<Signature>,
}

const DOMAIN: &str = "gridbook/reconfigure/1";

impl Reconfigure {
    /// Unsigned: the wish that `next` follows after `epoch`.
    pub fn propose(chain: Hash, epoch: u32, next: &ValidatorSet) -> Self {
        let (members, penalised) = (next.members().to_vec(), next.penalised().to_vec());
        Self { chain, epoch, members, penalised, signers: 0, signatures: Vec::new() }
    }

    /// Adds the signature of a member of the present set, or replaces it.
    ///
    /// # Errors
    /// `EpochSigner` if no member of the set has this key.
    pub fn approve(&mut self, set: &ValidatorSet, key: &SecretKey) -> Result<ValidatorIndex, Code> {
        let voter = set.index_of(&key.public()).ok_or(Code::EpochSigner)?;
        let place = self.voters().take_while(|other| *other < voter).count();
        if self.signers >> voter.0 & 1 == 1 {
            self.signatures.remove(place);
        }
        self.signers |= 1 << voter.0;
        self.signatures.insert(place, key.sign(&self.signed_bytes()));
        Ok(voter)
    }

    /// Who signed, by ascending index.
    pub fn voters(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        let signers = self.signers;
        (0..64_u16).filter(move |bit| signers >> bit & 1 == 1).map(ValidatorIndex)
    }

    /// The canonical bytes that validators sign.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.domain(DOMAIN);
        self.write_content(&mut w);
        w.finish()
    }

    /// Judges it in the epoch `epoch` of `set`, and tells the next set.
    ///
    /// # Errors
    /// What is wrong, cheapest first.
    pub fn verify(&self, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<ValidatorSet, Code> {
        if self.chain != chain {
            return Err(Code::AuthChain);
        }
        if self.epoch != epoch {
            return Err(Code::EpochNumber);
        }
        let next = ValidatorSet::of_members(self.members.clone(), self.penalised.clone()).map_err(code_of)?;
        if self.voters().count() != self.signatures.len() || self.voters().any(|voter| set.key(voter).is_none()) {
            return Err(Code::EpochSigner);
        }
        if self.signatures.len() < set.quorum() {
            return Err(Code::EpochQuorum);
        }
        let message = self.signed_bytes();
        let mut batch = Batch::default();
        for (voter, signature) in self.voters().zip(&self.signatures) {
            batch.push(set.key(voter).ok_or(Code::EpochSigner)?, &message, signature);
        }
        batch.verify().map_err(|_| Code::EpochSignature)?;
        Ok(next)
    }

    /// Its name, over everything in it, signatures too. A bundle's name leaves its signature out, because whether that is good is known
    /// before it gets its place; of this it is only known there, so two logs that differ in the signatures must not have one digest.
    pub fn id(&self) -> Hash {
        Hash::of(DOMAIN, &self.encode())
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write_content(&mut w);
        w.u64(self.signers);
        self.signatures.iter().for_each(|signature| _ = w.bytes(&signature.0));
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others. Nothing that they say is looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        let (chain, epoch) = (Hash(r.array()?), r.u32()?);
        let (members, penalised) = read_members(&mut r)?;
        let signers = r.u64()?;
        let signatures =
            (0..signers.count_ones()).map(|_| Ok(Signature(r.array()?))).collect::<Result<_, BytesError>>()?;
        r.finish()?;
        Ok(Self { chain, epoch, members, penalised, signers, signatures })
    }

    fn write_content(&self, w: &mut Writer) {
        w.bytes(&self.chain.0).u32(self.epoch);
        write_members(w, &self.members, &self.penalised);
    }
}

fn code_of(error: ValidatorSetError) -> Code {
    match error {
        ValidatorSetError::Size(_) => Code::EpochSize,
        ValidatorSetError::Duplicate(_) => Code::EpochDuplicate,
        ValidatorSetError::Key(_) => Code::EpochKey,
        ValidatorSetError::Penalty | ValidatorSetError::Penalties(_) => Code::EpochPenalty,
    }
}
