//! The leader's loop: it hears heartbeats, asks the rules what shall happen, and puts that into the log.

use crate::clock;
use crate::monitor;
use crate::raft::{Consensus, WriteError};
use conclave_control::command::{Change, Command, ConfigureCluster, Reply};
use conclave_control::{
    ClusterState, Explanation, HeartbeatAnswer, NodeReport, Observations, Patience, Planned, Rest, Settings,
    WhatIf, what_if,
};
use conclave_proto::convert::coordinator::GatewayReport;
use conclave_types::{ExpertKey, LogIndex, Millis, NodeId};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the rules are asked.
const TICK: Duration = Duration::from_millis(100);

/// What the leader knows besides the log; empty on all others.
#[derive(Default)]
struct Memory {
    /// The term of `seen`: a new term starts with an empty memory.
    term: Option<u64>,
    /// When this coordinator began to lead in that term.
    since: Option<Millis>,
    seen: Option<Observations>,
    waiting: String,
}

/// What the leader heard from one node.
pub(crate) struct Heard {
    pub(crate) node: NodeId,
    /// Since its last sign of life; `None`: there was none.
    pub(crate) silence: Option<Millis>,
    pub(crate) report: NodeReport,
    /// Why it is given no more experts; `None`: it may get some.
    pub(crate) stuck: Option<String>,
    /// What gateways think of it; `None`: nothing bad.
    pub(crate) viewed: Option<String>,
}

/// What the leader heard, and what the placement waits for.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) nodes: Vec<Heard>,
    /// Empty: nothing.
    pub(crate) waiting: String,
}

/// Shared by the loop and the calls of nodes.
#[derive(Clone)]
pub(crate) struct Controller {
    consensus: Consensus,
    memory: Arc<Mutex<Memory>>,
    started: Instant,
    patience: Patience,
    settings: Settings,
    /// Held by who gives a new group its settings.
    founding: Arc<tokio::sync::Mutex<()>>,
}

impl Controller {
    pub(crate) fn new(consensus: Consensus, patience: Patience, settings: Settings) -> Self {
        Self {
            consensus,
            memory: Arc::default(),
            started: Instant::now(),
            patience,
            settings,
            founding: Arc::default(),
        }
    }

    fn now(&self) -> Millis {
        Millis(self.started.elapsed().as_millis() as u64)
    }

    /// Runs `with` on the observations of the present term; `None`: this coordinator does not lead.
    fn lead<T>(&self, with: impl FnOnce(&mut Observations, &mut String) -> T) -> Option<T> {
        let mut memory = self.memory.lock().expect("no panic holds this lock");
        let Some(term) = self.consensus.leads() else {
            *memory = Memory::default();
            return None;
        };
        if memory.term != Some(term) {
            let state = self.consensus.state();
            let seen = Observations::new(self.now(), self.patience, &state.borrow());
            tracing::info!(term, "this coordinator leads");
            let since = Some(self.now());
            *memory = Memory { term: Some(term), since, seen: Some(seen), waiting: String::new() };
        }
        let Memory { seen, waiting, .. } = &mut *memory;
        Some(with(seen.as_mut().expect("set with the term"), waiting))
    }

    /// Takes a heartbeat; `None`: this coordinator does not lead.
    pub(crate) fn heartbeat(&self, node: NodeId, report: NodeReport) -> Option<HeartbeatAnswer> {
        let state = self.consensus.state().borrow().clone();
        self.lead(|seen, _| seen.heartbeat(self.now(), &state, node, report))
    }

    /// Commits a command that `by` asked for, or with `None` a node or the rules.
    pub(crate) async fn write(&self, by: Option<String>, command: Command) -> Result<Reply, WriteError> {
        self.found().await?;
        self.consensus.write(Change { command, by, at: clock::now() }).await
    }

    fn is_new(&self) -> bool {
        self.consensus.state().borrow().applied == LogIndex(0)
    }

    /// Gives a new group its settings, before anybody's change: after one, the group would be none that is new.
    async fn found(&self) -> Result<(), WriteError> {
        if !self.is_new() {
            return Ok(());
        }
        let _one = self.founding.lock().await;
        // A coordinator that was just started has yet to apply what its log holds.
        self.consensus.confirm().await?;
        if self.is_new() {
            let command = Command::ConfigureCluster(ConfigureCluster { settings: self.settings.clone() });
            let what = describe(&command);
            self.consensus.write(Change { command, by: None, at: clock::now() }).await?;
            tracing::info!(what, "decided");
        }
        Ok(())
    }

    /// How long this coordinator has led; `None`: it does not.
    pub(crate) fn leading(&self) -> Option<Millis> {
        self.lead(|_, _| ())?;
        let memory = self.memory.lock().expect("no panic holds this lock");
        memory.since.map(|since| self.now().since(since))
    }

    /// What is moved for an operator who asks now, [`Observations::asked`]; `None`: this coordinator does not lead.
    pub(crate) fn asked(&self, state: &ClusterState) -> Option<Result<(Planned, Option<Rest>), String>> {
        self.lead(|seen, _| seen.asked(self.now(), state))
    }

    /// What would happen if the nodes `dead` died under the load of now, unless nothing is placed; `None`: this coordinator
    /// does not lead.
    pub(crate) fn what_if(&self, dead: &[NodeId]) -> Option<Option<WhatIf>> {
        let state = self.consensus.state().borrow().clone();
        self.lead(|seen, _| what_if(&state, &seen.load(self.now()), dead))
    }

    /// Why an expert is where it is, or why there is none; `None`: this coordinator does not lead.
    pub(crate) fn explain(&self, key: ExpertKey) -> Option<Result<Explanation, String>> {
        let state = self.consensus.state().borrow().clone();
        self.lead(|seen, _| seen.explain(self.now(), &state, key))
    }

