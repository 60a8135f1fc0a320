//! What operators ask and are told: changes, events, explanations, moves.
//!
//! Keeps true: what is decoded from what was encoded is equal; whatever a peer sends gives a value or
//! `Malformed`, never a panic.

use super::coordinator::{Malformed, node, node_message};
use crate::coordinator as wire;
use conclave_control::command::{Command, DrainNode, PinExpert, SetReplicas, UnpinExpert};
use conclave_control::{Event, EventKind, Explanation, Home, Intent, Move, Pin, Since};
use conclave_types::{ExpertKey, LogIndex, NodeId, PlacementEpoch, Timestamp};
use wire::change_request::What;

/// The message by which `by` asks for `command`; refused if it is none that operators may ask for.
pub fn change_request(by: &str, command: &Command) -> Result<wire::ChangeRequest, Malformed> {
    let what = match command {
        Command::DrainNode(c) => What::Drain(wire::Drain { node: c.name.clone(), draining: c.draining }),
        Command::PinExpert(c) => {
            What::Pin(wire::PinExpert { layer: c.key.layer.0, expert: c.key.expert.0, node: c.node.clone() })
        }
        Command::UnpinExpert(c) => What::Unpin(wire::UnpinExpert {
            layer: c.key.layer.0,
            expert: c.key.expert.0,
            node: c.node.clone(),
        }),
        Command::SetReplicas(c) => What::Replicas(wire::SetReplicas { replicas: c.replicas }),
        other => return Err(Malformed(format!("no operator asks for {other:?}"))),
    };
    Ok(wire::ChangeRequest { by: by.to_owned(), what: Some(what) })
}

/// Who asks for what.
pub fn change(message: wire::ChangeRequest) -> Result<(String, Command), Malformed> {
    let command = match message.what {
        None => return Err(Malformed("a change of nothing".to_owned())),
        Some(What::Drain(c)) => Command::DrainNode(DrainNode { name: c.node, draining: c.draining }),
        Some(What::Pin(c)) => {
            Command::PinExpert(PinExpert { key: ExpertKey::new(c.layer, c.expert), node: c.node })
        }
        Some(What::Unpin(c)) => {
            Command::UnpinExpert(UnpinExpert { key: ExpertKey::new(c.layer, c.expert), node: c.node })
        }
        Some(What::Replicas(c)) => Command::SetReplicas(SetReplicas { replicas: c.replicas }),
    };
    Ok((message.by, command))
}

const KINDS: [(EventKind, wire::EventKind); 7] = [
    (EventKind::Registered, wire::EventKind::Registered),
    (EventKind::Verdict, wire::EventKind::Verdict),
    (EventKind::Proposed, wire::EventKind::Proposed),
    (EventKind::Published, wire::EventKind::Published),
    (EventKind::Cancelled, wire::EventKind::Cancelled),
    (EventKind::Changed, wire::EventKind::Changed),
    (EventKind::Coordinators, wire::EventKind::Coordinators),
];

/// The message of an event.
pub fn event_message(event: &Event) -> wire::Event {
    let kind = KINDS.iter().find(|(ours, _)| *ours == event.kind).expect("every kind is in the table").1;
    wire::Event {
        index: event.index.0,
        at_ms: event.at.0,
        by: event.by.clone(),
        kind: kind.into(),
        text: event.text.clone(),
    }
}

/// The event of a message.
pub fn event(message: wire::Event) -> Result<Event, Malformed> {
    let kind = KINDS.iter().find(|(_, theirs)| *theirs == message.kind());
    let kind = kind.ok_or_else(|| Malformed(format!("event kind {}", message.kind)))?.0;
    Ok(Event {
        index: LogIndex(message.index),
        at: Timestamp(message.at_ms),
        by: message.by,
        kind,
        text: message.text,
    })
}

fn intent_message(intent: &Intent) -> wire::Intent {
    wire::Intent { nodes: ids(&intent.homes), why: intent.why.clone() }
}

fn intent(message: wire::Intent) -> Intent {
    Intent { homes: nodes(message.nodes), why: message.why }
}

fn ids(nodes: &[NodeId]) -> Vec<u64> {
    nodes.iter().map(|node| node.0).collect()
}

fn nodes(ids: Vec<u64>) -> Vec<NodeId> {
    ids.into_iter().map(NodeId).collect()
}

/// The message of an explanation.
pub fn explanation_message(told: &Explanation) -> wire::Explanation {
    let since =
        |since: &Since| wire::Since { epoch: since.epoch.0, at_ms: since.at.0, why: since.why.clone() };
    let home = |home: &Home| wire::Home { node: home.node.0, since: home.since.as_ref().map(since) };
    wire::Explanation {
        layer: told.key.layer.0,
        expert: told.key.expert.0,
        epoch: told.epoch.0,
        replicas: told.replicas,
        homes: told.homes.iter().map(home).collect(),
        pins: told.pins.iter().map(|pin| wire::Pin { node: pin.node.0, rests: pin.rests.clone() }).collect(),
        target: told.loading.as_ref().map_or(0, |(target, _)| target.0),
        loading: told.loading.as_ref().map(|(_, intent)| intent_message(intent)),
        planned: told.planned.as_ref().ok().map(intent_message),
        waiting: told.planned.as_ref().err().cloned().unwrap_or_default(),
        nodes: told.nodes.iter().map(node_message).collect(),
    }
}

