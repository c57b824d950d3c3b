//! Measured households and PV plants from CSV files, plain or gzipped, to be used instead of the profiles.
//!
//! A file has the header `timestamp,electricity` and a row per quarter-hour: Unix seconds without gaps, and the mean power of
//! the quarter-hour that begins there, in W for a household and per unit of peak power for a plant. The first row is taken as
//! local midnight; whole days are cut from there, and what is left over at the end is not used.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::profiles::{Day, PERIODS_PER_DAY};

/// Seconds between two rows.
const STEP_S: u64 = 900;

/// The most that a file may hold once unpacked: about 40 years of rows.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// No household draws more, in W.
const LOAD_W_MAX: f64 = 100_000.0;

/// No plant gives more, per unit of its peak: a bright edge of a cloud.
const PV_PER_UNIT_MAX: f64 = 1.5;

/// Measured days of households and plants, one series per file, in the order of the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    loads: Vec<Series>,
    plants: Vec<Series>,
}

/// The days of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// Per quarter-hour: W of a household, ppm of peak of a plant.
    pub(crate) days: Vec<Day>,
}

/// What is wrong with the measured files. Lines are counted from 1, the header being line 1.
#[derive(Debug, thiserror::Error)]
pub enum MeasuredError {
    /// The folder cannot be listed.
    #[error("{}: cannot list the folder: {source}", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such file in the folder.
    #[error("{}: no file that ends in .csv or .csv.gz", path.display())]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
    /// The file cannot be read or unpacked.
    #[error("{}: cannot read the file: {source}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the system or the decoder says.
        source: io::Error,
    },
    /// The file is larger than any sensible series.
    #[error("{}: more than {FILE_BYTES_MAX} bytes when unpacked", file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
    },
    /// The first line is another one.
    #[error("{}:1: the header is {found:?}, not \"timestamp,electricity\"", file.display())]
    Header {
        /// Which file.
        file: PathBuf,
        /// What stands there.
        found: String,
    },
    /// A row has another number of columns, or is no CSV at all.
    #[error("{}:{line}: {problem}", file.display())]
    Row {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The first column is not a time in whole Unix seconds.
    #[error("{}:{line}: {text:?} is not a time in whole seconds since 1970", file.display())]
    Timestamp {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: u64,
        /// What stands there.
        text: String,
    },
    /// The second column is not a number in its range.
    #[error("{}:{line}: {text:?} is not a number between 0 and {max}", file.display())]
    Number {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: u64,
        /// What stands there.
        text: String,
        /// The end of the range, in the unit of the file.
        max: f64,
    },
    /// A row does not follow 15 minutes after the one before.
    #[error("{}:{line}: time {found} where {expected} should follow: the rows must be 15 minutes apart", file.display())]
    Gap {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: u64,
        /// The time that should stand there, in Unix seconds.
        expected: u64,
        /// The time that stands there, in Unix seconds.
        found: u64,
    },
    /// There is not one whole day.
    #[error("{}: {rows} rows are less than the 96 of one day", file.display())]
    Short {
        /// Which file.
        file: PathBuf,
        /// How many rows there are.
        rows: usize,
    },
}

impl Measured {
    /// Reads every `.csv` and `.csv.gz` file of the two folders; other files are left alone.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line; see [`MeasuredError`].
    pub fn load(loads_dir: &Path, pv_dir: &Path) -> Result<Self, MeasuredError> {
        // Households are kept in W, plants in ppm of peak.
        let loads = read_folder(loads_dir, LOAD_W_MAX, 1.0)?;
        let plants = read_folder(pv_dir, PV_PER_UNIT_MAX, 1e6)?;
        Ok(Self { loads, plants })
    }

    /// How many households there are.
    pub fn household_count(&self) -> usize {
        self.loads.len()
    }

    /// How many plants there are.
    pub fn plant_count(&self) -> usize {
        self.plants.len()
    }

    /// The households, never empty.
    pub(crate) fn loads(&self) -> &[Series] {
        &self.loads
    }

