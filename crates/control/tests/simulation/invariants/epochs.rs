//! Epochs only grow, and a placement changes only with its epoch.

use super::Step;
use crate::world::World;

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let Step::Applied { before, .. } = step else { return Ok(()) };
    let (old, new) = (before.epoch, world.state.epoch);
    if new < old {
        return Err(format!("epoch {new} follows {old}"));
    }
    if new == old && before.placement != world.state.placement {
        return Err(format!("the placement of epoch {old} has changed"));
    }
    Ok(())
}
