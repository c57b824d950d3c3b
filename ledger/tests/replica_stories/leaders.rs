//! Leaders that give out wrong time, wrong results, or nothing, and a device that was suspended a moment ago.

use gridbook_engine::MeterId;
use gridbook_ledger::command::Command;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal};
use gridbook_ledger::record::{Outcome, Record};
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::PeerMessage;

use crate::quartet::{Quartet, Sent, key};

fn is_vote(sent: &Sent) -> bool {
    matches!(sent.message, PeerMessage::Consensus(ConsensusMessage::Vote(_)))
}

/// Whether it is a vote for what the first leader proposed.
fn is_vote_in_view_1(sent: &Sent) -> bool {
    matches!(&sent.message, PeerMessage::Consensus(ConsensusMessage::Vote(vote)) if vote.header.rank.view == 1)
}

fn is_timeout(sent: &Sent) -> bool {
    matches!(sent.message, PeerMessage::Consensus(ConsensusMessage::Timeout(_)))
}

/// The leader's clock is 800 ms ahead. What it writes is held until it is no more than 500 ms in the future, and then voted for: a
/// wrong clock costs time, and no view.
#[test]
fn a_time_in_the_future_is_held_and_then_voted_for() {
    let mut quartet = Quartet::with_clocks([0, 800_000, 0, 0]);
    let began = quartet.now_us();
    quartet.register();
    let first_vote = quartet.sent.iter().find(|sent| is_vote(sent)).expect("it is voted for in the end");
    assert!(first_vote.at_us >= began + 299_000, "voted {} us after the start", first_vote.at_us - began);
    assert!(!quartet.sent.iter().any(is_timeout));
    quartet.assert_agreed_beyond(0);
}

/// The leader is five seconds ahead, or a year, and votes for its own header, so that it is a tip of the view's end. Nobody waits, and
/// nobody carries its log over: the next leader begins without it. It used to be carried from view to view, and the ledger stood still
/// until the time had come.
#[test]
fn a_leader_far_in_the_future_is_given_up_and_its_log_with_it() {
    for ahead_us in [5_000_000, 31_536_000_000_000] {
        let mut quartet = Quartet::with_clocks([0, ahead_us, 0, 0]);
        quartet
            .operate(1, vec![Command::RegisterAccount { account: gridbook_engine::AccountId(0), organisation: None }]);
        quartet.run_for(4_000_000);
        for node in &quartet.nodes {
            let header = node.finals.first().expect("the next leader makes it final").proposal.header.clone();
            assert_eq!(header.rank.view, 2);
            assert!(header.time_ms <= quartet.genesis.ledger_now(quartet.now_us()).0 + 500);
            assert_eq!(node.replica.state().accounts_count(), 1);
        }
        quartet.assert_agreed_beyond(0);
    }
}

/// The leader signs results that do not follow from its log. Nobody votes for them; under the next leader the same commands are
/// final with the results that they have.
#[test]
fn a_header_with_an_invalid_state_root_gets_no_vote() {
    let mut quartet = Quartet::new();
    quartet.on_the_way = Box::new(|from, _, message| match message {
        PeerMessage::Consensus(ConsensusMessage::Proposal(mut proposal)) if from == 1 => {
            proposal.header.state_root.0[0] ^= 1;
            proposal.signature = Proposal::sign(&proposal.header, &key(1));
            Some(PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)))
        }
        other => Some(other),
    });
    quartet.operate(1, vec![Command::RegisterAccount { account: gridbook_engine::AccountId(0), organisation: None }]);
    quartet.run_for(200_000);
    assert!(!quartet.sent.iter().any(|sent| sent.from != 1 && is_vote_in_view_1(sent)), "nobody votes for it");
    let gave_up = |who| quartet.sent.iter().any(|sent| sent.from == who && is_timeout(sent));
    assert!([0, 2, 3].into_iter().all(gave_up), "all give the leader up at once");
    quartet.run_for(4_000_000);
    quartet.assert_agreed_beyond(0);
    assert!(quartet.nodes.iter().all(|node| node.replica.state().accounts_count() == 1));
}

/// A header comes, and the log under it does not. It is fetched, and only then voted for.
#[test]
fn a_withheld_payload_is_fetched_before_the_vote() {
    let mut quartet = Quartet::new();
    quartet.on_the_way = Box::new(|from, to, message| {
        let withheld = matches!(message, PeerMessage::Chunk(_) | PeerMessage::Pulled { .. }) && from == 1 && to == 3;
        (!withheld).then_some(message)
    });
    quartet.operate(1, vec![Command::RegisterAccount { account: gridbook_engine::AccountId(0), organisation: None }]);
    quartet.run_for(3_000_000);
    let by_three = |wanted: fn(&Sent) -> bool| quartet.sent.iter().position(|sent| sent.from == 3 && wanted(sent));
    let pull = by_three(|sent| matches!(sent.message, PeerMessage::Pull { .. })).expect("it asks for the log");
    let vote = by_three(is_vote).expect("it votes in the end");
    let pulled =
        quartet.sent.iter().position(|sent| sent.from != 1 && matches!(sent.message, PeerMessage::Pulled { .. }));
    assert!(pull < pulled.expect("another validator has it") && pulled.unwrap() < vote);
    quartet.assert_agreed_beyond(0);
}

