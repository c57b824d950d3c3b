//! Validators that do not keep to the rules. Each runs a real core and changes what it says; each is a file with a name.

mod bad_signer;
mod double_voter;
mod equivocator;
mod flooder;
mod forger;
mod impostor;
mod maverick;
mod silent_leader;
mod timeout_liar;

use core::fmt;

use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient};

pub(super) use maverick::Whim;

use super::instance::Instance;
use super::ring::{Ring, index};
use super::toy_log::Universe;

/// What a liar sends.
pub(super) type Sends = Vec<(Recipient, ConsensusMessage)>;

/// What a liar has to work with: its own key, its own core, and any log it likes.
pub(super) struct Stage<'a> {
    pub(super) ring: &'a Ring,
    pub(super) universe: &'a mut Universe,
    pub(super) me: &'a mut Instance,
}

impl Stage<'_> {
    /// All validators but the liar.
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.me.place;
        (0..self.ring.keys.len()).filter(move |who| *who != me)
    }
}

/// How a validator lies.
pub(super) trait Liar: fmt::Debug {
    /// It hears something; its core does too.
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        let _ = (stage, message);
        Vec::new()
    }

    /// What it says in place of what its core would say.
    fn say(&mut self, stage: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        let _ = stage;
        vec![(to, message)]
    }
}

/// Which liar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Never proposes.
    SilentLeader,
    /// Proposes two headers at each rank, to one half each, and certifies whatever it can.
    Equivocator,
    /// Reports a tip that does not exist and no certificate.
    TimeoutLiar,
    /// Votes for everything it hears of, and for something that nobody proposed.
    DoubleVoter,
    /// Signs its votes badly.
    BadSigner,
    /// Makes certificates of too few, doubled and invented signatures.
    Forger,
    /// Proposes headers without end, at any rank, asked for or not.
    Flooder,
    /// Proposes in the views of others, in its own name and in theirs.
    Impostor,
    /// Leads as it likes: builds beside what was certified.
    Rewinder,
    /// Leads as it likes: names another parent than the one it justifies.
    Misparent,
    /// Leads as it likes: opens its view without a timeout certificate, far back.
    Trespasser,
    /// Leads as it likes: opens its view far back, with one.
    Reactionary,
    /// Leads as it likes: skips a height.
    Leaper,
    /// Leads as it likes: tells of a state that its log does not lead to.
    WrongState,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::SilentLeader,
        Self::Equivocator,
        Self::TimeoutLiar,
        Self::DoubleVoter,
        Self::BadSigner,
        Self::Forger,
        Self::Flooder,
        Self::Impostor,
        Self::Rewinder,
        Self::Misparent,
        Self::Trespasser,
        Self::Reactionary,
        Self::Leaper,
        Self::WrongState,
    ];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::SilentLeader => "silent leader",
            Self::Equivocator => "equivocator",
            Self::TimeoutLiar => "timeout liar",
            Self::DoubleVoter => "double voter",
            Self::BadSigner => "bad signer",
            Self::Forger => "forger",
            Self::Flooder => "flooder",
            Self::Impostor => "impostor",
            Self::Rewinder => "rewinder",
            Self::Misparent => "misparent",
            Self::Trespasser => "trespasser",
            Self::Reactionary => "reactionary",
            Self::Leaper => "leaper",
            Self::WrongState => "wrong state",
        }
    }

    pub(super) fn liar(self) -> Box<dyn Liar> {
        match self {
            Self::SilentLeader => Box::new(silent_leader::SilentLeader),
            Self::Equivocator => Box::<equivocator::Equivocator>::default(),
            Self::TimeoutLiar => Box::new(timeout_liar::TimeoutLiar),
            Self::DoubleVoter => Box::new(double_voter::DoubleVoter),
            Self::BadSigner => Box::new(bad_signer::BadSigner),
            Self::Forger => Box::<forger::Forger>::default(),
            Self::Flooder => Box::<flooder::Flooder>::default(),
            Self::Impostor => Box::new(impostor::Impostor),
            Self::Rewinder => Box::new(maverick::Maverick::new(Whim::Rewind)),
            Self::Misparent => Box::new(maverick::Maverick::new(Whim::WrongParent)),
            Self::Trespasser => Box::new(maverick::Maverick::new(Whim::NoTc)),
            Self::Reactionary => Box::new(maverick::Maverick::new(Whim::StaleJustify)),
            Self::Leaper => Box::new(maverick::Maverick::new(Whim::Leap)),
            Self::WrongState => Box::new(maverick::Maverick::new(Whim::WrongState)),
        }
    }
}

/// The same message to everybody else.
fn to_each(stage: &Stage<'_>, message: &ConsensusMessage) -> Sends {
    stage.others().map(|who| (Recipient::One(index(who)), message.clone())).collect()
}
