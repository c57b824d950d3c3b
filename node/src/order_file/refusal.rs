//! Why a line of an order file was refused.

use std::borrow::Cow;

use gridbook_engine::{BasketRefused, Reject};

/// Why a line of an order file was refused. A refused line changes nothing but this: the id and the client id that it gives are used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read: the sentence says what is wrong with it.
    #[error("{0}")]
    Line(String),
    /// It is longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX).
    #[error("the line is longer than 1 MiB")]
    Long,
    /// All-or-none on an order that is no block.
    #[error("all-or-none exists only for block orders in auctions: use fok, or a block")]
    AllOrNone,
    /// Time going back.
    #[error("ledger time only moves forward")]
    Time,
    /// An area that the network line does not have, by name.
    #[error("there is no delivery area {0:?} in the network")]
    Area(String),
    /// More areas than a file without a network may name.
    #[error(
        "a file without a network line names at most {} areas, which are islands: write a network line",
        super::ISLANDS_MAX
    )]
    Islands,
    /// A meter that an earlier line named with another account.
    #[error("this meter belongs to another account")]
    Meter,
    /// An id that an earlier line gave.
    #[error("an earlier line of this file used this id")]
    DuplicateId,
    /// A client id that an earlier line gave to an order of the same meter.
    #[error("an earlier line of this file used this client id for this meter")]
    DuplicateClientId,
    /// The market refused it.
    #[error("{0}")]
    Market(#[from] Reject),
    /// The market refused a basket, or an order in one was refused on the way.
    #[error("order {} of the basket: {why}", .at + 1)]
    Basket {
        /// Which order, counted from zero.
        at: usize,
        /// Why.
        why: Box<Refusal>,
    },
}

impl Refusal {
    /// Its code: the room that refused it, and the reason.
    pub fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Line(_) | Self::Long => "FormLine".into(),
            Self::AllOrNone => "FormAllOrNone".into(),
            Self::Time => "FormTime".into(),
            Self::Area(_) | Self::Islands => "FormArea".into(),
            Self::Meter => "AuthMeter".into(),
            Self::DuplicateId | Self::DuplicateClientId => "MatchDuplicate".into(),
            Self::Market(reject) => format!("{reject:?}").into(),
            Self::Basket { why, .. } => why.code(),
        }
    }

    /// Whether the line could not be read at all, so that a strict run ends there.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Line(_) | Self::Long)
    }

    pub(super) fn line(sentence: impl Into<String>) -> Self {
        Self::Line(sentence.into())
    }
}

impl From<BasketRefused> for Refusal {
    fn from(BasketRefused { at, why }: BasketRefused) -> Self {
        Self::Basket { at, why: Box::new(why.into()) }
    }
}
