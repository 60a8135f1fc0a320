//! A target ends by being published or given up for a reason, and it does end once faults have stopped.

use super::Step;
use crate::world::{TARGET_MAX, World};
use conclave_control::command::Command;

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let age = world.quiet_since.map_or(0, |since| world.now - since.max(world.target_since));
    if let Some(target) = world.state.target.as_ref().filter(|_| age > TARGET_MAX) {
        return Err(format!("target {} ({}) is still being loaded after {age} ms", target.id, target.why));
    }
    let Step::Applied { before, command, .. } = step else { return Ok(()) };
    let Some(target) = before
        .target
        .as_ref()
        .filter(|target| world.state.target.as_ref().is_none_or(|now| now.id != target.id))
    else {
        return Ok(());
    };
    match command {
        Command::PublishTarget(publish) if publish.target == target.id => Ok(()),
        Command::CancelTarget(cancel) if cancel.target == target.id && !cancel.why.is_empty() => Ok(()),
        other => Err(format!("target {} vanished by {other:?}", target.id)),
    }
}
