//! Expert nodes within this process, for measuring: sockets, queues and threads are those of `conclave expert-node`, without
//! coordinators.

use conclave_expert::{ExpertBackend, LocalExperts};
use conclave_expert_node::ExpertServer;
use conclave_expert_rpc::{Credentials, GrpcExperts};
use conclave_gateway::Driver;
use conclave_model::ModelFolder;
use conclave_types::{NodeId, PlacementMap};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Calls that may wait at a node, as by default.
const CALLS_MAX: usize = 256;

/// Every expert at two neighbours of `nodes` nodes, or at the only one.
pub(crate) fn placement(folder: &ModelFolder, nodes: u32) -> PlacementMap {
    let homes = |expert: u32| {
        let mut homes: Vec<NodeId> = [expert, expert + 1].map(|at| NodeId(u64::from(at % nodes))).to_vec();
        homes.sort_unstable();
        homes.dedup();
        homes
    };
    folder.spec.expert_keys().map(|key| (key, homes(key.expert.0))).collect()
}

/// Starts a node with `experts` on threads of its own, which end with the process; a connected client of it, through a
/// socket in the folder `sockets` or else over TCP.
pub(crate) fn start(
    experts: Arc<LocalExperts>,
    sockets: Option<&Path>,
    driver: &Driver,
) -> anyhow::Result<Arc<dyn ExpertBackend>> {
    let folder = sockets.map(Path::to_owned);
    let (tell, told) = std::sync::mpsc::channel();
    let serve = move || -> anyhow::Result<()> {
        crate::process::runtime(2)?.block_on(async {
            let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
            let mut server = ExpertServer::bind(listen, experts, CALLS_MAX, Credentials::default()).await?;
            if let Some(folder) = folder {
                let address = server.address().to_string();
                server = server.with_socket(&folder, &address)?;
            }
            // The other side waits for it.
            let _ = tell.send(server.address());
            Ok(server.run(CancellationToken::new()).await?)
        })
    };
    let thread = std::thread::Builder::new().name("node".to_owned()).spawn(serve)?;
    let Ok(address) = told.recv() else {
        thread.join().expect("a node that cannot start says why")?;
        anyhow::bail!("the node ended before it listened");
    };
    let client = driver.block_on(async {
        let client = GrpcExperts::new(&address.to_string(), sockets, &Credentials::default())?;
        client.connected().await;
        anyhow::Ok(client)
    })?;
    Ok(Arc::new(client))
}
