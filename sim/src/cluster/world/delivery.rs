//! What reaches a replica, what it wants done, and what it sends.

use std::sync::Arc;

use gridbook_ledger::evidence::VerifiedEvidence;
use gridbook_ledger::hotstuff::{Recipient, WallTime};
use gridbook_ledger::replica::{Effect, FinalStep, Input, PeerFault, PeerMessage};

use super::super::disk::End;
use super::super::mischief::Words;
use super::super::process::StorageJob;
use super::super::wire::Stream;
use super::agenda::Event;
use super::{AUDIT_HEIGHTS, Band, TRIPPED_US, TURN_US, VOLUNTEER_US, World, index_of};

impl World {
    pub(super) fn tick(&mut self, to: usize) -> Result<(), String> {
        if let Some(running) = &mut self.processes[to].running {
            running.tick_is_due = false;
        }
        self.feed(to, Input::Tick)?;
        let eager = self.processes[to].running.as_ref().is_some_and(|running| running.replica.is_eager());
        if eager {
            self.end_turn(to);
        }
        Ok(())
    }

    /// A clock shows the time that was waited for; unless it was set back meanwhile.
    pub(super) fn wake(&mut self, to: usize, at: WallTime) -> Result<(), String> {
        let (now_us, life) = (self.now_us(), self.processes[to].life);
        if self.processes[to].wall(now_us) < at {
            let at_us = self.processes[to].true_us(at);
            self.agenda.at(at_us, Event::Wake { to, life, at });
            return Ok(());
        }
        self.tick(to)
    }

    /// After inputs comes a tick: not at once, for others may come before it.
    pub(super) fn end_turn(&mut self, to: usize) {
        let (life, slowness) = (self.processes[to].life, self.processes[to].slowness);
        if let Some(running) = &mut self.processes[to].running
            && !running.tick_is_due
        {
            running.tick_is_due = true;
            self.after(TURN_US * slowness, Event::Tick { to, life });
        }
    }

    fn is_led_by_a_liar(&self, in_the_eyes_of: usize, epoch: u32, view: u64) -> bool {
        let running = self.processes[in_the_eyes_of].running.as_ref();
        let set = running.and_then(|running| running.replica.epochs().set(epoch));
        set.is_some_and(|set| self.culprits.contains_key(&usize::from(set.leader(view).0)))
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), String> {
        let message = match PeerMessage::decode(bytes) {
            Ok(message) => message,
            Err(_) if self.culprits.contains_key(&from) => return Ok(()),
            Err(fault) => return Err(format!("a message cannot be read: {fault}")),
        };
        if let Some(band) = self.culprits.get_mut(&to) {
            band.mischief.observe(&message);
        }
        match self.processes[to].verify(index_of(from), message, &self.market, self.now_us()) {
            Ok(input) => {
                if let Input::BadChunk { epoch, view } = &input
                    && !self.is_led_by_a_liar(to, *epoch, *view)
                {
                    return Err(format!("validator {to} found a bad chunk of an honest leader, view {view}"));
                }
                self.feed(to, input)?;
                self.end_turn(to);
                let flooded = self.culprits.contains_key(&from) && !self.culprits.contains_key(&to);
                if flooded { self.check_memory_of(&self.processes[to]) } else { Ok(()) }
            }
            Err(_) if self.culprits.contains_key(&from) => Ok(()),
            // One of the two is an epoch ahead: that is for the replicas to settle.
            Err(PeerFault::Epoch) => Ok(()),
            Err(fault) => Err(format!("validator {to} dropped a message of {from}, which is honest: {fault}")),
        }
    }

