#!/usr/bin/env python3
"""Lints, renders and examines the chart with every values file.

    pip install pyyaml kubernetes-validate           # the second one brings Kubernetes's own strict schemas, offline
    deploy/helm/check.py [--helm helm] [--versions 1.28,1.32,1.35]
    deploy/helm/check.py --conclave target/release/conclave    # runs the init containers' commands too
    deploy/helm/check.py --write-docs                # README.md of the chart, from the schema

Needs helm 3 or 4 on the PATH, or named; nothing is installed anywhere and no cluster is asked.
"""
import argparse
import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

CHART = pathlib.Path(__file__).resolve().parent / "conclave"
ROOT = CHART.parent.parent.parent
VALUES = [None, "values-laptop.yaml", "values-three-node.yaml", "values-production.yaml"]
# Settings of the roles that are no CONCLAVE_ variable of ours to check.
COMPONENTS = {"coordinator", "expert-node", "gateway"}
# What cert-manager's CSI driver reads of a volume, of all that it can (its package apis/v1alpha1, August 2026); anything else it would pass over in silence.
CSI_ATTRIBUTES = {
    "issuer-name", "issuer-kind", "issuer-group", "common-name", "dns-names", "ip-sans", "uri-sans", "duration", "renew-before", "key-usages", "key-algorithm", "key-encoding", "key-size",
    "ca-file", "certificate-file", "privatekey-file", "fs-group", "reuse-private-key",
}


class Checks:
    def __init__(self):
        self.passed, self.failed = 0, []

    def that(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failed.append(what)


def helm(binary, *args):
    done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    return done.returncode, done.stdout, "\n".join(l for l in done.stderr.splitlines() if "symbolic link" not in l)


def render(binary, values=None, sets=(), release="demo"):
    args = ["template", release, CHART, "--namespace", "llm"]
    if values:
        args += ["-f", CHART / values if isinstance(values, str) else values]
    for one in sets:
        args += ["--set-json", one]
    code, out, err = helm(binary, *args)
    if code:
        return None, err
    return [one for one in yaml.safe_load_all(out) if one], err


def pods(objects):
    """(name, labels, pod spec) of everything that runs."""
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "Pod":
            yield one["metadata"]["name"], one["metadata"]["labels"], spec
        elif "template" in spec:
            yield one["metadata"]["name"], spec["template"]["metadata"]["labels"], spec["template"]["spec"]


def named(objects, kind, ending=""):
    return [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(ending)]


def environment(container):
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def check_schema(checks):
    """values.yaml and the schema name the same keys, and every key is described."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def walk(values, schema, path):
        properties = schema.get("properties")
        if properties is None:
            return
        checks.that(schema.get("additionalProperties") is False, f"schema: {path or 'the root'} takes unknown keys")
        missing = set(properties) - set(values) - {"global", "requests", "limits"}
        checks.that(not missing, f"values.yaml lacks {path}{sorted(missing)}")
        for key, value in values.items():
            checks.that(key in properties, f"schema lacks {path}{key}")
            if key in properties:
                text = properties[key].get("description", "")
                checks.that(text.endswith("."), f"schema: {path}{key} has no description that is a sentence")
                if isinstance(value, dict):
                    walk(value, properties[key], f"{path}{key}.")

    walk(values, schema, "")


def docs():
    """The chart's README."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["# The Conclave chart", "", "How to install it, and what it takes care of: [docs/deploy.md](../../../docs/deploy.md). This page is",
             "written by `deploy/helm/check.py --write-docs`.", "", "| key | default | |", "| --- | --- | --- |"]

    def walk(values, schema, path):
        for key, one in schema["properties"].items():
            if key == "global":
                continue
            choice = f" One of {', '.join(f'`{word}`' for word in one['enum'])}." if "enum" in one else ""
            if isinstance(values[key], dict) and "properties" in one and key != "resources":
                lines.append(f"| **`{path}{key}`** | | {one['description']} |")
                walk(values[key], one, f"{path}{key}.")
            else:
                lines.append(f"| `{path}{key}` | `{json.dumps(values[key])}` | {one['description']}{choice} |")

    walk(values, schema, "")
    return "\n".join(lines) + "\n"


