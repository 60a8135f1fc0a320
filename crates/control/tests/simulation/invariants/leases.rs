//! Nobody is declared down without a full lease of silence that this leader has witnessed.

use super::Step;
use crate::world::{LEASE, World};
use conclave_control::NodeState;
use conclave_control::command::Command;

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let (Step::Decided(decision), Some(leader)) = (step, &world.leader) else { return Ok(()) };
    for command in &decision.commands {
        let Command::SetNodeState(verdict) = command else { continue };
        let heard = leader.heard.get(&verdict.node).copied().unwrap_or(0).max(leader.since);
        if verdict.state == NodeState::Down && world.now - heard <= LEASE {
            let silence = world.now - heard;
            return Err(format!("node {} was declared down after {silence} ms of silence", verdict.node));
        }
    }
    Ok(())
}
