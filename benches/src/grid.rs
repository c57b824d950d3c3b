//! The tree of areas that the mix D trades over, as plain data, and what flows on its edges.
//!
//! ```text
//!                root
//!         /       |       \          9 substations
//!     station  station  station
//!     / | \     / | \    / | \       90 feeders, 10 below each substation
//! ```

use gridbook_engine::{AreaId, Edge, Energy, Network, Price, Side};

use crate::dice::Dice;
use crate::workload::PERIODS;

/// The most edges on a path: feeder, substation, root, substation, feeder.
const PATH_MAX: usize = 4;

/// One edge, from an area to the one above it; energies in lots, fees in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The area below.
    pub child: u16,
    /// The area above.
    pub parent: u16,
    /// The most that may flow up and down in one period, in lots.
    pub capacity: [u32; 2],
    /// For a lot up and down, in steps.
    pub fee: [u32; 2],
}

/// Up or down an edge: a place in [`Line::capacity`] and [`Line::fee`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A way from one area to another.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    fee: u32,
    length: usize,
    steps: [Option<(u16, Way)>; PATH_MAX],
}

/// A tree of areas: a root, substations below it, feeders below them.
#[derive(Clone, Debug)]
pub struct Grid {
    areas: u16,
    lines: Vec<Line>,
    /// From every area to every area.
    paths: Vec<Path>,
}

impl Grid {
    /// A tree of so many areas, capacities and fees drawn from the seed. Fees up to 1 step (feeder) and 2 steps (substation) make
    /// neighbours cheap and the far end dear; capacities are a few orders wide, so that some edges are full most of the time.
    pub fn draw(areas: u16, seed: u64) -> Self {
        let stations = (areas / 11).max(1);
        let feeders = areas - 1 - stations;
        let mut dice = Dice::new(seed ^ 0x6772_6964);
        let mut line = |child: u16, parent, capacity_max: u32, fee_max: u32| Line {
            child,
            parent,
            capacity: [0; 2].map(|_| 100 + dice.small(capacity_max)),
            fee: [0; 2].map(|_| dice.small(fee_max + 1)),
        };
        let mut lines: Vec<Line> = (1..=stations).map(|station| line(station, 0, 6_000, 2)).collect();
        let above =
            |feeder: u16| 1 + u16::try_from(u32::from(feeder) * u32::from(stations) / u32::from(feeders)).unwrap_or(0);
        lines.extend((0..feeders).map(|feeder| line(1 + stations + feeder, above(feeder), 2_000, 1)));
        Self::of(areas, lines)
    }

    /// Areas without edges: independent books.
    pub fn islands(areas: u16) -> Self {
        Self { areas, lines: Vec::new(), paths: Vec::new() }
    }

    fn of(areas: u16, lines: Vec<Line>) -> Self {
        let mut grid = Self { areas, lines, paths: Vec::new() };
        let pairs = (0..areas).flat_map(|from| (0..areas).map(move |to| (from, to)));
        grid.paths = pairs.map(|(from, to)| grid.path(from, to)).collect();
        grid
    }

    /// How many areas.
    pub fn areas(&self) -> u16 {
        self.areas
    }

    /// As the engine takes it: 1 Wh lots, 10 units of price a step.
    pub fn network(&self) -> Network {
        if self.lines.is_empty() {
            return Network::islands(self.areas);
        }
        let price = |steps: u32| Price(i32::try_from(steps * 10).expect("fees are a few steps"));
        let energy = |lots: u32| Energy(lots.into());
        let edge = |line: &Line| Edge {
            child: AreaId(line.child),
            parent: AreaId(line.parent),
            up: energy(line.capacity[0]),
            down: energy(line.capacity[1]),
            fee_up: price(line.fee[0]),
            fee_down: price(line.fee[1]),
        };
        let edges: Vec<Edge> = self.lines.iter().map(edge).collect();
        Network::new(self.areas, 10, &edges).expect("it is drawn as one tree")
    }

    /// Line `child - 1` is the one above `child`: areas but the root, in order.
    fn line(&self, child: u16) -> &Line {
        &self.lines[usize::from(child) - 1]
    }

    fn upwards(&self, area: u16) -> Vec<u16> {
        let next = |area: &u16| (*area > 0).then(|| self.line(*area).parent);
        std::iter::successors(Some(area), next).collect()
    }

