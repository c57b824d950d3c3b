//! Which hunter finds what, and what cannot be found alone.

use gridbook_ledger::defects::Defect::{self, *};

use super::{Case, Hunter, Swarm, scenes};
use crate::cluster::{Attack, Kind};
use crate::consensus::Cast::{Any, Honest, One};
use crate::consensus::Climate::{self, Crashes, Cut, Fair, Load, Mixed, RecordLost, Slow, Storm};
use crate::consensus::{Cast, Strategy, Violation};

/// Clauses whose absence alone changes nothing that can be seen, and what stands in for them.
pub const MASKED: &[(Defect, &str)] = &[
    (
        CommitView,
        "slots of a view are consecutive in every chain that can be certified: only both together are a defect",
    ),
    (CommitSlot, "the same, from the other side"),
    (VoteOtherView, "only headers of the current view are taken in, and votes go up in rank"),
    (HighQcNotRecorded, "the stored timeout and the kept headers hold it (CONSENSUS section 5.3)"),
    (HighTcNotRecorded, "the stored timeout of the view before is said again and makes it anew"),
    (NoTimeoutAgain, "the clock says it again"),
    (PullsUnbounded, "chunks that begin nowhere, which make a validator ask, are bounded themselves"),
    (LeadsAgain, "the vote for its own first header, recorded with what it led, forbids a second one"),
];

/// Every case, in the order of the defects.
pub fn cases() -> Vec<Case> {
    let mut cases = votes();
    cases.extend(finality());
    cases.extend(disk());
    cases.extend(views());
    cases.extend(certificates());
    cases.extend(proposals());
    cases.extend(leaders());
    cases.extend(validators());
    cases.extend(bounds());
    cases
}

fn stories(defects: &'static [Defect], climate: Climate, cast: Cast, budget: u64) -> Case {
    Case { defects, hunter: Hunter::Stories(climate, cast), budget }
}

fn scene(defects: &'static [Defect], scene: fn() -> Result<(), Violation>) -> Case {
    Case { defects, hunter: Hunter::Scene(scene), budget: 1 }
}

fn twins(defects: &'static [Defect], budget: u64) -> Case {
    Case { defects, hunter: Hunter::Twins, budget }
}

fn swarm(defects: &'static [Defect], with: &'static [Kind], budget: u64) -> Case {
    Case { defects, hunter: Hunter::Swarm(Swarm { with, attack: None, operators: false }), budget }
}

fn swarm_with_epochs(defects: &'static [Defect], with: &'static [Kind], budget: u64) -> Case {
    Case { defects, hunter: Hunter::Swarm(Swarm { with, attack: None, operators: true }), budget }
}

fn liar_in_swarm(defects: &'static [Defect], attack: Attack, budget: u64) -> Case {
    let attack = Some(attack);
    Case { defects, hunter: Hunter::Swarm(Swarm { with: &[Kind::Lies], attack, operators: false }), budget }
}

fn votes() -> Vec<Case> {
    vec![
        stories(&[VoteTwice], Mixed, Any, 500),
        stories(&[VoteAfterTimeout], Mixed, Any, 500),
        stories(&[JustifyUnchecked], Mixed, One(Strategy::Misparent), 500),
        stories(&[SlotGap], Mixed, One(Strategy::Rewinder), 2_000),
        stories(&[NoEntry], Mixed, One(Strategy::Trespasser), 5_000),
        stories(&[StaleJustify], Mixed, One(Strategy::Reactionary), 5_000),
        stories(&[NoCarry], Mixed, Honest, 1_000),
        scene(&[NoDenial], scenes::a_late_denial_frees_the_next_leader),
        scene(&[NoPrefixExemption], scenes::a_tip_that_parted_from_the_chain_is_not_demanded),
        stories(&[VoteUnchecked], Fair, One(Strategy::WrongState), 500),
    ]
}

fn finality() -> Vec<Case> {
    vec![
        scene(&[CommitView, CommitSlot], scenes::a_child_of_another_view_makes_nothing_final),
        stories(&[NewestFirst], Mixed, Honest, 500),
    ]
}

fn disk() -> Vec<Case> {
    vec![
        stories(&[VoteNotRecorded], Mixed, Honest, 500),
        stories(&[TimeoutNotRecorded], Mixed, Honest, 500),
        stories(&[LedNotRecorded], Mixed, Honest, 500),
        stories(&[TipNotKept], Mixed, Honest, 500),
        stories(&[VoteBeforeRecord], Mixed, Honest, 500),
        stories(&[TimeoutBeforeRecord], Mixed, Honest, 500),
        stories(&[ProposalBeforeRecord], Mixed, Honest, 500),
        stories(&[SendBeforeSync], Storm, Honest, 500),
        stories(&[RecordBeforeLog], Crashes, Honest, 1_000),
        stories(&[SignsWithoutRecord], RecordLost, Honest, 500),
        scene(&[NoVoteAgain], scenes::a_restarted_validator_repeats_its_vote),
        scene(&[RestartsInViewOne], scenes::a_restarted_validator_is_in_the_view_it_was_in),
        scene(&[SyncDropsCertificates], scenes::synced_headers_bring_their_lock),
    ]
}

