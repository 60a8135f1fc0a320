//! Every metric of every role: its name, kind and meaning, and the recorder that renders them.
//!
//! Keeps true: a metric that is recorded is described here; labels have few values (a layer, a node, a code of a closed
//! table), never anything that a client chooses. Does not know when a metric is recorded.

use MetricKind::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric counts like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets of seconds.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus sees it.
    pub name: &'static str,
    /// How it counts.
    pub kind: MetricKind,
    /// What it means, in one sentence.
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: MetricKind, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

/// All of them.
pub const METRICS: &[Metric] = &[
    // every role
    metric("conclave_build_info", Gauge, "Always 1; version and role are labels."),
    metric("conclave_ready", Gauge, "1 while the role can do its work."),
    metric(
        "conclave_certificate_end_timestamp_seconds",
        Gauge,
        "When the certificate ends that is in use between roles (cluster) or towards clients (api).",
    ),
    metric(
        "conclave_certificates_renewed_total",
        Counter,
        "Times that new certificates were taken into use.",
    ),
    metric(
        "conclave_connections_refused_total",
        Counter,
        "Connections and calls that were turned away, by reason; absent before the first.",
    ),
    // gateway
    metric("conclave_connections", Gauge, "Connections to the API's port."),
    metric("conclave_requests_total", Counter, "Requests taken, by endpoint."),
    metric("conclave_request_errors_total", Counter, "Requests answered with an error, by code."),
    metric("conclave_stream_errors_total", Counter, "Streams that ended with an error event, by code."),
    metric("conclave_requests_waiting", Gauge, "Sequences in the queue."),
    metric("conclave_requests_running", Gauge, "Sequences that are computed."),
    metric("conclave_requests_in_flight", Gauge, "Requests that this gateway answers."),
    metric("conclave_prompt_tokens_total", Counter, "Tokens of prompts."),
    metric("conclave_generated_tokens_total", Counter, "Tokens of answers."),
    metric(
        "conclave_prefix_cached_tokens_total",
        Counter,
        "Tokens of prompts that came from the prefix cache.",
    ),
    metric(
        "conclave_time_to_first_token_seconds",
        Histogram,
        "From the arrival of a request to its first token.",
    ),
    metric("conclave_inter_token_seconds", Histogram, "Between two tokens of an answer."),
    metric("conclave_step_seconds", Histogram, "One forward step."),
    metric("conclave_step_tokens_total", Counter, "Tokens of all steps, prompts and answers."),
    metric("conclave_micro_batches_total", Counter, "Parts that steps were cut into."),
    metric("conclave_preemptions_total", Counter, "Sequences that gave their KV blocks back."),
    metric("conclave_kv_bytes", Gauge, "Memory of the KV cache."),
    metric("conclave_kv_bytes_used", Gauge, "Of that, what running sequences hold."),
    metric(
        "conclave_kv_bytes_waiting",
        Gauge,
        "KV memory that waiting sequences will need: prompts and longest answers, common prefixes once.",
    ),
    metric("conclave_body_bytes", Gauge, "Bodies of requests that are not encoded yet."),
    metric("conclave_kv_blocks", Gauge, "KV blocks."),
    metric("conclave_kv_blocks_free", Gauge, "KV blocks that no running sequence holds."),
    metric("conclave_kv_blocks_cached", Gauge, "Free KV blocks that hold a prefix."),
    metric("conclave_nodes_connected", Gauge, "Expert nodes that this gateway is connected to."),
    metric("conclave_experts_uncovered", Gauge, "Experts without a home that can be asked."),
    metric("conclave_placement_epoch", Gauge, "The placement's version as this process knows it."),
    metric("conclave_expert_calls_total", Counter, "Calls to expert nodes that were answered."),
    metric(
        "conclave_expert_calls_failed_total",
        Counter,
        "Calls to expert nodes that failed; another home was asked.",
    ),
    metric(
        "conclave_expert_hedges_total",
        Counter,
        "Extra calls made because a call was late, by outcome: won if they were answered first.",
    ),
    metric(
        "conclave_expert_hedges_refused_total",
        Counter,
        "Late calls that were waited for, by reason: the budget was used up, or the other homes were late too.",
    ),
    metric(
        "conclave_expert_probes_total",
        Counter,
        "Copies of calls sent to nodes that are avoided, by outcome.",
    ),
    metric(
        "conclave_expert_node_state",
        Gauge,
        "What this gateway thinks of a node: 0 asked, 1 slow, 2 failed, 3 quarantined for wrong answers.",
    ),
    metric(
        "conclave_expert_rows_total",
        Counter,
        "Rows routed to an expert, or to a group of neighbours, by layer.",
    ),
    metric("conclave_expert_rows_bytes_total", Counter, "Bytes of rows on the wire, by direction."),
    metric("conclave_layer_seconds", Histogram, "One layer's experts, from the rows to their sum, by lane."),
    metric("conclave_layer_overhead_seconds", Histogram, "Of that, what was not computing."),
    metric(
        "conclave_layer_wait_seconds",
        Histogram,
        "Of that, how long the first answer waited for the last.",
    ),
    metric("conclave_layer_part_seconds", Histogram, "Of that, each part."),
    metric(
        "conclave_requests_forwarded_total",
        Counter,
        "Requests passed on to another gateway, by outcome.",
    ),
    metric("conclave_streams_resumed_total", Counter, "Streams that went on after a loss, by who asked."),
    metric("conclave_peer_gateways_ready", Gauge, "Other gateways that can be sent requests."),
    // expert node
    metric("conclave_node_experts", Gauge, "Experts in memory."),
    metric("conclave_node_expert_bytes", Gauge, "Their memory."),
    metric("conclave_node_trouble", Gauge, "1 while the node cannot load what it shall hold."),
    metric("conclave_node_calls_total", Counter, "Calls answered."),
    metric("conclave_node_calls_waiting", Gauge, "Calls in the queue."),
    metric("conclave_node_calls_refused_total", Counter, "Calls refused, by reason."),
    metric(
        "conclave_node_rows_total",
        Counter,
        "Rows computed, by layer; a row counts once for each of its experts.",
    ),
    metric("conclave_node_queue_seconds", Histogram, "How long a call waited."),
    metric("conclave_node_compute_seconds", Histogram, "How long the product that answered calls took."),
    metric(
        "conclave_node_weights_received_bytes_total",
        Counter,
        "Stored weights taken from other expert nodes.",
    ),
    metric("conclave_node_weights_sent_bytes_total", Counter, "Stored weights given to other expert nodes."),
    metric("conclave_node_loaded_experts_total", Counter, "Experts loaded from disk and verified."),
    // coordinator
    metric("conclave_raft_term", Gauge, "The term as this coordinator knows it."),
    metric("conclave_raft_is_leader", Gauge, "1 on the coordinator that leads."),
    metric("conclave_raft_leader_known", Gauge, "1 while this coordinator knows a leader."),
    metric("conclave_raft_log_index", Gauge, "Last entry of this coordinator's log."),
    metric("conclave_raft_applied_index", Gauge, "Last entry it has applied."),
    metric("conclave_raft_follower_lag", Gauge, "Entries that a coordinator lacks, as the leader knows."),
    metric("conclave_cluster_nodes", Gauge, "Expert nodes, by state."),
    metric(
        "conclave_cluster_nodes_stuck",
        Gauge,
        "Expert nodes that loaded nothing of what they shall hold and are given no more for a while, as the leader knows.",
    ),
    metric("conclave_cluster_experts", Gauge, "Experts of the model."),
    metric("conclave_cluster_experts_uncovered", Gauge, "Experts without a home that is ready."),
    metric(
        "conclave_cluster_placement_loading",
        Gauge,
        "1 while nodes load a placement that is not published yet.",
    ),
    metric(
        "conclave_cluster_placements_total",
        Counter,
        "Placements that this coordinator, leading, has decided on.",
    ),
    // balance
    metric("conclave_balance_connections", Gauge, "Open connections of clients."),
    metric("conclave_balance_connections_total", Counter, "Connections passed on, by backend."),
    metric(
        "conclave_balance_connections_failed_total",
        Counter,
        "Connections for which no backend was found in time.",
    ),
    metric("conclave_balance_backends_ready", Gauge, "Backends that say they are ready."),
];