def check_refusals(checks, binary):
    """What cannot be meant is refused before anything is installed."""
    for one, word in [
        ('gatway={"replicas":3}', "gatway"),
        ('coordinator={"replicas":2}', "replicas"),
        ('expertNode={"spread":"sometimes"}', "spread"),
        ('gateway={"drainTimeoutSeconds":-1}', "drainTimeoutSeconds"),
        ('model={"path":"models/x"}', "path"),
        ('model={"download":{"source":"hf:a/b"}}', "cache.enabled"),
        ('model={"path":"","cache":{"enabled":true},"download":{"source":"hf:a/b"}}', "under /models"),
        ('model={"path":"/models/x","cache":{"enabled":true},"download":{"source":"a/b"}}', "source"),
        ('auth={"existingSecret":"Not A Name"}', "existingSecret"),
        ('tls={"secretName":"a"}', "secretName"),
        ('tls={"existingSecrets":{"gateway":"a"}}', "expertNode"),
        ('tls={"issuer":{"name":"a"},"existingSecrets":{"gateway":"b"}}', "not both"),
    ]:
        objects, err = render(binary, sets=[one])
        checks.that(objects is None and word in err, f"--set-json {one} is not refused by name: {err or 'accepted'}")


def known_variables():
    """Every environment variable that the binary knows, from its sources."""
    text = "".join(path.read_text() for folder in ("cli", "gateway", "coordinator", "expert-node", "crates")
                   for path in (ROOT / folder).rglob("*.rs") if "target" not in path.parts)
    return set(re.findall(r'env = "(CONCLAVE_\w+)"', text))


def callers(service):
    """The roles that SECURITY.md lets call methods of `conclave.SERVICE`, people aside."""
    table = re.findall(rf"^\| cluster \| `/conclave\.{service}\.\S+` \| (.*) \|$", (ROOT / "SECURITY.md").read_text(), re.M)
    return {role for roles in table for role in roles.split(", ")} - {"operator"}


def check_certificate(that, name, labels, pod, values, objects):
    """The role finds, where it is told to look, a certificate of its own name for the host by which others call it; where the
    authority's key is, the role is not."""
    tls, role, main = values["tls"], labels["app.kubernetes.io/component"], pod["containers"][0]
    folder = environment(main).get("CONCLAVE_TLS_DIR", "")
    mount, = [m for m in main["volumeMounts"] if m["name"] == "tls"]
    volume, = [v for v in pod["volumes"] if v["name"] == "tls"]
    authority = {v["name"] for v in pod["volumes"] if "ca.key" in json.dumps(v)}
    that(mount["readOnly"] and (folder + "/").startswith(mount["mountPath"] + "/"), f"{name} is told {folder}, where no certificate is mounted")
    that(not any(m["name"] in authority for m in main["volumeMounts"]), f"{name} sees the authority's key")
    service = {"coordinator": "coordinator", "expert-node": "expert", "gateway": "gateway-peers"}[role]
    owner = next(o for o in objects if o["kind"] in ("StatefulSet", "Deployment") and o["metadata"]["name"] == name)
    domain = f"{owner['spec'].get('serviceName', 'demo-conclave-gateway-peers')}.llm.svc"
    that(domain == f"demo-conclave-{service}.llm.svc", f"{name} is called by {domain}")
    if tls["issuer"]["name"]:
        attributes = volume["csi"]["volumeAttributes"]
        that(attributes["csi.cert-manager.io/uri-sans"] == f"spiffe://conclave/{role}/${{POD_NAME}}", f"{name}: whom its certificate names")
        that(attributes["csi.cert-manager.io/dns-names"] == f"${{POD_NAME}}.{domain}", f"{name}: how it is reached")
        that(all(usage in attributes["csi.cert-manager.io/key-usages"] for usage in ("server auth", "client auth")), f"{name}: usages")
        # Without it the driver makes RSA keys, which cost both sides of a handshake far more.
        that((attributes["csi.cert-manager.io/key-algorithm"], attributes["csi.cert-manager.io/key-encoding"]) == ("ECDSA", "PKCS8"), f"{name}: key")
        that({key.partition("/")[2] for key in attributes} <= CSI_ATTRIBUTES, f"{name}: an attribute that the driver does not know")
        that(folder == "/tls" and "initContainers" not in pod or all(one["name"] != "certificate" for one in pod["initContainers"]), f"{name} issues besides")
    elif tls["existingSecrets"]["gateway"]:
        if role == "expert-node":
            folders = {item["path"].rsplit("/", 1)[0]: one["secret"]["name"] for one in volume["projected"]["sources"] for item in one["secret"]["items"]}
            wanted = [f"{name}-{at}" for at in range(owner["spec"]["replicas"])]
            that(folders == {pod: f"{tls['existingSecrets']['expertNode']}-{pod}" for pod in wanted}, f"{name} has the certificates {folders}")
            that(mount["subPathExpr"] == "$(POD_NAME)", f"{name} sees the certificates of others")
        else:
            that(volume["secret"]["secretName"] == tls["existingSecrets"][role] and folder == "/tls", f"{name}: its certificate")
    else:
        maker = pod["initContainers"][0]
        *flags, process = maker["args"]
        that(flags[:2] == ["ca", "ensure"] and process == f"{role}/$(POD_NAME)=$(POD_NAME).{domain}", f"{name} makes {maker['args']}")
        out = next(flag.split("=")[1] for flag in flags if flag.startswith("--out="))
        that(folder == f"{out}/{role}-$(POD_NAME)", f"{name} is told {folder}")
        that(volume["emptyDir"]["medium"] == "Memory", f"{name} writes its key to a disk")
        that({m["name"] for m in maker["volumeMounts"]} == {"authority", "tls"}, f"{name}: what makes its certificate sees more")
    order = [one["name"] for one in main["env"]]
    that("POD_NAME" in order and order.index("POD_NAME") < order.index("CONCLAVE_TLS_DIR"), f"{name}: $(POD_NAME) is not known yet")


