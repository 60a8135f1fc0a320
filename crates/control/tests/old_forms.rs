//! Snapshots and log entries of versions before ours can still be read.

use conclave_control::{Change, ClusterState, Command, EventKind, History};
use conclave_types::{ExpertKey, LogIndex, NodeId, PlacementEpoch, PlacementMap, Timestamp};

/// Written before there were pins and a history.
const SNAPSHOT: &str = r#"{"applied":7,"settings":{"replicas":2,"nodes_min":1},"model":{"name":"tiny","digest":
    "0101010101010101010101010101010101010101010101010101010101010101","layers":[[0,1]],"expert_bytes":100},
    "nodes":{"1":{"name":"a","address":"a:1","incarnation":2,"capacity":null,"zone":"","numerics":"test",
    "state":"Ready","draining":false}},"next_node":1,"epoch":1,"placement":[[{"layer":0,"expert":0},[1]]],
    "target":null}"#;

/// Written before entries said who and when: what a node and an operator asked for, and what the leader decided.
const ENTRIES: [&str; 3] = [
    r#"{"DrainNode":{"name":"a","draining":false}}"#,
    r#"{"SetNodeState":{"node":1,"incarnation":2,"state":"Down"}}"#,
    r#"{"ProposeTarget":{"base":1,"map":[[{"layer":0,"expert":0},[1]]],"why":"test"}}"#,
];

#[test]
fn an_old_snapshot_restores_with_no_pins_and_no_history_and_goes_on() {
    let mut state = ClusterState::restore(SNAPSHOT.as_bytes()).unwrap();
    assert_eq!((&state.pins, &state.history), (&PlacementMap::new(), &History::default()));
    assert_eq!((state.epoch, state.nodes[&NodeId(1)].name.as_str()), (PlacementEpoch(1), "a"));
    assert!(state.history.origin(ExpertKey::new(0, 0), NodeId(1)).is_none(), "older than the record");
    for (entry, index) in ENTRIES.into_iter().zip(8..) {
        let change: Change = serde_json::from_str(entry).unwrap();
        assert_eq!((&change.by, change.at), (&None, Timestamp(0)));
        state.apply(LogIndex(index), change);
    }
    let kinds: Vec<EventKind> = state.history.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Changed, EventKind::Verdict, EventKind::Proposed]);
    assert_eq!(ClusterState::restore(&state.snapshot()).unwrap(), state);
}

#[test]
fn an_entry_keeps_who_and_when() {
    let command: Command = serde_json::from_str(ENTRIES[0]).unwrap();
    let change = Change { command, by: Some("anna".to_owned()), at: Timestamp(5) };
    let written = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&written).unwrap(), change);
}
