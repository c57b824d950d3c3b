//! Where answers go: hashed as JSON whatever is shown, counted, and written.

use std::collections::BTreeMap;
use std::io::{self, Write};

use gridbook_engine::Event;

use super::answer::Answer;
use super::command::Origin;
use super::names::Names;
use super::refusal::Refusal;

const BUFFER_BYTES: usize = 64 * 1024;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One sentence a line.
    Text,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines that were not blank.
    pub commands: u64,
    /// Orders, blocks, baskets and pre-arranged trades that were accepted.
    pub accepted: u64,
    /// Refused lines by code.
    pub rejected: BTreeMap<String, u64>,
    /// Trades of pairs; what auctions fill is not among them.
    pub trades: u64,
    /// The energy of these trades in Wh.
    pub energy_wh: u128,
}

/// The end of a run's answers.
pub(super) struct Output<W> {
    writer: W,
    format: Format,
    hasher: blake3::Hasher,
    /// Answers as JSON that are not hashed yet.
    json: Vec<u8>,
    /// Answers as text that are not written yet.
    text: Vec<u8>,
    pub(super) tally: Tally,
}

impl<W: Write> Output<W> {
    pub(super) fn new(writer: W, format: Format) -> Self {
        let hasher = blake3::Hasher::new();
        Self { writer, format, hasher, json: Vec::new(), text: Vec::new(), tally: Tally::default() }
    }

    pub(super) fn accepted(&mut self, id: u64, names: &Names) -> io::Result<()> {
        self.tally.accepted += 1;
        self.put(&Answer::Accepted { id }, names)
    }

    pub(super) fn rejected(&mut self, origin: Origin, refusal: &Refusal, names: &Names) -> io::Result<()> {
        let code = refusal.code();
        match self.tally.rejected.get_mut(code.as_ref()) {
            Some(count) => *count += 1,
            None => drop(self.tally.rejected.insert(code.into_owned(), 1)),
        }
        self.put(&Answer::Rejected { origin, refusal }, names)
    }

    /// An event, if it is one that is told. `basket` is the basket that it comes of.
    pub(super) fn event(&mut self, event: &Event, basket: Option<u64>, names: &Names) -> io::Result<()> {
        match Answer::of(event, names) {
            Some(Answer::Trade { trade, .. }) => {
                self.tally.trades += 1;
                self.tally.energy_wh += u128::from(trade.energy.0);
                self.put(&Answer::Trade { seq: self.tally.trades, basket, trade }, names)
            }
            Some(answer) => self.put(&answer, names),
            None => Ok(()),
        }
    }

    pub(super) fn put(&mut self, answer: &Answer<'_>, names: &Names) -> io::Result<()> {
        answer.write_json(names, &mut self.json)?;
        self.json.push(b'\n');
        if self.format == Format::Text {
            answer.write_text(names, &mut self.text)?;
            self.text.push(b'\n');
        }
        if self.json.len() >= BUFFER_BYTES { self.drain() } else { Ok(()) }
    }

    /// Ends the answers with the digest over all of them and over what `state` says of the final books.
    pub(super) fn finish(&mut self, state: &[u8; 32], names: &Names) -> io::Result<String> {
        self.drain()?;
        self.hasher.update(state);
        let digest = self.hasher.finalize().to_hex().to_string();
        self.put(&Answer::Digest(&digest), names)?;
        self.flush()?;
        Ok(digest)
    }

    /// Writes all that was put so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.writer.flush()
    }

    fn drain(&mut self) -> io::Result<()> {
        self.hasher.update(&self.json);
        let shown = if self.format == Format::Json { &self.json } else { &self.text };
        self.writer.write_all(shown)?;
        self.json.clear();
        self.text.clear();
        Ok(())
    }
}
