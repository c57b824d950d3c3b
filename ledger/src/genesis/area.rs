//! The delivery areas of a ledger and the edges between them (MARKET section 1).

use gridbook_engine::{AreaId, Edge, Energy, Network, NetworkError, Price};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::GenesisError;

/// A delivery area, and the edge to the area above it if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// What people call it, as no other area of the ledger.
    pub name: String,
    /// How it hangs in the network; none for the root, and for an island.
    pub edge: Option<AreaEdge>,
}

/// The edge from an area up to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaEdge {
    /// The area above.
    pub parent: AreaId,
    /// The most energy that may flow up in one delivery period, unless the operator says otherwise for one.
    pub up: Energy,
    /// The most energy that may flow down.
    pub down: Energy,
    /// What the edge's operator takes per kWh up: not negative, a multiple of the tick.
    pub fee_up: Price,
    /// What the edge's operator takes per kWh down.
    pub fee_down: Price,
}

impl Area {
    /// An area without an edge upwards.
    pub fn alone(name: impl Into<String>) -> Self {
        Self { name: name.into(), edge: None }
    }
}

impl From<&str> for Area {
    fn from(name: &str) -> Self {
        Self::alone(name)
    }
}

impl From<String> for Area {
    fn from(name: String) -> Self {
        Self::alone(name)
    }
}

/// The tree that areas make, or islands where none has an edge.
pub(super) fn network(areas: &[Area], tick: i32) -> Result<Network, NetworkError> {
    let count = u16::try_from(areas.len()).unwrap_or(u16::MAX);
    let edges = (0..).map(AreaId).zip(areas).filter_map(|(child, area)| {
        let AreaEdge { parent, up, down, fee_up, fee_down } = area.edge?;
        Some(Edge { child, parent, up, down, fee_up, fee_down })
    });
    let edges: Vec<Edge> = edges.collect();
    if edges.is_empty() { Ok(Network::islands(count)) } else { Network::new(count, tick, &edges) }
}

/// An area as files have it: a name, or a table that hangs it below another one.
pub(super) enum AreaFile {
    Alone(String),
    Below(BelowFile),
}

/// An area below another one, with its edge.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BelowFile {
    name: String,
    parent: String,
    up_wh: u64,
    down_wh: u64,
    fee_up: i32,
    fee_down: i32,
}

impl AreaFile {
    fn name(&self) -> &str {
        match self {
            Self::Alone(name) => name,
            Self::Below(below) => &below.name,
        }
    }
}

/// Finds every area's parent by its name.
pub(super) fn areas_from_file(files: &[AreaFile]) -> Result<Vec<Area>, GenesisError> {
    let find = |parent: &str| (0..=u16::MAX).map(AreaId).zip(files).find(|(_, area)| area.name() == parent);
    let areas = files.iter().map(|file| match file {
        AreaFile::Alone(name) => Ok(Area::alone(name)),
        AreaFile::Below(BelowFile { name, parent, up_wh, down_wh, fee_up, fee_down }) => {
            let unknown = || GenesisError::Parent { area: name.clone(), parent: parent.clone() };
            let (parent, _) = find(parent).ok_or_else(unknown)?;
            let (up, down, fee_up, fee_down) = (Energy(*up_wh), Energy(*down_wh), Price(*fee_up), Price(*fee_down));
            Ok(Area { name: name.clone(), edge: Some(AreaEdge { parent, up, down, fee_up, fee_down }) })
        }
    });
    areas.collect()
}

/// The file's form of areas whose parents exist; the parent of one whose does not is written as its number.
pub(super) fn areas_to_file(areas: &[Area]) -> Vec<AreaFile> {
    let name_of = |area: AreaId| areas.get(usize::from(area.0)).map_or(area.0.to_string(), |area| area.name.clone());
    let file = |area: &Area| match area.edge {
        None => AreaFile::Alone(area.name.clone()),
        Some(AreaEdge { parent, up, down, fee_up, fee_down }) => AreaFile::Below(BelowFile {
            name: area.name.clone(),
            parent: name_of(parent),
            up_wh: up.0,
            down_wh: down.0,
            fee_up: fee_up.0,
            fee_down: fee_down.0,
        }),
    };
    areas.iter().map(file).collect()
}

impl Serialize for AreaFile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Alone(name) => serializer.serialize_str(name),
            Self::Below(below) => below.serialize(serializer),
        }
    }
}

/// By hand, because what serde makes of "a text or a table" does not say which field of the table is wrong.
impl<'de> Deserialize<'de> for AreaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AreaVisitor)
    }
}

struct AreaVisitor;

impl<'de> Visitor<'de> for AreaVisitor {
    type Value = AreaFile;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("an area: its name, or a table of name, parent, up_wh, down_wh, fee_up and fee_down")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<AreaFile, E> {
        Ok(AreaFile::Alone(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AreaFile, A::Error> {
        let below = BelowFile::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)?;
        Ok(AreaFile::Below(below))
    }
}
