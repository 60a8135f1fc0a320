//! The coordinator: one of the group that keeps the replicated truth about nodes and placement.
//!
//! Keeps true: it is never on a token's way; what it acknowledges a majority has on disk. Knows no model file, no
//! tensor and no expert call.

mod api;
mod controller;
mod monitor;
mod options;
mod raft;

pub use options::{CoordinatorOptions, Peer};
pub use raft::LogError;

use api::Api;
use conclave_proto::COORDINATOR_MESSAGE_BYTES_MAX as MESSAGE_BYTES_MAX;
use conclave_proto::coordinator::InitializedRequest;
use conclave_proto::coordinator::coordinator_server::CoordinatorServer;
use conclave_proto::coordinator::raft_client::RaftClient;
use conclave_proto::coordinator::raft_server::RaftServer;
use conclave_telemetry::Monitor;
use conclave_transport::{Credentials, Gate, Role, accept, bounded, explain};
use conclave_types::Millis;
use controller::Controller;
use raft::Consensus;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// Pause between questions to peers that have not started yet.
const FOUND_PAUSE: Duration = Duration::from_millis(200);
/// How long calls may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// Why a coordinator cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another --listen or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The consensus has stopped, for example because the disk is full.
    #[error("this coordinator has stopped: {0}; the others go on without it")]
    Stopped(String),
    /// The listener broke.
    #[error("the listener broke: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// A coordinator that listens but does not answer yet.
pub struct Coordinator {
    listener: TcpListener,
    consensus: Consensus,
    controller: Controller,
    credentials: Credentials,
    id: u64,
    members: BTreeMap<u64, String>,
}

impl Coordinator {
    /// Binds the port and opens the log.
    pub async fn start(
        options: &CoordinatorOptions,
        credentials: Credentials,
    ) -> Result<Self, CoordinatorError> {
        let address = options.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|error| CoordinatorError::Listen { address, error })?;
        let consensus = Consensus::start(options.id, &options.data, credentials.clone()).await?;
        let controller = Controller::new(
            consensus.clone(),
            Millis(options.lease_ms),
            Millis(options.replace_after_ms),
            options.settings(),
        );
        let (id, members) = (options.id, options.members());
        Ok(Self { listener, consensus, controller, credentials, id, members })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// What its monitoring port tells: it is ready while it knows a leader.
    pub fn monitor(&self) -> Monitor {
        monitor::of(self.consensus.clone())
    }

    /// Takes part until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
        let Self { listener, consensus, controller, credentials, id, members } = self;
        let api =
            Api { consensus: consensus.clone(), controller: controller.clone(), shutdown: shutdown.clone() };
        let raft = RaftServer::new(consensus.service())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let raft = Gate::new(raft, credentials.token.clone());
        let api = Gate::new(CoordinatorServer::new(api), credentials.token.clone());
        let incoming = accept(listener, credentials.certificates.clone());
        let stop = shutdown.clone();
        let serve = bounded()
            .add_service(raft)
            .add_service(api)
            .serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await });
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let loops = async {
            found(&consensus, id, &members, &credentials).await;
            controller.run(shutdown.clone()).await;
            std::future::pending::<()>().await;
        };
        let result = tokio::select! {
            result = serve => result.map_err(CoordinatorError::from),
            () = overdue => Ok(()),
            () = loops => Ok(()),
            why = consensus.failed(), if !shutdown.is_cancelled() => Err(CoordinatorError::Stopped(why)),
        };
        consensus.stop().await;
        result
    }
}

/// Founds the group, if this is its first coordinator and it does not exist yet.
///
/// The coordinator with the lowest id founds it, once every other one has said that it belongs to none: a
/// coordinator that lost its disk must not found a second group.
async fn found(consensus: &Consensus, id: u64, members: &BTreeMap<u64, String>, credentials: &Credentials) {
    if members.keys().next() != Some(&id) {
        return;
    }
    let mut said = false;
    while !consensus.is_initialized().await {
        let mut missing = Vec::new();
        for (_, address) in members.iter().filter(|(other, _)| **other != id) {
            match belongs(address, credentials).await {
                Ok(false) => {}
                // The group exists and will find this coordinator.
                Ok(true) => return,
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

/// Whether the coordinator at `address` is part of a group.
async fn belongs(address: &str, credentials: &Credentials) -> Result<bool, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(1));
    let channel = endpoint.connect_with_connector(credentials.connector(Role::Coordinator)).await;
    let channel = channel.map_err(|error| explain(&error))?;
    let mut client = RaftClient::with_interceptor(channel, credentials.token.sender());
    let reply = client.initialized(InitializedRequest {}).await;
    reply.map(|reply| reply.into_inner().initialized).map_err(|status| status.message().to_owned())
}
