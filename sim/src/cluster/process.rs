//! A validator process: the production replica, its disk, and the queue between the two.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gridbook_ledger::admission::{Admitted, Door, Refusal};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::replica::{
    Effect, FinalStep, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Replica, ReplicaConfig, SnapshotMessage,
    sync_answer,
};
use gridbook_ledger::snapshot::{self, Snapshot};
use gridbook_ledger::store::{IncomingBytes, LogIdentity, StoreError};
use gridbook_ledger::validators::ValidatorIndex;

use super::dice::Dice;
use super::disk::{Disk, DiskOptions, End, Found, Incoming, KeptState, Safety, is_harmless};
use super::index::Index;
use super::market::{Market, WALL_START_US};
use super::mix::Mix;

/// What waits for the disk, strictly in order.
#[derive(Debug)]
pub(super) enum StorageJob {
    Append(LogRecord),
    Persist(Box<SafetyRecord>),
    /// The state after this command is kept.
    Keep {
        seq: u64,
        state: KeptState,
    },
    Incoming(Incoming),
    Restore(Box<Snapshot>),
    Notify(u64),
    Send {
        to: Recipient,
        message: ConsensusMessage,
    },
}

/// A running replica and what is lost with it in a crash.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) replica: Replica,
    pub(super) storage: VecDeque<StorageJob>,
    /// What is done when the sync under way ends; none if no sync is under way.
    pub(super) syncing: Option<Vec<StorageJob>>,
    pub(super) tick_is_due: bool,
    pub(super) wake_at: Option<WallTime>,
    /// As far as it has told.
    pub(super) epoch: u32,
    /// Up to where the last checkpoint goes.
    checkpoint_seq: u64,
}

/// A validator, up or down.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) index: usize,
    pub(super) disk: Disk,
    pub(super) lookup: Index,
    /// Log entries that are not known to be final, by the sequence number before their first command.
    entries: BTreeMap<u64, Vec<u8>>,
    pub(super) running: Option<Running>,
    /// Counts starts and crashes: events for an earlier life are void.
    pub(super) life: u64,
    /// How far its clock is ahead of true time; never behind by more than the simulation has lasted.
    pub(super) ahead_us: i64,
    pub(super) disk_stalls_until_us: u64,
    /// Until then it gets no processor.
    pub(super) paused_until_us: u64,
    /// How many times slower than others it is.
    pub(super) slowness: u64,
    pub(super) dice: Dice,
    timing: Timing,
    checkpoint_commands: u64,
    joining: Joining,
}

/// The most headers in an answer: small, so that catching up takes several.
const HEADERS_MAX: usize = 40;

impl Process {
    pub(super) fn new(index: usize, market: &Market, mix: &Mix, dice: Dice) -> Self {
        let validator = u16::try_from(index).expect("at most 49");
        let options = DiskOptions { segment_bytes: mix.segment_bytes, keep_segments: mix.joining.keep_segments };
        let disk = Disk::new(LogIdentity { chain: market.chain, validator }, options);
        Self {
            index,
            disk,
            lookup: Index::default(),
            entries: BTreeMap::new(),
            running: None,
            life: 0,
            ahead_us: 0,
            disk_stalls_until_us: 0,
            paused_until_us: 0,
            slowness: 1,
            dice,
            timing: mix.timing,
            checkpoint_commands: mix.checkpoint_commands,
            joining: mix.joining,
        }
    }

    pub(super) fn wall(&self, now_us: u64) -> WallTime {
        WallTime((WALL_START_US + now_us).saturating_add_signed(self.ahead_us))
    }

    /// When, in true time, its clock shows this.
    pub(super) fn true_us(&self, at: WallTime) -> u64 {
        at.0.saturating_add_signed(-self.ahead_us).saturating_sub(WALL_START_US)
    }

    /// Opens the disk and brings a replica to where its log ends. Gives what became final in the part of the log that was read.
    pub(super) fn start(&mut self, market: &Market) -> Result<Vec<FinalStep>, StartError> {
        let Started { mut replica, steps, incoming } = self.recover(market, false)?;
        self.life += 1;
        if let Joining { every_commands: Some(every), commands_min, .. } = self.joining {
            replica.snapshot_every(every);
            replica.join_from(commands_min);
        }
        if let Some(coming) = incoming.and_then(|bytes| incoming_of(market, &replica, &bytes)) {
            self.disk.go_on_with(coming.manifest().pieces.clone());
            replica.resume_join(coming);
        }
        // What the index knows beyond the log is not this log's.
        self.lookup.cut(replica.final_header().height);
        let first = steps.first().map_or(replica.final_header().height + 1, |step| step.proposal.header.height);
        if self.lookup.last_height() + 1 < first {
            self.lookup.begin_at(first);
        }
        let known = self.lookup.last_height();
        steps.iter().filter(|step| step.proposal.header.height > known).try_for_each(|step| self.lookup.note(step))?;
        let (checkpoint_seq, epoch) = (replica.final_header().last_seq, replica.epochs().present());
        self.running = Some(Running {
            replica,
            storage: VecDeque::new(),
            syncing: None,
            tick_is_due: false,
            wake_at: None,
            epoch,
            checkpoint_seq,
        });
        Ok(steps)
    }

