//! Block orders: they wait in the engine for the auction of their periods (MARKET sections 3 and 5).

use gridbook_engine::{MeterId, NewBlock, OrderTag};

use super::State;
use super::tables::{Name, Standing};
use crate::command::{Block, Command};
use crate::record::RecordEvent;
use crate::reject::Code;

impl State {
    /// Area, name and parts are tested here; form, call phase and collateral by the engine. It knows the block by its sequence number,
    /// because client ids are unique per meter only.
    pub(super) fn place_block(
        &mut self,
        seq: u64,
        meter: MeterId,
        block: &Block,
        parts: &[Command],
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let account = self.check_new(meter, block.client_id)?;
        let facts = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?.facts;
        if block.area != facts.area {
            return Err(Code::FormArea);
        }
        let mut energies = Vec::new();
        for part in parts {
            let Command::BlockPart(part) = part else { return Err(Code::FormBlock) };
            energies.extend(part.periods()?);
        }
        let (period, _) = *energies.last().ok_or(Code::FormBlock)?;
        let (tag, Block { client_id, area, side, price, .. }) = (OrderTag(seq), *block);
        let block = NewBlock { tag, account, meter, area, side, price, energies };
        self.engine.place_block(block, &mut self.tables, &mut self.events)?;
        self.tables.add_name(meter, client_id, Name { period, standing: Standing::Over });
        self.tables.add_block(tag, meter, client_id);
        self.report(events);
        Ok(())
    }
}
