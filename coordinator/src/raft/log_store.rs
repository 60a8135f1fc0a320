//! Log, vote and snapshot in one redb file. Keeps true: what is acknowledged is on disk; a file that has forgotten some of
//! it is not used.
//!
//! redb goes back to the write before the last if the last does not check, as after a crash in the middle of it. It cannot tell that
//! from damage to a write that was finished, and so acknowledged to others, who count on it. So the number of finished writes
//! also stands in a file beside it. That one is written after each and never synced: what it says may be less than what
//! was written, never more.

use super::TypeConfig;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::RangeBounds;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";
/// How many writes were finished, as eight bytes, little end first.
const WRITES: &str = "writes";

/// The file, and how much of it was acknowledged.
pub(super) struct Store {
    database: Database,
    /// The number of the last finished write, in the form of [`WRITES`].
    tip: Mutex<File>,
}

impl Store {
    /// Runs `work` as one write that is on disk when this returns.
    fn write(&self, work: impl FnOnce(&WriteTransaction) -> io::Result<()>) -> io::Result<()> {
        let tip = self.tip.lock().map_err(|_| io::Error::other("a write before this one panicked"))?;
        let write = self.database.begin_write().map_err(other)?;
        work(&write)?;
        let count = {
            let mut meta = write.open_table(META).map_err(other)?;
            let count = number(meta.get(WRITES).map_err(other)?.map(|bytes| bytes.value().to_vec())) + 1;
            meta.insert(WRITES, count.to_le_bytes().as_slice()).map_err(other)?;
            count
        };
        write.commit().map_err(other)?;
        tip.write_all_at(&count.to_le_bytes(), 0)
    }
}

fn number(bytes: Option<Vec<u8>>) -> u64 {
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Opens or creates the file with its tables.
///
/// - Errors: it cannot be read or written, is damaged, or has forgotten what was acknowledged.
pub(super) fn open(file: &Path) -> io::Result<Store> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let database = Database::create(file).map_err(other)?;
    let write = database.begin_write().map_err(other)?;
    write.open_table(LOG).map_err(other)?;
    let holds = number(
        write.open_table(META).map_err(other)?.get(WRITES).map_err(other)?.map(|b| b.value().to_vec()),
    );
    write.commit().map_err(other)?;
    let tip = file.with_extension("tip");
    let tip = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(tip)?;
    let mut finished = [0; 8];
    // Shorter: it is new, or the folder is older than these files.
    let finished = tip.read_exact_at(&mut finished, 0).map_or(0, |()| u64::from_le_bytes(finished));
    if holds < finished {
        let why = format!(
            "it holds {holds} of {finished} writes that were finished: its end is damaged, or it is an old copy"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    // Takes its room on the disk now, while there is some.
    tip.write_all_at(&holds.to_le_bytes(), 0)?;
    Ok(Store { database, tip: Mutex::new(tip) })
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
pub(super) fn read_meta<T: DeserializeOwned>(store: &Store, key: &str) -> io::Result<Option<T>> {
    let read = store.database.begin_read().map_err(other)?;
    let table = read.open_table(META).map_err(other)?;
    table.get(key).map_err(other)?.map(|bytes| decode(bytes.value())).transpose()
}

/// Writes single values together, durably.
pub(super) fn write_meta(store: &Store, values: &[(&str, Vec<u8>)]) -> io::Result<()> {
    store.write(|write| {
        let mut table = write.open_table(META).map_err(other)?;
        for (key, value) in values {
            table.insert(*key, value.as_slice()).map_err(other)?;
        }
        Ok(())
    })
}

/// Runs `work` where waiting for the disk holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || work(&store)).await.map_err(other)?
}

/// The Raft log on disk.
#[derive(Clone)]
pub(super) struct LogStore {
    store: Arc<Store>,
}

impl LogStore {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<EntryOf<TypeConfig>>, io::Error> {
        let read = self.store.database.begin_read().map_err(other)?;
        let table = read.open_table(LOG).map_err(other)?;
        let entries = table.range(range).map_err(other)?;
        entries.map(|entry| decode(entry.map_err(other)?.1.value())).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<TypeConfig>>, io::Error> {
        read_meta(&self.store, VOTE)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let last_purged_log_id: Option<LogIdOf<TypeConfig>> = read_meta(&self.store, PURGED)?;
        let read = self.store.database.begin_read().map_err(other)?;
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
        blocking(&self.store, move |store| write_meta(store, &[(VOTE, vote)])).await
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<TypeConfig>>) -> Result<(), io::Error> {
        let committed = encode(&committed)?;
        blocking(&self.store, move |store| write_meta(store, &[(COMMITTED, committed)])).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<TypeConfig>>, io::Error> {
        Ok(read_meta::<Option<_>>(&self.store, COMMITTED)?.flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded: io::Result<Vec<(u64, Vec<u8>)>> =
            entries.into_iter().map(|entry| Ok((entry.index(), encode(&entry)?))).collect();
        let encoded = encoded?;
        let result = blocking(&self.store, move |store| {
            store.write(|write| {
                let mut table = write.open_table(LOG).map_err(other)?;
                for (index, entry) in &encoded {
                    table.insert(*index, entry.as_slice()).map_err(other)?;
                }
                Ok(())
            })
        })
        .await;
        callback.io_completed(result);
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogIdOf<TypeConfig>>) -> Result<(), io::Error> {
        let first = last_log_id.map_or(0, |log_id| log_id.index + 1);
        blocking(&self.store, move |store| {
            store.write(|write| {
                write
                    .open_table(LOG)
                    .map_err(other)?
                    .retain_in::<u64, _>(first.., |_, _| false)
                    .map_err(other)?;
                Ok(())
            })
        })
        .await
    }

    async fn purge(&mut self, log_id: LogIdOf<TypeConfig>) -> Result<(), io::Error> {
        let purged = encode(&log_id)?;
        blocking(&self.store, move |store| {
            store.write(|write| {
                write.open_table(META).map_err(other)?.insert(PURGED, purged.as_slice()).map_err(other)?;
                write
                    .open_table(LOG)
                    .map_err(other)?
                    .retain_in::<u64, _>(..=log_id.index, |_, _| false)
                    .map_err(other)?;
                Ok(())
            })
        })
        .await
    }
}