    /// Whether its index lacks what its log says.
    pub(super) fn has_gap(&self) -> bool {
        self.lookup.has_gap() && self.disk.has_whole_log()
    }

    /// The log was executed again behind everything else, and the index knows all of it.
    pub(super) fn fill(&mut self) {
        if self.has_gap() {
            self.lookup.fill();
        }
    }

    /// A record goes into its log.
    pub(super) fn note_entry(&mut self, record: &LogRecord) {
        match record {
            LogRecord::Entry { start_seq, entry, .. } => _ = self.entries.insert(*start_seq, entry.clone()),
            LogRecord::Truncate { to_seq } => drop(self.entries.split_off(to_seq)),
            _ => {}
        }
    }

    /// The entries of a header that became final.
    pub(super) fn take_entries(&mut self, header: &Header) -> Vec<Entry> {
        let later = self.entries.split_off(&header.last_seq);
        let done = std::mem::replace(&mut self.entries, later);
        let of_header = done.into_iter().filter(|(start_seq, _)| start_seq + 1 >= header.first_seq);
        let read = |(_, bytes): (u64, Vec<u8>)| Entry::decode_unverified(&bytes).expect("it was appended").trust();
        of_header.map(read).collect()
    }

    /// Another one of the same disk, as it is now, that is not running.
    pub(super) fn aside(&self) -> Self {
        Self {
            disk: self.disk.copy(),
            lookup: Index::default(),
            entries: BTreeMap::new(),
            running: None,
            dice: self.dice.clone(),
            ..*self
        }
    }

    /// Begins at the newest state that is kept, or at genesis, and reads the log.
    pub(super) fn recover(&mut self, market: &Market, at_genesis: bool) -> Result<Started, StartError> {
        let keys = market.keys_of(self.index).to_vec();
        let config = ReplicaConfig { genesis: market.genesis.clone(), keys, timing: self.timing };
        let opened = guarded(|| self.disk.open(&config, at_genesis))?;
        let Found { safety, start, log_start, incoming } = opened?;
        if let Some(why) = start.passed_over.iter().find(|passed_over| !is_harmless(passed_over)) {
            return Err(StartError::Broken(format!("its own kept state: {why}")));
        }
        let (mut recovery, mut from) = (start.recovery, start.from);
        if from < log_start {
            recovery.begins_in_a_gap();
            from = log_start;
        }
        let mut steps = Vec::new();
        self.entries.clear();
        for read in self.disk.read_from(from) {
            let (position, record) = read.map_err(|error| format!("its log: {error}"))?;
            self.note_entry(&record);
            self.disk.note(&record, position);
            let effects = guarded(|| recovery.replay(record))?.map_err(|error| format!("recovery: {error}"))?;
            for effect in effects {
                if let Effect::Final(step) = effect {
                    steps.push(*step);
                }
            }
        }
        let replica = guarded(|| match safety {
            Safety::Lost => recovery.finish_muted(),
            Safety::Known(record) => recovery.finish(record.map(|record| *record)),
        })?;
        Ok(Started { replica, steps, incoming })
    }

    /// Whether its log holds the ledger from genesis on.
    pub(super) fn has_whole_log(&self) -> bool {
        self.joining.every_commands.is_none()
    }

    /// Its disk is lost, and another one is in its place.
    pub(super) fn lose_disk(&mut self) {
        self.disk.replace();
        self.lookup = Index::default();
        self.entries.clear();
    }

    pub(super) fn crash(&mut self, end: End) {
        self.running = None;
        self.life += 1;
        self.paused_until_us = 0;
        self.disk.crash(end, &mut self.dice);
        self.lookup.crash(&mut self.dice);
    }

    /// Notes a final header; they must come in order, each once.
    pub(super) fn index_final(&mut self, step: &FinalStep) -> Result<(), String> {
        let index = self.index;
        self.lookup.note(step).map_err(|why| format!("validator {index}: {why}"))
    }

