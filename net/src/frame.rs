//! Frames: a little-endian `u32` length, then that many bytes.

use bytes::Bytes;

use crate::close::CloseCode;

/// The longest frame a meter or gateway may send to a node, in bytes of payload.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// The longest frame a node may send to a meter or gateway, in bytes of payload.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bytes of a frame's length.
pub(crate) const HEADER_BYTES: usize = 4;

/// How much is allocated at first for a frame whose bytes have not arrived; it doubles as they do.
const FIRST_ALLOCATION_BYTES: usize = 4096;

/// What is wrong with a frame. The connection it came on is closed with the matching [`CloseCode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is zero; a frame without bytes says nothing.
    #[error("frame of length 0: a frame has at least 1 byte")]
    Empty,
    /// The length is over the cap of the stream it came on.
    #[error("frame of length {length}: at most {bytes_max} bytes are allowed here")]
    TooLong {
        /// The length the sender claimed, bytes.
        length: u32,
        /// The cap, bytes.
        bytes_max: usize,
    },
    /// The stream ended before the frame did.
    #[error("stream ended within a frame, {missing} bytes short")]
    Truncated {
        /// How many bytes were still to come, those of an unfinished length included.
        missing: usize,
    },
    /// The frame did not complete in time.
    #[error("frame did not complete within {deadline_ms} ms, {missing} bytes short")]
    TooSlow {
        /// The deadline, milliseconds.
        deadline_ms: u64,
        /// How many bytes were still to come, those of an unfinished length included.
        missing: usize,
    },
}

impl FrameError {
    /// The code the connection is closed with.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Empty => CloseCode::FrameEmpty,
            Self::TooLong { .. } => CloseCode::FrameTooLong,
            Self::Truncated { .. } => CloseCode::FrameTruncated,
            Self::TooSlow { .. } => CloseCode::FrameTooSlow,
        }
    }
}

/// Cuts a stream of bytes into frames. It allocates for bytes that arrived, not for the length that was claimed.
#[derive(Debug)]
pub struct FrameDecoder {
    bytes_max: usize,
    header: [u8; HEADER_BYTES],
    header_len: usize,
    body_len: usize,
    body: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder of frames of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, header: [0; HEADER_BYTES], header_len: 0, body_len: 0, body: Vec::new() }
    }

    /// Takes the next bytes of the stream and appends the frames they complete. After an error the stream is useless.
    ///
    /// # Errors
    /// When a length is zero or over the cap; the frames before it were appended.
    pub fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if self.header_len < HEADER_BYTES {
                bytes = self.take_header(bytes)?;
            } else {
                bytes = self.take_body(bytes, frames);
            }
        }
        Ok(())
    }

    /// How many bytes the frame in hand still lacks; zero between frames.
    pub fn missing(&self) -> usize {
        match self.header_len {
            0 => 0,
            HEADER_BYTES => self.body_len - self.body.len(),
            have => HEADER_BYTES - have,
        }
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let (head, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header_len));
        self.header[self.header_len..self.header_len + head.len()].copy_from_slice(head);
        self.header_len += head.len();
        if self.header_len == HEADER_BYTES {
            let length = u32::from_le_bytes(self.header);
            if length == 0 {
                return Err(FrameError::Empty);
            }
            self.body_len = length as usize;
            if self.body_len > self.bytes_max {
                return Err(FrameError::TooLong { length, bytes_max: self.bytes_max });
            }
        }
        Ok(rest)
    }

    fn take_body<'a>(&mut self, bytes: &'a [u8], frames: &mut Vec<Bytes>) -> &'a [u8] {
        let (part, rest) = bytes.split_at(bytes.len().min(self.body_len - self.body.len()));
        let completes = self.body.len() + part.len() == self.body_len;
        if completes && self.body.is_empty() {
            // A copy, so that a frame the node keeps does not hold the whole datagram it came in.
            frames.push(Bytes::copy_from_slice(part));
        } else {
            self.make_room(part.len());
            self.body.extend_from_slice(part);
            if completes {
                frames.push(Bytes::from(std::mem::take(&mut self.body)));
            }
        }
        if completes {
            self.header_len = 0;
        }
        rest
    }

    /// Room for `more` bytes: twice what has arrived, and never beyond the frame.
    fn make_room(&mut self, more: usize) {
        let needed = self.body.len() + more;
        if needed > self.body.capacity() {
            let target = needed.max(2 * self.body.len()).max(FIRST_ALLOCATION_BYTES).min(self.body_len);
            self.body.reserve_exact(target - self.body.len());
        }
    }
}

/// Whether a payload may be sent as a frame at all.
pub(crate) fn is_sendable(payload: &[u8], bytes_max: usize) -> bool {
    !payload.is_empty() && payload.len() <= bytes_max
}

/// The length that stands before `payload`, which [`is_sendable`] under some cap.
pub(crate) fn header(payload: &[u8]) -> [u8; HEADER_BYTES] {
    u32::try_from(payload.len()).expect("every cap is far below 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        [&header(payload)[..], payload].concat()
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let payloads: Vec<Vec<u8>> = vec![vec![1], vec![2; 5], vec![3; 300], vec![4; 9000], vec![5]];
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| framed(payload)).collect();
        for step in [1, 2, 3, 4, 5, 7, 64, 1200, stream.len()] {
            let mut decoder = FrameDecoder::new(10_000);
            let mut frames = Vec::new();
            for part in stream.chunks(step) {
                decoder.push(part, &mut frames).unwrap();
            }
            assert_eq!(decoder.missing(), 0);
            assert_eq!(frames, payloads, "cut in pieces of {step}");
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::new(16 << 20);
        let mut frames = Vec::new();
        decoder.push(&(16u32 << 20).to_le_bytes(), &mut frames).unwrap();
        assert_eq!(decoder.body.capacity(), 0);
        decoder.push(&[7; 100], &mut frames).unwrap();
        assert!(decoder.body.capacity() <= FIRST_ALLOCATION_BYTES);
        decoder.push(&[7; 100_000], &mut frames).unwrap();
        assert!(decoder.body.capacity() <= 200_200);
        assert!(frames.is_empty());
    }

    #[test]
    fn lengths_at_the_edges_are_told_apart() {
        let push = |length: u32| FrameDecoder::new(100).push(&length.to_le_bytes(), &mut Vec::new());
        assert_eq!(push(0), Err(FrameError::Empty));
        assert_eq!(push(1), Ok(()));
        assert_eq!(push(100), Ok(()));
        assert_eq!(push(101), Err(FrameError::TooLong { length: 101, bytes_max: 100 }));
        assert_eq!(push(u32::MAX), Err(FrameError::TooLong { length: u32::MAX, bytes_max: 100 }));
    }

    #[test]
    fn good_frames_before_a_bad_one_are_kept() {
        let stream = [framed(b"one"), framed(b"two"), vec![0; 4]].concat();
        let mut frames = Vec::new();
        assert_eq!(FrameDecoder::new(100).push(&stream, &mut frames), Err(FrameError::Empty));
        assert_eq!(frames, [&b"one"[..], &b"two"[..]]);
    }

    #[test]
    fn what_is_missing_is_counted_at_every_byte() {
        let stream = framed(&[9; 3]);
        let mut decoder = FrameDecoder::new(100);
        let missing: Vec<usize> = stream
            .iter()
            .map(|byte| {
                decoder.push(&[*byte], &mut Vec::new()).unwrap();
                decoder.missing()
            })
            .collect();
        assert_eq!(missing, [3, 2, 1, 3, 2, 1, 0]);
    }
}