    pub(super) fn feed(&mut self, to: usize, input: Input) -> Result<(), String> {
        let now_us = self.now_us();
        let effects = match self.processes[to].feed(input, now_us) {
            Ok(effects) => effects,
            Err(_) if self.culprits.contains_key(&to) => {
                // It may trip over its own lies.
                self.crash(to, End::Kill, TRIPPED_US);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for effect in effects {
            self.hand_out(to, effect)?;
        }
        if let Some(job) = self.processes[to].checkpoint()? {
            self.store(to, job);
        }
        self.begin_sync(to)
    }

    fn hand_out(&mut self, from: usize, effect: Effect) -> Result<(), String> {
        let now_us = self.now_us();
        match effect {
            Effect::Append(record) => {
                self.processes[from].note_entry(&record);
                self.store(from, StorageJob::Append(record));
            }
            Effect::Persist(record) => self.store(from, StorageJob::Persist(record)),
            Effect::Notify(number) => self.store(from, StorageJob::Notify(number)),
            Effect::Send { to, message } => self.store(from, StorageJob::Send { to, message }),
            Effect::Post { to, message } => self.post(from, to, &message)?,
            Effect::ServeSync { to, from_height } => {
                let (asker, life) = (usize::from(to.0), self.processes[from].life);
                self.after(200, Event::Serve { to: from, life, asker, from_height });
            }
            Effect::Final(step) => self.hear_final(from, &step)?,
            Effect::Epoch(epoch) => {
                self.report.epochs = self.report.epochs.max(epoch);
                if let Some(running) = &mut self.processes[from].running {
                    running.epoch = epoch;
                }
                self.trace.note(now_us, || format!("{from}: epoch {epoch} begins"));
            }
            Effect::View { view, leader } => {
                self.report.views = self.report.views.max(view);
                self.trace.note(now_us, || format!("{from}: view {view}, led by {}", leader.0));
                let epoch = self.processes[from].running.as_ref().map(|running| running.epoch);
                if let Some(epoch) = epoch.filter(|_| !self.culprits.contains_key(&from)) {
                    self.witness.enter(from, epoch, view, leader)?;
                }
            }
            Effect::Sequenced(chunk) => {
                let statement = chunk.statement();
                if !self.is_led_by_a_liar(from, statement.epoch, statement.view) {
                    self.witness.promises.sequence(&chunk)?;
                }
            }
            Effect::Certified { bundles, .. } if !self.culprits.contains_key(&from) => {
                self.witness.promises.certify(from, &bundles)?;
            }
            Effect::Certified { .. } => {}
            Effect::AlreadyFinal(bundle) => self.tell_clients(from, std::iter::once(bundle.0)),
            Effect::Evidence(evidence) => self.hear_evidence(from, &evidence)?,
            Effect::Snapshot(effect) => self.hand_out_snapshot(from, effect)?,
            Effect::Halt(why) => {
                if !self.culprits.contains_key(&from) {
                    return Err(format!("validator {from} halts: {why}"));
                }
                self.crash(from, End::Kill, TRIPPED_US);
            }
            Effect::WakeAt(at) => self.wake_later(from, at),
        }
        Ok(())
    }

    fn hear_final(&mut self, from: usize, step: &FinalStep) -> Result<(), String> {
        let now_us = self.now_us();
        self.trace.absorb(now_us, 5, from, 0, &step.hash.0);
        let header = &step.proposal.header;
        self.trace.note(now_us, || {
            format!("{from}: final {} at {:?}, log to {}", header.height, header.rank, header.last_seq)
        });
        if self.culprits.contains_key(&from) {
            return Ok(());
        }
        self.processes[from].index_final(step)?;
        self.finalize(from, step)?;
        self.tell_clients(from, step.bundles.iter().map(|bundle| bundle.id));
        if header.height.is_multiple_of(AUDIT_HEIGHTS) { self.audit(from) } else { Ok(()) }
    }

    fn hear_evidence(&mut self, from: usize, evidence: &VerifiedEvidence) -> Result<(), String> {
        let (culprit, what) = (evidence.culprit(), evidence.evidence().kind.name());
        self.trace.note(self.agenda.now_us(), || format!("{from}: evidence against {}: {what}", culprit.0));
        self.report.evidence += 1;
        if self.culprits.contains_key(&usize::from(culprit.0)) {
            return Ok(());
        }
        Err(format!("validator {from} has evidence against {}, which is honest: {what}", culprit.0))
    }

    fn wake_later(&mut self, index: usize, at: WallTime) {
        let process = &mut self.processes[index];
        if let Some(running) = &mut process.running {
            running.wake_at = Some(at);
        }
        let (life, at_us) = (process.life, process.true_us(at));
        self.agenda.at(at_us, Event::Wake { to: index, life, at });
    }

    /// An honest validator says that a header is final.
    pub(super) fn finalize(&mut self, from: usize, step: &FinalStep) -> Result<(), String> {
        let entries = self.processes[from].take_entries(&step.proposal.header);
        let (Some(records), Some(referee)) = (self.witness.finalize(step)?, &mut self.referee) else { return Ok(()) };
        let mut left = &records[..];
        for entry in &entries {
            let count = usize::try_from(entry.count()).expect("an entry has few commands").min(left.len());
            let (of_entry, rest) = left.split_at(count);
            referee.follow(&self.market, entry, of_entry)?;
            left = rest;
        }
        if left.is_empty() { Ok(()) } else { Err(format!("validator {from} has records without their commands")) }
    }

    pub(super) fn post(&mut self, from: usize, to: Recipient, message: &PeerMessage) -> Result<(), String> {
        let others: Vec<usize> = match to {
            Recipient::One(one) => vec![usize::from(one.0)],
            Recipient::Others => (0..self.processes.len()).filter(|other| *other != from).collect(),
        };
        if !self.culprits.contains_key(&from) {
            self.witness.sent(from, message, self.processes[from].disk.safety())?;
            let bytes: Arc<[u8]> = message.encode().into();
            for to in others {
                self.launch(from, to, stream_of(message), &bytes, 0);
            }
            return Ok(());
        }
        for to in others {
            let Some(Band { culprit, mischief, .. }) = self.culprits.get_mut(&from) else { continue };
            let twisted = mischief.twist(culprit, index_of(to), message.clone());
            let late: Vec<u64> = twisted.iter().map(|message| mischief.keeps_back_us(message)).collect();
            for (message, late_us) in twisted.iter().zip(late) {
                self.witness.promises.lied(from, message);
                self.launch(from, to, stream_of(message), &message.encode().into(), late_us);
            }
        }
        Ok(())
    }

    /// One that lies says what nobody asked it for.
    pub(super) fn let_culprit_speak(&mut self, from: usize) {
        self.after(VOLUNTEER_US, Event::Volunteer(from));
        if self.processes[from].running.is_none() {
            return;
        }
        for to in (0..self.processes.len()).filter(|to| *to != from) {
            let Some(Band { culprit, mischief, .. }) = self.culprits.get_mut(&from) else { continue };
            for words in mischief.volunteer(culprit, index_of(to)) {
                match words {
                    Words::Junk(bytes) => self.launch(from, to, Stream::Log, &bytes.into(), 0),
                    Words::Message(message) => {
                        self.witness.promises.lied(from, &message);
                        self.launch(from, to, stream_of(&message), &message.encode().into(), 0);
                    }
                }
            }
        }
    }

    fn launch(&mut self, from: usize, to: usize, stream: Stream, bytes: &Arc<[u8]>, late_us: u64) {
        self.report.messages += 1;
        for (at_us, generation) in self.wire.send(from, to, stream, self.now_us() + late_us) {
            self.agenda.at(at_us, Event::Deliver { from, to, generation, bytes: bytes.clone() });
        }
    }
}

fn stream_of(message: &PeerMessage) -> Stream {
    match message {
        PeerMessage::Consensus(_) => Stream::Consensus,
        PeerMessage::Chunk(_) | PeerMessage::Relay(_) => Stream::Log,
        _ => Stream::Sync,
    }
}
