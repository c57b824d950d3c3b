//! Runs a file: plans lines in batches, lets every shard carry out its part, and answers in the order of the file.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use gridbook_engine::{Event, LedgerTime};

use super::answer::Answer;
use super::command::{Origin, PeriodCommand, Step, WideCommand};
use super::final_books::{self, shard_of};
use super::market::FileMarket;
use super::output::{Format, Output, Tally};
use super::plan::Planner;
use super::reader::{LineReader, RawLine};
use super::refusal::Refusal;
use super::shard::{Done, Shard};
use super::wide;

/// How a file is run. None of it changes an answer.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Ends at the first line that cannot be read.
    pub strict: bool,
    /// How answers are written.
    pub format: Format,
    /// Over how many markets the delivery periods are spread, each with a thread. A market that opens with auctions takes one only,
    /// because blocks tie its periods together.
    pub shards: NonZeroUsize,
    /// How many lines are planned before they are carried out.
    pub batch: NonZeroUsize,
}

impl Default for Settings {
    /// JSON, one shard, batches of 4,096 lines.
    fn default() -> Self {
        const BATCH: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
        Self { strict: false, format: Format::Json, shards: NonZeroUsize::MIN, batch: BATCH }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read on.
    #[error("cannot read on after line {line}")]
    Read {
        /// The last line that was read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// An answer cannot be written.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    /// A line cannot be read, and the run is strict.
    #[error("line {line}: {refusal}")]
    Strict {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        refusal: Refusal,
    },
}

/// What a whole run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The counts.
    pub tally: Tally,
    /// The hash over all answers and the final books, in hexadecimal.
    pub digest: String,
}

/// Told after every batch how many lines have been read.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// The most bytes of lines in one batch, so that long lines do not fill the memory.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Runs the order file `input` on markets of kind `M` and writes its answers to `output`.
///
/// # Errors
/// If reading or writing fails, or at the first unreadable line of a strict run; what was answered until then is written.
pub fn run<M: FileMarket>(
    input: impl Read,
    output: impl Write,
    settings: &Settings,
    progress: Progress<'_>,
) -> Result<Summary, RunError> {
    let mut reader = LineReader::new(input).map_err(|source| RunError::Read { line: 0, source })?;
    let mut run = Run::<M, _> {
        settings,
        planner: Planner::default(),
        shards: Vec::new(),
        steps: Vec::new(),
        output: Output::new(output, settings.format),
    };
    loop {
        let batch = run.read_batch(&mut reader);
        run.carry_out().map_err(RunError::Write)?;
        let ended = match batch {
            Ok(None | Some(Batch::Full)) => false,
            Ok(Some(Batch::Wide(origin, command))) => {
                run.carry_out_wide(origin, command).map_err(RunError::Write)?;
                false
            }
            Ok(Some(Batch::End)) => true,
            Err(error) => {
                run.output.flush().map_err(RunError::Write)?;
                return Err(error);
            }
        };
        progress(reader.number());
        if ended {
            return run.finish().map_err(RunError::Write);
        }
    }
}

/// What a batch ended with.
enum Batch {
    /// Nothing: it is to be carried out before the file is read on.
    Full,
    Wide(Origin, WideCommand),
    End,
}

/// A step of a batch whose answer is still to be written.
enum Waiting {
    Refused(Origin, Refusal),
    /// The next outcome of this shard.
    OfShard(usize),
}

struct Run<'s, M, W> {
    settings: &'s Settings,
    planner: Planner,
    /// None before the first command.
    shards: Vec<Shard<M>>,
    steps: Vec<Waiting>,
    output: Output<W>,
}

