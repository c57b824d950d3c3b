//! Linked baskets: fill-or-kill orders that are carried out all or none (MARKET sections 3 and 4).

use std::collections::BTreeSet;

use gridbook_engine::MeterId;

use super::State;
use super::tables::{Name, Standing};
use crate::command::Command;
use crate::record::RecordEvent;
use crate::reject::Code;

/// Why a command, or a head with its followers, was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    why: Code,
    /// Which follower is to blame, counted with the head as 0; none if it is all of them.
    at: Option<usize>,
}

impl Refused {
    /// What the record of one of the commands says.
    pub(super) fn code_of(self, place: usize) -> Code {
        let is_to_blame = place == 0 || self.at.is_none_or(|at| at == place);
        if is_to_blame { self.why } else { Code::MatchBasket }
    }
}

impl From<Code> for Refused {
    fn from(why: Code) -> Self {
        Self { why, at: None }
    }
}

impl State {
    /// Area, names and partners of all orders are tested here, the rest by the engine.
    pub(super) fn basket(
        &mut self,
        meter: MeterId,
        places: &[Command],
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Refused> {
        let mut orders = Vec::with_capacity(places.len());
        let mut names = BTreeSet::new();
        for (at, command) in (1..).zip(places) {
            let Command::Place(place) = command else { return Err(Code::FormBasket.into()) };
            let blamed = |why| Refused { why, at: Some(at) };
            orders.push(self.new_order(meter, place).map_err(blamed)?);
            if !names.insert(place.client_id) {
                return Err(blamed(Code::MatchDuplicate));
            }
        }
        let done = self.engine.basket(&orders, &mut self.tables, &mut self.events);
        done.map_err(|refused| Refused { why: refused.why.into(), at: Some(refused.at + 1) })?;
        for order in &orders {
            self.tables.add_name(meter, order.tag.0, Name { period: order.contract.period, standing: Standing::Over });
        }
        self.report(events);
        Ok(())
    }
}
