//! A snapshot restores to the same state.

use crate::world::World;
use conclave_control::ClusterState;

pub(crate) fn check(world: &World) -> Result<(), String> {
    let restored = ClusterState::restore(&world.state.snapshot()).map_err(|error| error.to_string())?;
    if restored.digest() == world.state.digest() && restored == world.state {
        return Ok(());
    }
    Err(format!("snapshots: the state at {} differs from what its snapshot restores", world.state.applied))
}
