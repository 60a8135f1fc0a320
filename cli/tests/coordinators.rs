//! Coordinators as real processes: added, removed, killed, all at once, far behind. What one of them acknowledged is never
//! lost. No expert node is needed for that.

mod common;

use common::{Process, free_address, wait_until};
use conclave_control::command::{Command as Change, SetReplicas};
use conclave_control_rpc::{CoordinatorClient, Credentials};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Coordinators with ids from 1, those that found the group first.
struct Group {
    folder: TempDir,
    founders: usize,
    addresses: Vec<String>,
    running: BTreeMap<usize, Process>,
}

impl Group {
    /// Starts `founders` coordinators; `more` addresses are kept for others.
    fn start(founders: usize, more: usize) -> Self {
        let addresses = (0..founders + more).map(|_| free_address()).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut group = Self { folder, founders, addresses, running: BTreeMap::new() };
        (1..=founders).for_each(|id| group.run(id));
        group.leader();
        group
    }

    fn data(&self, id: usize) -> PathBuf {
        self.folder.path().join(id.to_string())
    }

    fn command(&self, id: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(["--log", "error", "coordinator", "--id", &id.to_string()]);
        command.args(["--listen", &self.addresses[id - 1], "--data", self.data(id).to_str().unwrap()]);
        if id <= self.founders {
            let peers: Vec<String> =
                (1..=self.founders).map(|id| format!("{id}={}", self.addresses[id - 1])).collect();
            command.args(["--peers", &peers.join(",")]);
        } else {
            command.arg("--join");
        }
        command
    }

    fn run(&mut self, id: usize) {
        let child = self.command(id).spawn().unwrap();
        self.running.insert(id, Process(child));
    }

    /// Without warning.
    fn kill(&mut self, id: usize) {
        drop(self.running.remove(&id).expect("it runs"));
    }

    fn ask(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(args).args(["--coordinators", &self.addresses.join(",")]);
        command.env("CONCLAVE_OPERATOR", "tester").output().unwrap()
    }

    /// Succeeds; what it printed.
    fn done(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Is refused; the reason.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.ask(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    fn list(&self) -> Vec<Value> {
        self.json(&["coordinators", "list"]).as_array().cloned().unwrap_or_default()
    }

    fn voters(&self) -> Vec<u64> {
        let voters = self.list().into_iter().filter(|one| one["voter"] == true);
        voters.map(|one| one["id"].as_u64().unwrap()).collect()
    }

    fn leader(&self) -> usize {
        let mut leader = 0;
        wait_until("a coordinator leads", || {
            let found =
                self.list().into_iter().find(|one| one["leader"] == true && !one["matched"].is_null());
            leader = found.map_or(0, |found| found["id"].as_u64().unwrap() as usize);
            leader > 0
        });
        leader
    }

    /// The state as this coordinator alone remembers it.
    fn at(&self, id: usize) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(["status", "--json", "--coordinators", &self.addresses[id - 1]]);
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap_or(Value::Null)
    }

    /// Makes `count` changes, each attempt under a name of its own; the names of those that were acknowledged.
    fn write(&self, count: usize) -> Vec<String> {
        let client = CoordinatorClient::new(self.addresses.clone(), Credentials::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut acknowledged = Vec::new();
            let mut attempts = 0;
            while acknowledged.len() < count {
                let by = format!("w{attempts}");
                let replicas = 1 + acknowledged.len() as u32 % 16;
                match client.change(&by, &Change::SetReplicas(SetReplicas { replicas })).await {
                    Ok(()) => acknowledged.push(by),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
                attempts += 1;
                assert!(attempts < 100 * count, "nobody acknowledges");
            }
            acknowledged
        })
    }

    /// Who did what, of all events that are kept.
    fn authors(&self) -> Vec<String> {
        let events = self.json(&["events", "--last", "0"]).as_array().cloned().unwrap_or_default();
        events.iter().filter_map(|event| event["by"].as_str().map(str::to_owned)).collect()
    }
}

#[test]
fn a_coordinator_joins_votes_and_carries_the_group_when_another_is_lost() {
    let mut group = Group::start(3, 1);
    let four = format!("4={}", group.addresses[3]);
    assert!(group.refused(&["coordinators", "add", &four]).contains("no coordinator answers at"));
    group.run(4);
    wait_until("the fourth listens", || std::net::TcpStream::connect(&group.addresses[3]).is_ok());
    let wrong = format!("5={}", group.addresses[3]);
    assert!(group.refused(&["coordinators", "add", &wrong]).contains("has the id 4, not 5"));
    let taken = format!("2={}", group.addresses[3]);
    assert!(group.refused(&["coordinators", "add", &taken]).contains("coordinator 2 at"));
    assert!(group.done(&["coordinators", "add", &four]).contains("coordinator 4"));
    assert_eq!(group.voters(), [1, 2, 3, 4]);
    assert!(group.done(&["coordinators", "add", &four]).contains("votes"), "asked twice it is done already");

    // Of four that vote three are a majority: without the new one's vote nothing would be acknowledged.
    let lost = if group.leader() == 1 { 2 } else { 1 };
    group.kill(lost);
    group.done(&["replicas", "5"]);
    wait_until("the new one knows", || group.at(4)["replicas"] == 5);

    // It comes back as one of the group, by its own data.
    group.kill(4);
    group.run(lost);
    group.run(4);
    group.done(&["replicas", "6"]);
    wait_until("the new one knows again", || group.at(4)["replicas"] == 6);
    let events = group.done(&["events"]);
    for told in ["coordinator 4 at", "shall join", "votes", "tester"] {
        assert!(events.contains(told), "{told}: {events}");
    }
}

#[test]
fn coordinators_leave_the_leader_too_and_nobody_whose_absence_would_stop_the_group() {
    let mut group = Group::start(3, 1);
    let leader = group.leader();
    group.done(&["replicas", "3"]);
    let left = group.done(&["coordinators", "remove", &leader.to_string()]);
    assert!(left.contains("has left the group"), "{left}");
    assert_eq!((group.voters().len(), group.voters().contains(&(leader as u64))), (2, false));
    wait_until("the removed one ends", || {
        group.running.get_mut(&leader).unwrap().0.try_wait().unwrap().is_some()
    });
    assert_eq!(group.at(group.leader())["replicas"], 3);
    // Started again it says why it cannot go on.
    let again = group.command(leader).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("was removed from the group"), "{said}");
    assert!(group.refused(&["coordinators", "remove", "9"]).contains("there is no coordinator 9; there are"));

