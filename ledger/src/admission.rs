//! The door: bytes from outside become [`Admitted`], or a refusal with its reason.
//!
//! It refuses early what execution would refuse anyway, cheapest check first, and decides nothing: registry, nonce and
//! expiry are decided again in the log's order. Pure; whoever calls it brings the time and the registry.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, LedgerTime, MeterId};

use crate::command::{Bundle, BundleId, SignedBundle};
use crate::crypto::{Batch, Hash, PublicKey};
use crate::registry::{KeyStanding, OrganisationId};
use crate::reject::Code;

/// How many signatures are verified together. Larger batches gain little more per signature, and the halving that finds
/// a bad one costs as much again as its whole batch.
pub const SIGNATURES_PER_BATCH: usize = 64;

/// A bundle whose signature is good. Only this room makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted(SignedBundle);

impl Admitted {
    /// What it says.
    pub fn bundle(&self) -> &Bundle {
        self.0.bundle()
    }

    /// Its name.
    pub fn id(&self) -> BundleId {
        self.0.id()
    }

    /// With its signature and bytes.
    pub fn signed(&self) -> &SignedBundle {
        &self.0
    }

    /// For bundles out of one's own log, which were admitted when they went in. See [`crate::entry::UnverifiedEntry::trust`].
    pub(crate) fn trusted(signed: SignedBundle) -> Self {
        Self(signed)
    }
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The operator's key from the genesis: every role, and the only one that hands out roles with rights.
    Operator,
    /// An organisation's key: what its roles allow.
    Organisation(OrganisationId),
    /// A meter's key: trades.
    Meter {
        /// The meter.
        meter: MeterId,
        /// Whose it is.
        account: AccountId,
    },
}

/// What the registry says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// What the key stands for.
    pub kind: DeviceKind,
    /// Whether it may give commands.
    pub standing: KeyStanding,
    /// The highest nonce that this key has used; 0 if none.
    pub nonce: u64,
}

/// A bundle that was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}")]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// Its name, if the bytes could be read. A refusal is one copy's: another copy of the same name may be good.
    pub bundle: Option<BundleId>,
}

/// Bundles whose signatures are bad, by their place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} bundles with a bad signature, the first at {}", .places.len(), .places[0])]
pub struct BadSignatures {
    /// Ascending, never empty.
    pub places: Vec<usize>,
}

/// The door of one ledger at one time.
#[derive(Clone, Copy, Debug)]
pub struct Door<L: Fn(&PublicKey) -> Option<DeviceStatus>> {
    /// The ledger's chain id.
    pub chain: Hash,
    /// Ledger time.
    pub now: LedgerTime,
    /// Asks the registry about a key.
    pub lookup: L,
}

impl<L: Fn(&PublicKey) -> Option<DeviceStatus>> Door<L> {
    /// Lets one bundle in, or says why not.
    pub fn admit_one(&self, bytes: &[u8]) -> Result<Admitted, Refusal> {
        let signed = self.check(bytes)?;
        if signature_is_good(&signed) { Ok(Admitted(signed)) } else { Err(refusal(&signed, Code::AuthSignature)) }
    }

    /// Lets many bundles in; each gets its own answer, at its place. Signatures are verified in batches.
    pub fn admit_batch<B: AsRef<[u8]>>(&self, frames: &[B]) -> Vec<Result<Admitted, Refusal>> {
        let mut answers: Vec<Result<Admitted, Refusal>> =
            frames.iter().map(|bytes| self.check(bytes.as_ref()).map(Admitted)).collect();
        let (places, bundles): (Vec<usize>, Vec<&SignedBundle>) =
            answers.iter().enumerate().filter_map(|(place, answer)| Some((place, &answer.as_ref().ok()?.0))).unzip();
        let bad: Vec<usize> = bad_places(&bundles).into_iter().map(|i| places[i]).collect();
        for place in bad {
            refuse(&mut answers[place], Code::AuthSignature);
        }
        refuse_replays_within(&mut answers);
        answers
    }

    /// Everything but the signature, cheapest first.
    fn check(&self, bytes: &[u8]) -> Result<SignedBundle, Refusal> {
        let signed = SignedBundle::decode(bytes).map_err(|code| Refusal { code, bundle: None })?;
        match self.check_bundle(signed.bundle()) {
            Ok(()) => Ok(signed),
            Err(code) => Err(refusal(&signed, code)),
        }
    }

    fn check_bundle(&self, bundle: &Bundle) -> Result<(), Code> {
        if bundle.chain != self.chain {
            return Err(Code::AuthChain);
        }
        if is_expired(bundle, self.now) {
            return Err(Code::AuthExpired);
        }
        let device = (self.lookup)(&bundle.signer).ok_or(Code::AuthUnknownDevice)?;
        if let Some(code) = device.standing.refusal() {
            return Err(code);
        }
        if bundle.nonce <= device.nonce {
            return Err(Code::AuthReplay);
        }
        Ok(())
    }
}

/// Whether a bundle's time has passed: `expires_at <= now`, as with orders (MARKET section 4, Time).
pub fn is_expired(bundle: &Bundle, now: LedgerTime) -> bool {
    bundle.expires_at <= now && bundle.expires_at != crate::command::NEVER
}

/// The follower's way in: signatures only. What the registry says is decided by execution, at the sequence number.
pub fn verify_chunk_bundles(bundles: Vec<SignedBundle>) -> Result<Vec<Admitted>, BadSignatures> {
    let places = bad_places(&bundles.iter().collect::<Vec<_>>());
    if places.is_empty() { Ok(bundles.into_iter().map(Admitted).collect()) } else { Err(BadSignatures { places }) }
}

fn signature_is_good(signed: &SignedBundle) -> bool {
    signed.bundle().signer.verify(signed.content(), signed.signature())
}

fn bad_places(bundles: &[&SignedBundle]) -> Vec<usize> {
    let mut places = Vec::new();
    for (number, group) in bundles.chunks(SIGNATURES_PER_BATCH).enumerate() {
        let mut batch = Batch::default();
        for signed in group {
            batch.push(&signed.bundle().signer, signed.content(), signed.signature());
        }
        if let Err(error) = batch.verify() {
            places.extend(error.bad.into_iter().map(|i| number * SIGNATURES_PER_BATCH + i));
        }
    }
    places
}

/// Of the bundles that one device has in a batch, each must have a higher nonce than those let in before it. Looked at only
/// after the signatures: a forged copy must not shut out the real one.
fn refuse_replays_within(answers: &mut [Result<Admitted, Refusal>]) {
    let mut used: BTreeMap<PublicKey, u64> = BTreeMap::new();
    for answer in answers {
        let Ok(admitted) = answer else { continue };
        let (signer, nonce) = (admitted.bundle().signer, admitted.bundle().nonce);
        if used.get(&signer).is_some_and(|last| nonce <= *last) {
            refuse(answer, Code::AuthReplay);
        } else {
            used.insert(signer, nonce);
        }
    }
}

fn refuse(answer: &mut Result<Admitted, Refusal>, code: Code) {
    if let Ok(admitted) = answer {
        *answer = Err(refusal(&admitted.0, code));
    }
}

fn refusal(signed: &SignedBundle, code: Code) -> Refusal {
    Refusal { code, bundle: Some(signed.id()) }
}
