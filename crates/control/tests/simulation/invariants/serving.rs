//! A node that gateways may use, and whose process is the one that is registered, holds every expert it is a home of. What
//! it evicts, it evicts after that.

use super::Step;
use crate::world::World;
use conclave_control::NodeState;

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    if !matches!(step, Step::Applied { .. }) && !world.memory_changed {
        return Ok(());
    }
    for node in world.nodes.iter().filter(|node| node.up) {
        let Some((id, incarnation)) = node.identity else { continue };
        let known = world.state.nodes.get(&id);
        if !known.is_some_and(|known| known.incarnation == incarnation && known.state == NodeState::Ready) {
            continue;
        }
        let lacks = |(key, homes): &(_, &[_])| homes.contains(&id) && !node.held.contains(key);
        if let Some((key, _)) = world.state.placement.iter().find(lacks) {
            return Err(format!("{} is ready in epoch {} without {key}", node.name, world.state.epoch));
        }
    }
    Ok(())
}
