//! Clauses of the consensus rules that a test build can leave out (CONSENSUS section 5.3): a hunter that finds nothing wrong proves
//! little until it was seen to find what is wrong.
//!
//! Every clause asks [`omits`] whether it is to be left out. Without the cargo feature `defects` that is a constant `false`, so an
//! ordinary build holds no switch. With it, a thread leaves out what it was told to, for all validators that it simulates.

macro_rules! defects {
    ($($(#[doc = $what:literal])+ $variant:ident = $name:literal from $source:literal,)+) => {
        /// A clause that can be left out. Its text says what is then missing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $($(#[doc = $what])+ $variant,)+
        }

        #[cfg(feature = "defects")]
        impl Defect {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name on a command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is missing, in words.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => concat!($($what),+).trim_ascii(),)+ }
            }

            /// Where the clause, or the defect of others, is written down: a place in CONSENSUS.
            pub fn source(self) -> &'static str {
                match self { $(Self::$variant => $source,)+ }
            }
        }
    };
}

defects! {
    // May a header be voted for?
    /// A second vote at a rank, or one below the last, is given.
    VoteTwice = "vote-twice" from "3 may_vote",
    /// A vote is given in a view that was given up.
    VoteAfterTimeout = "vote-after-timeout" from "3 may_vote",
    /// A vote is given for a header of another view than the current one.
    VoteOtherView = "vote-other-view" from "3 may_vote",
    /// A header need not build on the header it justifies itself with.
    JustifyUnchecked = "justify-unchecked" from "3 may_vote",
    /// A header may build on another slot than the one before it.
    SlotGap = "slot-gap" from "3 may_vote",
    /// Slot 0 opens a view with any certificate, or without one.
    NoEntry = "no-entry" from "3 may_vote",
    /// Slot 0 may justify itself with a lower certificate than the timeouts tell of.
    StaleJustify = "stale-justify" from "3 may_vote",
    /// The log of tips is not carried over.
    NoCarry = "no-carry" from "4 row 9",
    /// A tip is demanded though a quorum denies it.
    NoDenial = "no-denial" from "4 row 17",
    /// A tip is demanded though the justifying log contains it or parts from it.
    NoPrefixExemption = "no-prefix-exemption" from "4 row 17",
    /// A header is voted for before, or although, own execution says otherwise.
    VoteUnchecked = "vote-unchecked" from "3 on Proposal",

    // What is final?
    /// The commit rule does not ask for one view.
    CommitView = "commit-view" from "3 commit_rule",
    /// The commit rule does not ask for consecutive slots.
    CommitSlot = "commit-slot" from "3 commit_rule",
    /// Ancestors are told newest first.
    NewestFirst = "newest-first" from "4 row 14",

    // What is on disk?
    /// The record on disk does not hold the last vote.
    VoteNotRecorded = "vote-not-recorded" from "4 row 4",
    /// The record on disk does not hold the last timeout.
    TimeoutNotRecorded = "timeout-not-recorded" from "3 record",
    /// The record on disk does not hold the highest certificate.
    HighQcNotRecorded = "high-qc-not-recorded" from "4 row 4",
    /// The record on disk does not hold the highest timeout certificate.
    HighTcNotRecorded = "high-tc-not-recorded" from "3 record",
    /// The record on disk does not hold what was led.
    LedNotRecorded = "led-not-recorded" from "4 row 18",
    /// A header that is voted for is not given to the disk.
    TipNotKept = "tip-not-kept" from "4 row 19",
    /// A vote is sent before it is on disk.
    VoteBeforeRecord = "vote-before-record" from "3 may_vote",
    /// A timeout is sent before it is on disk.
    TimeoutBeforeRecord = "timeout-before-record" from "3 timeout",
    /// A proposal is sent before it is on disk that it is led.
    ProposalBeforeRecord = "proposal-before-record" from "3 propose",
    /// The driver sends before the disk has synced.
    SendBeforeSync = "send-before-sync" from "3 record",
    /// The disk takes the record before the log that it tells of.
    RecordBeforeLog = "record-before-log" from "4 row 19",
    /// A validator that lost its record signs as if it never had.
    SignsWithoutRecord = "signs-without-record" from "3 record",

    // Coming up again.
    /// A stored vote is not sent again.
    NoVoteAgain = "no-vote-again" from "4 row 5",
    /// A stored timeout is not sent again after a restart.
    NoTimeoutAgain = "no-timeout-again" from "3 restart",
    /// A restarted leader goes on to lead its view.
    LeadsAgain = "leads-again" from "3 restart",
    /// A restart begins in view 1.
    RestartsInViewOne = "restarts-in-view-one" from "4 row 4",
    /// Headers of another's store bring no certificates.
    SyncDropsCertificates = "sync-drops-certificates" from "4 row 11",

    // Views.
    /// A timeout does not carry the certificate that opened its view.
    NoEntryTc = "no-entry-tc" from "4 row 16",
    /// A timeout of a view that is over is not answered.
    NoAnswerToLate = "no-answer-to-late" from "3 timeout",
    /// f + 1 timeouts of others move nobody.
    NoAmplification = "no-amplification" from "4 row 8",
    /// A view is not given up when its leader gives it up.
    NoLeaderTimeout = "no-leader-timeout" from "3 timeout",
    /// Proof against a leader does not end its view.
    EvidenceIgnored = "evidence-ignored" from "3 timeout",
    /// A digest that differs does not end the view.
    DifferenceIgnored = "difference-ignored" from "3 timeout",
    /// A leader that never says anything is waited for.
    SilenceTolerated = "silence-tolerated" from "4 row 3",
    /// A term has no end.
    NoTermEnd = "no-term-end" from "3 term",
    /// A timeout is said only once.
    NoRepeat = "no-repeat" from "3 timeout",
    /// Whoever is left out of the last messages before the ledger falls idle hears of them from nobody else.
    IdleSilence = "idle-silence" from "3 catching up",
    /// The timer runs though there is no work.
    TimerAlwaysRuns = "timer-always-runs" from "3 timer",
    /// The timer does not grow with views in vain.
    NoBackoff = "no-backoff" from "3 timer",
    /// A certificate of a later view does not move to it.
    NoEnterByQc = "no-enter-by-qc" from "3 enter",
    /// The last certificate replaces a higher one.
    LowerQcTaken = "lower-qc-taken" from "3 may_vote",

    // What is a certificate?
    /// f + 1 votes are a certificate.
    QcQuorum = "qc-quorum" from "4 row 2",
    /// Signers without signatures count.
    QcCount = "qc-count" from "4 row 2",
    /// Signatures of votes are not verified.
    QcSignatures = "qc-signatures" from "2 QuorumCert",
    /// One bad vote spoils the others.
    OddVotePoisons = "odd-vote-poisons" from "4 row 6",
    /// A statement signed anew counts as a second one.
    ResignedIsDouble = "resigned-is-double" from "4 row 7",
    /// f + 1 timeouts are a certificate.
    TcQuorum = "tc-quorum" from "3 valid TC",
    /// A voter may stand in a timeout certificate twice.
    TcDuplicates = "tc-duplicates" from "4 row 2",
    /// A timeout certificate may hide the highest certificate of its entries.
    TcHighQc = "tc-high-qc" from "3 valid TC",
    /// Timeouts may tell of ranks above their view.
    TcRanks = "tc-ranks" from "3 valid TC",
    /// Signatures of timeouts are not verified.
    TcSignatures = "tc-signatures" from "3 valid TC",
    /// The certificate in a timeout is not verified.
    TimeoutQcUnverified = "timeout-qc-unverified" from "3 valid TC",
    /// A timeout certificate is never rebuilt from later timeouts.
    NoRebuild = "no-rebuild" from "3 valid TC",

    // What is a proposal?
    /// Anybody may propose.
    ProposerUnchecked = "proposer-unchecked" from "3 on Proposal",
    /// A proposal need not be signed.
    ProposalUnsigned = "proposal-unsigned" from "3 on Proposal",
    /// A header need not follow its parent in height, log and time.
    LinkUnchecked = "link-unchecked" from "3 on Proposal",
    /// Headers of any rank are kept.
    RanksUnbounded = "ranks-unbounded" from "4 row 13",
    /// Headers that nobody asked for are kept.
    UnaskedTaken = "unasked-taken" from "4 row 13",

    // Who leads, and in which epoch?
    /// A leader serves a few slots only, so that a dead one's turn comes again and again.
    FewSlots = "few-slots" from "4 row 15",
    /// Whom the penalty list passes over is read from the state at one's own height.
    LeadersByHeight = "leaders-by-height" from "4 row 20",
    /// The old set makes nothing after the header that ends its epoch, which is final only by that.
    NothingAfterEnd = "nothing-after-end" from "4 row 10",
    /// Whoever is in another epoch is neither told how its epoch ended nor asked.
    OtherEpochUnanswered = "other-epoch-unanswered" from "4 row 10",

    // What does a validator do besides consensus? These show that the cluster simulation sees what it looks at.
    /// A log that ends in a torn record is not opened.
    TornTailRefused = "torn-tail-refused" from "4 row 12",
    /// A leader streams before it is on disk that it leads.
    LedNotAwaited = "led-not-awaited" from "3 propose",
    /// A bundle that is final waits for its place again.
    FinalStaysPooled = "final-stays-pooled" from "5.1",
    /// An order that is reduced loses its place in the queue.
    ReduceLosesPlace = "reduce-loses-place" from "5.1",
    /// Going back on the log leaves the histories of meters as they are.
    HistoryNotUndone = "history-not-undone" from "5.1",
    /// Going back on the log leaves the totals as they are.
    TotalsNotUndone = "totals-not-undone" from "5.1",
    /// A checkpoint does not hold the totals.
    TotalsNotKept = "totals-not-kept" from "5.1",
    /// A deposit is taken from nobody.
    DepositFromNowhere = "deposit-from-nowhere" from "5.1",
    /// What a seller sold is not counted.
    SoldUncounted = "sold-uncounted" from "5.1",
    /// Chunks of any view to come are kept.
    EarlyUnbounded = "early-unbounded" from "3 bounds",
    /// Any number of places in logs is asked for.
    PullsUnbounded = "pulls-unbounded" from "3 bounds",
    /// Log of a leader that hangs together with nothing is kept, however much there is, and when its view is over.
    StraysKept = "strays-kept" from "3 bounds",
    /// Log that nobody asked for is kept.
    UnaskedLogTaken = "unasked-log-taken" from "3 bounds",
}

/// Whether a clause is left out: never, in an ordinary build.
#[cfg(not(feature = "defects"))]
#[inline]
pub const fn omits(_: Defect) -> bool {
    false
}

#[cfg(feature = "defects")]
pub use armed::{Armed, omits};

#[cfg(feature = "defects")]
mod armed {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        /// A bit for each defect.
        static LEFT_OUT: Cell<u128> = const { Cell::new(0) };
    }

    /// Whether this thread leaves a clause out.
    pub fn omits(defect: Defect) -> bool {
        LEFT_OUT.get() >> (defect as u32) & 1 == 1
    }

    /// While it lives, its thread leaves clauses out.
    #[derive(Debug)]
    pub struct Armed {
        before: u128,
    }

    impl Armed {
        /// Leaves these out, and none besides.
        #[must_use]
        pub fn with(defects: &[Defect]) -> Self {
            let bits = defects.iter().fold(0, |bits, defect| bits | 1 << (*defect as u32));
            Self { before: LEFT_OUT.replace(bits) }
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            LEFT_OUT.set(self.before);
        }
    }

    // A bit for each.
    const _: () = assert!(Defect::ALL.len() <= 128);
}
