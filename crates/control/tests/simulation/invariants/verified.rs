//! Nothing is published that was not loaded: each home has confirmed the target, or keeps only what it was a home of; and
//! each expert has a home that has verified it.

use super::Step;
use crate::world::World;
use conclave_control::command::{Command, Reply};

pub(crate) fn check(world: &World, step: &Step<'_>) -> Result<(), String> {
    let Step::Applied { before, command: Command::PublishTarget(publish), reply: Reply::Published { .. } } =
        step
    else {
        return Ok(());
    };
    let map = &world.state.placement;
    for home in map.nodes() {
        let kept = || map.held_by(home).is_subset(&before.placement.held_by(home));
        if !world.confirmed.contains(&(publish.target, home)) && !kept() {
            return Err(format!(
                "target {} was published, but node {home} had not loaded it",
                publish.target
            ));
        }
    }
    let bare =
        map.iter().find(|(key, homes)| !homes.iter().any(|home| world.verified.contains(&(*home, *key))));
    bare.map_or(Ok(()), |(key, homes)| Err(format!("none of the homes {homes:?} of {key} ever verified it")))
}