    /// A checkpoint, if it is time for one.
    pub(super) fn checkpoint(&mut self) -> Result<Option<StorageJob>, String> {
        let commands = self.checkpoint_commands;
        let Some(running) = &mut self.running else { return Ok(None) };
        let seq = running.replica.final_header().last_seq;
        if seq < running.checkpoint_seq + commands {
            return Ok(None);
        }
        running.checkpoint_seq = seq;
        let image = guarded(|| running.replica.checkpoint())?;
        Ok(image.map(|image| StorageJob::Keep { seq, state: KeptState::Checkpoint(image) }))
    }

    /// A snapshot was taken: the next checkpoint can wait.
    pub(super) fn took_snapshot(&mut self, seq: u64) {
        if let Some(running) = &mut self.running {
            running.checkpoint_seq = seq;
        }
    }

    /// Feeds the replica. A panic in it is told as an error.
    pub(super) fn feed(&mut self, input: Input, now_us: u64) -> Result<Vec<Effect>, String> {
        let wall = self.wall(now_us);
        let index = self.index;
        let Some(running) = &mut self.running else { return Ok(Vec::new()) };
        guarded(|| running.replica.handle(input, wall)).map_err(|error| format!("validator {index}: {error}"))
    }

    /// Verifies what another validator sent, as the process does on threads of its own.
    pub(super) fn verify(
        &self,
        from: ValidatorIndex,
        message: PeerMessage,
        market: &Market,
        now_us: u64,
    ) -> Result<Input, PeerFault> {
        let Some(epochs) = self.running.as_ref().map(|running| running.replica.epochs()) else {
            return Err(PeerFault::Epoch);
        };
        let gate = PeerGate { genesis: &market.genesis, chain: market.chain, epochs };
        gate.input(from, message, |bundles| {
            bundles.iter().filter_map(|bytes| self.admit(bytes, market, now_us).ok()).collect()
        })
    }

    /// The door of this validator.
    pub(super) fn admit(&self, bytes: &[u8], market: &Market, now_us: u64) -> Result<Admitted, Refusal> {
        let state = self.running.as_ref().map(|running| running.replica.state());
        let lookup = |key: &_| state.and_then(|state| state.device(key));
        let now = market.genesis.ledger_now(self.wall(now_us).0);
        Door { chain: market.chain, now, lookup }.admit_one(bytes)
    }

    /// Whether its index knows a bundle as final.
    pub(super) fn knows_final(&self, bundle: Hash) -> bool {
        self.running.is_some() && self.lookup.knows(bundle)
    }

    /// Answers another validator's sync request.
    pub(super) fn history(&self, from_height: u64) -> Result<Option<PeerMessage>, String> {
        let not_here = |first_height| Some(PeerMessage::Snapshot(SnapshotMessage::NotHere { first_height }));
        let headers = self.lookup.headers(from_height, HEADERS_MAX);
        let known = headers.first().filter(|first| first.proposal.header.height == from_height);
        let Some(first) = known else {
            return Ok(self.lookup.first_height().filter(|first| from_height < *first).and_then(not_here));
        };
        let Some(position) = self.disk.place_before(first.proposal.header.first_seq - 1) else {
            let first_seq = self.disk.first_seq();
            let first_height = first_seq.and_then(|seq| self.lookup.height_of(seq)).map(|height| height + 1);
            return Ok(not_here(first_height.unwrap_or(from_height + 1)));
        };
        let records = self.disk.read_from(position).map(|read| read.map(|(_, record)| record));
        sync_answer(&headers, records).map_err(|error| format!("validator {}: its log: {error}", self.index))
    }
}

/// A replica that was made from a disk, and what became final in the part of the log that was read for it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) replica: Replica,
    pub(super) steps: Vec<FinalStep>,
    incoming: Option<IncomingBytes>,
}

/// How others are let in by snapshots, and from when on one is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Joining {
    /// A snapshot is taken about every so many commands; never if it is not said.
    pub(super) every_commands: Option<u64>,
    /// The fewest commands that a snapshot must save.
    pub(super) commands_min: u64,
    /// How many segments of its log each keeps at least; all if it is not said.
    pub(super) keep_segments: Option<u64>,
}

/// A snapshot that was coming in, if it is still of use.
fn incoming_of(market: &Market, replica: &Replica, bytes: &IncomingBytes) -> Option<snapshot::Incoming> {
    let incoming = snapshot::Incoming::resume(&market.genesis, &bytes.front, &bytes.state).ok()?;
    (incoming.manifest().header().height > replica.final_header().height).then_some(incoming)
}

/// Why a validator does not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Its disk does not let it: later it may.
    #[error(transparent)]
    Disk(#[from] StoreError),
    /// What is on the disk makes no validator.
    #[error("{0}")]
    Broken(String),
}

impl From<String> for StartError {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// Runs production code; a panic in it becomes an error.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        format!("panicked: {text}")
    })
}