/// The leader gives its log to nobody at all: nobody votes, and the view ends.
#[test]
fn a_payload_withheld_from_all_ends_the_view() {
    let mut quartet = Quartet::new();
    quartet.on_the_way = Box::new(|from, _, message| {
        let withheld = matches!(message, PeerMessage::Chunk(_) | PeerMessage::Pulled { .. }) && from == 1;
        (!withheld).then_some(message)
    });
    quartet.operate(1, vec![Command::RegisterAccount { account: gridbook_engine::AccountId(0), organisation: None }]);
    quartet.run_for(500_000);
    assert!(!quartet.sent.iter().any(|sent| sent.from != 1 && is_vote_in_view_1(sent)));
    quartet.run_for(6_000_000);
    quartet.assert_agreed_beyond(0);
    assert!(quartet.nodes[0].finals.last().unwrap().proposal.header.rank.view > 1);
}

/// Everybody's clock is set back by ten minutes. Ledger time stands still or goes on, and commands become final as before.
#[test]
fn clocks_that_go_backwards_stop_nothing_and_take_nothing_back() {
    let mut quartet = Quartet::new();
    quartet.register();
    for node in &mut quartet.nodes {
        node.ahead_us = -600_000_000;
    }
    for nonce in 1..4 {
        let cancel = quartet.admitted(10, nonce, vec![Command::CancelAll]);
        quartet.submit(1, cancel);
        quartet.run_for(300_000);
    }
    let before = quartet.nodes[0].finals[0].proposal.header.height;
    quartet.assert_agreed_beyond(before);
    let times: Vec<u64> = quartet.nodes[0].finals.iter().map(|step| step.proposal.header.time_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    let all_final = |node: &crate::quartet::Node| {
        let device = node.replica.state().device(&key(10).public()).unwrap();
        device.nonce == 3
    };
    assert!(quartet.nodes.iter().all(all_final));
}

/// Everybody restarts with a clock ten minutes behind: headers have their parent's time until the clocks are there again. All vote for
/// one, and the votes are lost. It may be certified for all they know, so the next leader carries its log.
#[test]
fn a_tip_that_is_ahead_of_clocks_that_were_set_back_is_carried_over() {
    let mut quartet = Quartet::new();
    quartet.register();
    for index in 0..4 {
        quartet.nodes[index].ahead_us = -600_000_000;
        let records = quartet.nodes[index].log.len();
        quartet.restart(index, records);
    }
    quartet.run_for(3_000_000);
    let (lost_view, leader) = quartet.nodes[0].replica.view();
    quartet.on_the_way = Box::new(move |_, _, message| match &message {
        PeerMessage::Consensus(ConsensusMessage::Vote(vote)) if vote.header.rank.view == lost_view => None,
        _ => Some(message),
    });
    let cancel = quartet.admitted(10, 1, vec![Command::CancelAll]);
    quartet.submit(usize::from(leader.0), cancel);
    let before = quartet.sent.len();
    quartet.run_for(8_000_000);
    let proposed = quartet.sent[before..].iter().find_map(|sent| match &sent.message {
        PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) => Some(proposal.header.clone()),
        _ => None,
    });
    let lost = proposed.expect("the leader proposes");
    assert_eq!(lost.rank.view, lost_view);
    assert!(
        lost.time_ms > quartet.genesis.ledger_now(quartet.now_us()).0 - 600_000 + 2_000,
        "it is far ahead of the clocks"
    );
    let carried = |step: &gridbook_ledger::replica::FinalStep| step.proposal.header.log_end() == lost.log_end();
    assert!(quartet.nodes.iter().all(|node| node.finals.iter().any(carried)), "its log is let go of");
    quartet.assert_agreed_beyond(1);
}

/// The door let a bundle in, its signature is good, and the header before the one it gets into suspends its device.
#[test]
fn a_device_suspended_one_header_earlier_gives_no_commands_though_its_signature_is_good() {
    let mut quartet = Quartet::new();
    quartet.register();
    let let_in = quartet.admitted(10, 1, vec![Command::CancelAll]);
    quartet.operate(2, vec![Command::Suspend { subject: Subject::Meter(MeterId(0)), reason: Reason::Other }]);
    quartet.run_for(300_000);
    quartet.submit(1, let_in.clone());
    quartet.run_for(300_000);
    for node in &quartet.nodes {
        let step = node.finals.iter().find(|step| step.bundles.iter().any(|bundle| bundle.id == let_in.id().0));
        let step = step.expect("it is in the log, and its result can be proven");
        let records = step.records.iter().map(|bytes| Record::decode(bytes).unwrap());
        let outcomes: Vec<Outcome> =
            records.filter(|record| record.entry == let_in.id().0).map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Rejected(Code::AuthSuspended)]);
    }
}
