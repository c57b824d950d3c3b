//! Reading frames from a stream, each within its deadline.

use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream};

use crate::close::CloseCode;
use crate::frame::{FrameDecoder, FrameError};
use crate::patience::within;

/// How many pieces of the stream are taken at once.
const PIECES: usize = 32;

/// A stream of frames.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: RecvStream,
    decoder: FrameDecoder,
    deadline: Option<Duration>,
    pieces: [Bytes; PIECES],
}

/// Why no more frames come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadEnd {
    /// The sender broke the framing.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The sender gave the stream up.
    #[error("stream was reset by its sender with code {0}")]
    Reset(u64),
    /// The sender finished the stream between two frames.
    #[error("stream was finished by its sender")]
    Finished,
    /// The connection is gone.
    #[error("connection is gone")]
    Lost,
}

impl ReadEnd {
    /// The code the connection is closed with, if this end calls for it.
    pub(crate) fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(error) => error.close_code(),
            Self::Reset(_) | Self::Finished | Self::Lost => CloseCode::StreamEnded,
        }
    }
}

impl FrameReader {
    /// Frames of at most `bytes_max` bytes; with a `deadline`, each must complete so long after it began to arrive.
    pub(crate) fn new(stream: RecvStream, bytes_max: usize, deadline: Option<Duration>) -> Self {
        Self { stream, decoder: FrameDecoder::new(bytes_max), deadline, pieces: std::array::from_fn(|_| Bytes::new()) }
    }

    /// Waits for at least one frame and appends what has arrived to `frames`. When it fails, `frames` may still have
    /// received good ones. Cancel-safe.
    ///
    /// The deadline of an unfinished frame starts with the call, so the time the caller takes to hand frames on is not
    /// held against the sender, nor is a pause of the whole process. A call ends with every frame that completes, so no frame gets two
    /// deadlines.
    pub(crate) async fn read(&mut self, frames: &mut Vec<Bytes>) -> Result<(), ReadEnd> {
        let had = frames.len();
        if self.decoder.missing() == 0 {
            self.read_more(frames).await?;
        }
        if frames.len() > had {
            return Ok(());
        }
        match self.deadline {
            None => self.read_to_end_of_frame(had, frames).await,
            Some(deadline) => match within(deadline, self.read_to_end_of_frame(had, frames)).await {
                Some(result) => result,
                None => Err(self.too_slow(deadline)),
            },
        }
    }

    async fn read_to_end_of_frame(&mut self, had: usize, frames: &mut Vec<Bytes>) -> Result<(), ReadEnd> {
        while frames.len() == had {
            self.read_more(frames).await?;
        }
        Ok(())
    }

    async fn read_more(&mut self, frames: &mut Vec<Bytes>) -> Result<(), ReadEnd> {
        let count = match self.stream.read_chunks(&mut self.pieces).await {
            Ok(Some(count)) => count,
            Ok(None) => return Err(self.finished()),
            Err(ReadError::Reset(code)) => return Err(ReadEnd::Reset(code.into_inner())),
            Err(_) => return Err(ReadEnd::Lost),
        };
        for piece in &mut self.pieces[..count] {
            self.decoder.push(&std::mem::take(piece), frames)?;
        }
        Ok(())
    }

    fn finished(&self) -> ReadEnd {
        match self.decoder.missing() {
            0 => ReadEnd::Finished,
            missing => FrameError::Truncated { missing }.into(),
        }
    }

    fn too_slow(&self, deadline: Duration) -> ReadEnd {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        FrameError::TooSlow { deadline_ms, missing: self.decoder.missing() }.into()
    }
}

/// The byte that opens a stream and names what it carries.
pub(crate) async fn opening_byte(stream: &mut RecvStream) -> Option<u8> {
    let mut tag = [0];
    stream.read_exact(&mut tag).await.ok()?;
    Some(tag[0])
}
