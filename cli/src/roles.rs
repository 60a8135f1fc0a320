//! `conclave gateway`, `conclave expert-node`, `conclave coordinator`: one role of a cluster each.

use crate::announce::announce;
use crate::model::ModelOptions;
use crate::process::{Stop, TokenOptions, check, runtime};
use conclave_coordinator::{Coordinator, CoordinatorOptions};
use conclave_expert_node::{ExpertNode, NodeOptions};
use conclave_gateway::dispatch::Homes;
use conclave_gateway::{ClusterFeed, ClusterOptions, Gateway, GatewayOptions};
use conclave_telemetry::MonitorOptions;
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
    monitor: MonitorOptions,
    #[command(flatten)]
    token: TokenOptions,
}

/// Settings of `conclave expert-node`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodeRole {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    node: NodeOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
    #[command(flatten)]
    token: TokenOptions,
}

/// Settings of `conclave coordinator`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CoordinatorRole {
    #[command(flatten)]
    coordinator: CoordinatorOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
    #[command(flatten)]
    token: TokenOptions,
}

pub(crate) fn gateway(options: GatewayRole, stop: Stop) -> anyhow::Result<()> {
    let (token, problems) = options.token.token();
    check([options.gateway.validate(), options.model.validate(), problems])?;
    runtime(2)?.block_on(async {
        let folder = options.model.open()?;
        let manifest = options.model.manifest(&folder)?;
        options.model.verify_trunk(&folder, &manifest)?;
        let pool = options.model.pool();
        let gateway = Gateway::start(&options.gateway, &folder, &manifest, pool, Homes::default()).await?;
        let feed = ClusterFeed::new(
            &options.cluster,
            token,
            manifest.model_digest(&folder),
            folder.spec.expert_keys().collect(),
            gateway.dispatcher(),
            gateway.connections(),
            gateway.readiness(),
        );
        gateway.monitor().start(&options.monitor).await?;
        announce(&folder.name(), gateway.address());
        let feed = tokio::spawn(feed.run());
        let result = gateway.run(stop.token()).await;
        feed.abort();
        Ok(result?)
    })
}

pub(crate) fn expert_node(options: NodeRole, stop: Stop) -> anyhow::Result<()> {
    let (token, problems) = options.token.token();
    check([options.node.validate(token.is_set()), options.model.validate(), problems])?;
    runtime(2)?.block_on(async {
        let folder = Arc::new(options.model.open()?);
        let manifest = Arc::new(options.model.manifest(&folder)?);
        let pool = options.model.pool();
        let node = ExpertNode::start(&options.node, folder, manifest, pool, token).await?;
        node.monitor().start(&options.monitor).await?;
        tracing::info!(name = options.node.name, address = %node.address(), "expert node listens");
        Ok(node.run(stop.token()).await?)
    })
}

pub(crate) fn coordinator(options: CoordinatorRole, stop: Stop) -> anyhow::Result<()> {
    let (token, problems) = options.token.token();
    check([options.coordinator.validate(token.is_set()), problems])?;
    runtime(2)?.block_on(async {
        let coordinator = Coordinator::start(&options.coordinator, token).await?;
        coordinator.monitor().start(&options.monitor).await?;
        tracing::info!(id = options.coordinator.id, address = %coordinator.address(), "coordinator listens");
        Ok(coordinator.run(stop.token()).await?)
    })
}
