//! Zones and links of one timestamp as a tree. Each link to a border zone is a leaf of its own.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::auction::{AuctionTree, GivenPrice, Injection};
use gridbook_engine::{AreaId, Edge, Energy, Network, Price, Side};

use super::tables::LinkRow;

/// What is known of the borders at one timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Borders<'a> {
    /// All zones that are across a border, at any time.
    pub(super) zones: &'a BTreeSet<String>,
    /// Given prices, by zone.
    pub(super) prices: Option<&'a BTreeMap<String, Price>>,
    /// Fixed schedules, by zone and border zone.
    pub(super) flows: Option<&'a BTreeMap<(String, String), i64>>,
}

/// The grid of one timestamp.
#[derive(Clone, Debug)]
pub(super) struct ZoneTree {
    /// Zones inside, by area number, which is the order of their names. Leaves across the border follow.
    pub(super) zones: Vec<String>,
    pub(super) tree: AuctionTree,
    pub(super) given: Vec<GivenPrice>,
    pub(super) injections: Vec<Injection>,
    /// In the order of the network file.
    pub(super) links: Vec<Link>,
}

/// A link, and the edge that it became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where a positive flow comes from.
    pub(super) from: String,
    /// Where it goes.
    pub(super) to: String,
    /// The lower end of its edge.
    pub(super) child: AreaId,
    /// Whether up the edge is from -> to.
    pub(super) is_up: bool,
}

/// A grid that is not one: a sentence, and the line of the network file that shows it, if one does.
#[derive(Debug)]
pub(super) struct GridError {
    pub(super) line: Option<u64>,
    pub(super) sentence: String,
}

impl GridError {
    fn new(sentence: String) -> Self {
        Self { line: None, sentence }
    }

    fn at(link: &LinkRow, sentence: String) -> Self {
        Self { line: Some(link.line), sentence }
    }
}

impl ZoneTree {
    /// The tree of the zones with orders and the links, around `root` (by default the zone with the most links, then by name).
    pub(super) fn build(
        with_orders: &BTreeSet<&str>,
        links: &[LinkRow],
        borders: Borders<'_>,
        root: Option<&str>,
        tick: i32,
    ) -> Result<Self, GridError> {
        let is_border = |zone: &str| borders.zones.contains(zone);
        let mut zones: BTreeSet<&str> = with_orders.clone();
        for link in links {
            if is_border(&link.from) && is_border(&link.to) {
                let sentence = format!("{} and {} are both across the border", link.from, link.to);
                return Err(GridError::at(link, sentence));
            }
            zones.extend([link.from.as_str(), link.to.as_str()].iter().filter(|zone| !is_border(zone)));
        }
        if let Some(zone) = with_orders.iter().find(|zone| is_border(zone)) {
            let sentence = format!("zone {zone} has orders, and a price or schedule is given for it as a border zone");
            return Err(GridError::new(sentence));
        }
        let zones: Vec<String> = zones.into_iter().map(str::to_owned).collect();
        let root = root_of(&zones, links, root)?;
        let mut builder = Builder { zones: &zones, links, borders, above: BTreeMap::new(), edges: Vec::new() };
        builder.grow(root)?;
        builder.finish(tick)
    }
}

fn root_of(zones: &[String], links: &[LinkRow], root: Option<&str>) -> Result<usize, GridError> {
    if let Some(root) = root {
        let place = zones.iter().position(|zone| zone == root);
        return place.ok_or_else(|| GridError::new(format!("zone {root} of --root is not in the network")));
    }
    let degree = |zone: &str| links.iter().filter(|link| link.from == zone || link.to == zone).count();
    let most = (0..zones.len()).max_by_key(|place| (degree(&zones[*place]), core::cmp::Reverse(*place)));
    most.ok_or_else(|| GridError::new("there are no zones".to_owned()))
}

/// Grows the tree from its root.
struct Builder<'a> {
    zones: &'a [String],
    links: &'a [LinkRow],
    borders: Borders<'a>,
    /// By zone that was reached: the link that led there; none for the root.
    above: BTreeMap<usize, Option<usize>>,
    edges: Vec<Edge>,
}

