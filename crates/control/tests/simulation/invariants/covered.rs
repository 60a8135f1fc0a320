//! No decision takes the last ready home from an expert: one that has a ready home has one after a publication too. The
//! planner's plans obey the planner's rules.

use super::Step;
use crate::world::World;
use conclave_control::NodeState;
use conclave_control::command::Command;
use conclave_types::NodeId;

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let Step::Decided(decision) = step else { return Ok(()) };
    if decision.waiting.contains("breaks a rule") {
        return Err(decision.waiting.clone());
    }
    let publish = |command: &&Command| matches!(command, Command::PublishTarget(_));
    let (Some(_), Some(target)) = (decision.commands.iter().find(publish), &world.state.target) else {
        return Ok(());
    };
    let ready = |homes: &[NodeId]| {
        homes
            .iter()
            .any(|home| world.state.nodes.get(home).is_some_and(|node| node.state == NodeState::Ready))
    };
    let lost = world.state.placement.iter().find(|(key, now)| ready(now) && !ready(target.map.homes(*key)));
    lost.map_or(Ok(()), |(key, now)| {
        let then = target.map.homes(key);
        Err(format!("{key} has a ready home in {now:?}, and target {} leaves it {then:?}", target.id))
    })
}
