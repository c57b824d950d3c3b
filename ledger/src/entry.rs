//! What the log holds, and the running digest over it (CONSENSUS section 1).

use gridbook_engine::LedgerTime;

use crate::admission::{Admitted, BadSignatures, verify_chunk_bundles};
use crate::bytes::{Reader, Writer};
use crate::command::SignedBundle;
use crate::crypto::{Hash, Hasher};
use crate::epoch::Reconfigure;
use crate::evidence::Evidence;
use crate::reject::Code;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Commands of one device, each with its own sequence number.
    Bundle(Admitted),
    /// Ledger time moves on. Only leaders write it.
    Time(LedgerTime),
    /// Queued work is done, at most `limit` pieces of it. Only leaders write it.
    Work {
        /// The most pieces to do.
        limit: u32,
    },
    /// Ends the epoch, if it is good at its place: its signatures are verified when it is executed, against the set of then.
    Reconfigure(Box<Reconfigure>),
    /// A validator's misconduct. Only leaders write it; all of it is verified when it is executed, against the validators of its epoch.
    Evidence(Box<Evidence>),
}

/// An entry as it came over the wire or from disk: well formed, but nobody has looked at its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedEntry(Kind<SignedBundle, Box<Reconfigure>, Box<Evidence>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<B, R, E> {
    Bundle(B),
    Time(LedgerTime),
    Work(u32),
    Reconfigure(R),
    Evidence(E),
}

type View<'a> = Kind<&'a SignedBundle, &'a Reconfigure, &'a Evidence>;

const BUNDLE: u8 = 1;
const TIME: u8 = 2;
const WORK: u8 = 3;
const RECONFIGURE: u8 = 4;
const EVIDENCE: u8 = 5;

impl Entry {
    /// How many sequence numbers it takes: one for each command; 1 for everything else.
    pub fn count(&self) -> u64 {
        self.view().count()
    }

    /// Its name: the bundle's, or the hash of its content.
    pub fn id(&self) -> Hash {
        self.view().id()
    }

    /// Canonical bytes for log and chunks: a tag, then the signed bundle, the time, the limit, the change of validators or the
    /// evidence.
    pub fn encode(&self) -> Vec<u8> {
        self.view().encode()
    }

    /// Reads canonical bytes; the signature is not looked at.
    pub fn decode_unverified(bytes: &[u8]) -> Result<UnverifiedEntry, Code> {
        UnverifiedEntry::decode(bytes)
    }

    fn view(&self) -> View<'_> {
        match self {
            Self::Bundle(admitted) => Kind::Bundle(admitted.signed()),
            Self::Time(time) => Kind::Time(*time),
            Self::Work { limit } => Kind::Work(*limit),
            Self::Reconfigure(change) => Kind::Reconfigure(change),
            Self::Evidence(evidence) => Kind::Evidence(evidence),
        }
    }
}

impl UnverifiedEntry {
    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Code> {
        let mut r = Reader::new(bytes);
        let kind = match r.u8()? {
            BUNDLE => Kind::Bundle(SignedBundle::decode(r.bytes(r.remaining())?)?),
            TIME => Kind::Time(LedgerTime(r.u64()?)),
            WORK => Kind::Work(r.u32()?),
            RECONFIGURE => Kind::Reconfigure(Box::new(Reconfigure::decode(r.bytes(r.remaining())?)?)),
            EVIDENCE => Kind::Evidence(Box::new(Evidence::decode(r.bytes(r.remaining())?)?)),
            _ => return Err(Code::FormTag),
        };
        r.finish()?;
        Ok(Self(kind))
    }

    /// How many sequence numbers it takes.
    pub fn count(&self) -> u64 {
        self.view().count()
    }

    /// Its name.
    pub fn id(&self) -> Hash {
        self.view().id()
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.view().encode()
    }

    /// Checks its signature. Many at once cost half: [`verify_entries`].
    pub fn verify(self) -> Result<Entry, Code> {
        let mut entries = verify_entries(vec![self]).map_err(|_| Code::AuthSignature)?;
        Ok(entries.pop().expect("one went in, so one comes out"))
    }

