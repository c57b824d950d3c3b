//! Byzantine validators: a production replica whose words are twisted on their way out, with its own key.
//!
//! One file for each way to misbehave.

mod amnesiac;
mod chunk_alternator;
mod chunk_spoiler;
mod double_voter;
mod epoch_crosser;
mod equivocator;
mod flooder;
mod forger;
mod high_qc_liar;
mod laggard;
mod liar;
mod replayer;
mod selective_sender;
mod silent_voter;
mod stale_proposer;
mod torn_timeouter;
mod withholder;

use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::dice::Dice;

/// Who lies.
#[derive(Debug)]
pub(super) struct Culprit {
    pub(super) chain: Hash,
    pub(super) me: ValidatorIndex,
    pub(super) key: SecretKey,
}

/// What a validator puts on the wire.
#[derive(Clone, Debug)]
pub(super) enum Words {
    /// Something that can be read.
    Message(PeerMessage),
    /// Something that cannot.
    Junk(Vec<u8>),
}

/// A way to misbehave.
pub(super) trait Mischief: core::fmt::Debug {
    /// A message of another validator came in.
    fn observe(&mut self, _message: &PeerMessage) {}

    /// What one validator is sent instead of what the replica said.
    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage>;

    /// What one validator is sent of its own accord. Asked for a few times a second.
    fn volunteer(&mut self, _culprit: &Culprit, _to: ValidatorIndex) -> Vec<Words> {
        Vec::new()
    }

    /// How long its words are kept back before they are sent, in microseconds.
    fn keeps_back_us(&mut self, _message: &PeerMessage) -> u64 {
        0
    }
}

/// The ways to misbehave, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Shows one half of the validators another header than the other half.
    Equivocate,
    /// Votes for two headers of each rank.
    DoubleVote,
    /// Sends headers and keeps their log back.
    Withhold,
    /// Builds headers on an older certificate than it has.
    StaleCertificate,
    /// Tells of an older certificate than it has when it gives a view up.
    LieAboutHighQc,
    /// Tells of nothing that it voted for when it gives a view up.
    Amnesia,
    /// Says again what it or others said long ago.
    Replay,
    /// Says everything in the name of other epochs as well.
    OtherEpoch,
    /// Claims a wrong state, wrong results, a wrong log or wrong inputs.
    WrongDigest,
    /// Sends far views, far slots, junk and requests without end.
    Flood,
    /// Speaks to some validators only.
    SelectiveSend,
    /// Streams the log of two branches in turn.
    AlternatingChunks,
    /// Streams log that cannot be read, that nobody signed, or that hashes to something else.
    BadChunks,
    /// Answers requests for log and history with something else.
    ForgedAnswers,
    /// Breaks the certificates that its timeouts carry.
    TornTimeouts,
    /// Does not vote, or does not give views up.
    WithholdVotes,
    /// Says everything late.
    Lag,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Equivocate,
        Self::DoubleVote,
        Self::Withhold,
        Self::StaleCertificate,
        Self::LieAboutHighQc,
        Self::Amnesia,
        Self::Replay,
        Self::OtherEpoch,
        Self::WrongDigest,
        Self::Flood,
        Self::SelectiveSend,
        Self::AlternatingChunks,
        Self::BadChunks,
        Self::ForgedAnswers,
        Self::TornTimeouts,
        Self::WithholdVotes,
        Self::Lag,
    ];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocate => "equivocate",
            Self::DoubleVote => "double-vote",
            Self::Withhold => "withhold",
            Self::StaleCertificate => "stale-certificate",
            Self::LieAboutHighQc => "lie-about-high-qc",
            Self::Amnesia => "amnesia",
            Self::Replay => "replay",
            Self::OtherEpoch => "other-epoch",
            Self::WrongDigest => "wrong-digest",
            Self::Flood => "flood",
            Self::SelectiveSend => "selective-send",
            Self::AlternatingChunks => "alternating-chunks",
            Self::BadChunks => "bad-chunks",
            Self::ForgedAnswers => "forged-answers",
            Self::TornTimeouts => "torn-timeouts",
            Self::WithholdVotes => "withhold-votes",
            Self::Lag => "lag",
        }
    }

    /// The attack of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attack| attack.name() == name)
    }

    /// Somebody who misbehaves in this way.
    pub(super) fn begin(self, dice: &mut Dice) -> Box<dyn Mischief> {
        let own = Dice::new(dice.below(u64::MAX), 77);
        match self {
            Self::Equivocate => Box::new(equivocator::Equivocator::default()),
            Self::DoubleVote => Box::new(double_voter::DoubleVoter),
            Self::Withhold => Box::new(withholder::Withholder { from_all: dice.per_mille(500) }),
            Self::StaleCertificate => Box::new(stale_proposer::StaleProposer::new(own)),
            Self::LieAboutHighQc => Box::new(high_qc_liar::HighQcLiar::new(own)),
            Self::Amnesia => Box::new(amnesiac::Amnesiac::default()),
            Self::Replay => Box::new(replayer::Replayer::new(own)),
            Self::OtherEpoch => Box::new(epoch_crosser::EpochCrosser),
            Self::WrongDigest => Box::new(liar::Liar::new(own)),
            Self::Flood => Box::new(flooder::Flooder::new(own)),
            Self::SelectiveSend => Box::new(selective_sender::SelectiveSender::new(own)),
            Self::AlternatingChunks => Box::new(chunk_alternator::ChunkAlternator),
            Self::BadChunks => Box::new(chunk_spoiler::ChunkSpoiler::new(own)),
            Self::ForgedAnswers => Box::new(forger::Forger::new(own)),
            Self::TornTimeouts => Box::new(torn_timeouter::TornTimeouter::new(own)),
            Self::WithholdVotes => Box::new(silent_voter::SilentVoter::new(own)),
            Self::Lag => Box::new(laggard::Laggard::new(own)),
        }
    }
}