fn views() -> Vec<Case> {
    vec![
        twins(&[NoEntryTc], 2_000),
        scene(&[NoAnswerToLate], scenes::who_gives_up_a_view_that_is_over_is_told_what_ended_it),
        twins(&[NoAmplification], 2_000),
        stories(&[NoLeaderTimeout], Storm, Honest, 500),
        stories(&[EvidenceIgnored], Mixed, One(Strategy::Equivocator), 500),
        stories(&[DifferenceIgnored], Fair, One(Strategy::WrongState), 500),
        stories(&[SilenceTolerated], Cut, Honest, 500),
        stories(&[NoTermEnd], Load, Honest, 3),
        scene(&[IdleSilence], scenes::who_was_left_out_hears_of_the_end_from_others),
        stories(&[NoRepeat], Storm, Honest, 500),
        stories(&[TimerAlwaysRuns], Load, Honest, 3),
        stories(&[NoBackoff], Slow, Honest, 2_000),
        scene(&[NoEnterByQc], scenes::a_certificate_of_a_later_view_moves_to_it),
        stories(&[LowerQcTaken], Crashes, Honest, 500),
    ]
}

fn certificates() -> Vec<Case> {
    vec![
        stories(&[QcQuorum], Mixed, Honest, 500),
        stories(&[QcCount], Mixed, One(Strategy::Forger), 500),
        stories(&[QcSignatures], Mixed, One(Strategy::Forger), 500),
        stories(&[OddVotePoisons], Mixed, One(Strategy::BadSigner), 500),
        scene(&[ResignedIsDouble], scenes::a_vote_signed_again_is_no_second_vote),
        stories(&[TcQuorum], Mixed, Honest, 500),
        stories(&[TcDuplicates], Mixed, One(Strategy::Forger), 500),
        stories(&[TcHighQc], Mixed, One(Strategy::Forger), 1_000),
        stories(&[TcRanks], Mixed, One(Strategy::TimeoutLiar), 500),
        stories(&[TcSignatures], Mixed, One(Strategy::Forger), 500),
        stories(&[TimeoutQcUnverified], Mixed, One(Strategy::TimeoutLiar), 500),
        scene(&[NoRebuild], scenes::a_late_denial_frees_the_next_leader),
    ]
}

fn proposals() -> Vec<Case> {
    vec![
        scene(&[ProposerUnchecked], scenes::only_the_leader_of_a_view_is_voted_for),
        stories(&[ProposalUnsigned], Mixed, One(Strategy::Impostor), 500),
        stories(&[LinkUnchecked], Mixed, One(Strategy::Leaper), 500),
        stories(&[RanksUnbounded], Mixed, One(Strategy::Flooder), 500),
        stories(&[UnaskedTaken], Mixed, One(Strategy::Flooder), 500),
    ]
}

fn leaders() -> Vec<Case> {
    vec![
        scene(&[FewSlots], scenes::one_dead_of_four_costs_less_than_half),
        swarm_with_epochs(&[LeadersByHeight], &[Kind::Split], 40),
        swarm_with_epochs(&[NothingAfterEnd], &[], 20),
        swarm_with_epochs(&[OtherEpochUnanswered], &[Kind::Split, Kind::Kill], 40),
    ]
}

/// What whole validators do. Each of these is seen by another checker of the cluster simulation, which its comment names.
fn validators() -> Vec<Case> {
    vec![
        // A start: it must come up again from whatever a power cut left.
        swarm(&[TornTailRefused], &[Kind::Kill, Kind::PowerCut], 20),
        // Nothing that was promised is lost: what a certificate covers, and what a leader signed a place for.
        swarm(&[NoCarry], &[Kind::Split, Kind::Loss], 160),
        swarm(&[LedNotAwaited], &[Kind::LeaderKill, Kind::PowerCut, Kind::Stall], 40),
        // Nobody says what its disk does not know.
        swarm(&[VoteNotRecorded], &[Kind::Kill], 10),
        // Nobody contradicts what it signed before its disk was lost.
        swarm(&[SignsWithoutRecord], &[Kind::Wipe], 20),
        // Nothing is doubled.
        swarm(&[FinalStaysPooled], &[Kind::LeaderKill], 10),
        // The plain reference derives the same trades.
        swarm(&[ReduceLosesPlace], &[], 20),
        // All come to the same state, or nobody can vote for the others' headers.
        swarm(&[HistoryNotUndone], &[Kind::Silence], 20),
        swarm(&[TotalsNotUndone], &[Kind::Silence], 20),
        // Money and energy are neither made nor lost.
        swarm(&[DepositFromNowhere], &[], 10),
        swarm(&[SoldUncounted], &[], 10),
        // A validator that is made from its disk is the one that wrote it.
        swarm(&[TotalsNotKept], &[Kind::Pause], 20),
        // Once everything is mended, everything becomes final.
        liar_in_swarm(&[SilenceTolerated], Attack::SelectiveSend, 10),
    ]
}

/// What a flood makes others keep.
fn bounds() -> Vec<Case> {
    vec![
        liar_in_swarm(&[RanksUnbounded], Attack::Flood, 10),
        liar_in_swarm(&[UnaskedTaken], Attack::Flood, 10),
        liar_in_swarm(&[EarlyUnbounded], Attack::Flood, 20),
        liar_in_swarm(&[StraysKept], Attack::Flood, 10),
        liar_in_swarm(&[StraysKept, PullsUnbounded], Attack::Flood, 10),
        liar_in_swarm(&[UnaskedLogTaken], Attack::Flood, 10),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A clause that nobody hunts could be missing for ever.
    #[test]
    fn every_defect_has_a_hunter_or_says_what_stands_in_for_it() {
        let hunted: BTreeSet<Defect> =
            cases().iter().filter(|case| case.defects.len() == 1).map(|case| case.defects[0]).collect();
        let masked: BTreeSet<Defect> = MASKED.iter().map(|(defect, _)| *defect).collect();
        assert!(hunted.is_disjoint(&masked));
        for defect in Defect::ALL {
            assert!(hunted.contains(defect) || masked.contains(defect), "{} is forgotten", defect.name());
        }
    }
}
