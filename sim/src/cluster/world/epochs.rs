//! Operators change the validators of the running ledger: keys are rotated, penalties given and lifted, in the midst of all trouble.

use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::replica::Input;
use gridbook_ledger::validators::{Member, ValidatorIndex, ValidatorSet};

use super::World;
use super::agenda::Event;

/// Of a thousand seeds so many have operators that change things.
const SEEDS_PER_MILLE: u64 = 400;
/// The pause between two changes, in microseconds.
const PAUSE_US: (u64, u64) = (400_000, 5_000_000);

impl World {
    /// Whether this seed's operators change things, and when first.
    pub(super) fn plan_epochs(&mut self) {
        let drawn = self.operators.per_mille(SEEDS_PER_MILLE);
        if self.config.operators.unwrap_or(drawn) {
            let first_us = self.operators.between(PAUSE_US.0, PAUSE_US.1);
            self.after(first_us, Event::Reconfigure);
        }
    }

    /// Hands a change, approved by a quorum, to one validator; whether that one is behind, or dies the next moment, is chance.
    pub(super) fn reconfigure(&mut self) -> Result<(), String> {
        if self.now_us() >= self.heals_at_us() {
            return Ok(());
        }
        let pause_us = self.operators.between(PAUSE_US.0, PAUSE_US.1);
        self.after(pause_us, Event::Reconfigure);
        let through = self.operators.place(self.processes.len());
        let Some(running) = &self.processes[through].running else { return Ok(()) };
        let epochs = running.replica.epochs();
        let (epoch, present) = (epochs.present(), epochs.present_set().clone());
        let next = self.draw_next(&present);
        let mut change = Reconfigure::propose(self.market.chain, epoch, &next);
        let mut signers: Vec<ValidatorIndex> = present.indices().collect();
        while signers.len() > present.quorum() {
            let out = self.operators.place(signers.len());
            signers.swap_remove(out);
        }
        for signer in signers {
            let key = self.key_in(&present, signer).ok_or("a member has neither of its two keys")?;
            change.approve(&present, &key).map_err(|code| code.to_string())?;
        }
        let now_us = self.now_us();
        self.trace.absorb(now_us, 9, through, 0, &change.id().0);
        self.trace.note(now_us, || format!("operators end epoch {epoch}, through {through}"));
        self.feed(through, Input::Reconfigure(Box::new(change)))?;
        self.end_turn(through);
        Ok(())
    }

    /// One honest validator's other key, and now and then another penalty list. Those who lie keep their keys: all their lies are signed.
    fn draw_next(&mut self, present: &ValidatorSet) -> ValidatorSet {
        let mut members: Vec<Member> = present.members().to_vec();
        let place = self.operators.place(members.len());
        if !self.culprits.contains_key(&place) {
            let keys = self.market.keys_of(place);
            let other = keys.iter().map(SecretKey::public).find(|key| *key != members[place].key);
            members[place].key = other.unwrap_or(members[place].key);
        }
        let mut penalised = present.penalised().to_vec();
        if self.operators.per_mille(500) {
            let count = self.operators.below(present.faulty_max() as u64 + 1);
            penalised = (0..count).map(|_| self.operators.place(members.len())).map(super::index_of).collect();
            penalised.sort_unstable();
            penalised.dedup();
        }
        ValidatorSet::of_members(members, penalised).expect("as many members as before, each with a key of its own")
    }

    fn key_in(&self, set: &ValidatorSet, index: ValidatorIndex) -> Option<SecretKey> {
        let keys = self.market.keys_of(usize::from(index.0));
        keys.iter().find(|key| set.key(index) == Some(&key.public())).cloned()
    }
}