/// The explanation of a message.
pub fn explanation(message: wire::Explanation) -> Result<Explanation, Malformed> {
    let target = LogIndex(message.target);
    let since = |since: wire::Since| Since {
        epoch: PlacementEpoch(since.epoch),
        at: Timestamp(since.at_ms),
        why: since.why,
    };
    let home = |home: wire::Home| Home { node: NodeId(home.node), since: home.since.map(since) };
    Ok(Explanation {
        key: ExpertKey::new(message.layer, message.expert),
        epoch: PlacementEpoch(message.epoch),
        replicas: message.replicas,
        homes: message.homes.into_iter().map(home).collect(),
        pins: message.pins.into_iter().map(|pin| Pin { node: NodeId(pin.node), rests: pin.rests }).collect(),
        loading: message.loading.map(|loading| (target, intent(loading))),
        planned: message.planned.map(intent).ok_or(message.waiting),
        nodes: message.nodes.into_iter().map(node).collect::<Result<_, _>>()?,
    })
}

/// The message of a move.
pub fn move_message(change: &Move) -> wire::Move {
    wire::Move {
        layer: change.key.layer.0,
        expert: change.key.expert.0,
        loads: ids(&change.loads),
        leaves: ids(&change.leaves),
    }
}

/// The message of an expert.
pub fn expert_message(key: &ExpertKey) -> wire::Expert {
    wire::Expert { layer: key.layer.0, expert: key.expert.0 }
}

/// The expert of a message.
pub fn expert(message: &wire::Expert) -> ExpertKey {
    ExpertKey::new(message.layer, message.expert)
}

/// The move of a message.
pub fn moved(message: wire::Move) -> Move {
    Move {
        key: ExpertKey::new(message.layer, message.expert),
        loads: nodes(message.loads),
        leaves: nodes(message.leaves),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::command::NoteCoordinators;
    use conclave_control::{Node, NodeState};

    #[test]
    fn changes_survive_their_messages_and_others_are_refused() {
        let key = ExpertKey::new(2, 3);
        let name = || "a".to_owned();
        let commands = [
            Command::DrainNode(DrainNode { name: name(), draining: true }),
            Command::PinExpert(PinExpert { key, node: name() }),
            Command::UnpinExpert(UnpinExpert { key, node: None }),
            Command::UnpinExpert(UnpinExpert { key, node: Some(name()) }),
            Command::SetReplicas(SetReplicas { replicas: 3 }),
        ];
        for command in commands {
            let message = change_request("anna", &command).unwrap();
            assert_eq!(change(message).unwrap(), ("anna".to_owned(), command));
        }
        assert!(
            change_request("anna", &Command::NoteCoordinators(NoteCoordinators { text: name() })).is_err()
        );
        assert!(change(wire::ChangeRequest::default()).is_err());
    }

    #[test]
    fn events_moves_and_explanations_survive_their_messages() {
        for (kind, _) in KINDS {
            let told = Event {
                index: LogIndex(1),
                at: Timestamp(2),
                by: Some("anna".to_owned()),
                kind,
                text: "t".to_owned(),
            };
            assert_eq!(event(event_message(&told)).unwrap(), told);
        }
        assert!(event(wire::Event::default()).is_err());
        let change = Move { key: ExpertKey::new(1, 2), loads: vec![NodeId(3)], leaves: vec![NodeId(4)] };
        assert_eq!(moved(move_message(&change)), change);
        let node = Node {
            name: "a".to_owned(),
            address: "a:1".to_owned(),
            incarnation: LogIndex(1),
            capacity: None,
            zone: String::new(),
            numerics: "n".to_owned(),
            state: NodeState::Ready,
            draining: false,
        };
        let intent = Intent { homes: vec![NodeId(1)], why: "w".to_owned() };
        let since = Since { epoch: PlacementEpoch(1), at: Timestamp(2), why: "w".to_owned() };
        for (loading, planned, since) in [
            (None, Err("waits".to_owned()), None),
            (Some((LogIndex(9), intent.clone())), Ok(intent), Some(since)),
        ] {
            let told = Explanation {
                key: ExpertKey::new(1, 2),
                epoch: PlacementEpoch(3),
                replicas: 2,
                homes: vec![Home { node: NodeId(1), since }],
                pins: vec![Pin { node: NodeId(1), rests: "r".to_owned() }],
                loading,
                planned,
                nodes: [(NodeId(1), node.clone())].into(),
            };
            assert_eq!(explanation(explanation_message(&told)).unwrap(), told);
        }
    }
}
