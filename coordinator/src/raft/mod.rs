//! The replicated log. The only code that knows openraft.
//!
//! Keeps true: a command is answered only after a majority has it on disk; all types that leave this module are ours.

mod log_store;
mod membership;
mod network;
mod service;
mod state_machine;
#[cfg(test)]
mod tests;

pub(crate) use membership::{Joining, MembershipError, SILENCE_MAX};
pub(crate) use service::RaftService;

use conclave_control::command::{Change, Reply};
use conclave_control::{ClusterState, RestoreError};
use conclave_transport::Credentials;
use log_store::LogStore;
use network::Network;
use openraft::Instant as _;
use openraft::alias::LogIdOf;
use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, InitializeError, LinearizableReadError, RaftError};
use openraft::{BasicNode, Config, ReadPolicy, SnapshotPolicy};
use state_machine::StateMachine;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

openraft::declare_raft_types!(
    /// How this cluster uses openraft.
    pub(crate) TypeConfig:
        D = Entry,
        R = Reply,
        Node = BasicNode,
);

/// How long a majority may take to confirm who leads.
const CONFIRM: Duration = Duration::from_secs(2);

/// A change as the log holds it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry(pub(crate) Change);

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// The log's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be opened, read or written.
    #[error(
        "the log file {file}: {error}; if the disk is full or not there, mend that and start again. If the file is damaged, this \
         coordinator must not come back under its id, because it may have forgotten what it promised: `conclave coordinators \
         remove` it, start it with an empty folder, a new id and --join, and `conclave coordinators add` that"
    )]
    Storage {
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
    /// Its snapshot makes no sense.
    #[error(transparent)]
    Snapshot(#[from] RestoreError),
    /// The settings make no sense together.
    #[error("raft cannot start: {0}")]
    Start(String),
}

/// A command that was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Another coordinator leads, at this address if it is known.
    #[error("this coordinator does not lead")]
    NotLeader(Option<String>),
    /// No majority, or a broken disk.
    #[error("the coordinators cannot agree now: {0}")]
    Unavailable(String),
}

/// One coordinator as the others see it.
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) address: String,
    pub(crate) leader: bool,
    /// Highest log index the leader knows it to have; only the leader knows.
    pub(crate) matched: Option<u64>,
    /// Whether its vote counts; a learner only gets the log.
    pub(crate) voter: bool,
    /// Since it answered the leader; only the leader knows.
    pub(crate) silence: Option<Duration>,
}

/// What a coordinator has of the log. Indices; 0: nothing.
pub(crate) struct LogFacts {
    pub(crate) applied: u64,
    pub(crate) snapshot: u64,
    pub(crate) purged: u64,
}

/// How far this coordinator is.
pub(crate) struct Progress {
    /// The last entry of its log; 0: none.
    pub(crate) last: u64,
    /// The last entry it has applied; 0: none.
    pub(crate) applied: u64,
}

/// This coordinator's part of the consensus.
#[derive(Clone)]
pub(crate) struct Consensus {
    id: u64,
    raft: Raft,
    state: watch::Receiver<Arc<ClusterState>>,
}

impl Consensus {
    /// Opens the log under `data` and takes part as `id`.
    pub(crate) async fn start(id: u64, data: &Path, credentials: Credentials) -> Result<Self, LogError> {
        let file = data.join("raft.redb");
        let storage = |error: &dyn std::fmt::Display| LogError::Storage {
            file: file.display().to_string(),
            error: error.to_string(),
        };
        let log = Arc::new(log_store::open(&file).map_err(|error| storage(&error))?);
        let (machine, state) = StateMachine::open(log.clone()).map_err(|error| storage(&error))?;
        let config = Config {
            cluster_name: "conclave".to_owned(),
            // Room for slow disks and busy machines; a leader change takes about a second.
            heartbeat_interval: 150,
            election_timeout_min: 700,
            election_timeout_max: 1400,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(500),
            max_in_snapshot_log_to_keep: 100,
            install_snapshot_timeout: 5_000,
            enable_pre_vote: Some(true),
            ..Config::default()
        };
        let config = Arc::new(config.validate().map_err(|error| LogError::Start(error.to_string()))?);
        let raft = Raft::new(id, config, Network::new(credentials), LogStore::new(log), machine)
            .await
            .map_err(|error| storage(&error))?;
        Ok(Self { id, raft, state })
    }