    /// Up to where both ways upwards meet, then down.
    fn path(&self, from: u16, to: u16) -> Path {
        let (up, down) = (self.upwards(from), self.upwards(to));
        let rising = up.iter().take_while(|area| !down.contains(area)).map(|child| (*child, Way::Up));
        let falling = down.iter().take_while(|area| !up.contains(area)).map(|child| (*child, Way::Down));
        let steps: Vec<_> = rising.chain(falling.collect::<Vec<_>>().into_iter().rev()).collect();
        let fee = steps.iter().map(|(child, way)| self.line(*child).fee[*way as usize]).sum();
        let mut path = Path { fee, length: steps.len(), ..Path::default() };
        path.steps.iter_mut().zip(steps).for_each(|(place, step)| *place = Some(step));
        path
    }
}

/// What was traded over the edges of a grid, in every period.
#[derive(Clone, Debug)]
pub struct Flows {
    grid: Grid,
    /// Up, by line and period; below zero where energy flows down.
    flow: Vec<i64>,
}

/// What lies between an order that comes in and one that rests in another area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// In steps.
    pub fee: u32,
    /// How many edges.
    pub edges: usize,
    /// What can still flow from the seller to the buyer; without a limit inside one area.
    pub energy: u32,
}

impl Flows {
    /// Nothing flows yet.
    pub fn new(grid: Grid) -> Self {
        let flow = vec![0; grid.lines.len() * PERIODS as usize];
        Self { grid, flow }
    }

    /// How many areas.
    pub fn areas(&self) -> u16 {
        self.grid.areas
    }

    /// What an order of `taker` (and its side) reaches in `area`.
    pub fn reach(&self, taker: u16, side: Side, area: u16, period: u32) -> Reach {
        let path = self.between(taker, side, area);
        let room = path.steps.iter().flatten().map(|(child, way)| self.room(*child, *way, period));
        Reach { fee: path.fee, edges: path.length, energy: room.min().unwrap_or(u32::MAX) }
    }

    /// Sends energy between the area of an order that comes in and another.
    pub fn send(&mut self, taker: u16, side: Side, area: u16, period: u32, energy: u32) {
        for (child, way) in self.between(taker, side, area).steps.into_iter().flatten() {
            let flow = &mut self.flow[place(child, period)];
            *flow += if way == Way::Up { i64::from(energy) } else { -i64::from(energy) };
        }
    }

    /// Ways along an edge, in all periods, and how many of them are full.
    pub fn full(&self) -> (usize, usize) {
        let ways = self.grid.lines.iter().flat_map(|line| [(line.child, Way::Up), (line.child, Way::Down)]);
        let rooms = ways.flat_map(|(child, way)| (0..PERIODS).map(move |period| self.room(child, way, period)));
        let all: Vec<u32> = rooms.collect();
        (all.len(), all.iter().filter(|room| **room == 0).count())
    }

    fn between(&self, taker: u16, side: Side, area: u16) -> Path {
        let (from, to) = if side == Side::Buy { (area, taker) } else { (taker, area) };
        self.grid.paths[usize::from(from) * usize::from(self.grid.areas) + usize::from(to)]
    }

    fn room(&self, child: u16, way: Way, period: u32) -> u32 {
        let flow = self.flow[place(child, period)];
        let along = if way == Way::Up { flow } else { -flow };
        let left = i64::from(self.grid.line(child).capacity[way as usize]) - along;
        u32::try_from(left).expect("nothing flows beyond a capacity, and capacities are small")
    }
}

fn place(child: u16, period: u32) -> usize {
    (usize::from(child) - 1) * PERIODS as usize + period as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred areas are a root, nine substations and ninety feeders, ten below each.
    #[test]
    fn the_tree_has_the_shape_that_tables_say() {
        let grid = Grid::draw(100, 1);
        let below = |parent: u16| grid.lines.iter().filter(|line| line.parent == parent).count();
        assert_eq!(below(0), 9);
        assert!((1..=9).all(|station| below(station) == 10));
        assert_eq!(grid.network().upwards(AreaId(99)).count(), 2);
    }

    /// What flows one way makes room the other way.
    #[test]
    fn flows_are_netted_and_end_at_the_capacity() {
        let mut flows = Flows::new(Grid::draw(100, 1));
        let first = flows.reach(10, Side::Buy, 11, 3);
        assert_eq!(first.edges, 2);
        flows.send(10, Side::Buy, 11, 3, first.energy);
        assert_eq!(flows.reach(10, Side::Buy, 11, 3).energy, 0);
        assert_eq!(flows.reach(10, Side::Buy, 11, 4).energy, first.energy, "another period has its own");
        let back = flows.reach(10, Side::Sell, 11, 3).energy;
        assert!(back > first.energy, "{back} lots back");
        assert!(flows.full().1 >= 1);
    }
}
