//! The coordinator: one of the group that keeps the replicated truth about nodes and placement.
//!
//! Keeps true: it is never on a token's way; what it acknowledges a majority has on disk. Knows no model file, no
//! tensor and no expert call.

mod api;
mod clock;
mod controller;
mod monitor;
mod operator;
mod options;
mod peers;
mod raft;

pub use options::{CoordinatorOptions, Peer};
pub use raft::LogError;

use api::Api;
use conclave_proto::COORDINATOR_MESSAGE_BYTES_MAX as MESSAGE_BYTES_MAX;
use conclave_proto::coordinator::coordinator_server::CoordinatorServer;
use conclave_proto::coordinator::raft_server::RaftServer;
use conclave_telemetry::Monitor;
use conclave_transport::{Credentials, Gate, accept, bounded};
use controller::Controller;
use raft::Consensus;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
    #[error(
        "this coordinator has stopped: {0}; the others go on without it. If its disk is full, free some space and start it again: \
         it catches up"
    )]
    Stopped(String),
    /// An operator has taken it out of the group.
    #[error(
        "coordinator {0} was removed from the group; its data folder is of no more use: to come back, start it with an \
         empty one, a new id and --join, and add it"
    )]
    Removed(u64),
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
        let controller = Controller::new(consensus.clone(), options.patience(), options.settings());
        let (id, members) = (options.id, options.members());
        Ok(Self { listener, consensus, controller, credentials, id, members })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// What its monitoring port tells: it is ready while it knows a leader.
    pub fn monitor(&self) -> Monitor {
        monitor::of(self.consensus.clone(), self.controller.clone())
    }

    /// Takes part until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
        let Self { listener, consensus, controller, credentials, id, members } = self;
        let api = Api {
            consensus: consensus.clone(),
            controller: controller.clone(),
            credentials: credentials.clone(),
            shutdown: shutdown.clone(),
        };
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
            peers::found(&consensus, id, &members, &credentials).await;
            controller.run(shutdown.clone()).await;
            std::future::pending::<()>().await;
        };
        let result = tokio::select! {
            result = serve => result.map_err(CoordinatorError::from),
            () = overdue => Ok(()),
            () = loops => Ok(()),
            () = peers::removed(&consensus, id, &credentials) => Err(CoordinatorError::Removed(id)),
            why = consensus.failed(), if !shutdown.is_cancelled() => Err(CoordinatorError::Stopped(why)),
        };
        consensus.stop().await;
        result
    }
}
