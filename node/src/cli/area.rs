//! Delivery areas and the edges between them, as arguments.

use std::str::FromStr;

use gridbook_engine::{AreaId, Energy, Price};
use gridbook_ledger::genesis::{Area, AreaEdge};

use crate::amounts::{parse_energy, parse_price};

/// `NAME[:PARENT:UP:DOWN[:FEE[:FEE_DOWN]]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AreaArg {
    name: String,
    edge: Option<EdgeArg>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EdgeArg {
    parent: String,
    up: Energy,
    down: Energy,
    fee_up: Price,
    fee_down: Price,
}

impl FromStr for AreaArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (name, edge) = match parts[..] {
            [name] => (name, None),
            [name, parent, up, down] => (name, Some(EdgeArg::new(parent, up, down, "0", "0")?)),
            [name, parent, up, down, fee] => (name, Some(EdgeArg::new(parent, up, down, fee, fee)?)),
            [name, parent, up, down, fee_up, fee_down] => {
                (name, Some(EdgeArg::new(parent, up, down, fee_up, fee_down)?))
            }
            _ => return Err(format!("{text:?} is not an area: write north, or north:substation:40kWh:60kWh:0.5")),
        };
        Ok(Self { name: name.to_owned(), edge })
    }
}

impl EdgeArg {
    fn new(parent: &str, up: &str, down: &str, fee_up: &str, fee_down: &str) -> Result<Self, String> {
        Ok(Self {
            parent: parent.to_owned(),
            up: parse_energy(up)?,
            down: parse_energy(down)?,
            fee_up: parse_price(fee_up)?,
            fee_down: parse_price(fee_down)?,
        })
    }
}

/// Finds every area's parent by its name. Whether a tree comes of it is for the genesis to check.
pub(crate) fn hang(areas: &[AreaArg]) -> Result<Vec<Area>, String> {
    let find = |parent: &str| (0..=u16::MAX).map(AreaId).zip(areas).find(|(_, area)| area.name == parent);
    let hung = areas.iter().map(|AreaArg { name, edge }| {
        let Some(EdgeArg { parent, up, down, fee_up, fee_down }) = edge else { return Ok(Area::alone(name)) };
        let (parent, _) =
            find(parent).ok_or_else(|| format!("area {name:?} lies below {parent:?}, which no --area names"))?;
        let (up, down, fee_up, fee_down) = (*up, *down, *fee_up, *fee_down);
        Ok(Area { name: name.clone(), edge: Some(AreaEdge { parent, up, down, fee_up, fee_down }) })
    });
    hung.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hung(arguments: &[&str]) -> Result<Vec<Area>, String> {
        let areas: Result<Vec<AreaArg>, String> = arguments.iter().map(|text| text.parse()).collect();
        hang(&areas?)
    }

    #[test]
    fn areas_are_hung_below_their_parents_whatever_their_order() {
        let areas =
            hung(&["north:substation:40kWh:60kWh:0.5:0.8", "substation", "south:north:1:2:0.1", "west:north:3:4"]);
        let edge = |parent, up, down, fee_up, fee_down| {
            let (up, down) = (Energy(up), Energy(down));
            Some(AreaEdge { parent: AreaId(parent), up, down, fee_up: Price(fee_up), fee_down: Price(fee_down) })
        };
        let expected = [
            Area { name: "north".into(), edge: edge(1, 40_000, 60_000, 5_000, 8_000) },
            Area::alone("substation"),
            Area { name: "south".into(), edge: edge(0, 1, 2, 1_000, 1_000) },
            Area { name: "west".into(), edge: edge(0, 3, 4, 0, 0) },
        ];
        assert_eq!(areas.unwrap(), expected);
    }

    #[test]
    fn a_half_said_edge_or_an_unknown_parent_is_refused_with_its_reason() {
        for half in ["north:substation", "north:substation:1kWh", "north:a:1:2:3:4:5"] {
            assert!(hung(&[half]).unwrap_err().contains("north:substation:40kWh:60kWh:0.5"), "{half}");
        }
        assert!(hung(&["north:substation:much:1"]).unwrap_err().contains("\"much\" is not an energy"));
        assert!(hung(&["north:substation:1:1:cheap"]).unwrap_err().contains("\"cheap\" is not a price"));
        let unknown = hung(&["north:substation:1:1"]).unwrap_err();
        assert_eq!(unknown, "area \"north\" lies below \"substation\", which no --area names");
    }
}