    /// The plants, never empty.
    pub(crate) fn plants(&self) -> &[Series] {
        &self.plants
    }
}

fn read_folder(folder: &Path, max: f64, scale: f64) -> Result<Vec<Series>, MeasuredError> {
    let failed = |source| MeasuredError::Folder { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(MeasuredError::Empty { path: folder.to_path_buf() });
    }
    files.iter().map(|file| read_series(file, max, scale)).collect()
}

fn read_series(file: &Path, max: f64, scale: f64) -> Result<Series, MeasuredError> {
    let bytes = read_bytes(file)?;
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice()).into_records();
    check_header(file, rows.next())?;
    let mut values = Vec::new();
    let mut expected = None;
    for row in rows {
        let row = row.map_err(|error| unreadable_row(file, &error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let (time_text, value_text) = two_columns(file, line, &row)?;
        let found = parse_seconds(time_text).ok_or_else(|| MeasuredError::Timestamp {
            file: file.to_path_buf(),
            line,
            text: time_text.to_owned(),
        })?;
        if let Some(expected) = expected.filter(|&expected| expected != found) {
            return Err(MeasuredError::Gap { file: file.to_path_buf(), line, expected, found });
        }
        expected = found.checked_add(STEP_S);
        let value = parse_value(value_text, max).ok_or_else(|| MeasuredError::Number {
            file: file.to_path_buf(),
            line,
            text: value_text.to_owned(),
            max,
        })?;
        // Not negative and bounded by `max`, so the conversion only drops the fraction.
        values.push((value * scale).round() as u64);
    }
    let (days, _rest) = values.as_chunks::<PERIODS_PER_DAY>();
    if days.is_empty() {
        return Err(MeasuredError::Short { file: file.to_path_buf(), rows: values.len() });
    }
    Ok(Series { days: days.to_vec() })
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, MeasuredError> {
    let failed = |source| MeasuredError::Read { file: file.to_path_buf(), source };
    let opened = File::open(file).map_err(failed)?;
    let gzipped = file.extension().is_some_and(|ending| ending == "gz");
    let reader: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
    let mut bytes = Vec::new();
    reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(MeasuredError::TooLarge { file: file.to_path_buf() });
    }
    Ok(bytes)
}

fn check_header(file: &Path, row: Option<csv::Result<csv::StringRecord>>) -> Result<(), MeasuredError> {
    let found = match row {
        None => String::new(),
        Some(Ok(row)) => row.iter().collect::<Vec<_>>().join(","),
        Some(Err(error)) => return Err(unreadable_row(file, &error)),
    };
    if found == "timestamp,electricity" {
        Ok(())
    } else {
        Err(MeasuredError::Header { file: file.to_path_buf(), found })
    }
}

fn unreadable_row(file: &Path, error: &csv::Error) -> MeasuredError {
    let line = error.position().map_or(0, csv::Position::line);
    MeasuredError::Row { file: file.to_path_buf(), line, problem: "the row is not UTF-8 text".to_owned() }
}

fn two_columns<'row>(
    file: &Path,
    line: u64,
    row: &'row csv::StringRecord,
) -> Result<(&'row str, &'row str), MeasuredError> {
    match (row.get(0), row.get(1), row.len()) {
        (Some(time), Some(value), 2) => Ok((time, value)),
        (_, _, columns) => Err(MeasuredError::Row {
            file: file.to_path_buf(),
            line,
            problem: format!("{columns} columns where there should be 2"),
        }),
    }
}

/// Whole seconds, also when written `1613343600.0`.
fn parse_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_whole = fraction.bytes().all(|digit| digit == b'0') && whole.bytes().all(|digit| digit.is_ascii_digit());
    if is_whole { whole.parse().ok() } else { None }
}

/// A number from 0 to `max`; `NaN` and the infinities are in no range.
fn parse_value(text: &str, max: f64) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| (0.0..=max).contains(value))
}
