//! Expert nodes within this process, for measuring: sockets, queues and threads are those of `conclave expert-node`, without
//! coordinators.

use conclave_expert::{ExpertBackend, LocalExperts};
use conclave_expert_node::ExpertServer;
use conclave_expert_rpc::{ClusterToken, GrpcExperts};
use conclave_gateway::Driver;
use conclave_model::ModelFolder;
use conclave_types::{NodeId, PlacementMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const CALLS_MAX: usize = 256;

/// Where this process's nodes have their sockets.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("conclave-bench-{}", std::process::id()))
}

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

/// Starts a node with `experts` on threads of its own, which end with the process; a connected client of it.
pub(crate) fn start(
    experts: Arc<LocalExperts>,
    tcp: bool,
    driver: &Driver,
) -> anyhow::Result<Arc<dyn ExpertBackend>> {
    let (tell, told) = std::sync::mpsc::channel();
    let serve = move || -> anyhow::Result<()> {
        crate::process::runtime(2)?.block_on(async {
            let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
            let mut server = ExpertServer::bind(listen, experts, CALLS_MAX, ClusterToken::default()).await?;
            if !tcp {
                let address = server.address().to_string();
                server = server.with_socket(&folder(), &address)?;
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
        let sockets = (!tcp).then(folder);
        let client = GrpcExperts::new(&address.to_string(), sockets.as_deref(), &ClusterToken::default())?;
        client.connected().await;
        anyhow::Ok(client)
    })?;
    if !tcp {
        // Connected for good: a process that ends by `exit` would leave it behind.
        let _ = std::fs::remove_dir_all(folder());
    }
    Ok(Arc::new(client))
}