impl Builder<'_> {
    fn place(&self, zone: &str) -> Option<usize> {
        self.zones.binary_search_by(|known| known.as_str().cmp(zone)).ok()
    }

    /// Walks the links inside from the root, and refuses circles and zones that are not reached.
    fn grow(&mut self, root: usize) -> Result<(), GridError> {
        self.above.insert(root, None);
        let mut waiting = vec![root];
        while let Some(parent) = waiting.pop() {
            for (number, link) in self.links.iter().enumerate() {
                let (Some(from), Some(to)) = (self.place(&link.from), self.place(&link.to)) else { continue };
                let other = if from == parent { to } else { from };
                if (from != parent && to != parent) || self.above[&parent] == Some(number) {
                    continue;
                }
                if self.above.insert(other, Some(number)).is_some() {
                    return Err(self.circle(link));
                }
                self.edges.push(edge(link, area(other)?, area(parent)?, to == parent));
                waiting.push(other);
            }
        }
        match (0..self.zones.len()).find(|place| !self.above.contains_key(place)) {
            Some(alone) => Err(GridError::new(format!(
                "no way of links leads from zone {} to zone {}: the network must be one tree",
                self.zones[root], self.zones[alone]
            ))),
            None => Ok(()),
        }
    }

    fn circle(&self, link: &LinkRow) -> GridError {
        GridError::at(
            link,
            format!(
                "the link {} - {} closes a circle: the network must be a tree. If a zone on it is across the border, give it a \
                 price with --border-prices or a schedule with --border-flows",
                link.from, link.to
            ),
        )
    }

    /// Adds the leaves across the border.
    fn finish(mut self, tick: i32) -> Result<ZoneTree, GridError> {
        let (mut given, mut injections, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut areas = self.zones.len();
        for (number, link) in self.links.iter().enumerate() {
            let (from, to) = (self.place(&link.from), self.place(&link.to));
            let (child, is_up) = match (from, to) {
                (Some(from), Some(_)) => {
                    let is_up = self.above[&from] == Some(number);
                    (area(if is_up { from } else { to.unwrap_or(from) })?, is_up)
                }
                (inside, outside) => {
                    let (leaf, is_up) = (area(areas)?, inside.is_none());
                    areas += 1;
                    let Some(zone) = inside.or(outside) else {
                        return Err(GridError::at(link, "both ends are across the border".to_owned()));
                    };
                    let border = if is_up { &link.from } else { &link.to };
                    let mut edge = edge(link, leaf, area(zone)?, is_up);
                    match self.border(link, &self.zones[zone], border)? {
                        Border::Price(price) => given.push(GivenPrice { area: leaf, price }),
                        Border::Schedule(export_wh) => {
                            let energy = Energy(export_wh.unsigned_abs());
                            // What is scheduled already is carried, whatever the capacity was said to be.
                            (edge.up, edge.down) = (energy, energy);
                            let side = if export_wh > 0 { Side::Buy } else { Side::Sell };
                            let sequence = injections.len() as u64;
                            injections.push(Injection { area: leaf, side, energy, sequence });
                        }
                    }
                    self.edges.push(edge);
                    (leaf, is_up)
                }
            };
            links.push(Link { from: link.from.clone(), to: link.to.clone(), child, is_up });
        }
        self.refuse_unknown_schedules()?;
        let count = u16::try_from(areas).map_err(|_| GridError::new("more than 65,535 zones".to_owned()))?;
        let network = Network::new(count, tick, &self.edges).map_err(|error| GridError::new(error.to_string()))?;
        Ok(ZoneTree { zones: self.zones.to_vec(), tree: AuctionTree::new(&network), given, injections, links })
    }

    fn border(&self, link: &LinkRow, zone: &str, border: &str) -> Result<Border, GridError> {
        let schedule = self.borders.flows.and_then(|flows| flows.get(&(zone.to_owned(), border.to_owned())));
        if let Some(export_wh) = schedule {
            return Ok(Border::Schedule(*export_wh));
        }
        let price = self.borders.prices.and_then(|prices| prices.get(border));
        price.map(|price| Border::Price(*price)).ok_or_else(|| {
            let sentence = format!(
                "border zone {border} has neither a price nor a schedule with {zone} at this time: add a line to --border-prices \
                 or --border-flows"
            );
            GridError::at(link, sentence)
        })
    }

    /// A schedule over a link that is not there would silently be lost.
    fn refuse_unknown_schedules(&self) -> Result<(), GridError> {
        for (zone, border) in self.borders.flows.into_iter().flat_map(BTreeMap::keys) {
            let is_link = |link: &LinkRow| {
                (&link.from == zone && &link.to == border) || (&link.from == border && &link.to == zone)
            };
            if !self.links.iter().any(is_link) {
                let sentence = format!("the schedule from {zone} to {border} has no link in the network file");
                return Err(GridError::new(sentence));
            }
        }
        Ok(())
    }
}

enum Border {
    Price(Price),
    /// In watt-hours, export positive.
    Schedule(i64),
}

/// The edge of a link from `child` to `parent`, where `is_up` says that from -> to is up.
fn edge(link: &LinkRow, child: AreaId, parent: AreaId, is_up: bool) -> Edge {
    let LinkRow { forth, back, fee_forth, fee_back, .. } = *link;
    if is_up {
        Edge { child, parent, up: forth, down: back, fee_up: fee_forth, fee_down: fee_back }
    } else {
        Edge { child, parent, up: back, down: forth, fee_up: fee_back, fee_down: fee_forth }
    }
}

fn area(place: usize) -> Result<AreaId, GridError> {
    u16::try_from(place).map(AreaId).map_err(|_| GridError::new("more than 65,535 zones".to_owned()))
}