    /// Takes the signature for good. Only for bytes of one's own log whose chain of digests was checked: they were verified
    /// when they went in, and the digest says that they are the same.
    pub fn trust(self) -> Entry {
        self.admit_with(|signed| Some(Admitted::trusted(signed))).expect("the closure always answers")
    }

    fn admit_with(self, admit: impl FnOnce(SignedBundle) -> Option<Admitted>) -> Option<Entry> {
        Some(match self.0 {
            Kind::Bundle(signed) => Entry::Bundle(admit(signed)?),
            Kind::Time(time) => Entry::Time(time),
            Kind::Work(limit) => Entry::Work { limit },
            Kind::Reconfigure(change) => Entry::Reconfigure(change),
            Kind::Evidence(evidence) => Entry::Evidence(evidence),
        })
    }

    fn view(&self) -> View<'_> {
        match &self.0 {
            Kind::Bundle(signed) => Kind::Bundle(signed),
            Kind::Time(time) => Kind::Time(*time),
            Kind::Work(limit) => Kind::Work(*limit),
            Kind::Reconfigure(change) => Kind::Reconfigure(change),
            Kind::Evidence(evidence) => Kind::Evidence(evidence),
        }
    }
}

impl View<'_> {
    fn count(&self) -> u64 {
        match self {
            Self::Bundle(signed) => signed.bundle().commands.len() as u64,
            Self::Time(_) | Self::Work(_) | Self::Reconfigure(_) | Self::Evidence(_) => 1,
        }
    }

    fn id(&self) -> Hash {
        match self {
            Self::Bundle(signed) => signed.id().0,
            Self::Reconfigure(change) => change.id(),
            Self::Evidence(evidence) => evidence.id(),
            Self::Time(_) | Self::Work(_) => Hash::of("gridbook/entry/1", &self.encode()),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Bundle(signed) => w.u8(BUNDLE).bytes(signed.bytes()),
            Self::Time(time) => w.u8(TIME).u64(time.0),
            Self::Work(limit) => w.u8(WORK).u32(*limit),
            Self::Reconfigure(change) => w.u8(RECONFIGURE).bytes(&change.encode()),
            Self::Evidence(evidence) => w.u8(EVIDENCE).bytes(&evidence.encode()),
        };
        w.finish()
    }
}

/// Checks the signatures of many entries in batches. `places` in the error are places in `entries`.
pub fn verify_entries(entries: Vec<UnverifiedEntry>) -> Result<Vec<Entry>, BadSignatures> {
    let (places, bundles): (Vec<usize>, Vec<SignedBundle>) = entries
        .iter()
        .enumerate()
        .filter_map(|(place, entry)| match &entry.0 {
            Kind::Bundle(signed) => Some((place, signed.clone())),
            Kind::Time(_) | Kind::Work(_) | Kind::Reconfigure(_) | Kind::Evidence(_) => None,
        })
        .unzip();
    let admitted = verify_chunk_bundles(bundles)
        .map_err(|bad| BadSignatures { places: bad.places.into_iter().map(|i| places[i]).collect() })?;
    let mut admitted = admitted.into_iter();
    let whole: Option<Vec<Entry>> = entries.into_iter().map(|entry| entry.admit_with(|_| admitted.next())).collect();
    Ok(whole.expect("one bundle was admitted for each that went in"))
}

const LOG_DOMAIN: &str = "gridbook/log/1";

/// The running digest of the log after `entry`, whose first command has the number `first_seq`. It covers what entries say
/// and their order, never signatures: two valid signatures over one content must not give two digests.
pub fn log_digest(before: Hash, first_seq: u64, entry: &Entry) -> Hash {
    log_digest_of(before, first_seq, entry.id())
}

/// [`log_digest`] for whoever knows only the entry's name.
pub fn log_digest_of(before: Hash, first_seq: u64, id: Hash) -> Hash {
    let mut hasher = Hasher::new(LOG_DOMAIN);
    hasher.update(&before.0).update(&first_seq.to_le_bytes()).update(&id.0);
    hasher.finish()
}

/// The digest of the empty log of a ledger.
pub(crate) fn empty_log_digest(chain: Hash) -> Hash {
    Hash::of(LOG_DOMAIN, &chain.0)
}
