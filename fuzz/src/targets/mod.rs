//! The targets, by what they read.

mod certificate;
mod command;
mod epoch;
mod file;
mod meter;
mod proof;
mod storage;
mod wire;
mod word;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the test, the corpus and the libFuzzer binary.
    pub name: &'static str,
    /// Good inputs, made by the production encoders.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads any bytes. Panics if an invariant is broken.
    pub run: fn(&[u8]),
    /// How many bytes one run may hold at a time: so many, and so many for each byte of the input.
    pub held_bytes_max: (u64, u64),
    /// How many inputs a short run tries: some seconds' worth without optimisation.
    pub short_runs: u32,
}

impl Target {
    /// What a run over `input_bytes` bytes may hold.
    pub fn held_bytes_max(&self, input_bytes: usize) -> u64 {
        let (base, per_byte) = self.held_bytes_max;
        base + per_byte * input_bytes as u64
    }
}

/// All of them.
pub fn targets() -> Vec<Target> {
    [
        wire::TARGETS,
        certificate::TARGETS,
        command::TARGETS,
        epoch::TARGETS,
        proof::TARGETS,
        word::TARGETS,
        storage::TARGETS,
        meter::TARGETS,
        file::TARGETS,
    ]
    .concat()
}

/// The target of a name.
pub fn by_name(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

/// Inputs that are a sequence of others: each behind its length in four bytes.
fn glued(parts: &[Vec<u8>]) -> Vec<u8> {
    let length = |part: &Vec<u8>| u32::try_from(part.len()).expect("inputs are short").to_le_bytes();
    parts.iter().flat_map(|part| [&length(part)[..], part].concat()).collect()
}

/// Takes [`glued`] apart, as far as it goes; a length beyond the end means the rest.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
        let (part, rest) = rest.split_at(length);
        bytes = rest;
        Some(part)
    })
}
