//! A disk with a write cache: what was written can be read at once, and is on the platter only after the next flush.
//!
//! When the power goes, nothing more is taken in; of what was written since the last flush, some is on the platter and some is not, in any
//! order, sector by sector. That is what a drive with a volatile cache may do, and all that a file system may count on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::super::dice::Dice;

/// A disk. Its bytes lie in two sparse files: as they are read, and as they are on the platter.
#[derive(Debug)]
pub(super) struct Platter {
    cache: File,
    platter: File,
    bytes: u64,
    /// Written since the last flush, oldest first.
    unflushed: Vec<Write>,
    power: bool,
    /// After so many more writes the power goes by itself.
    left: Option<u64>,
    pub(super) counts: Counts,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Writes taken in.
    pub(super) writes: u64,
    /// Flushes that were answered.
    pub(super) flushes: u64,
}

#[derive(Debug)]
struct Write {
    offset: u64,
    bytes: Vec<u8>,
}

/// What became of the writes that had not been flushed when the power went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Lost {
    /// Sectors that are as they were before.
    pub(in super::super) sectors: u64,
    /// Sectors that had reached the platter, flushed or not.
    pub(in super::super) kept_sectors: u64,
}

/// How a drive treats its cache when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loses {
    /// Everything in it is lost.
    All,
    /// So many of a thousand sectors are lost, here and there.
    Some(u64),
    /// All of it had just been written.
    Nothing,
}

/// What a drive writes whole or not at all.
const SECTOR_BYTES: usize = 512;

impl Platter {
    /// A disk over two files that hold the same, of so many bytes.
    pub(super) fn new(cache: File, platter: File, bytes: u64) -> Self {
        Self { cache, platter, bytes, unflushed: Vec::new(), power: true, left: None, counts: Counts::default() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads; shorter at the end of the disk.
    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        self.cache.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Takes bytes into the cache.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.needs_power()?;
        if offset.saturating_add(bytes.len() as u64) > self.bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.cache.write_all_at(bytes, offset)?;
        self.unflushed.push(Write { offset, bytes: bytes.to_vec() });
        self.counts.writes += 1;
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            self.cut();
        }
        Ok(())
    }

    /// Lets the power go by itself after so many more writes: mostly in the middle of something.
    pub(super) fn cut_after(&mut self, writes: u64) {
        self.left = Some(writes.max(1));
    }

    /// Whether there is power.
    pub(super) fn has_power(&self) -> bool {
        self.power
    }

    /// Puts everything in the cache on the platter.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.needs_power()?;
        for Write { offset, bytes } in self.unflushed.drain(..) {
            self.platter.write_all_at(&bytes, offset)?;
        }
        self.counts.flushes += 1;
        Ok(())
    }

    /// The power goes: from here on nothing is written or flushed.
    pub(super) fn cut(&mut self) {
        self.power = false;
        self.left = None;
    }

    /// The power comes back, and what is read is what is on the platter.
    pub(super) fn restore(&mut self, loses: Loses, dice: &mut Dice) -> io::Result<Lost> {
        let mut lost = Lost::default();
        let unflushed = std::mem::take(&mut self.unflushed);
        for Write { offset, bytes } in &unflushed {
            for (sector, at) in bytes.chunks(SECTOR_BYTES).zip((*offset..).step_by(SECTOR_BYTES)) {
                if loses.takes(dice) {
                    lost.sectors += 1;
                } else {
                    lost.kept_sectors += 1;
                    self.platter.write_all_at(sector, at)?;
                }
            }
        }
        for Write { offset, bytes } in &unflushed {
            let mut on_platter = vec![0; bytes.len()];
            self.platter.read_exact_at(&mut on_platter, *offset)?;
            self.cache.write_all_at(&on_platter, *offset)?;
        }
        self.power = true;
        Ok(lost)
    }

    fn needs_power(&self) -> io::Result<()> {
        if self.power { Ok(()) } else { Err(io::Error::other("the power is gone")) }
    }
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.sectors += other.sectors;
        self.kept_sectors += other.kept_sectors;
    }
}

impl Loses {
    /// What a cut does, drawn.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self::All,
            1 => Self::Nothing,
            _ => Self::Some(dice.between(50, 950)),
        }
    }

    fn takes(self, dice: &mut Dice) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Some(per_mille) => dice.per_mille(per_mille),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 1 << 16;

    fn disk() -> Platter {
        let file = || {
            let file = tempfile::tempfile().unwrap();
            file.set_len(BYTES).unwrap();
            file
        };
        Platter::new(file(), file(), BYTES)
    }

    /// written | flushed | written, and the power goes: the first is there, whatever became of the second.
    #[test]
    fn what_was_flushed_survives_and_what_was_not_is_lost_when_all_is() {
        let mut disk = disk();
        disk.write(4096, &[1; 4096]).unwrap();
        disk.flush().unwrap();
        disk.write(4096, &[2; 512]).unwrap();
        disk.write(8192, &[3; 512]).unwrap();
        assert_eq!(disk.read(4096, 1).unwrap(), [2], "a reader sees what is in the cache");
        disk.cut();
        assert!(disk.write(0, &[9]).is_err() && disk.flush().is_err(), "without power nothing is acknowledged");
        let lost = disk.restore(Loses::All, &mut Dice::new(1, 0)).unwrap();
        assert_eq!(lost, Lost { sectors: 2, kept_sectors: 0 });
        assert_eq!(disk.read(4096, 4096).unwrap(), [1; 4096]);
        assert_eq!(disk.read(8192, 512).unwrap(), [0; 512]);
    }

    #[test]
    fn a_cut_that_loses_some_keeps_each_sector_as_it_was_or_as_it_was_written() {
        let mut disk = disk();
        disk.write(0, &[1; 8192]).unwrap();
        disk.flush().unwrap();
        disk.write(0, &[2; 8192]).unwrap();
        disk.cut();
        let lost = disk.restore(Loses::Some(500), &mut Dice::new(3, 0)).unwrap();
        assert!(lost.sectors > 0 && lost.kept_sectors > 0 && lost.sectors + lost.kept_sectors == 16);
        let found = disk.read(0, 8192).unwrap();
        let whole = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]) && [1, 2].contains(&sector[0]);
        assert!(found.chunks(SECTOR_BYTES).all(whole));
        assert_eq!(found.chunks(SECTOR_BYTES).filter(|sector| sector[0] == 1).count() as u64, lost.sectors);
    }

    /// write 1 | write 2, and the power goes | flush: refused, and write 2 was never acknowledged by a flush.
    #[test]
    fn a_cut_that_was_wished_for_comes_after_so_many_writes() {
        let mut disk = disk();
        disk.cut_after(2);
        disk.write(0, &[1; 512]).unwrap();
        assert!(disk.has_power());
        disk.flush().unwrap();
        disk.write(512, &[2; 512]).unwrap();
        assert!(!disk.has_power() && disk.flush().is_err());
        disk.restore(Loses::All, &mut Dice::new(1, 0)).unwrap();
        assert_eq!((disk.read(0, 1).unwrap(), disk.read(512, 1).unwrap()), (vec![1], vec![0]));
        disk.write(0, &[3; 512]).unwrap();
        assert!(disk.has_power(), "one wish, one cut");
    }

    #[test]
    fn a_disk_ends_where_it_ends() {
        let mut disk = disk();
        assert_eq!(disk.read(BYTES - 10, 100).unwrap().len(), 10);
        assert_eq!(disk.read(BYTES + 10, 100).unwrap().len(), 0);
        assert!(disk.write(BYTES - 1, &[1, 2]).is_err());
    }
}
