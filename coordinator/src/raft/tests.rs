//! The storage against openraft's own suite, and against restarts.

use super::log_store::{self, LogStore};
use super::state_machine::StateMachine;
use super::{Consensus, TypeConfig};
use conclave_control::Settings;
use conclave_control::command::{Command, ConfigureCluster, Reply};
use conclave_transport::Credentials;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let database = Arc::new(log_store::open(&folder.path().join("raft.redb")).expect("a new file"));
        let (machine, _) = StateMachine::open(database.clone()).expect("an empty file");
        Ok((folder, LogStore::new(database), machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_passes_openrafts_own_suite() {
    Suite::test_all(Fresh).await.unwrap();
}

fn configure(nodes_min: u32) -> Command {
    Command::ConfigureCluster(ConfigureCluster { settings: Settings { nodes_min, ..Settings::default() } })
}

async fn leading(consensus: &Consensus) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while consensus.leads().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a single coordinator becomes the leader");
}

/// Starts on the same file; the tasks of the one before let go of it a moment after they were stopped.
async fn again(folder: &std::path::Path) -> Consensus {
    for _ in 0..200 {
        match Consensus::start(1, folder, Credentials::default()).await {
            Err(error) if error.to_string().contains("already open") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return result.unwrap(),
        }
    }
    panic!("the file is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_restart_with_and_without_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    // 1,200 commands force snapshots on the way (every 500 entries); the last ones are only in the log.
    for round in 0..2_u32 {
        let consensus = again(folder.path()).await;
        if round == 0 {
            consensus.initialize(&[(1, "127.0.0.1:1".to_owned())].into()).await.unwrap();
        }
        leading(&consensus).await;
        if round == 1 {
            assert_eq!(consensus.write(configure(7)).await.unwrap(), Reply::Done);
            assert_eq!(consensus.state().borrow().settings.nodes_min, 7);
            assert!(consensus.state().borrow().applied.0 > 1_200);
            let snapshot =
                consensus.raft.get_snapshot().await.unwrap().expect("a snapshot was built on the way");
            assert!(snapshot.meta.last_log_id.is_some_and(|last| last.index >= 500));
        } else {
            for nodes_min in 1..=1_200 {
                consensus.write(configure(nodes_min)).await.unwrap();
            }
        }
        consensus.stop().await;
        drop(consensus);
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raft.redb"), b"this is no log").unwrap();
    let error = Consensus::start(1, folder.path(), Credentials::default()).await.err().unwrap();
    assert!(error.to_string().contains("raft.redb"), "{error}");
}

/// Where two versions of a file differ, by pages.
fn pages_changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    let page = |file: &[u8], at: usize| file.get(at..at + 4096).map(<[u8]>::to_vec);
    (0..after.len()).step_by(4096).filter(|at| page(before, *at) != page(after, *at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_last_acknowledged_write_is_damaged_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let consensus = Consensus::start(1, folder.path(), Credentials::default()).await.unwrap();
    consensus.initialize(&[(1, "127.0.0.1:1".to_owned())].into()).await.unwrap();
    leading(&consensus).await;
    for nodes_min in 1..5 {
        assert_eq!(consensus.write(configure(nodes_min)).await.unwrap(), Reply::Done);
    }
    // As a process leaves its files that is killed here, and after one more change.
    let file = folder.path().join("raft.redb");
    let read = || std::fs::read(&file).unwrap();
    let before = read();
    assert_eq!(consensus.write(configure(5)).await.unwrap(), Reply::Done);
    let (after, tip) = (read(), std::fs::read(folder.path().join("raft.tip")).unwrap());
    let start = async |content: &[u8]| {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("raft.redb"), content).unwrap();
        std::fs::write(copy.path().join("raft.tip"), &tip).unwrap();
        let started = Consensus::start(1, copy.path(), Credentials::default()).await;
        let applied = async |consensus: Consensus| {
            leading(&consensus).await;
            consensus.write(configure(6)).await.unwrap();
            consensus.state().borrow().history.events.len()
        };
        match started {
            Ok(consensus) => Ok(applied(consensus).await),
            Err(error) => Err(error.to_string()),
        }
    };
    assert_eq!(start(&after).await, Ok(6), "killed, but nothing was damaged");
    let refused = start(&before).await.unwrap_err();
    assert!(refused.contains("writes that were finished") && refused.contains("new id"), "{refused}");
    // Page 0 names the roots of the last two writes.
    let changed: Vec<usize> = pages_changed(&before, &after).into_iter().filter(|at| *at > 0).collect();
    assert!(!changed.is_empty());
    let mut torn = after.clone();
    changed.iter().for_each(|at| torn[*at..*at + 4096].iter_mut().for_each(|byte| *byte ^= 0xFF));
    let refused = start(&torn).await.unwrap_err();
    assert!(refused.contains("new id"), "{refused}");
    let refused = start(&after[..after.len() / 2]).await.unwrap_err();
    assert!(refused.contains("new id"), "{refused}");
}