    // A third one joins; then one is lost, and another cannot be spared.
    group.run(4);
    wait_until("the fourth listens", || std::net::TcpStream::connect(&group.addresses[3]).is_ok());
    let four = format!("4={}", group.addresses[3]);
    group.done(&["coordinators", "add", &four]);
    let leader = group.leader();
    let lost = (1..=3).find(|id| *id != leader && group.voters().contains(&(*id as u64))).unwrap();
    group.kill(lost);
    let other = group.voters().into_iter().find(|id| *id != leader as u64 && *id != lost as u64).unwrap();
    wait_until("the lost one counts as silent", || {
        let list = group.list();
        let lost = list.iter().find(|one| one["id"] == lost as u64);
        lost.is_some_and(|lost| lost["silence_ms"].as_u64().is_none_or(|silence| silence > 3_500))
    });
    let why = group.refused(&["coordinators", "remove", &other.to_string()]);
    assert!(why.contains(&format!("coordinator {lost} is silent")), "{why}");
    // The lost one can be spared, whoever leads.
    group.done(&["coordinators", "remove", &lost.to_string()]);
    assert_eq!(group.voters().len(), 2);
    group.done(&["replicas", "4"]);
}

#[test]
fn all_of_them_killed_at_once_come_back_with_all_that_was_acknowledged() {
    let mut group = Group::start(3, 0);
    let mut acknowledged = group.write(20);
    for id in 1..=3 {
        group.kill(id);
    }
    (1..=3).for_each(|id| group.run(id));
    group.leader();
    assert_eq!(group.authors(), acknowledged);
    assert_eq!(group.at(1)["replicas"], 4, "the last of them");

    // A leader that is killed amid writes: what got no answer may be there, what got one must be.
    let leader = group.leader();
    let victim = group.running.remove(&leader).unwrap();
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| group.write(200));
        std::thread::sleep(Duration::from_millis(500));
        drop(victim);
        acknowledged = writes.join().unwrap();
    });
    group.run(leader);
    group.leader();
    let authors = group.authors();
    let missing: Vec<&String> = acknowledged.iter().filter(|by| !authors.contains(by)).collect();
    assert_eq!(missing, [""; 0], "of {acknowledged:?}");
}

#[test]
fn whoever_is_too_far_behind_for_the_log_gets_a_snapshot() {
    let mut group = Group::start(3, 1);
    let lost = if group.leader() == 3 { 2 } else { 3 };
    group.kill(lost);
    // Snapshots are made every 500 entries; the log before them is let go of, but for the last 100.
    let acknowledged = group.write(700);
    let leader = group.leader();
    let purged = |group: &Group| group.at(leader)["log"]["purged"].as_u64().unwrap_or_default();
    wait_until("the leader has let go of the log's beginning", || purged(&group) > 300);
    group.done(&["replicas", "7"]);
    // One that voted before, one that is new: neither can be told the entries that are gone.
    group.run(lost);
    group.run(4);
    wait_until("the fourth listens", || std::net::TcpStream::connect(&group.addresses[3]).is_ok());
    group.done(&["coordinators", "add", &format!("4={}", group.addresses[3])]);
    for id in [lost, 4] {
        wait_until("it knows the last change", || group.at(id)["replicas"] == 7);
        let log = &group.at(id)["log"];
        assert!(log["snapshot"].as_u64() > Some(400) && log["purged"].as_u64() > Some(300), "{log}");
    }
    // Without the leader they have to carry it.
    group.kill(leader);
    group.done(&["replicas", "8"]);
    let authors = group.authors();
    assert!(acknowledged.iter().all(|by| authors.contains(by)), "{authors:?}");
}
