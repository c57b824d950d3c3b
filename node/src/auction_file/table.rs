//! CSV with a header, plain or gzipped, with the line of every mistake.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{StringRecord, Trim};
use flate2::read::MultiGzDecoder;

use super::Decimal;

/// A file that cannot be used: which, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a table with the columns that it should have.
    #[error("{}: {sentence}", file.display())]
    Form {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and what would be right.
        sentence: String,
    },
    /// A line of it is wrong.
    #[error("{}, line {line}: {sentence}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong, and what would be right.
        sentence: String,
    },
}

/// A table as it is read.
pub(super) struct Table {
    file: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    /// Where the columns stand; nothing for an optional one that the file does not have.
    columns: Vec<Option<usize>>,
    record: StringRecord,
}

/// A line of a table.
pub(super) struct Row<'a> {
    file: &'a Path,
    record: &'a StringRecord,
    columns: &'a [Option<usize>],
}

impl Table {
    /// Opens a file with these columns, in any order; the last `optional` of them may be missing.
    pub(super) fn open(file: &Path, columns: &[&str], optional: usize) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Read { file: file.to_owned(), source };
        let mut bytes = BufReader::with_capacity(1 << 16, File::open(file).map_err(unreadable)?);
        let is_gzip = bytes.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
        let bytes: Box<dyn Read> = if is_gzip { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        let mut reader = csv::ReaderBuilder::new().trim(Trim::All).buffer_capacity(1 << 16).from_reader(bytes);
        let header = reader.headers().map_err(|error| broken(file, error))?;
        let columns: Vec<_> =
            columns.iter().map(|name| (*name, header.iter().position(|column| column == *name))).collect();
        let required = &columns[..columns.len() - optional];
        if let Some((missing, _)) = required.iter().find(|(_, place)| place.is_none()) {
            let expected: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
            let sentence = format!("there is no column `{missing}`: the first line must name {}", expected.join(","));
            return Err(FileError::Form { file: file.to_owned(), sentence });
        }
        let columns = columns.into_iter().map(|(_, place)| place).collect();
        Ok(Self { file: file.to_owned(), reader, columns, record: StringRecord::new() })
    }

    /// The next line; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, FileError> {
        let is_there = self.reader.read_record(&mut self.record).map_err(|error| broken(&self.file, error))?;
        Ok(is_there.then_some(Row { file: &self.file, record: &self.record, columns: &self.columns }))
    }
}

impl Row<'_> {
    /// The text of a column.
    pub(super) fn text(&self, column: usize) -> &str {
        self.columns[column].and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    /// A name: not empty.
    pub(super) fn name(&self, column: usize, what: &str) -> Result<&str, FileError> {
        Some(self.text(column))
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.wrong(format!("the {what} is empty")))
    }

    /// A number.
    pub(super) fn decimal(&self, column: usize) -> Result<Decimal, FileError> {
        self.text(column).parse().map_err(|sentence| self.wrong(sentence))
    }

    /// A number, zero if the file has no such column or leaves it empty.
    pub(super) fn decimal_or_zero(&self, column: usize) -> Result<Decimal, FileError> {
        let text = Some(self.text(column)).filter(|text| !text.is_empty());
        text.unwrap_or("0").parse().map_err(|sentence| self.wrong(sentence))
    }

    /// Where the line is.
    pub(super) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// This line is wrong.
    pub(super) fn wrong(&self, sentence: impl Into<String>) -> FileError {
        FileError::Line { file: self.file.to_owned(), line: self.line(), sentence: sentence.into() }
    }
}

fn broken(file: &Path, error: csv::Error) -> FileError {
    let line = error.position().map(csv::Position::line);
    let file = file.to_owned();
    match (error.into_kind(), line) {
        (csv::ErrorKind::Io(source), _) => FileError::Read { file, source },
        (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
            let sentence = format!("{len} fields where the first line names {expected_len}");
            FileError::Line { file, line, sentence }
        }
        (_, Some(line)) => FileError::Line { file, line, sentence: "this is not UTF-8 text".to_owned() },
        (_, None) => FileError::Form { file, sentence: "this is not a CSV file".to_owned() },
    }
}