    /// Who this coordinator is.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The newest state this coordinator has applied, and its changes.
    pub(crate) fn state(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// Whether this coordinator has ever been part of a cluster.
    pub(crate) async fn is_initialized(&self) -> bool {
        self.raft.is_initialized().await.unwrap_or(true)
    }

    /// Founds the cluster with `members`.
    pub(crate) async fn initialize(&self, members: &BTreeMap<u64, String>) -> Result<(), String> {
        let members: BTreeMap<u64, BasicNode> =
            members.iter().map(|(id, address)| (*id, BasicNode::new(address.clone()))).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Commits `change`.
    pub(crate) async fn write(&self, change: impl Into<Change>) -> Result<Reply, WriteError> {
        match self.raft.client_write(Entry(change.into())).await {
            Ok(response) => Ok(response.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(WriteError::NotLeader(forward.leader_node.map(|node| node.addr)))
            }
            Err(error) => Err(WriteError::Unavailable(error.to_string())),
        }
    }

    /// The term in which this coordinator leads, if it does and a majority has answered it of late: one that led before it
    /// was stopped or cut off still believes that it does, and must not speak for the others.
    pub(crate) fn leads(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let alone = metrics.membership_config.voter_ids().eq([self.id]);
        let acked = metrics.last_quorum_acked.as_ref().is_some_and(|acked| acked.elapsed() <= SILENCE_MAX);
        let leads = metrics.state == openraft::ServerState::Leader && (alone || acked);
        leads.then_some(metrics.current_term)
    }

    /// Confirms with a majority that this coordinator leads and has applied all that was acknowledged before: what it then
    /// tells is no older than the question.
    pub(crate) async fn confirm(&self) -> Result<(), WriteError> {
        let read = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        match tokio::time::timeout(CONFIRM, read).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                Err(WriteError::NotLeader(forward.leader_node.map(|node| node.addr)))
            }
            Ok(Err(error)) => Err(WriteError::Unavailable(error.to_string())),
            Err(_) => Err(WriteError::Unavailable(format!("no majority answers within {CONFIRM:?}"))),
        }
    }

    /// The term, as far as this coordinator knows.
    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// How far this coordinator is.
    pub(crate) fn progress(&self) -> Progress {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Progress {
            last: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.map_or(0, |log_id| log_id.index),
        }
    }

    /// The leader's address, if known.
    pub(crate) fn leader(&self) -> Option<String> {
        self.members().into_iter().find(|member| member.leader).map(|member| member.address)
    }

    /// All coordinators.
    pub(crate) fn members(&self) -> Vec<Member> {
        let leads = self.leads().is_some();
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let silence = |id: &u64| match *id == self.id && metrics.heartbeat.is_some() {
            true => Some(Duration::ZERO),
            false => metrics.heartbeat.as_ref()?.get(id)?.as_ref().map(|heard| heard.elapsed()),
        };
        let matched = |id: &u64| {
            let progress = metrics.replication.as_ref()?.get(id)?;
            progress.as_ref().map(|log_id| log_id.index)
        };
        metrics
            .membership_config
            .nodes()
            .map(|(id, node)| Member {
                id: *id,
                address: node.addr.clone(),
                leader: metrics.current_leader == Some(*id) && (*id != self.id || leads),
                matched: matched(id),
                voter: voters.contains(id),
                silence: silence(id),
            })
            .collect()
    }

    /// What this coordinator has of the log.
    pub(crate) fn log(&self) -> LogFacts {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let index = |id: &Option<LogIdOf<TypeConfig>>| id.as_ref().map_or(0, |id| id.index);
        LogFacts {
            applied: index(&metrics.last_applied),
            snapshot: index(&metrics.snapshot),
            purged: index(&metrics.purged),
        }
    }

    /// Why the consensus has stopped, if it has: a full or broken disk ends this coordinator, not the cluster.
    pub(crate) async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_watched().running_state {
                return fatal.to_string();
            }
            if metrics.changed().await.is_err() {
                return "the consensus has stopped".to_owned();
            }
        }
    }

    /// The service by which the other coordinators reach this one.
    pub(crate) fn service(&self) -> RaftService {
        RaftService::new(self.clone())
    }

    /// Stops taking part.
    pub(crate) async fn stop(&self) {
        // An error here means that it has stopped already.
        let _ = self.raft.shutdown().await;
    }
}
