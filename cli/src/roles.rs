//! `conclave gateway`, `conclave expert-node`, `conclave coordinator`: one role of a cluster each.

use crate::announce::announce;
use crate::model::{ModelOptions, settle_meanwhile};
use crate::process::{CredentialOptions, Stop, check, runtime};
use conclave_coordinator::{Coordinator, CoordinatorOptions};
use conclave_expert_node::{ExpertNode, NodeOptions};
use conclave_gateway::dispatch::Homes;
use conclave_gateway::{ClusterFeed, ClusterOptions, Gateway, GatewayOptions};
use conclave_telemetry::MonitorOptions;
use conclave_transport::Role;
use std::sync::Arc;

/// Settings of `conclave gateway`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayRole {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    cluster: ClusterOptions,
    #[command(flatten)]
    credentials: CredentialOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
}

/// Settings of `conclave expert-node`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodeRole {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    node: NodeOptions,
    #[command(flatten)]
    credentials: CredentialOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
}

/// Settings of `conclave coordinator`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CoordinatorRole {
    #[command(flatten)]
    coordinator: CoordinatorOptions,
    #[command(flatten)]
    credentials: CredentialOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
}

pub(crate) fn gateway(options: GatewayRole, stop: Stop) -> anyhow::Result<()> {
    let mut addresses = options.cluster.addresses();
    addresses.extend(options.gateway.peers.addresses());
    let problems = options.credentials.validate(Role::Gateway, addresses);
    check([options.gateway.validate(), options.model.validate(), problems])?;
    runtime(2)?.block_on(async {
        let credentials = options.credentials.load(Role::Gateway)?;
        let folder = Arc::new(options.model.open()?);
        let manifest = options.model.manifest_of_trunk(&folder)?;
        let pool = options.model.pool();
        let gateway =
            Gateway::start(&options.gateway, &folder, &manifest, pool, Homes::default(), &credentials);
        let gateway = gateway.await?;
        settle_meanwhile(folder.clone());
        let feed = ClusterFeed::new(
            &options.cluster,
            credentials,
            manifest.model_digest(&folder),
            folder.spec.expert_keys().collect(),
            gateway.dispatcher(),
            gateway.connections(),
            gateway.readiness(),
        );
        gateway.monitor().start(&options.monitor).await?;
        // Whoever reads that it serves may tell it to stop.
        let stop = stop.token();
        announce(&folder.name(), gateway.scheme(), gateway.address());
        let feed = tokio::spawn(feed.run());
        gateway.run(stop).await;
        feed.abort();
        Ok(())
    })
}

pub(crate) fn expert_node(options: NodeRole, stop: Stop) -> anyhow::Result<()> {
    let problems = options.credentials.validate(Role::ExpertNode, options.node.addresses());
    check([options.node.validate(), options.model.validate(), problems])?;
    runtime(2)?.block_on(async {
        let credentials = options.credentials.load(Role::ExpertNode)?;
        let folder = Arc::new(options.model.open()?);
        let manifest = Arc::new(options.model.manifest(&folder)?);
        let pool = options.model.pool();
        let node = ExpertNode::start(&options.node, folder, manifest, pool, credentials).await?;
        node.monitor().start(&options.monitor).await?;
        tracing::info!(name = options.node.name, address = %node.address(), "expert node listens");
        Ok(node.run(stop.token()).await?)
    })
}

pub(crate) fn coordinator(options: CoordinatorRole, stop: Stop) -> anyhow::Result<()> {
    let problems = options.credentials.validate(Role::Coordinator, options.coordinator.addresses());
    check([options.coordinator.validate(), problems])?;
    runtime(2)?.block_on(async {
        let credentials = options.credentials.load(Role::Coordinator)?;
        let coordinator = Coordinator::start(&options.coordinator, credentials).await?;
        coordinator.monitor().start(&options.monitor).await?;
        tracing::info!(id = options.coordinator.id, address = %coordinator.address(), "coordinator listens");
        Ok(coordinator.run(stop.token()).await?)
    })
}
