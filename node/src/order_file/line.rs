//! One line of an order file as it is written: names still text, nothing checked but its form.
//!
//! A line is parsed into these types once and then trusted in form; what it means is decided in [`plan`](super::plan).

use std::borrow::Cow;

use serde::Deserialize;

use super::number::{ClientId, EdgeCount, Id, Milliseconds, Minutes, Period, Periods, UnitPrice, WattHours};

/// One command. `{"place": {...}}` is [`Line::Place`], and so on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a line lives on the stack, one at a time")]
pub(super) enum Line<'a> {
    #[serde(borrow)]
    Network(NetworkLine<'a>),
    Rules(RulesLine),
    Time(TimeLine),
    #[serde(borrow)]
    Open(ContractLine<'a>),
    #[serde(borrow)]
    Gate(ContractLine<'a>),
    #[serde(borrow)]
    Close(ContractLine<'a>),
    #[serde(borrow)]
    Place(PlaceLine<'a>),
    Cancel(CancelLine),
    #[serde(borrow)]
    CancelAll(CancelAllLine<'a>),
    Reduce(ReduceLine),
    Replace(ReplaceLine),
    #[serde(borrow)]
    Basket(BasketLine<'a>),
    #[serde(borrow)]
    Block(BlockLine<'a>),
    #[serde(borrow)]
    Capacity(CapacityLine<'a>),
    Auction(AuctionLine),
    #[serde(borrow)]
    PayAsBid(ContractLine<'a>),
    #[serde(borrow)]
    Prearranged(PrearrangedLine<'a>),
}

/// The name of an area, an account or a meter; borrowed from the line unless it is written with escapes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Name<'_> {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkLine<'a> {
    #[serde(borrow)]
    pub(super) areas: Vec<Name<'a>>,
    #[serde(borrow, default)]
    pub(super) edges: Vec<EdgeLine<'a>>,
    pub(super) lot: Option<WattHours>,
    pub(super) tick: Option<UnitPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgeLine<'a> {
    #[serde(borrow)]
    pub(super) child: Name<'a>,
    #[serde(borrow)]
    pub(super) parent: Name<'a>,
    #[serde(default)]
    pub(super) up: WattHours,
    #[serde(default)]
    pub(super) down: WattHours,
    pub(super) fee_up: Option<UnitPrice>,
    pub(super) fee_down: Option<UnitPrice>,
    /// Short for both.
    pub(super) fee: Option<UnitPrice>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesLine {
    pub(super) mtu_minutes: Option<Minutes>,
    pub(super) price_min: Option<UnitPrice>,
    pub(super) price_max: Option<UnitPrice>,
    pub(super) open_lead_ms: Option<Milliseconds>,
    pub(super) gate_ms: Option<Milliseconds>,
    pub(super) cross_area_gate_ms: Option<Milliseconds>,
    pub(super) auction_at_open: Option<bool>,
    pub(super) call_ms: Option<Milliseconds>,
    pub(super) periods_per_opening: Option<Periods>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeLine {
    pub(super) at: Milliseconds,
}

/// Of `open`, `gate`, `close` and `pay_as_bid`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContractLine<'a> {
    #[serde(borrow)]
    pub(super) area: Option<Name<'a>>,
    pub(super) period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SideWord {
    Buy,
    Sell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimeInForceWord {
    Gtg,
    Gtt,
    Ioc,
    Fok,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceWord {
    Solar,
    Wind,
    Hydro,
    Biomass,
    Storage,
    GridMix,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceLine<'a> {
    pub(super) id: Id,
    #[serde(borrow)]
    pub(super) account: Name<'a>,
    #[serde(borrow)]
    pub(super) meter: Option<Name<'a>>,
    pub(super) client_id: Option<ClientId>,
    #[serde(borrow)]
    pub(super) area: Option<Name<'a>>,
    pub(super) period: Period,
    pub(super) side: SideWord,
    pub(super) price: Option<UnitPrice>,
    pub(super) energy: WattHours,
    pub(super) tif: Option<TimeInForceWord>,
    pub(super) until: Option<Milliseconds>,
    pub(super) sources: Option<Vec<SourceWord>>,
    pub(super) max_edges: Option<EdgeCount>,
    #[serde(borrow)]
    pub(super) partner: Option<Name<'a>>,
    #[serde(default)]
    pub(super) post_only: bool,
    #[serde(default)]
    pub(super) display: WattHours,
    #[serde(default)]
    pub(super) all_or_none: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelLine {
    pub(super) id: Id,
}

/// By one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelAllLine<'a> {
    #[serde(borrow)]
    pub(super) account: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) meter: Option<Name<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReduceLine {
    pub(super) id: Id,
    pub(super) by: WattHours,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplaceLine {
    pub(super) id: Id,
    pub(super) price: UnitPrice,
    /// What is open from then on.
    pub(super) energy: WattHours,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasketLine<'a> {
    pub(super) id: Id,
    #[serde(borrow)]
    pub(super) account: Name<'a>,
    #[serde(borrow)]
    pub(super) meter: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) orders: Vec<BasketOrderLine<'a>>,
}

/// Left out: `id` is the basket's, `meter` is the basket's, `tif` is `fok`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasketOrderLine<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) meter: Option<Name<'a>>,
    pub(super) client_id: Option<ClientId>,
    #[serde(borrow)]
    pub(super) area: Option<Name<'a>>,
    pub(super) period: Period,
    pub(super) side: SideWord,
    pub(super) price: UnitPrice,
    pub(super) energy: WattHours,
    pub(super) tif: Option<TimeInForceWord>,
    pub(super) sources: Option<Vec<SourceWord>>,
    pub(super) max_edges: Option<EdgeCount>,
    #[serde(borrow)]
    pub(super) partner: Option<Name<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockLine<'a> {
    pub(super) id: Id,
    #[serde(borrow)]
    pub(super) account: Name<'a>,
    #[serde(borrow)]
    pub(super) meter: Option<Name<'a>>,
    pub(super) client_id: Option<ClientId>,
    #[serde(borrow)]
    pub(super) area: Option<Name<'a>>,
    pub(super) side: SideWord,
    pub(super) price: UnitPrice,
    pub(super) energies: Vec<(Period, WattHours)>,
}

/// A direction that is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapacityLine<'a> {
    #[serde(borrow)]
    pub(super) child: Name<'a>,
    pub(super) period: Period,
    pub(super) up: Option<WattHours>,
    pub(super) down: Option<WattHours>,
}

/// With one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuctionLine {
    pub(super) periods: Option<Vec<Period>>,
    pub(super) period: Option<Period>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrearrangedLine<'a> {
    pub(super) id: Id,
    #[serde(borrow)]
    pub(super) buyer: Name<'a>,
    #[serde(borrow)]
    pub(super) buy_meter: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) buy_area: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) seller: Name<'a>,
    #[serde(borrow)]
    pub(super) sell_meter: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) sell_area: Option<Name<'a>>,
    pub(super) period: Period,
    pub(super) price: UnitPrice,
    pub(super) energy: WattHours,
}

impl<'a> Line<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// A sentence that says what is wrong and where.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| sentence(&error))
    }
}

/// The parser's words, with the place counted from the beginning of the line.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    if error.is_eof() {
        return "the line ends too early: not one whole command".to_string();
    }
    format!("{what}, at column {}", error.column())
}

/// The id that an unreadable line seems to give, so that its answer can name it.
pub(super) fn id_of_unreadable(bytes: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value.as_object()?.values().next()?.get("id")?.as_u64()
}
