//! `conclave serve`: the whole model in this one process.

use crate::announce::announce;
use crate::model::{ModelOptions, settle_meanwhile};
use crate::process::{Stop, check, runtime};
use crate::whole::homes;
use conclave_expert::LocalExperts;
use conclave_gateway::{Gateway, GatewayOptions};
use conclave_telemetry::MonitorOptions;
use conclave_transport::{Credentials, Role, TlsOptions};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Settings of `conclave serve`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    monitor: MonitorOptions,
}

pub(crate) fn run(options: ServeOptions, stop: Stop) -> anyhow::Result<()> {
    let problems = options.tls.validate(Role::Gateway, options.gateway.peers.addresses());
    check([options.gateway.validate(), options.model.validate(), problems])?;
    runtime(2)?.block_on(serve(options, stop))
}

async fn serve(options: ServeOptions, stop: Stop) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = Arc::new(options.model.open()?);
    let (manifest, pool) = (options.model.manifest_of_trunk(&folder)?, options.model.pool());
    let experts = LocalExperts::load(&folder, &manifest, folder.spec.expert_keys(), pool.clone())?;
    let (held, bytes) = (experts.held().len(), experts.bytes());
    let homes = homes(&folder, Arc::new(experts));
    let credentials =
        Credentials { certificates: options.tls.load(Role::Gateway)?, ..Credentials::default() };
    let gateway = Gateway::start(&options.gateway, &folder, &manifest, pool, homes, &credentials).await?;
    gateway.monitor().start(&options.monitor).await?;
    gateway.readiness().store(true, Ordering::Relaxed);
    let address = gateway.address();
    tracing::info!(
        model = folder.name(),
        digest = manifest.model_digest(&folder).short(),
        dtype = folder.dtype.name(),
        experts = held,
        expert_memory = %bytes,
        ready_ms = started.elapsed().as_millis() as u64,
        "ready"
    );
    settle_meanwhile(folder.clone());
    // Whoever reads that it serves may tell it to stop.
    let stop = stop.token();
    announce(&folder.name(), gateway.scheme(), address);
    gateway.run(stop).await;
    Ok(())
}