def check_objects(checks, where, objects, values, variables):
    def that(holds, what):
        checks.that(holds, f"{where}: {what}")

    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    that(len(names) == len(set(names)), "two objects of one name")
    services = named(objects, "Service")
    for name, labels, pod in pods(objects):
        role = labels["app.kubernetes.io/component"]
        # The restricted profile.
        security = pod["securityContext"]
        that(security["runAsNonRoot"] and security["runAsUser"] >= 1000, f"{name} may run as root")
        that(security["seccompProfile"]["type"] == "RuntimeDefault", f"{name} has no seccomp profile")
        that(not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), f"{name} shares the host's namespaces")
        that(pod["automountServiceAccountToken"] is False, f"{name} has a token of the API")
        volumes = {one["name"] for one in pod.get("volumes", [])}
        that(all("hostPath" not in one for one in pod.get("volumes", [])), f"{name} mounts the host's files")
        claims = {"data"} if role == "coordinator" else set()
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            that(context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
                 and context["capabilities"] == {"drop": ["ALL"]}, f"{name}/{container['name']} is not restricted")
            that("requests" in container.get("resources", {}), f"{name}/{container['name']} requests nothing")
            that({m["name"] for m in container.get("volumeMounts", [])} <= volumes | claims, f"{name}/{container['name']} mounts what is not there")
            unknown = {key for key in environment(container) if key.startswith("CONCLAVE_")} - variables
            that(not unknown, f"{name}/{container['name']}: the binary does not know {sorted(unknown)}")
            literal = [key for key in ("CONCLAVE_CLUSTER_TOKEN", "CONCLAVE_API_KEYS", "CONCLAVE_API_KEY", "HF_TOKEN")
                       if isinstance(environment(container).get(key), str)]
            that(not literal, f"{name}/{container['name']} has {literal} in plain text")
        if role not in COMPONENTS:
            continue
        main = pod["containers"][0]
        that(main["args"][0] == role, f"{name} runs {main['args']}")
        for probe, path in [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")]:
            get = main[probe]["httpGet"]
            ports = {port["name"] for port in main["ports"]}
            that(get["path"] == path and get["port"] in ports, f"{name}: {probe}")
        that(any(matches({"matchLabels": service["spec"]["selector"]}, labels) for service in services), f"{name} is behind no Service")
        check_certificate(that, name, labels, pod, values, objects)
        model = values["model"]
        before = [one["name"] for one in pod.get("initContainers", []) if one["name"] != "certificate"]
        waits, verifies = bool(model["download"]["source"]), bool(model["manifestConfigMap"] and model["verify"])
        expected = [step for step, taken in (("model", waits), ("verify", verifies)) if taken and role != "coordinator"]
        that(before == expected, f"{name} first does {before}, not {expected}")

    coordinator, = named(objects, "StatefulSet", "-coordinator")
    spec = coordinator["spec"]
    that(spec["podManagementPolicy"] == "Parallel", "coordinators start in order and would wait for ever")
    headless, = [s for s in services if s["metadata"]["name"] == spec["serviceName"]]
    that(headless["spec"]["clusterIP"] == "None" and headless["spec"]["publishNotReadyAddresses"], "coordinators cannot find each other")
    env = environment(spec["template"]["spec"]["containers"][0])
    peers = dict(one.split("=") for one in env["CONCLAVE_PEERS"].split(","))
    that(list(peers) == [str(at) for at in range(spec["replicas"])], f"peers are {peers}")
    that(all(at.startswith(f"{coordinator['metadata']['name']}-{number}.{spec['serviceName']}.llm.svc") for number, at in peers.items()), f"peers are {peers}")
    that("pod-index" in env["CONCLAVE_COORDINATOR_ID"]["fieldRef"]["fieldPath"], "a coordinator's id is not its number")
    that([c["metadata"]["name"] for c in spec["volumeClaimTemplates"]] == ["data"], "coordinators keep no data")

    experts = [one for one in named(objects, "StatefulSet") if one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "expert-node"]
    that(len(experts) == max(1, len(values["expertNode"]["zones"])), "one StatefulSet for each zone")
    total = sum(one["spec"]["replicas"] for one in experts)
    that(env["CONCLAVE_NODES_MIN"] == str(values["coordinator"]["nodesMin"] or total), "the first placement waits for another number of nodes")
    selectors = [json.dumps(one["spec"]["selector"], sort_keys=True) for one in experts]
    that(len(set(selectors)) == len(experts), "two StatefulSets select the same pods")
    strategies = {one["spec"].get("updateStrategy", {}).get("type", "RollingUpdate") for one in experts}
    that(len(experts) == 1 or strategies == {"OnDelete"}, "an upgrade takes a node of every zone at once")
    for one in experts:
        pod, name = one["spec"]["template"]["spec"], one["metadata"]["name"]
        that(one["spec"]["podManagementPolicy"] == "Parallel" and one["spec"]["minReadySeconds"] >= 1, f"{name}: how it rolls")
        anti = pod["affinity"]["podAntiAffinity"]
        terms = anti.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        if values["expertNode"]["spread"] == "required":
            term, = terms
            that(term["topologyKey"] == "kubernetes.io/hostname", f"{name}: two may share a machine")
            # Of every zone's set, not only of its own.
            for other in experts:
                that(matches(term["labelSelector"], other["spec"]["template"]["metadata"]["labels"]), f"{name}: its spread ignores {other['metadata']['name']}")
        env = environment(pod["containers"][0])
        that(env.get("CONCLAVE_ADVERTISE") == f"$(CONCLAVE_NODE_NAME).{one['spec']['serviceName']}.llm.svc", f"{name}: how it is reached")
        zone = env.get("CONCLAVE_ZONE")
        if values["expertNode"]["zones"]:
            that(pod["nodeSelector"]["topology.kubernetes.io/zone"] == zone and name.endswith(zone), f"{name}: its zone")
        elif values["expertNode"]["failureDomain"] == "zone":
            that("topology.kubernetes.io/zone" in zone["fieldRef"]["fieldPath"], f"{name}: its zone")
        elif values["expertNode"]["failureDomain"] == "node":
            that(zone == {"fieldRef": {"fieldPath": "spec.nodeName"}}, f"{name}: its zone")
        else:
            that(zone is None, f"{name}: its zone")

    gateways, = [one for one in [*named(objects, "Deployment"), *named(objects, "StatefulSet")] if one["metadata"]["name"].endswith("-gateway")]
    pod = gateways["spec"]["template"]["spec"]
    env = environment(pod["containers"][0])
    that(pod["terminationGracePeriodSeconds"] > int(env["CONCLAVE_DRAIN_DELAY_S"]) + int(env["CONCLAVE_DRAIN_TIMEOUT"]), "gateways are killed before they have drained")
    hpas = named(objects, "HorizontalPodAutoscaler")
    that(bool(hpas) == values["gateway"]["autoscaling"]["enabled"], "autoscaling")
    that(("replicas" in gateways["spec"]) != bool(hpas), "replicas and autoscaling fight")
    for hpa in hpas:
        target = hpa["spec"]["scaleTargetRef"]
        that((target["kind"], target["name"]) == (gateways["kind"], gateways["metadata"]["name"]), "autoscaling scales something else")
        that(len(hpa["spec"]["metrics"]) >= 1, "autoscaling by nothing")
    that((gateways["kind"] == "StatefulSet") == values["gateway"]["peers"], "gateways that know each other need names")
    if values["gateway"]["peers"]:
        most = values["gateway"]["autoscaling"]["maxReplicas"] if hpas else gateways["spec"]["replicas"]
        urls = env["CONCLAVE_GATEWAYS"].split(",")
        own = env["CONCLAVE_GATEWAY_URL"].replace("$(POD_NAME)", gateways["metadata"]["name"] + "-0")
        that(len(urls) == most and own in urls, f"gateways know {urls}")
        that(all(url.startswith("https://") for url in urls), "gateways call each other in plain text, and would not start")

    # Who reaches whom, as a network that enforces policies would decide.
    policies = named(objects, "NetworkPolicy")
    that(bool(policies) == values["networkPolicy"]["enabled"], "network policies")
    if policies:
        everybody = {labels["app.kubernetes.io/component"]: (labels, pod) for _, labels, pod in pods(objects)}

        def allowed(source, target, port):
            labels, pod = everybody[target]
            port_number = {p["name"]: p["containerPort"] for p in pod["containers"][0]["ports"]}[port]

            def passes(rules, key, other):
                for rule in rules:
                    ports = [p["port"] for p in rule.get("ports", [])]
                    if ports and port not in ports and port_number not in ports:
                        continue
                    peers = rule.get(key)
                    if peers is None or any("podSelector" in p and matches(p["podSelector"], other) for p in peers):
                        return True
                return False

            into = [p for p in policies if matches(p["spec"]["podSelector"], labels)]
            out = [p for p in policies if matches(p["spec"]["podSelector"], everybody[source][0])]
            enters = not into or any(passes(p["spec"]["ingress"], "from", everybody[source][0]) for p in into)
            leaves = not out or any(passes(p["spec"]["egress"], "to", labels) for p in out)
            return enters, leaves

        guarded = {("expert-node", "grpc"): callers("expert"), ("coordinator", "grpc"): callers("coordinator"), ("gateway", "http"): {"gateway", "test"}}
        for (target, port), may in guarded.items():
            for source in everybody:
                enters, leaves = allowed(source, target, port)
                # A port of the cluster is guarded by its own policy, not by that of whoever comes.
                kept_out = not enters or (port == "http" and not leaves)
                that(enters and leaves if source in may else kept_out, f"{source} {'does not reach' if source in may else 'reaches'} {target}")

    budgets = named(objects, "PodDisruptionBudget")
    that(len(budgets) == (3 if values["podDisruptionBudget"]["enabled"] else 0), "disruption budgets")
    for budget in budgets:
        if budget["metadata"]["name"].endswith("-expert"):
            that(budget["spec"]["maxUnavailable"] == max(1, values["coordinator"]["expertReplicas"] - 1), "maintenance may take every home of an expert")
    that(bool(named(objects, "ServiceMonitor")) == values["monitoring"]["serviceMonitor"], "ServiceMonitor")
    for monitor in named(objects, "ServiceMonitor"):
        found = [s for s in services if matches(monitor["spec"]["selector"], s["metadata"]["labels"])]
        that(len(found) == 1 and found[0]["spec"]["ports"][0]["name"] == monitor["spec"]["endpoints"][0]["port"], "the ServiceMonitor finds not just the monitoring port")
    for rule in named(objects, "PrometheusRule"):
        real = yaml.safe_load((ROOT / "deploy/monitoring/rules.yml").read_text())
        that(rule["spec"] == real, "the alerts are not deploy/monitoring/rules.yml")
    for board in named(objects, "ConfigMap", "-dashboards"):
        that(len(board["data"]) == len(list((ROOT / "deploy/monitoring/dashboards").glob("*.json"))), "dashboards")
        that(all(json.loads(text)["title"] for text in board["data"].values()), "a dashboard is no JSON")
    own = {"demo-conclave-auth"} if not values["auth"]["existingSecret"] else set()
    tls = values["tls"]
    if not (tls["issuer"]["name"] or tls["existingSecrets"]["gateway"] or tls["authoritySecret"]):
        own.add("demo-conclave-authority")
    secrets = {one["metadata"]["name"]: one for one in named(objects, "Secret")}
    that(set(secrets) == own, f"secrets are made: {sorted(secrets)}, not {sorted(own)}")
    that(all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in secrets.values()), "a secret goes with the chart")
    if secret := secrets.get("demo-conclave-auth"):
        data = secret["stringData"]
        that(len(data["cluster-token"]) >= 16 and len(data["api-keys"]) >= 8 and data["test-key"] in data["api-keys"].split(","), "the secret would be refused")
    if secret := secrets.get("demo-conclave-authority"):
        that(secret["stringData"]["ca.key"].startswith("-----BEGIN PRIVATE KEY-----\n"), "the authority's key is of no kind that conclave reads")


