//! Reports a tip that does not exist and no certificate; now and then a certificate that it made up.

use gridbook_ledger::crypto::{Hash, Signature};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, QuorumCert, Recipient};

use super::{Liar, Sends, Stage};

#[derive(Debug)]
pub(super) struct TimeoutLiar;

impl Liar for TimeoutLiar {
    fn say(&mut self, stage: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        let ConsensusMessage::Timeout(timeout) = message else { return vec![(to, message)] };
        let header = |view| HeaderRef { rank: Rank { view, slot: 3 }, hash: Hash::of("sim/lie", b"tip") };
        let (me, view) = (stage.me.place, timeout.view);
        let made_up = |view| QuorumCert {
            epoch: 0,
            header: header(view),
            signers: 0b111,
            signatures: vec![Signature([7; 64]); 3],
        };
        let mut lies = vec![
            stage.ring.timeout(me, view, stage.ring.root_qc(), Some(header(view))),
            stage.ring.timeout(me, view, made_up(view), None),
            stage.ring.timeout(me, view, stage.ring.root_qc(), Some(header(view + 1_000))),
        ];
        lies.iter_mut().for_each(|lie| lie.entry = timeout.entry.clone());
        // The first says it all; the others are for whoever does not look.
        lies.rotate_left(usize::try_from(view % 3).expect("below 3"));
        lies.into_iter().map(|lie| (to, ConsensusMessage::Timeout(Box::new(lie)))).collect()
    }
}
