//! An extract longer than an answer goes piece by piece: how a validator cuts it, and how a client puts it together.
//!
//! One record can end all orders of an account, tens of thousands perhaps, and what it says of that account is one extract.

use crate::client::ClientError;

/// What of some extracts goes into one answer, of the first from a byte on; and how many bytes of the last are left.
pub(crate) fn in_one_answer(mut extracts: Vec<Vec<u8>>, from_byte: u32, piece_bytes: usize) -> (Vec<Vec<u8>>, u32) {
    let from = usize::try_from(from_byte).unwrap_or(usize::MAX);
    let Some(first) = extracts.first_mut() else { return (extracts, 0) };
    first.drain(..from.min(first.len()));
    let left = first.len().saturating_sub(piece_bytes);
    if left > 0 {
        first.truncate(piece_bytes);
        extracts.truncate(1);
    }
    (extracts, u32::try_from(left).expect("a record is far below 4 GiB"))
}

/// The beginning of an extract whose rest is still to come.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    bytes: Vec<u8>,
    left: usize,
}

impl Begun {
    /// From which byte to ask on.
    pub(crate) fn next_byte(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("pieces are taken while they fit")
    }

    /// Takes an answer, and gives the extracts that are whole with it.
    ///
    /// # Errors
    /// If it is not the next piece of what has begun.
    pub(crate) fn take(&mut self, mut page: Vec<Vec<u8>>, left: u32) -> Result<Vec<Vec<u8>>, ClientError> {
        let wrong = || ClientError::Protocol("pieces of an extract that do not fit together".into());
        let left = usize::try_from(left).map_err(|_| wrong())?;
        if self.left > 0 {
            let only = page.len() == 1;
            let piece = page.first_mut().ok_or_else(wrong)?;
            let fits = match self.left.checked_sub(piece.len()) {
                Some(0) => true,
                Some(now_left) => !piece.is_empty() && only && left == now_left,
                None => false,
            };
            if !fits {
                return Err(wrong());
            }
            self.bytes.append(piece);
            *piece = core::mem::take(&mut self.bytes);
        }
        self.left = left;
        if left > 0 {
            self.bytes = page.pop().filter(|piece| !piece.is_empty()).ok_or_else(wrong)?;
        }
        // The next byte is asked for in 32 bits.
        if u32::try_from(self.bytes.len().saturating_add(left)).is_err() {
            return Err(wrong());
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a validator answers, an answer of so many bytes at a time, from an extract and a byte of it on.
    fn fetched(all: &[Vec<u8>], piece_bytes: usize) -> (Vec<Vec<u8>>, usize) {
        let (mut begun, mut whole, mut answers) = (Begun::default(), Vec::new(), 0);
        loop {
            // As the index gives them: as many as fit, and one in any case.
            let mut bytes = 0;
            let fits = |(place, extract): &(usize, &Vec<u8>)| {
                bytes += extract.len();
                *place == 0 || bytes <= piece_bytes
            };
            let page = all[whole.len()..].iter().enumerate().take_while(fits);
            let page: Vec<Vec<u8>> = page.map(|(_, extract)| extract.clone()).collect();
            let is_last = page.is_empty();
            let (page, left) = in_one_answer(page, begun.next_byte(), piece_bytes);
            assert!(page.first().is_none_or(|piece| piece.len() <= piece_bytes), "it fits into an answer");
            whole.extend(begun.take(page, left).unwrap());
            answers += 1;
            if is_last {
                return (whole, answers);
            }
        }
    }

    /// An account with fifty thousand orders that end in one record: what that says of it is longer than any answer.
    #[test]
    fn an_extract_longer_than_a_frame_comes_in_pieces_and_is_whole() {
        let extract = |length: usize| (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect::<Vec<u8>>();
        let all = [extract(40), extract(5 << 20), extract(7), extract(2 << 20), extract(9)];
        let (found, answers) = fetched(&all, 1 << 20);
        assert!(found == all && 5 << 20 > gridbook_net::ANSWER_BYTES_MAX, "each comes back as it was");
        assert_eq!(answers, 1 + 5 + 1 + 2 + 1 + 1, "one, five pieces, one, two pieces, one, and nothing more");
        for piece_bytes in [1, 2, 3, 39, 40, 41] {
            let all = [extract(40), extract(41), extract(1), extract(80)];
            assert_eq!(fetched(&all, piece_bytes).0, all, "{piece_bytes} bytes at a time");
        }
    }

    #[test]
    fn pieces_that_do_not_fit_together_are_refused() {
        let begun = || Begun { bytes: vec![1; 5], left: 4 };
        let taken = |page: Vec<Vec<u8>>, left| begun().take(page, left);
        assert_eq!(taken(vec![vec![2; 4], vec![3]], 0).unwrap(), [[vec![1; 5], vec![2; 4]].concat(), vec![3]]);
        for (page, left) in [
            (vec![], 0),
            (vec![vec![2; 5]], 0),
            (vec![vec![2; 3]], 0),
            (vec![vec![2; 3]], 2),
            (vec![vec![2; 3], vec![3]], 1),
            (vec![vec![]], 4),
        ] {
            assert!(taken(page.clone(), left).is_err(), "{page:?}, {left} left");
        }
        assert!(Begun::default().take(vec![], 1).is_err() && Begun::default().take(vec![vec![1]], u32::MAX).is_err());
    }
}