def merged(base, more):
    base = copy.deepcopy(base)
    for key, value in (more or {}).items():
        base[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def check_kubernetes(checks, where, objects, versions):
    try:
        import kubernetes_validate
    except ImportError:
        return None
    ours = {"ServiceMonitor", "PrometheusRule"}
    for version in versions:
        for one in objects:
            if one["kind"] in ours:
                continue
            try:
                kubernetes_validate.validate(one, version, strict=True)
                checks.passed += 1
            except Exception as error:  # Its errors have no common class.
                checks.failed.append(f"{where}: Kubernetes {version}: {one['kind']} {one['metadata']['name']}: {error}")
    return versions


def check_key(checks, where, objects, binary):
    """Runs what makes the certificates, with folders for the volumes and a pod's name, and looks at what it made."""
    key = [one["stringData"]["ca.key"] for one in named(objects, "Secret", "-authority")]
    for name, labels, pod in pods(objects):
        for maker in pod.get("initContainers", []):
            if maker["name"] != "certificate" or not key:
                continue
            with tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                (root / "authority").mkdir()
                (root / "authority" / "ca.key").write_text(key[0])
                args = [one.replace("$(POD_NAME)", f"{name}-0").replace("=/", f"={folder}/") for one in maker["args"]]
                done = subprocess.run([binary, *args], capture_output=True, text=True)
                told = environment(pod["containers"][0])["CONCLAVE_TLS_DIR"].replace("$(POD_NAME)", f"{name}-0")
                made = {one.name for one in (root / told.lstrip("/")).glob("*")}
                checks.that(made == {"tls.crt", "tls.key", "ca.crt"}, f"{where}: {name} finds {made or 'nothing'} in {told}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--helm", default="helm")
    parser.add_argument("--versions", default="1.28,1.32,1.35")
    parser.add_argument("--conclave", help="the binary: then init containers are really run, each with a key that the chart made")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    readme = CHART / "README.md"
    if options.write_docs:
        readme.write_text(docs())
        return
    checks = Checks()
    base = yaml.safe_load((CHART / "values.yaml").read_text())
    variables = known_variables()
    check_schema(checks)
    checks.that(readme.exists() and readme.read_text() == docs(), "the chart's README.md is old; run check.py --write-docs")
    check_refusals(checks, options.helm)
    more = {
        "everything on": {"monitoring": {"serviceMonitor": True, "rules": True, "dashboards": True}, "gateway": {"peers": False, "autoscaling": {
            "enabled": True, "cpuPercent": 70}}, "coordinator": {"expertReplicas": 3, "replicas": 5}},
        "secrets of somebody else's": {"tls": {"existingSecrets": {"coordinator": "c", "expertNode": "e", "gateway": "g"}},
                                       "expertNode": {"zones": ["a", "b"]}, "gateway": {"peers": True}},
        "an authority of one's own": {"tls": {"authoritySecret": "pki"}, "model": {"manifestConfigMap": "digests"}},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, values in more.items():
            (pathlib.Path(folder) / f"{name}.yaml").write_text(yaml.safe_dump(values))
        for values in [*VALUES, *(pathlib.Path(folder) / f"{name}.yaml" for name in more)]:
            where = "values.yaml" if values is None else values if isinstance(values, str) else values.stem
            args = ["lint", CHART, "--strict"] + ([] if values is None else ["-f", CHART / values])
            code, out, err = helm(options.helm, *args)
            checks.that(code == 0, f"{where}: helm lint: {out}{err}")
            objects, err = render(options.helm, values)
            checks.that(objects is not None, f"{where}: helm template: {err}")
            if objects is None:
                continue
            path = CHART / values if values else None
            known = merged(base, yaml.safe_load(path.read_text()) if path else {})
            check_objects(checks, where, objects, known, variables)
            used = check_kubernetes(checks, where, objects, options.versions.split(","))
            if options.conclave:
                check_key(checks, where, objects, options.conclave)
            kinds = {}
            for one in objects:
                kinds[one["kind"]] = kinds.get(one["kind"], 0) + 1
            print(f"{where}: {len(objects)} objects: {', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}")
    _, version, _ = helm(options.helm, "version", "--short")
    print(f"helm {version.strip()}; strict schemas of Kubernetes {', '.join(used) if used else 'not checked: pip install kubernetes-validate'}")
    for problem in checks.failed:
        print("PROBLEM", problem)
    print(f"{checks.passed} passed, {len(checks.failed)} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
