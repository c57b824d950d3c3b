//! Why a connection is closed: the codes both ends understand.

use quinn::{Connection, ConnectionError, VarInt};

/// The application error code of a CONNECTION_CLOSE. A reason in words travels with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum CloseCode {
    /// The closing side is done; nothing is wrong.
    Done = 0,
    /// The endpoint is shutting down; try again later or elsewhere.
    ShuttingDown = 1,
    /// A frame of length zero.
    FrameEmpty = 2,
    /// A frame longer than its class allows.
    FrameTooLong = 3,
    /// The stream ended within a frame.
    FrameTruncated = 4,
    /// A frame did not complete within its deadline.
    FrameTooSlow = 5,
    /// A stream that is not expected: unknown opening byte, one class twice, or none in time.
    StreamUnexpected = 6,
    /// A stream that must stay open was reset or finished.
    StreamEnded = 7,
    /// The sender went on after its quota was spent.
    OverQuota = 8,
    /// Too many connections, from this address or altogether.
    TooManyConnections = 9,
    /// The client does not read what it is sent.
    AnswersNotRead = 10,
    /// A newer connection of the same peer takes the place of this one.
    Replaced = 11,
    /// Of two validators the one with the lower key dials; this one had the higher.
    WrongDirection = 12,
    /// The node asked for the connection to be closed.
    Dismissed = 13,
    /// The client's key is one that the node serves no more, or not now.
    KeyNotServed = 14,
}

impl CloseCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::ShuttingDown,
        Self::FrameEmpty,
        Self::FrameTooLong,
        Self::FrameTruncated,
        Self::FrameTooSlow,
        Self::StreamUnexpected,
        Self::StreamEnded,
        Self::OverQuota,
        Self::TooManyConnections,
        Self::AnswersNotRead,
        Self::Replaced,
        Self::WrongDirection,
        Self::Dismissed,
        Self::KeyNotServed,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code a number on the wire stands for, if this version knows it.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|code| u64::from(code.number()) == number)
    }

    /// As quinn wants it.
    pub(crate) fn var_int(self) -> VarInt {
        VarInt::from_u32(self.number())
    }
}

/// Closes `connection` with a code and a reason in words; the first close wins.
pub(crate) fn close(connection: &Connection, code: CloseCode, reason: &str) {
    if connection.close_reason().is_none() {
        tracing::debug!(remote = %connection.remote_address(), ?code, reason, "closing connection");
    }
    connection.close(code.var_int(), reason.as_bytes());
}

/// What a closed connection says about itself: the other side's code and reason, or the transport's.
pub(crate) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason);
            match CloseCode::from_number(close.error_code.into_inner()) {
                Some(code) => format!("closed by the other side ({code:?}): {reason}"),
                None => format!("closed by the other side (code {}): {reason}", close.error_code),
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_number() {
        for (at, code) in CloseCode::ALL.into_iter().enumerate() {
            assert_eq!(code.number() as usize, at);
            assert_eq!(CloseCode::from_number(at as u64), Some(code));
        }
        assert_eq!(CloseCode::from_number(CloseCode::ALL.len() as u64), None);
    }
}
