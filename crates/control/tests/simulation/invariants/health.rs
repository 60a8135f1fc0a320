//! When faults have stopped, every expert comes to have as many ready homes as it shall, each of which holds it; pins
//! are heeded. A node whose disk does not heal holds nobody up: others count as if it were not there.

use crate::world::World;
use conclave_control::NodeState;
use conclave_types::{ExpertKey, Millis, NodeId};

/// A node that can load everything and is given nothing because it once did not.
pub(crate) fn held_back(world: &World) -> Option<String> {
    let leader = world.leader.as_ref()?;
    let stuck = |id| leader.seen.stuck(Millis(leader.clock(world.now)), id).is_some();
    let held = world
        .nodes
        .iter()
        .find(|node| node.up && node.rotten.is_empty() && node.identity.is_some_and(|(id, _)| stuck(id)));
    held.map(|node| node.name.clone())
}

/// What is not yet as it shall be; `None`: all is.
pub(crate) fn unhealthy(world: &World) -> Option<String> {
    let Some(leader) = &world.leader else { return Some("there is no leader".to_owned()) };
    if let Some(target) = &world.state.target {
        return Some(format!("target {} is being loaded", target.id));
    }
    let ready = |id: &NodeId| world.state.nodes.get(id).is_some_and(|node| node.state == NodeState::Ready);
    if let Some(name) = held_back(world) {
        return Some(format!("{name} is given nothing"));
    }
    let rotten = |id: &NodeId| {
        let is = |node: &crate::node::SimNode| node.identity.is_some_and(|(own, _)| own == *id);
        world.nodes.iter().any(|node| is(node) && !node.rotten.is_empty())
    };
    for node in world.nodes.iter().filter(|node| node.up && node.rotten.is_empty()) {
        if !node.identity.is_some_and(|(id, _)| ready(&id)) {
            return Some(format!("{} is not ready", node.name));
        }
    }
    let usable =
        world.state.nodes.iter().filter(|(id, node)| !node.draining && ready(id) && !rotten(id)).count();
    let begun = !world.state.placement.is_empty();
    match leader.seen.planned(Millis(leader.clock(world.now)), &world.state) {
        // An operator has drained everything, or the memory is too small: the cluster says so.
        Err(why) if why.contains("undrain one") || why.contains("no room is left") => return None,
        Err(_) if !begun && usable < world.state.settings.nodes_min as usize => return None,
        Err(why) => return Some(why),
        Ok(planned) if planned.plan.map != world.state.placement => return Some(planned.why),
        Ok(_) => {}
    }
    let holds = |id: &NodeId, key: &ExpertKey| {
        world
            .nodes
            .iter()
            .any(|node| node.identity.is_some_and(|(own, _)| own == *id) && node.held.contains(key))
    };
    let wanted = if world.tight { 1 } else { usable.min(world.state.settings.replicas as usize) };
    let unheeded = world.state.pins.iter().filter(|_| !world.tight).find_map(|(key, pins)| {
        let usable = |id: &&NodeId| ready(id) && !rotten(id) && !world.state.nodes[id].draining;
        let lacks = |id: &&NodeId| !world.state.placement.homes(key).contains(id);
        pins.iter().filter(usable).find(lacks).map(|id| format!("{key} is pinned to node {id} in vain"))
    });
    if unheeded.is_some() {
        return unheeded;
    }
    world.keys.iter().find_map(|key| {
        let homes = world.state.placement.homes(*key);
        let good = homes.iter().filter(|home| ready(home) && holds(home, key)).count();
        (good < wanted).then(|| format!("{key} has {good} of {wanted} ready homes"))
    })
}
