//! Commands that belong together: a basket with its orders, a block with its parts.

use gridbook_engine::TimeInForce;

use super::{Block, Command, Place};
use crate::reject::Code;

/// The most orders of one basket (MARKET section 3).
pub const BASKET_ORDERS_MAX: u16 = 100;

/// How many commands at the front of the list belong together; 1 where the first stands for itself.
///
/// # Errors
/// `FormBasket` or `FormBlock` if a head is not followed by what it announces, or a part has no head.
pub(crate) fn group_length(commands: &[Command]) -> Result<usize, Code> {
    let Some((head, rest)) = commands.split_first() else { return Ok(0) };
    let announced = |count: u16, most: u16, belongs: fn(&Command) -> bool, code: Code| {
        let follow = rest.get(..usize::from(count)).ok_or(code)?;
        let is_good = (1..=most).contains(&count) && follow.iter().all(belongs);
        if is_good { Ok(1 + follow.len()) } else { Err(code) }
    };
    match *head {
        Command::Basket { count } => announced(count, BASKET_ORDERS_MAX, is_fill_or_kill, Code::FormBasket),
        Command::Block(Block { parts, .. }) => announced(parts, Block::PARTS_MAX, is_part, Code::FormBlock),
        Command::BlockPart(_) => Err(Code::FormBlock),
        _ => Ok(1),
    }
}

/// Checks that every head is followed by what it announces.
///
/// # Errors
/// As [`group_length`].
pub(super) fn check_groups(mut commands: &[Command]) -> Result<(), Code> {
    while !commands.is_empty() {
        commands = &commands[group_length(commands)?..];
    }
    Ok(())
}

fn is_fill_or_kill(command: &Command) -> bool {
    matches!(command, Command::Place(Place { time_in_force: TimeInForce::FillOrKill, .. }))
}

fn is_part(command: &Command) -> bool {
    matches!(command, Command::BlockPart(_))
}
