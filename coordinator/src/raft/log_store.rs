//! Log, vote and snapshot in one redb file. Keeps true: what is acknowledged is on disk.

use super::TypeConfig;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// Opens or creates the file with its tables.
pub(super) fn open(file: &Path) -> io::Result<Database> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let database = Database::create(file).map_err(other)?;
    let write = database.begin_write().map_err(other)?;
    write.open_table(LOG).map_err(other)?;
    write.open_table(META).map_err(other)?;
    write.commit().map_err(other)?;
    Ok(database)
}

pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(other)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads one of the single values.
pub(super) fn read_meta<T: DeserializeOwned>(database: &Database, key: &str) -> io::Result<Option<T>> {
    let read = database.begin_read().map_err(other)?;
    let table = read.open_table(META).map_err(other)?;
    table.get(key).map_err(other)?.map(|bytes| decode(bytes.value())).transpose()
}

/// Writes single values together, durably.
pub(super) fn write_meta(database: &Database, values: &[(&str, Vec<u8>)]) -> io::Result<()> {
    let write = database.begin_write().map_err(other)?;
    {
        let mut table = write.open_table(META).map_err(other)?;
        for (key, value) in values {
            table.insert(*key, value.as_slice()).map_err(other)?;
        }
    }
    write.commit().map_err(other)
}

/// Runs `work` where waiting for the disk holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    database: &Arc<Database>,
    work: impl FnOnce(&Database) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let database = database.clone();
    tokio::task::spawn_blocking(move || work(&database)).await.map_err(other)?
}

/// The Raft log on disk.
#[derive(Clone)]
pub(super) struct LogStore {
    database: Arc<Database>,
}

impl LogStore {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<EntryOf<TypeConfig>>, io::Error> {
        let read = self.database.begin_read().map_err(other)?;
        let table = read.open_table(LOG).map_err(other)?;
        let entries = table.range(range).map_err(other)?;
        entries.map(|entry| decode(entry.map_err(other)?.1.value())).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<TypeConfig>>, io::Error> {
        read_meta(&self.database, VOTE)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let last_purged_log_id: Option<LogIdOf<TypeConfig>> = read_meta(&self.database, PURGED)?;
        let read = self.database.begin_read().map_err(other)?;
        let table = read.open_table(LOG).map_err(other)?;
        let last = match table.last().map_err(other)? {
            Some((_, entry)) => Some(decode::<EntryOf<TypeConfig>>(entry.value())?.log_id()),
            None => last_purged_log_id,
        };
        Ok(LogState { last_purged_log_id, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<TypeConfig>) -> Result<(), io::Error> {
        let vote = encode(vote)?;
        blocking(&self.database, move |database| write_meta(database, &[(VOTE, vote)])).await
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<TypeConfig>>) -> Result<(), io::Error> {
        let committed = encode(&committed)?;
        blocking(&self.database, move |database| write_meta(database, &[(COMMITTED, committed)])).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<TypeConfig>>, io::Error> {
        Ok(read_meta::<Option<_>>(&self.database, COMMITTED)?.flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded: io::Result<Vec<(u64, Vec<u8>)>> =
            entries.into_iter().map(|entry| Ok((entry.index(), encode(&entry)?))).collect();
        let encoded = encoded?;
        let result = blocking(&self.database, move |database| {
            let write = database.begin_write().map_err(other)?;
            {
                let mut table = write.open_table(LOG).map_err(other)?;
                for (index, entry) in &encoded {
                    table.insert(*index, entry.as_slice()).map_err(other)?;
                }
            }
            write.commit().map_err(other)
        })
        .await;
        callback.io_completed(result);
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogIdOf<TypeConfig>>) -> Result<(), io::Error> {
        let first = last_log_id.map_or(0, |log_id| log_id.index + 1);
        blocking(&self.database, move |database| {
            let write = database.begin_write().map_err(other)?;
            write
                .open_table(LOG)
                .map_err(other)?
                .retain_in::<u64, _>(first.., |_, _| false)
                .map_err(other)?;
            write.commit().map_err(other)
        })
        .await
    }

    async fn purge(&mut self, log_id: LogIdOf<TypeConfig>) -> Result<(), io::Error> {
        let purged = encode(&log_id)?;
        blocking(&self.database, move |database| {
            let write = database.begin_write().map_err(other)?;
            write.open_table(META).map_err(other)?.insert(PURGED, purged.as_slice()).map_err(other)?;
            write
                .open_table(LOG)
                .map_err(other)?
                .retain_in::<u64, _>(..=log_id.index, |_, _| false)
                .map_err(other)?;
            write.commit().map_err(other)
        })
        .await
    }
}
