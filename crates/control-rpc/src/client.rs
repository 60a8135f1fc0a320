//! Finding the leader, and the calls of nodes and of everybody who asks how the cluster is.

use conclave_control::command::RegisterNode;
use conclave_control::{ClusterState, HeartbeatAnswer, NodeReport};
use conclave_proto::COORDINATOR_MESSAGE_BYTES_MAX as MESSAGE_BYTES_MAX;
use conclave_proto::convert::coordinator::{self as convert, GatewayReport};
use conclave_proto::coordinator::coordinator_client::CoordinatorClient as Wire;
use conclave_proto::coordinator::{CoordinatorStatus, LogStatus, NodeStatus, StatusRequest};
use conclave_transport::{Credentials, Role, SendToken, explain};
use conclave_types::{LogIndex, NodeId};
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that answers no ping for this long is given up, so that a frozen coordinator is left.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const LEADER_KEY: &str = "conclave-leader";

/// Why the coordinators gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// None of them leads or can be reached now.
    #[error(
        "no coordinator of {addresses} answers as the leader: {last}; check the addresses, and that most of them run"
    )]
    Unavailable {
        /// Who was asked.
        addresses: String,
        /// What the last one said.
        last: String,
    },
    /// They refuse the call for good.
    #[error("{0}")]
    Refused(String),
}

/// What `conclave status` shows.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The replicated state, without its history.
    pub state: ClusterState,
    /// What the leader heard from each node.
    pub nodes: Vec<NodeStatus>,
    /// The coordinators.
    pub coordinators: Vec<CoordinatorStatus>,
    /// The term.
    pub term: u64,
    /// What the placement waits for; empty: nothing.
    pub waiting: String,
    /// The log of the coordinator that answered.
    pub log: LogStatus,
}

/// What a status says, with why where it is that of a connection.
pub(crate) fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => explain(cause),
        None => status.message().to_owned(),
    }
}

pub(crate) type WireClient = Wire<InterceptedService<Channel, SendToken>>;

/// The coordinators of one cluster.
pub struct CoordinatorClient {
    addresses: Vec<String>,
    credentials: Credentials,
    /// Who answered as the leader last.
    leader: Mutex<Option<String>>,
    channels: Mutex<HashMap<String, Channel>>,
}

impl CoordinatorClient {
    /// The coordinators at `addresses` (`host:port`), some of which may be away.
    pub fn new(addresses: Vec<String>, credentials: Credentials) -> Self {
        Self { addresses, credentials, leader: Mutex::default(), channels: Mutex::default() }
    }

    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    pub(crate) fn at(&self, address: &str) -> Result<WireClient, String> {
        let mut channels = self.channels.lock().expect("no panic holds this lock");
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}"));
                let endpoint = endpoint.map_err(|error| format!("`{address}` is no host:port: {error}"))?;
                let channel = endpoint
                    .connect_timeout(CONNECT_TIMEOUT)
                    .http2_keep_alive_interval(KEEP_ALIVE)
                    .keep_alive_timeout(KEEP_ALIVE)
                    .connect_with_connector_lazy(self.credentials.connector(Role::Coordinator));
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(Wire::with_interceptor(channel, self.credentials.token.sender())
            .max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Asks the leader: first who led last, then whom the others name, then everybody.
    pub(crate) async fn leader<T, F>(&self, call: impl Fn(WireClient) -> F) -> Result<T, ControlError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let known = self.leader.lock().expect("no panic holds this lock").clone();
        // Asked from the back.
        let mut ask: Vec<String> = self.addresses.iter().rev().cloned().chain(known).collect();
        let mut last = "none was asked".to_owned();
        let mut hops = 0;
        while let Some(address) = ask.pop() {
            let client = match self.at(&address) {
                Ok(client) => client,
                Err(error) => return Err(ControlError::Refused(error)),
            };
            let status = match tokio::time::timeout(CALL_TIMEOUT, call(client)).await {
                Ok(Ok(reply)) => {
                    *self.leader.lock().expect("no panic holds this lock") = Some(address);
                    return Ok(reply.into_inner());
                }
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded(format!("no answer within {CALL_TIMEOUT:?}")),
            };
            match status.code() {
                Code::Unauthenticated
                | Code::PermissionDenied
                | Code::InvalidArgument
                | Code::Unimplemented => {
                    return Err(ControlError::Refused(status.message().to_owned()));
                }
                _ => {}
            }
            last = format!("{address}: {}", said(&status));
            let named = status.metadata().get(LEADER_KEY).and_then(|value| value.to_str().ok());
            // During an election two coordinators may name each other for a moment.
            if let Some(named) = named.filter(|named| *named != address && hops < 3) {
                hops += 1;
                ask.push(named.to_owned());
            }
        }
        *self.leader.lock().expect("no panic holds this lock") = None;
        Err(ControlError::Unavailable { addresses: self.addresses.join(", "), last })
    }