/// Upper bounds of the histograms of what is done for each layer, in seconds.
const LAYER_BUCKETS: [f64; 14] =
    [2e-5, 5e-5, 1e-4, 1.5e-4, 2e-4, 2.5e-4, 3.5e-4, 5e-4, 7e-4, 1e-3, 2e-3, 5e-3, 2e-2, 0.1];

/// Upper bounds of every other duration histogram, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Makes this process record its metrics, as `role`; what is returned renders them.
pub fn install_metrics(role: &'static str) -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Prefix("conclave_layer_".to_owned()), &LAYER_BUCKETS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Prefix("conclave_node_".to_owned()), &LAYER_BUCKETS)
        })
        .expect("the buckets are not empty")
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another role of this process owns the metrics; /metrics here stays empty");
        return handle;
    }
    for Metric { name, kind, help } in METRICS.iter().copied() {
        match kind {
            Counter => metrics::describe_counter!(name, help),
            Gauge => metrics::describe_gauge!(name, help),
            Histogram => metrics::describe_histogram!(name, help),
        }
    }
    metrics::gauge!("conclave_build_info", "version" => env!("CARGO_PKG_VERSION"), "role" => role).set(1.0);
    handle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn sources(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "tests", ".git"].contains(&name.as_str()) {
                sources(&path, into);
            } else if name.ends_with(".rs") && name != "metric.rs" {
                into.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// The names in `metrics::counter!("…"` and the like, also where the name is chosen first.
    fn recorded() -> BTreeSet<String> {
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut text);
        let names = text.split('"').filter(|part| part.starts_with("conclave_"));
        let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        names.filter(is_name).map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_is_recorded_and_described() {
        let recorded = recorded();
        let described: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
        assert_eq!(described.len(), METRICS.len(), "one is described twice");
        let missing: Vec<&String> = described
            .iter()
            .filter(|name| !recorded.contains(*name) && *name != "conclave_build_info")
            .collect();
        assert!(missing.is_empty(), "described but recorded nowhere: {missing:?}");
        // Names of targets, crates and the like; everything else must be described.
        let others = ["conclave_trace", "conclave_layer_", "conclave_gateway"];
        let unknown: Vec<&String> = recorded
            .iter()
            .filter(|name| !described.contains(*name) && !others.contains(&name.as_str()))
            .collect();
        assert!(unknown.is_empty(), "recorded but not described: {unknown:?}");
    }

    #[test]
    fn names_tell_their_kind() {
        for Metric { name, kind, help } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            // A time, unlike how long something took, is a number that is set.
            let time = name.ends_with("_timestamp_seconds");
            assert_eq!(name.ends_with("_seconds") && !time, *kind == Histogram, "{name}");
            assert!(!time || *kind == Gauge, "{name}");
            assert!(help.ends_with('.'), "{name}: a sentence ends with a point");
        }
    }
}