impl<M: FileMarket, W: Write> Run<'_, M, W> {
    /// Plans lines up to the end of a batch.
    fn read_batch(&mut self, reader: &mut LineReader<'_>) -> Result<Option<Batch>, RunError> {
        let mut bytes = 0;
        for _ in 0..self.settings.batch.get() {
            let line = reader.number();
            let Some(raw) = reader.read().map_err(|source| RunError::Read { line, source })? else {
                return Ok(Some(Batch::End));
            };
            self.output.tally.commands += 1;
            bytes += raw.bytes.map_or(0, <[u8]>::len);
            if let Some(wide) = self.plan(&raw)? {
                return Ok(Some(wide));
            }
            if bytes > BATCH_BYTES_MAX {
                break;
            }
        }
        Ok(None)
    }

    fn plan(&mut self, raw: &RawLine<'_>) -> Result<Option<Batch>, RunError> {
        match self.planner.plan(raw) {
            Step::Taken => {}
            Step::Refused(origin, refusal) => {
                let ends = self.settings.strict && refusal.is_unreadable();
                self.steps.push(Waiting::Refused(origin, refusal.clone()));
                if ends {
                    return Err(RunError::Strict { line: origin.line, refusal });
                }
            }
            Step::Period(origin, period, command) => {
                self.begin();
                // It tells of every island that has a name, so later lines must not have named more of them.
                let names_matter =
                    matches!(command, PeriodCommand::Auction(_)) && !self.planner.names.areas_are_fixed();
                let shard = shard_of(period, self.shards.len());
                self.shards[shard].enqueue(origin, command);
                self.steps.push(Waiting::OfShard(shard));
                return Ok(names_matter.then_some(Batch::Full));
            }
            Step::Wide(origin, command) => {
                self.begin();
                return Ok(Some(Batch::Wide(origin, command)));
            }
        }
        Ok(None)
    }

    /// Makes the markets, once the file has said which.
    fn begin(&mut self) {
        if !self.shards.is_empty() {
            return;
        }
        let (rules, network) = (self.planner.setup.rules(), self.planner.setup.network());
        let count = if rules.auction_at_open { 1 } else { self.settings.shards.get() };
        // One market undoes a refused basket by itself.
        let market =
            || M::for_file(*rules, network.clone(), count > 1).expect("the rules were validated when they were read");
        self.shards = (0..count).map(|_| Shard::new(market())).collect();
    }

    /// Lets the shards carry out what waits for them, and answers.
    fn carry_out(&mut self) -> io::Result<()> {
        let mut busy: Vec<&mut Shard<M>> = self.shards.iter_mut().filter(|shard| shard.has_work()).collect();
        if let [only] = &mut busy[..] {
            only.run();
        } else {
            std::thread::scope(|scope| {
                for shard in busy {
                    scope.spawn(|| shard.run());
                }
            });
        }
        let Self { planner, shards, steps, output, .. } = self;
        let mut next = vec![0; shards.len()];
        for step in steps.drain(..) {
            match step {
                Waiting::Refused(origin, refusal) => output.rejected(origin, &refusal, &planner.names)?,
                Waiting::OfShard(index) => {
                    let (outcomes, events) = shards[index].outcomes();
                    let outcome = &outcomes[next[index]];
                    next[index] += 1;
                    match &outcome.result {
                        Ok(Done::Quietly) => {}
                        Ok(Done::Accepted(id)) => output.accepted(*id, &planner.names)?,
                        &Ok(Done::Replaced { id, remaining, kept_place }) => {
                            output.put(&Answer::Replaced { id, remaining, kept_place }, &planner.names)?;
                        }
                        Err(refusal) => output.rejected(outcome.origin, refusal, &planner.names)?,
                    }
                    for event in &events[outcome.events.clone()] {
                        planner.note(event);
                        output.event(event, None, &planner.names)?;
                    }
                    if let (Err(_), Some(id)) = (&outcome.result, outcome.brings) {
                        planner.routes.remove(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn carry_out_wide(&mut self, origin: Origin, command: WideCommand) -> io::Result<()> {
        match command {
            WideCommand::Time(at) => {
                // Auctions are held at their time and see what was there then; all else that time brings is done at its end.
                while let Some(due) = self.next_due_before(at) {
                    if self.advance(due)? == 0 {
                        break;
                    }
                }
                self.advance(at).map(drop)
            }
            WideCommand::CancelAll { account, meter } => {
                for id in self.planner.routes.of(account, meter) {
                    let period = self.planner.routes.find(id).expect("it was found just now").period;
                    let index = shard_of(period, self.shards.len());
                    let events = self.shards[index].cancel_now(id);
                    self.tell(&events, None)?;
                }
                Ok(())
            }
            WideCommand::Auction(periods) => {
                let events = wide::auction(&mut self.shards, &periods);
                self.tell(&events, None)
            }
            WideCommand::Basket { id, orders } => match wide::basket(&mut self.shards, &orders) {
                Ok(events) => {
                    self.output.accepted(id, &self.planner.names)?;
                    self.tell(&events, Some(id))
                }
                Err(refused) => self.output.rejected(origin, &refused.into(), &self.planner.names),
            },
        }
    }

    /// The next time before `at` at which something is due, in a market that opens with auctions.
    fn next_due_before(&self, at: LedgerTime) -> Option<LedgerTime> {
        if !self.planner.setup.rules().auction_at_open {
            return None;
        }
        self.shards.iter().filter_map(|shard| shard.market.next_due()).min().filter(|&due| due < at)
    }

    /// Moves time on everywhere and tells what that did; how many pieces of work it was.
    fn advance(&mut self, at: LedgerTime) -> io::Result<usize> {
        let routes = &self.planner.routes;
        let (pieces, events) = wide::advance(&mut self.shards, at, |id| routes.find(id).map(|route| route.period));
        self.tell(&events, None)?;
        Ok(pieces)
    }

    fn tell(&mut self, events: &[Event], basket: Option<u64>) -> io::Result<()> {
        for event in events {
            self.planner.note(event);
            self.output.event(event, basket, &self.planner.names)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Summary> {
        self.begin();
        let books = final_books::hash(&self.shards, &self.planner);
        let digest = self.output.finish(&books, &self.planner.names)?;
        Ok(Summary { tally: self.output.tally, digest })
    }
}