    /// Asks whoever answers, the last known leader first: for what all of them know.
    pub(crate) async fn anyone<T, F>(&self, call: impl Fn(WireClient) -> F) -> Result<T, ControlError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let known = self.leader.lock().expect("no panic holds this lock").clone();
        let mut last = "none was asked".to_owned();
        for address in known.iter().chain(&self.addresses) {
            let client = self.at(address).map_err(ControlError::Refused)?;
            match tokio::time::timeout(CALL_TIMEOUT, call(client)).await {
                Ok(Ok(reply)) => return Ok(reply.into_inner()),
                Ok(Err(status)) if status.code() == Code::Unauthenticated => {
                    return Err(ControlError::Refused(status.message().to_owned()));
                }
                Ok(Err(status)) => last = format!("{address}: {}", status.message()),
                Err(_) => last = format!("{address}: no answer within {CALL_TIMEOUT:?}"),
            }
        }
        Err(ControlError::Unavailable { addresses: self.addresses.join(", "), last })
    }

    /// Registers a node: its id and which of its registrations this is.
    pub async fn register(&self, node: &RegisterNode) -> Result<(NodeId, LogIndex), ControlError> {
        let request = convert::register_request(node);
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.register(request).await }
            })
            .await?;
        if reply.rejected.is_empty() {
            Ok((NodeId(reply.node), LogIndex(reply.incarnation)))
        } else {
            Err(ControlError::Refused(reply.rejected))
        }
    }

    /// Renews a node's lease.
    pub async fn heartbeat(
        &self,
        node: NodeId,
        report: &NodeReport,
    ) -> Result<HeartbeatAnswer, ControlError> {
        let request = convert::heartbeat_request(node, report);
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.heartbeat(request).await }
            })
            .await?;
        convert::heartbeat_answer(reply).map_err(|error| ControlError::Refused(error.to_string()))
    }

    /// Tells what a gateway asked of each expert and which nodes it avoids; replaces what it told before.
    pub async fn report_load(&self, report: &GatewayReport) -> Result<(), ControlError> {
        let request = convert::load_request(report);
        self.leader(|mut client| {
            let request = request.clone();
            async move { client.report_load(request).await }
        })
        .await
        .map(|_| ())
    }

    /// The cluster as the leader sees it; without a leader, as any coordinator remembers it.
    pub async fn status(&self) -> Result<ClusterStatus, ControlError> {
        let mut remembered = None;
        let mut last = "none was asked".to_owned();
        let mut ask: Vec<String> = self.addresses.iter().rev().cloned().collect();
        let mut asked = BTreeSet::new();
        while let Some(address) = ask.pop() {
            if !asked.insert(address.clone()) {
                continue;
            }
            let mut client = self.at(&address).map_err(ControlError::Refused)?;
            let reply = match tokio::time::timeout(CALL_TIMEOUT, client.status(StatusRequest {})).await {
                Ok(Ok(reply)) => reply.into_inner(),
                Ok(Err(status))
                    if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) =>
                {
                    return Err(ControlError::Refused(status.message().to_owned()));
                }
                Ok(Err(status)) => {
                    last = format!("{address}: {}", said(&status));
                    continue;
                }
                Err(_) => {
                    last = format!("{address}: no answer within {CALL_TIMEOUT:?}");
                    continue;
                }
            };
            let leader = reply.coordinators.iter().find(|coordinator| coordinator.leader);
            let leads = leader.is_some_and(|leader| leader.matched.is_some());
            // It may have been added since the addresses were written down.
            ask.extend(leader.filter(|_| !leads).map(|leader| leader.address.clone()));
            let view = reply.view.unwrap_or_default();
            let state = convert::state(view).map_err(|error| ControlError::Refused(error.to_string()))?;
            let status = ClusterStatus {
                state,
                nodes: reply.nodes,
                coordinators: reply.coordinators,
                term: reply.term,
                waiting: reply.waiting,
                log: reply.log.unwrap_or_default(),
            };
            if leads {
                return Ok(status);
            }
            remembered = Some(status);
        }
        remembered.ok_or(ControlError::Unavailable { addresses: self.addresses.join(", "), last })
    }
}
