//! A validator process: the production replica, its disk, and the queue between the two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gridbook_ledger::admission::Door;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord, Timing, WallTime};
use gridbook_ledger::replica::{
    Effect, FinalStep, IndexedHeader, Input, LogRecord, PeerFault, PeerMessage, Recovery, Replica, ReplicaConfig,
    read_proofs, sync_answer, verify_sync,
};
use gridbook_ledger::validators::ValidatorIndex;

use super::dice::Dice;
use super::disk::Disk;
use super::market::{Market, WALL_START_US};

/// What waits for the disk, strictly in order.
#[derive(Debug)]
pub(super) enum StorageJob {
    Append(LogRecord),
    Persist(Box<SafetyRecord>),
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
    /// Final headers as its index knows them.
    index: BTreeMap<u64, IndexedHeader>,
    bundles: BTreeSet<Hash>,
}

/// A validator, up or down.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) index: usize,
    pub(super) disk: Disk,
    pub(super) running: Option<Running>,
    /// Counts starts and crashes: events for an earlier life are void.
    pub(super) life: u64,
    /// How far its clock is ahead of true time; never behind by more than the simulation has lasted.
    pub(super) ahead_us: i64,
    pub(super) disk_stalls_until_us: u64,
    pub(super) dice: Dice,
}

/// The most headers in an answer: small, so that catching up takes several.
const HEADERS_MAX: usize = 40;

impl Process {
    pub(super) fn new(index: usize, dice: Dice) -> Self {
        let disk = Disk::default();
        Self { index, disk, running: None, life: 0, ahead_us: 0, disk_stalls_until_us: 0, dice }
    }

    pub(super) fn wall(&self, now_us: u64) -> WallTime {
        WallTime((WALL_START_US + now_us).saturating_add_signed(self.ahead_us))
    }

    /// Opens the disk and executes its log again. Gives what was final there.
    pub(super) fn start(&mut self, market: &Market) -> Result<Vec<FinalStep>, String> {
        let keys = vec![market.validator_keys[self.index].clone()];
        let config = ReplicaConfig { genesis: market.genesis.clone(), keys, timing: Timing::default() };
        let (records, safety) = (self.disk.read()?, self.disk.read_safety()?);
        let mut recovery = Recovery::new(config);
        let mut steps = Vec::new();
        guarded(|| {
            for record in records {
                for effect in recovery.replay(record).map_err(|error| format!("recovery: {error}"))? {
                    if let Effect::Final(step) = effect {
                        steps.push(*step);
                    }
                }
            }
            Ok::<(), String>(())
        })??;
        let replica = guarded(|| recovery.finish(safety))?;
        self.life += 1;
        self.running = Some(Running {
            replica,
            storage: VecDeque::new(),
            syncing: None,
            tick_is_due: false,
            wake_at: None,
            index: BTreeMap::new(),
            bundles: BTreeSet::new(),
        });
        for step in &steps {
            self.index_final(step)?;
        }
        Ok(steps)
    }

    pub(super) fn crash(&mut self) {
        self.running = None;
        self.life += 1;
        self.disk.crash(&mut self.dice);
    }

    /// Notes a final header; they must come in order, each once.
    pub(super) fn index_final(&mut self, step: &FinalStep) -> Result<(), String> {
        let index = self.index;
        let Some(running) = &mut self.running else { return Ok(()) };
        let height = step.proposal.header.height;
        let next = running.index.last_key_value().map_or(1, |(last, _)| last + 1);
        if height != next {
            return Err(format!("validator {index} tells height {height} as final where {next} is next"));
        }
        let proof = step.proof.as_deref().cloned();
        running.index.insert(height, IndexedHeader { proposal: step.proposal.clone(), proof });
        running.bundles.extend(step.bundles.iter().map(|bundle| bundle.id));
        Ok(())
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
        let chain = market.genesis.chain_id();
        let Some(epochs) = self.running.as_ref().map(|running| running.replica.epochs()) else {
            return Err(PeerFault::Epoch);
        };
        let (epoch, set) = (epochs.present(), epochs.present_set());
        Ok(match message {
            PeerMessage::Consensus(message) => Input::Consensus { from, message },
            PeerMessage::Chunk(chunk) if chunk.epoch != epoch => return Err(PeerFault::Epoch),
            // From its leader only: the bodies of a chunk that somebody passes on are not covered by the leader's signature.
            PeerMessage::Chunk(chunk) if set.leader(chunk.view) != from => return Err(PeerFault::Leader),
            PeerMessage::Chunk(chunk) => match chunk.verify(chain, set) {
                Ok(chunk) => Input::Chunk(chunk),
                Err(PeerFault::Leader) => return Err(PeerFault::Leader),
                Err(_) => Input::BadChunk { epoch, view: chunk.view },
            },
            PeerMessage::Relay(bundles) => {
                Input::Relayed(bundles.iter().filter_map(|bytes| self.admit(bytes, market, now_us).ok()).collect())
            }
            PeerMessage::Pull { target, floor_seq } => Input::Pull { from, target, floor_seq },
            PeerMessage::Pulled { end, run } => {
                let run = run.verify()?;
                if run.end != end {
                    return Err(PeerFault::Digest);
                }
                Input::Pulled(run)
            }
            PeerMessage::SyncRequest { from_height } => Input::SyncRequest { from, from_height },
            PeerMessage::SyncResponse { steps, beyond, tip } => {
                Input::Synced(verify_sync(steps, &beyond, tip.as_ref(), chain, (epoch, set))?)
            }
            PeerMessage::Epochs(proofs) => Input::Epochs { from, proofs: read_proofs(&proofs)? },
            PeerMessage::Reconfigure(change) => {
                Input::Reconfigure(Box::new(Reconfigure::decode(&change).map_err(|_| PeerFault::Form)?))
            }
        })
    }

    /// The door of this validator.
    pub(super) fn admit(
        &self,
        bytes: &[u8],
        market: &Market,
        now_us: u64,
    ) -> Result<gridbook_ledger::admission::Admitted, gridbook_ledger::admission::Refusal> {
        let state = self.running.as_ref().map(|running| running.replica.state());
        let lookup = |key: &_| state.and_then(|state| state.device(key));
        let now = market.genesis.ledger_now(self.wall(now_us).0);
        Door { chain: market.genesis.chain_id(), now, lookup }.admit_one(bytes)
    }

    /// Whether its index knows a bundle as final.
    pub(super) fn knows_final(&self, bundle: Hash) -> bool {
        self.running.as_ref().is_some_and(|running| running.bundles.contains(&bundle))
    }

    /// Answers another validator's sync request.
    pub(super) fn history(&self, from_height: u64) -> Option<PeerMessage> {
        let running = self.running.as_ref()?;
        let headers: Vec<IndexedHeader> =
            running.index.range(from_height..).take(HEADERS_MAX).map(|(_, indexed)| indexed.clone()).collect();
        let records = self.disk.records().iter().cloned().map(Ok::<_, std::convert::Infallible>);
        let Ok(answer) = sync_answer(&headers, records);
        answer
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
