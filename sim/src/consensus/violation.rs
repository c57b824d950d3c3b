//! What must never happen.

use core::fmt;

use gridbook_ledger::header::Rank;

/// An invariant that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two final headers at one height.
    Fork {
        /// The height.
        height: u64,
    },
    /// Final headers that do not come oldest first, each once.
    Order {
        /// Which height was told.
        height: u64,
        /// Which was next.
        next: u64,
    },
    /// A final header whose state is not what its log leads to.
    WrongState {
        /// Its height.
        height: u64,
    },
    /// A validator said something that its disk or its own word forbids.
    Word(&'static str),
    /// An honest validator was accused.
    InnocentAccused(&'static str),
    /// A validator holds a certificate that was not given.
    FalseCertificate(&'static str),
    /// Proof against a leader was found and its view went on.
    LeaderKept(&'static str),
    /// A certified header is not in the final log, and nobody equivocated.
    CertifiedLost {
        /// Its rank.
        rank: Rank,
    },
    /// An honest validator found that the others differ from its own execution.
    Diverged,
    /// The network healed and not everything became final.
    NoProgress,
    /// A leader served long after its term.
    EndlessTerm,
    /// A validator keeps more than it should.
    KeepsTooMuch {
        /// Headers that are not final.
        headers: usize,
    },
    /// Messages in an idle network.
    Unrest {
        /// How many.
        messages: u64,
    },
    /// A simulation of whole validators ended badly.
    Cluster(String),
    /// A directed scene ended in another way than it must.
    Scene(&'static str),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fork { height } => write!(f, "two headers are final at height {height}"),
            Self::Order { height, next } => write!(f, "height {height} is told as final where {next} is next"),
            Self::WrongState { height } => write!(f, "the state at height {height} is not what its log leads to"),
            Self::Word(what) => write!(f, "an honest validator broke its word: {what}"),
            Self::InnocentAccused(what) => write!(f, "an honest validator is accused: {what}"),
            Self::FalseCertificate(what) => write!(f, "an honest validator holds a false certificate: {what}"),
            Self::LeaderKept(what) => write!(f, "the view of a leader went on after {what}"),
            Self::CertifiedLost { rank } => {
                write!(f, "the certified header ({}, {}) is not in the final log", rank.view, rank.slot)
            }
            Self::Diverged => f.write_str("an honest validator cannot follow the others any more"),
            Self::NoProgress => f.write_str("the network healed, and not everything became final"),
            Self::EndlessTerm => f.write_str("a leader served long after its term"),
            Self::KeepsTooMuch { headers } => write!(f, "a validator keeps {headers} headers that are not final"),
            Self::Unrest { messages } => write!(f, "{messages} messages in a network with nothing to do"),
            Self::Cluster(what) => f.write_str(what),
            Self::Scene(what) => f.write_str(what),
        }
    }
}
