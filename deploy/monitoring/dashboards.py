#!/usr/bin/env python3
"""Writes dashboards/*.json for Grafana. Run it after a change here; check.py tells when that was forgotten."""
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
INSTANCE = "{{instance}}"


def target(expr, legend, **more):
    return {"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": "A", **more}


def panel(title, help, *targets, kind="timeseries", unit="short", width=8, height=7, **more):
    named = [{**one, "refId": chr(65 + at)} for at, one in enumerate(targets)]
    custom = {"fillOpacity": 8, "showPoints": "never", "spanNulls": False} if kind == "timeseries" else {}
    return {"title": title, "description": help, "type": kind, "datasource": SOURCE, "targets": named,
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
            "gridPos": {"w": width, "h": height}, "options": {}, **more}


def stat(title, help, expr, legend="", unit="short", width=4):
    return panel(title, help, target(expr, legend, instant=True), kind="stat", unit=unit, width=width, height=4)


def row(title):
    return {"title": title, "type": "row", "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def heatmap(title, help, expr, legend, width=24, height=9):
    return panel(title, help, target(expr, legend, format="time_series"), kind="status-history", width=width, height=height,
                 options={"rowHeight": 0.9, "showValue": "never", "legend": {"showLegend": False}},
                 fieldConfig={"defaults": {"unit": "short", "color": {"mode": "continuous-BlYlRd"}, "custom": {}}, "overrides": []})


def quantiles(title, help, metric, by="", more=""):
    labels = f", {by}" if by else ""
    name = f" {{{{{by}}}}}" if by else ""
    return panel(title, help, *[
        target(f"histogram_quantile({q}, sum by (le{labels}) (rate({metric}_bucket{{{more}}}[$__rate_interval])))", f"p{q * 100:g}{name}")
        for q in (0.5, 0.95, 0.99)], unit="s")


def rate(metric, by="instance", more=""):
    return f"sum by ({by}) (rate({metric}{{{more}}}[$__rate_interval]))"


def dashboard(uid, title, panels, variables=()):
    x = y = tallest = 0
    for number, one in enumerate(panels, 1):
        at = one["gridPos"]
        if x + at["w"] > 24:
            x, y, tallest = 0, y + tallest, 0
        at.update(x=x, y=y)
        x, tallest = x + at["w"], max(tallest, at["h"])
        one["id"] = number
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {"uid": uid, "title": f"Conclave: {title}", "tags": ["conclave"], "schemaVersion": 39, "editable": True,
            "time": {"from": "now-1h", "to": "now"}, "refresh": "10s", "graphTooltip": 1, "panels": panels,
            "links": [{"type": "dashboards", "tags": ["conclave"], "title": "Conclave", "asDropdown": True}],
            "templating": {"list": [source, *variables]}}


SERVING = dashboard("conclave-serving", "serving", [
    stat("Gateways ready", "Of all that are scraped.", 'sum(conclave_ready{role="gateway"})'),
    stat("Requests in flight", "Answered now, by all gateways.", "sum(conclave_requests_in_flight)"),
    stat("Waiting", "Sequences in the queues.", "sum(conclave_requests_waiting)"),
    stat("Tokens per second", "Of answers.", "sum(rate(conclave_generated_tokens_total[1m]))"),
    stat("First token, p95", "Over five minutes.",
         "histogram_quantile(0.95, sum by (le) (rate(conclave_time_to_first_token_seconds_bucket[5m])))", unit="s"),
    stat("Experts uncovered", "Without a home that answers; anything but 0 fails requests.", "max(conclave_experts_uncovered)"),
    row("What clients see"),
    panel("Requests", "By endpoint.", target(rate("conclave_requests_total", "endpoint"), "{{endpoint}}"), unit="reqps"),
    panel("Errors", "Before an answer began, and in the middle of a stream, by code.",
          target(rate("conclave_request_errors_total", "code") + " > 0", "{{code}}"),
          target(rate("conclave_stream_errors_total", "code") + " > 0", "stream: {{code}}"), unit="reqps"),
    quantiles("Time to first token", "From the arrival of a request.", "conclave_time_to_first_token_seconds"),
    quantiles("Between tokens", "The pause before each further token.", "conclave_inter_token_seconds"),
    panel("Tokens", "Of prompts, of answers, and of prompts that were cached.",
          target("sum(rate(conclave_prompt_tokens_total[$__rate_interval]))", "prompt"),
          target("sum(rate(conclave_prefix_cached_tokens_total[$__rate_interval]))", "prompt, cached"),
          target("sum(rate(conclave_generated_tokens_total[$__rate_interval]))", "answer")),
    panel("Connections", "To gateways, and to `conclave balance`, where it runs.",
          target("sum by (instance) (conclave_connections)", "open at " + INSTANCE),
          target("sum by (instance) (conclave_balance_connections)", "open at " + INSTANCE),
          target(rate("conclave_balance_connections_total", "backend"), "new to {{backend}}, per s"),
          target(rate("conclave_balance_connections_failed_total"), "let go, per s"),
          target("sum(conclave_balance_backends_ready)", "gateways ready")),
    row("Inside the gateways"),
    panel("Running and waiting", "Sequences.",
          target("sum by (instance) (conclave_requests_running)", INSTANCE + " running"),
          target("sum by (instance) (conclave_requests_waiting)", INSTANCE + " waiting")),
    panel("KV blocks in use", "Share of each gateway's cache that running sequences hold.",
          target("1 - conclave_kv_blocks_free / conclave_kv_blocks", INSTANCE),
          target("conclave_kv_blocks_cached / conclave_kv_blocks", INSTANCE + " cached prefixes"), unit="percentunit"),
    panel("KV memory", "Reserved for the cache, held by running sequences, and what waiting ones will need.",
          target("conclave_kv_bytes", INSTANCE + " cache"),
          target("conclave_kv_bytes_used", INSTANCE + " used"),
          target("conclave_kv_bytes_waiting", INSTANCE + " waited for"),
          target("conclave_body_bytes", INSTANCE + " bodies"), unit="bytes"),
    panel("Tokens per step", "How full the batches are.",
          target("sum by (instance) (rate(conclave_step_tokens_total[$__rate_interval])) / sum by (instance) (rate(conclave_step_seconds_count[$__rate_interval]))", INSTANCE),
          target("sum by (instance) (rate(conclave_micro_batches_total[$__rate_interval]))", INSTANCE + " micro-batches per s")),
    quantiles("Step", "One forward pass.", "conclave_step_seconds"),
    panel("Preemptions", "Sequences that gave their blocks back and are computed again.", target(rate("conclave_preemptions_total"), INSTANCE)),
    row("Between gateways"),
    panel("Passed on", "Requests that another gateway answered, by outcome.", target(rate("conclave_requests_forwarded_total", "outcome"), "{{outcome}}"), unit="reqps"),
    panel("Streams that went on", "After a loss, by who asked for it.", target(rate("conclave_streams_resumed_total", "by"), "by {{by}}"), unit="reqps"),
    panel("Others ready", "As each gateway sees it.", target("conclave_peer_gateways_ready", INSTANCE)),
])

EXPERTS = dashboard("conclave-experts", "experts", [
    stat("Nodes ready", "As the coordinators see it.", 'max(conclave_cluster_nodes{state="ready"})'),
    stat("Experts", "Of the model, all layers.", "max(conclave_cluster_experts)"),
    stat("Uncovered", "Without a ready home.", "max(conclave_cluster_experts_uncovered)"),
    stat("Calls failed", "Share over five minutes; each was asked of another home.",
         "sum(rate(conclave_expert_calls_failed_total[5m])) / clamp_min(sum(rate(conclave_expert_calls_total[5m])), 0.001)", unit="percentunit"),
    stat("Most loaded expert", "Its rows over the mean of its layer, of the chosen layer.",
         'max(sum by (expert) (rate(conclave_expert_rows_total{layer="$layer"}[5m]))) / avg(sum by (expert) (rate(conclave_expert_rows_total{layer="$layer"}[5m])))'),
    stat("Bytes per second", "Rows on the wire, both ways.", "sum(rate(conclave_expert_rows_bytes_total[1m]))", unit="Bps"),
    row("Heat map: layer $layer"),
    heatmap("Rows for each expert", "Warm is busy. Large models have neighbouring experts counted together.",
            'sum by (expert) (rate(conclave_expert_rows_total{layer="$layer"}[$__rate_interval]))', "{{expert}}", height=12),
    heatmap("Balance of each layer", "The busiest expert over the mean: 1 is even.",
            "max by (layer) (sum by (layer, expert) (rate(conclave_expert_rows_total[$__rate_interval]))) / avg by (layer) (sum by (layer, expert) (rate(conclave_expert_rows_total[$__rate_interval])))",
            "layer {{layer}}"),
    heatmap("Rows for each node", "All layers.", rate("conclave_node_rows_total"), INSTANCE, height=6),
    row("Calls, as gateways see them"),
    panel("Calls", "Answered, and failed and asked of another home.",
          target(rate("conclave_expert_calls_total"), INSTANCE),
          target(rate("conclave_expert_calls_failed_total"), INSTANCE + " failed")),
    panel("Extra calls", "Hedges of late calls by outcome, probes of nodes that are avoided, and late calls that were waited for.",
          target(rate("conclave_expert_hedges_total", "outcome"), "hedge {{outcome}}"),
          target(rate("conclave_expert_probes_total", "outcome"), "probe {{outcome}}"),
          target(rate("conclave_expert_hedges_refused_total", "reason"), "none: {{reason}}")),
    panel("Nodes as gateways see them", "0 asked, 1 slow, 2 failed, 3 quarantined; the worst that any gateway thinks of each.",
          target("max by (node) (conclave_expert_node_state)", "node {{node}}")),
    quantiles("One layer", "From its rows to their sum.", "conclave_layer_seconds", "lane"),
    panel("Where it goes", "Mean of each part.",
          target("sum by (part) (rate(conclave_layer_part_seconds_sum[$__rate_interval])) / sum by (part) (rate(conclave_layer_part_seconds_count[$__rate_interval]))", "{{part}}"), unit="s"),
    quantiles("Not computing", "What the wire and the queues cost.", "conclave_layer_overhead_seconds", "lane"),
    quantiles("First waits for last", "How uneven the nodes are.", "conclave_layer_wait_seconds", "lane"),
    panel("Rows on the wire", "By direction.", target(rate("conclave_expert_rows_bytes_total", "direction"), "{{direction}}"), unit="Bps"),
    row("Nodes"),
    panel("Queue", "Calls that wait.", target("conclave_node_calls_waiting", INSTANCE)),
    quantiles("Waited", "How long a call waited at its node.", "conclave_node_queue_seconds"),
    quantiles("Computed", "One product, which may answer several calls.", "conclave_node_compute_seconds"),
    panel("Refused", "By reason.", target(rate("conclave_node_calls_refused_total", "instance, reason") + " > 0", INSTANCE + " {{reason}}")),
    panel("Experts in memory", "Of each node.", target("conclave_node_experts", INSTANCE)),
    panel("Their memory", "Of each node.", target("conclave_node_expert_bytes", INSTANCE), unit="bytes"),
    panel("Loaded", "Experts read and verified, per second.", target(rate("conclave_node_loaded_experts_total"), INSTANCE)),
    panel("Calls of each node", "Answered, per second.", target(rate("conclave_node_calls_total"), INSTANCE)),
    panel("Trouble", "1: the node cannot load what it shall hold; its log says why.", target("conclave_node_trouble", INSTANCE)),
], [{"name": "layer", "label": "Layer", "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 3,
     "query": {"query": "label_values(conclave_expert_rows_total, layer)", "refId": "layer"},
     "definition": "label_values(conclave_expert_rows_total, layer)"}])

CONTROL = dashboard("conclave-control", "control plane", [
    stat("Leaders", "1, but for a second after one died.", "sum(conclave_raft_is_leader)"),
    stat("Coordinators that know one", "A majority must.", "sum(conclave_raft_leader_known)"),
    stat("Term", "Grows with each election.", "max(conclave_raft_term)"),
    stat("Epoch", "Of the placement.", "max(conclave_placement_epoch)"),
    stat("Loading", "1: nodes load a placement that is not published yet.", "max(conclave_cluster_placement_loading)"),
    stat("Versions", "More than one: an upgrade is under way.", "count(count by (version) (conclave_build_info))"),
    row("Coordinators"),
    panel("Leader", "Who leads.", target("conclave_raft_is_leader", INSTANCE), kind="state-timeline", width=12,
          fieldConfig={"defaults": {"color": {"mode": "thresholds"}, "custom": {}, "thresholds": {"mode": "absolute", "steps": [
              {"color": "transparent", "value": None}, {"color": "green", "value": 1}]}}, "overrides": []}),
    panel("Term", "As each knows it; they differ while one is cut off.", target("conclave_raft_term", INSTANCE), width=12),
    panel("Log", "Last entry, and what is not applied yet.",
          target("conclave_raft_log_index", INSTANCE), target("conclave_raft_log_index - conclave_raft_applied_index", INSTANCE + " not applied")),
    panel("Followers' lag", "Entries each lacks, as the leader knows.", target("max by (coordinator) (conclave_raft_follower_lag)", "{{coordinator}}")),
    panel("Log growth", "Entries per second: facts only, so it is nearly 0 while nothing changes.", target("max(rate(conclave_raft_log_index[$__rate_interval]))", "entries")),
    row("Placement"),
    panel("Nodes", "By state.", target("max by (state) (conclave_cluster_nodes)", "{{state}}")),
    panel("Decisions", "Placements proposed, published and cancelled.", target("sum by (outcome) (increase(conclave_cluster_placements_total[$__rate_interval]))", "{{outcome}}")),
    panel("Epoch", "As each knows it.", target("conclave_placement_epoch", INSTANCE)),
    panel("Experts uncovered", "As coordinators see it, and as gateways do.",
          target("max(conclave_cluster_experts_uncovered)", "coordinators"), target("max by (instance) (conclave_experts_uncovered)", INSTANCE)),
    panel("Nodes connected", "To each gateway.", target("conclave_nodes_connected", INSTANCE)),
    panel("Ready", "Every role.", target("conclave_ready", "{{role}} " + INSTANCE), kind="state-timeline",
          fieldConfig={"defaults": {"color": {"mode": "thresholds"}, "custom": {}, "thresholds": {"mode": "absolute", "steps": [
              {"color": "red", "value": None}, {"color": "green", "value": 1}]}}, "overrides": []}),
])

ALL = {"serving": SERVING, "experts": EXPERTS, "control": CONTROL}


def texts():
    return {f"{name}.json": json.dumps(board, indent=1) + "\n" for name, board in ALL.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (HERE / "dashboards" / name).write_text(text)