    /// Why the planner could not follow `command`; `None`: it can, or this coordinator does not lead.
    pub(crate) fn objection(&self, command: &Command) -> Option<String> {
        let state = self.consensus.state().borrow().clone();
        self.lead(|seen, _| seen.objection(self.now(), &state, command)).flatten()
    }

    /// Takes a gateway's report; whether it is of the model that is served. `None`: this coordinator does not lead.
    pub(crate) fn report_load(
        &self,
        GatewayReport { gateway, model, loads, views }: GatewayReport,
    ) -> Option<bool> {
        let state = self.consensus.state().borrow().clone();
        self.lead(|seen, _| seen.report_load(self.now(), &state, gateway, model, (loads, views)))
    }

    /// Notes that a node has registered.
    pub(crate) fn registered(&self, node: NodeId) {
        self.lead(|seen, _| seen.registered(self.now(), node));
    }

    /// What the nodes told; `None`: this coordinator does not lead.
    pub(crate) fn told(&self) -> Option<Told> {
        let state = self.consensus.state().borrow().clone();
        let now = self.now();
        self.lead(|seen, waiting| {
            let heard = |node: &NodeId| Heard {
                node: *node,
                silence: seen.silence(now, *node),
                report: seen.report(&state, *node).cloned().unwrap_or_default(),
                stuck: seen.stuck(now, *node),
                viewed: seen.viewed(now, *node),
            };
            Told { nodes: state.nodes.keys().map(heard).collect(), waiting: waiting.clone() }
        })
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = shutdown.cancelled() => return,
            }
            if self.lead(|_, _| ()).is_some()
                && let Err(error) = self.found().await
            {
                tracing::debug!(%error, "the group has no settings yet");
                continue;
            }
            let state = self.consensus.state().borrow().clone();
            let decide = |seen: &mut Observations, waiting: &mut String| {
                let decision = seen.decide(self.now(), &state);
                if *waiting != decision.waiting {
                    if !decision.waiting.is_empty() {
                        tracing::info!(waiting_for = decision.waiting, "placement");
                    }
                    *waiting = decision.waiting;
                }
                if let Some(rest) = decision.rest {
                    tracing::debug!(%rest, "the load moves nothing");
                }
                decision.commands
            };
            for command in self.lead(decide).unwrap_or_default() {
                let what = describe(&command);
                let outcome = outcome(&command);
                match self.write(None, command).await {
                    Ok(Reply::Rejected { why }) => tracing::info!(what, why, "overtaken"),
                    Ok(_) => {
                        tracing::info!(what, "decided");
                        outcome.into_iter().for_each(monitor::placement);
                    }
                    Err(WriteError::NotLeader(_)) => break,
                    Err(error) => {
                        tracing::warn!(what, %error, "not decided");
                        break;
                    }
                }
            }
        }
    }
}

/// What a command does to the placement, for the metric.
fn outcome(command: &Command) -> Option<&'static str> {
    match command {
        Command::ProposeTarget(_) => Some("proposed"),
        Command::PublishTarget(_) => Some("published"),
        Command::CancelTarget(_) => Some("cancelled"),
        _ => None,
    }
}

/// A command in a log line's length.
fn describe(command: &Command) -> String {
    match command {
        Command::ConfigureCluster(c) => {
            let Settings { replicas, nodes_min, extra_percent, moves_max } = c.settings;
            format!(
                "replicas {replicas}, at least {nodes_min} nodes, extra copies {extra_percent} %, moves {moves_max}"
            )
        }
        Command::RegisterNode(c) => format!("register {}", c.name),
        Command::SetNodeState(c) => format!("node {} is {}", c.node, c.state.name()),
        Command::DrainNode(c) => format!("drain {}: {}", c.name, c.draining),
        Command::PinExpert(c) => format!("pin {} to {}", c.key, c.node),
        Command::UnpinExpert(c) => format!("unpin {}", c.key),
        Command::SetReplicas(c) => format!("replicas {}", c.replicas),
        Command::NoteCoordinators(c) => c.text.clone(),
        Command::ProposeTarget(c) => format!("load a new placement: {}", c.why),
        Command::PublishTarget(c) => format!("publish target {}", c.target),
        Command::CancelTarget(c) => format!("cancel target {}: {}", c.target, c.why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::command::NoteCoordinators;
    use conclave_transport::Credentials;

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_comes_first_finds_the_settings_of_a_new_group() {
        let folder = tempfile::tempdir().unwrap();
        let consensus = Consensus::start(1, folder.path(), Credentials::default()).await.unwrap();
        consensus.initialize(&[(1, "127.0.0.1:1".to_owned())].into()).await.unwrap();
        while consensus.leads().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let patience =
            Patience { lease: Millis(3000), replace_after: Millis(300_000), progress: Millis(60_000) };
        let settings = Settings { replicas: 3, nodes_min: 4, ..Settings::default() };
        let controller = Controller::new(consensus.clone(), patience, settings.clone());
        let note = || Command::NoteCoordinators(NoteCoordinators { text: "first".to_owned() });
        let (one, two) = tokio::join!(controller.write(None, note()), controller.write(None, note()));
        assert_eq!((one.unwrap(), two.unwrap()), (Reply::Done, Reply::Done));
        let state = consensus.state().borrow().clone();
        assert_eq!(state.settings, settings);
        let texts: Vec<&str> = state.history.events.iter().map(|event| event.text.as_str()).collect();
        assert!(texts[0].starts_with("the settings are 3 homes for each expert"), "{texts:?}");
        assert_eq!(texts[1..], ["first", "first"]);
    }
}
