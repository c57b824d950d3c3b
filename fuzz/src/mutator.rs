//! Makes bad inputs out of good ones, by what usually breaks a decoder.

use crate::dice::Dice;

/// Longer inputs are cut back: nothing is learned from them that shorter ones do not teach.
const BYTES_MAX: usize = 1 << 18;

/// Numbers at the edges of types and of common limits.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    3,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x3ff,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// A seeded mutator over a corpus.
#[derive(Clone, Debug)]
pub struct Mutator {
    dice: Dice,
}

impl Mutator {
    /// The same seed gives the same inputs.
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed) }
    }

    /// One of the corpus, changed in one to four ways. Now and then it is left as it is.
    pub fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.dice.pick(corpus).clone();
        for _ in 0..self.dice.below(5) {
            self.change(&mut bytes, corpus);
            bytes.truncate(BYTES_MAX);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        match self.dice.below(14) {
            0 | 1 => self.flip_bit(bytes),
            2 => self.set_byte(bytes),
            3 | 4 => self.set_number(bytes),
            5 | 6 => self.nudge_number(bytes),
            7 => bytes.truncate(self.dice.below(bytes.len() + 1)),
            8 => self.lengthen(bytes),
            9 => self.remove_block(bytes),
            10 => self.repeat_block(bytes),
            11 => self.splice(bytes, corpus),
            12 => self.move_block(bytes),
            _ => self.swap_word(bytes, corpus),
        }
    }

    fn flip_bit(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let bit = self.dice.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    fn set_byte(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let place = self.dice.below(bytes.len());
            bytes[place] = self.dice.number().to_le_bytes()[0];
        }
    }

    /// A number of 1, 2, 4 or 8 bytes at the edge of something: lengths that lie, ranks and amounts without end.
    fn set_number(&mut self, bytes: &mut [u8]) {
        let width = *self.dice.pick(&[1, 2, 4, 8]);
        if let Some(place) = self.place(bytes, width) {
            let edge = match self.dice.below(4) {
                0 => bytes.len() as u64,
                1 => (bytes.len() - place) as u64,
                _ => *self.dice.pick(&EDGES),
            };
            bytes[place..place + width].copy_from_slice(&edge.to_le_bytes()[..width]);
        }
    }

    /// A little more or less: off by one, and pointers of an archive that lead next door.
    fn nudge_number(&mut self, bytes: &mut [u8]) {
        let width = *self.dice.pick(&[1, 2, 4, 8]);
        if let Some(place) = self.place(bytes, width) {
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(&bytes[place..place + width]);
            let step = *self.dice.pick(&[1, 2, 4, 8, 16, 32, 64, 128, 1_000]);
            let number = u64::from_le_bytes(wide);
            let number = if self.dice.below(2) == 0 { number.wrapping_add(step) } else { number.wrapping_sub(step) };
            bytes[place..place + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
    }

    fn lengthen(&mut self, bytes: &mut Vec<u8>) {
        let more = 1 + self.dice.below(64);
        let filling = *self.dice.pick(&[0, 0xff, b'0', b' ']);
        let end = if self.dice.below(2) == 0 { bytes.len() } else { self.dice.below(bytes.len() + 1) };
        bytes.splice(end..end, std::iter::repeat_n(filling, more));
    }

    fn remove_block(&mut self, bytes: &mut Vec<u8>) {
        let block = self.block(bytes.len());
        bytes.drain(block);
    }

    fn repeat_block(&mut self, bytes: &mut Vec<u8>) {
        let block = bytes[self.block(bytes.len())].to_vec();
        let times = 1 + self.dice.below(4);
        let place = self.dice.below(bytes.len() + 1);
        bytes.splice(place..place, block.repeat(times));
    }

    fn move_block(&mut self, bytes: &mut Vec<u8>) {
        let block: Vec<u8> = bytes.drain(self.block(bytes.len())).collect();
        let place = self.dice.below(bytes.len() + 1);
        bytes.splice(place..place, block);
    }

    /// A block of another input, put in or put over what was there.
    fn splice(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let other = self.dice.pick(corpus);
        let block = &other[self.block(other.len())];
        let place = self.dice.below(bytes.len() + 1);
        let over = if self.dice.below(2) == 0 { block.len().min(bytes.len() - place) } else { 0 };
        bytes.splice(place..place + over, block.iter().copied());
    }

    /// A word or number of a text in the place of another.
    fn swap_word(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let other = self.dice.pick(corpus).clone();
        let (Some(old), Some(new)) = (self.word(bytes), self.word(&other)) else { return };
        let new = match self.dice.below(3) {
            0 => self.dice.pick(&EDGES).to_string().into_bytes(),
            1 => [b"-", &other[new]].concat(),
            _ => other[new].to_vec(),
        };
        bytes.splice(old, new);
    }

    fn word(&mut self, bytes: &[u8]) -> Option<std::ops::Range<usize>> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let from = self.dice.below(bytes.len());
        let start = from + bytes.get(from..)?.iter().position(is_word)?;
        let length = bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start);
        Some(start..start + length)
    }

    /// Where a number of `width` bytes may stand: mostly at a multiple of its width.
    fn place(&mut self, bytes: &[u8], width: usize) -> Option<usize> {
        let room = bytes.len().checked_sub(width)?;
        let place = self.dice.below(room + 1);
        Some(if self.dice.below(3) > 0 { place / width * width } else { place })
    }

    /// A block of up to 64 bytes, or now and then of any length.
    fn block(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.dice.below(length + 1);
        let longest = if self.dice.below(4) == 0 { length - start } else { (length - start).min(64) };
        start..start + self.dice.below(longest + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_most_of_them_are_new() {
        let corpus = vec![b"{\"area\": 17, \"name\": \"north\"}".to_vec(), vec![7; 40], Vec::new()];
        let draw = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..500).map(|_| mutator.next(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let new = draw(1).iter().filter(|input| !corpus.contains(input)).count();
        assert!(new > 250, "{new} of 500");
    }
}
