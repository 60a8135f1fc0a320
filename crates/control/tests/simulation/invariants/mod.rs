//! What must hold whatever goes wrong, one file each.

mod covered;
mod epochs;
mod health;
mod leases;
mod serving;
mod snapshots;
mod targets;
mod verified;

use crate::world::World;
use conclave_control::command::{Command, Reply};
use conclave_control::{ClusterState, Decision};

/// What has just happened.
pub(crate) enum Step<'a> {
    /// A command was applied to the state `before`.
    Applied { before: &'a ClusterState, command: &'a Command, reply: &'a Reply },
    /// The leader made up its mind.
    Decided(&'a Decision),
    /// Anything else.
    Other,
}

/// The first invariant that does not hold after `step`.
pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let named = |name: &str, result: Result<(), String>| result.map_err(|why| format!("{name}: {why}"));
    named("covered", covered::check(world, step))?;
    named("epochs", epochs::check(world, step))?;
    named("leases", leases::check(world, step))?;
    named("serving", serving::check(world, step))?;
    named("targets", targets::check(world, step))?;
    named("verified", verified::check(world, step))
}

pub(crate) use health::{held_back, unhealthy};
pub(crate) use snapshots::check as check_snapshot;
