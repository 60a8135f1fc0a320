//! Coordinators that are not part of the group: it is founded once, only the right ones join it, and whoever was removed ends.

use crate::raft::Consensus;
use conclave_proto::coordinator::raft_client::RaftClient;
use conclave_proto::coordinator::{IdentifyReply, IdentifyRequest};
use conclave_transport::{Credentials, Role, explain};
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::transport::Endpoint;

/// Pause between questions to peers that have not started yet.
const FOUND_PAUSE: Duration = Duration::from_millis(200);

/// Pause between questions whether this coordinator is still part of the group.
const REMOVED_PAUSE: Duration = Duration::from_secs(2);

/// Founds the group, if this is its first coordinator and it does not exist yet.
///
/// The coordinator with the lowest id founds it, once every other one has said that it belongs to none: a
/// coordinator that lost its disk must not found a second group.
pub(crate) async fn found(
    consensus: &Consensus,
    id: u64,
    members: &BTreeMap<u64, String>,
    credentials: &Credentials,
) {
    if members.keys().next() != Some(&id) {
        return;
    }
    let mut said = false;
    while !consensus.is_initialized().await {
        let mut missing = Vec::new();
        for (_, address) in members.iter().filter(|(other, _)| **other != id) {
            match ask(address, credentials).await {
                Ok(IdentifyReply { initialized: false, .. }) => {}
                // The group exists and will find this coordinator.
                Ok(_) => return,
                Err(why) => missing.push(format!("{address} ({why})")),
            }
        }
        if missing.is_empty() {
            match consensus.initialize(members).await {
                Ok(()) => tracing::info!(coordinators = members.len(), "founded the group"),
                Err(error) => tracing::warn!(error, "could not found the group; trying again"),
            }
        } else if !said {
            tracing::info!(missing = missing.join(", "), "waiting for coordinators to found the group");
            said = true;
        }
        tokio::time::sleep(FOUND_PAUSE).await;
    }
}

/// Returns once the group goes on without this coordinator.
///
/// It must ask: nobody sends its log to one that was removed, and its own log may be from before it was added.
pub(crate) async fn removed(consensus: &Consensus, id: u64, credentials: &Credentials) {
    loop {
        if consensus.leads().is_none() {
            let mut others: Vec<_> =
                consensus.members().into_iter().filter(|member| member.id != id).collect();
            others.sort_by_key(|member| !member.leader);
            for member in others {
                match ask(&member.address, credentials).await {
                    Ok(reply) if reply.leads && !reply.members.contains(&id) => return,
                    Ok(reply) if reply.leads => break,
                    Ok(_) | Err(_) => {}
                }
            }
        }
        tokio::time::sleep(REMOVED_PAUSE).await;
    }
}

/// Why the coordinator at `address` cannot join a group as `id`; `None`: it can.
pub(crate) async fn unfit(id: u64, address: &str, credentials: &Credentials) -> Option<String> {
    match ask(address, credentials).await {
        Err(why) => Some(format!(
            "no coordinator answers at {address} ({why}); start it first, with --id {id} --join and an empty --data folder"
        )),
        // It would take another one's messages for its own.
        Ok(reply) if reply.id != id => Some(format!(
            "the coordinator at {address} has the id {}, not {id}; add it under its own",
            reply.id
        )),
        Ok(reply) if reply.initialized => Some(format!(
            "coordinator {id} at {address} has the log of a group in its data folder; start it with an empty one"
        )),
        Ok(_) => None,
    }
}

/// Asks the coordinator at `address` who it is and whether it is part of a group.
async fn ask(address: &str, credentials: &Credentials) -> Result<IdentifyReply, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(1));
    let channel = endpoint.connect_with_connector(credentials.connector(Role::Coordinator)).await;
    let channel = channel.map_err(|error| explain(&error))?;
    let mut client = RaftClient::with_interceptor(channel, credentials.token.sender());
    let reply = client.identify(IdentifyRequest {}).await;
    reply.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
}
