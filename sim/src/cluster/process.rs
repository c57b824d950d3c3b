//! A validator process: the production replica, its disk, and the queue between the two.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gridbook_ledger::admission::{Admitted, Door, Refusal};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::replica::{
    Effect, FinalStep, Input, LogRecord, PeerFault, PeerGate, PeerMessage, Recovery, Replica, ReplicaConfig,
    sync_answer,
};
use gridbook_ledger::store::{LogIdentity, LogPosition, StoreError};
use gridbook_ledger::validators::ValidatorIndex;

use super::dice::Dice;
use super::disk::{Disk, End, Found};
use super::index::Index;
use super::market::{Market, WALL_START_US};
use super::mix::Mix;

/// What waits for the disk, strictly in order.
#[derive(Debug)]
pub(super) enum StorageJob {
    Append(LogRecord),
    Persist(Box<SafetyRecord>),
    Checkpoint { seq: u64, image: Vec<u8> },
    Notify(u64),
    Send { to: Recipient, message: ConsensusMessage },
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
}

/// The most headers in an answer: small, so that catching up takes several.
const HEADERS_MAX: usize = 40;

impl Process {
    pub(super) fn new(index: usize, market: &Market, mix: &Mix, dice: Dice) -> Self {
        let validator = u16::try_from(index).expect("at most 49");
        let disk = Disk::new(LogIdentity { chain: market.chain, validator }, mix.segment_bytes);
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
        let found = self.disk.open()?;
        let indexed = self.lookup.last_height();
        let Started { replica, steps } = self.recover(market, found, indexed).map_err(StartError::Broken)?;
        self.life += 1;
        // What the index knows beyond the log is not this log's.
        self.lookup.cut(replica.final_header().height);
        let known = self.lookup.last_height();
        steps.iter().filter(|step| step.proposal.header.height > known).try_for_each(|step| self.lookup.note(step))?;
        let checkpoint_seq = replica.final_header().last_seq;
        self.running = Some(Running {
            replica,
            storage: VecDeque::new(),
            syncing: None,
            tick_is_due: false,
            wake_at: None,
            checkpoint_seq,
        });
        Ok(steps)
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

    /// Begins at the newest checkpoint if the index reaches as far, else at genesis, and reads the log.
    pub(super) fn recover(&mut self, market: &Market, found: Found, indexed: u64) -> Result<Started, String> {
        let keys = market.keys_of(self.index).to_vec();
        let config = ReplicaConfig { genesis: market.genesis.clone(), keys, timing: self.timing };
        let (mut recovery, from) = self.begin(config, &found, indexed)?;
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
        let replica = guarded(|| recovery.finish(found.safety))?;
        Ok(Started { replica, steps })
    }

    fn begin(&mut self, config: ReplicaConfig, found: &Found, indexed: u64) -> Result<(Recovery, LogPosition), String> {
        if let Some(checkpoint) = &found.checkpoint {
            let recovery = guarded(|| Recovery::from_checkpoint(config.clone(), &checkpoint.image))?;
            let recovery = recovery.map_err(|error| format!("its own checkpoint: {error}"))?;
            if recovery.replica().final_header().height <= indexed {
                self.disk.set_places(checkpoint.places.clone());
                return Ok((recovery, checkpoint.replay_from));
            }
        }
        Ok((Recovery::new(config), LogPosition::START))
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
        Ok(image.map(|image| StorageJob::Checkpoint { seq, image }))
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
        let headers = self.lookup.headers(from_height, HEADERS_MAX);
        let Some(first) = headers.first() else { return Ok(None) };
        let position = self.disk.place_before(first.proposal.header.first_seq - 1);
        let records = self.disk.read_from(position).map(|read| read.map(|(_, record)| record));
        sync_answer(&headers, records).map_err(|error| format!("validator {}: its log: {error}", self.index))
    }
}

/// A replica that was made from a disk, and what became final in the part of the log that was read for it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) replica: Replica,
    pub(super) steps: Vec<FinalStep>,
}

/// Why a validator does not start.
#[derive(Debug)]
pub(super) enum StartError {
    /// Its disk does not let it: later it may.
    Disk(StoreError),
    /// What is on the disk makes no validator.
    Broken(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Disk(error)
    }
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
