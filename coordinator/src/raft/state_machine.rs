//! Applies committed entries to the cluster state and keeps its snapshots.
//!
//! Keeps true: a snapshot that was built or received is on disk before anything relies on it. Between snapshots the
//! state lives in memory; after a restart the log is applied again from the last one.

use super::log_store::{Store, blocking, other, read_meta, write_meta};
use super::{Entry, TypeConfig};
use conclave_control::ClusterState;
use conclave_control::command::Reply;
use conclave_types::LogIndex;
use futures::{Stream, TryStreamExt};
use openraft::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use std::io;
use std::sync::Arc;
use tokio::sync::watch;

const SNAPSHOT_META: &str = "snapshot_meta";
const SNAPSHOT_STATE: &str = "snapshot_state";

/// The applied state.
pub(crate) struct StateMachine {
    log: Arc<Store>,
    applied: Option<LogIdOf<TypeConfig>>,
    membership: StoredMembershipOf<TypeConfig>,
    state: ClusterState,
    published: watch::Sender<Arc<ClusterState>>,
}

impl StateMachine {
    /// The state of the last snapshot on disk; the receiver follows it.
    pub(super) fn open(log: Arc<Store>) -> io::Result<(Self, watch::Receiver<Arc<ClusterState>>)> {
        let (mut applied, mut membership, mut state) = Default::default();
        if let Some((meta, bytes)) = stored(&log)? {
            applied = meta.last_log_id;
            membership = meta.last_membership;
            state = ClusterState::restore(&bytes).map_err(other)?;
        }
        let (published, receiver) = watch::channel(Arc::new(state.clone()));
        Ok((Self { log, applied, membership, state, published }, receiver))
    }
}

fn stored(log: &Store) -> io::Result<Option<(SnapshotMetaOf<TypeConfig>, Vec<u8>)>> {
    let Some(meta) = read_meta(log, SNAPSHOT_META)? else { return Ok(None) };
    let state: serde_json::Value = read_meta(log, SNAPSHOT_STATE)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a snapshot without its state"))?;
    Ok(Some((meta, serde_json::to_vec(&state).map_err(other)?)))
}

async fn store(log: &Arc<Store>, meta: &SnapshotMetaOf<TypeConfig>, state: Vec<u8>) -> io::Result<()> {
    let meta = serde_json::to_vec(meta).map_err(other)?;
    let work = move |store: &Store| write_meta(store, &[(SNAPSHOT_META, meta), (SNAPSHOT_STATE, state)]);
    blocking(log, work).await
}

/// A copy of the state at one index, to be written while the next entries are applied.
pub(crate) struct Frozen {
    log: Arc<Store>,
    meta: SnapshotMetaOf<TypeConfig>,
    state: ClusterState,
}

impl RaftSnapshotBuilder<TypeConfig> for Frozen {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, Vec<u8>>, io::Error> {
        let state = self.state.snapshot();
        store(&self.log, &self.meta, state.clone()).await?;
        Ok(SnapshotOf::<TypeConfig, Vec<u8>> { meta: self.meta.clone(), snapshot: state })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = Frozen;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogIdOf<TypeConfig>>, StoredMembershipOf<TypeConfig>), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let log_id = entry.log_id();
            self.applied = Some(log_id);
            let reply = match entry.payload {
                EntryPayload::Blank => Reply::Done,
                EntryPayload::Normal(Entry(command)) => {
                    let reply = self.state.apply(LogIndex(log_id.index), command.clone());
                    tracing::debug!(index = log_id.index, ?command, ?reply, "applied");
                    self.published.send_replace(Arc::new(self.state.clone()));
                    reply
                }
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembershipOf::<TypeConfig>::new(Some(log_id), membership);
                    Reply::Done
                }
            };
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        let meta = SnapshotMetaOf::<TypeConfig> {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        };
        Frozen { log: self.log.clone(), meta, state: self.state.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: Vec<u8>,
    ) -> Result<(), io::Error> {
        let state = ClusterState::restore(&snapshot).map_err(other)?;
        store(&self.log, meta, snapshot).await?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.state = state;
        self.published.send_replace(Arc::new(self.state.clone()));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, Vec<u8>>>, io::Error> {
        let stored = stored(&self.log)?;
        Ok(stored.map(|(meta, snapshot)| SnapshotOf::<TypeConfig, Vec<u8>> { meta, snapshot }))
    }
}
