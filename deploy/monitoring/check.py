#!/usr/bin/env python3
"""Runs every role for a moment and compares what they expose with what dashboards, alerts and the chart ask for.

    deploy/monitoring/check.py [target/release/conclave]

Standard library only. Uses promtool and Prometheus itself where they are installed (Debian's package `prometheus`): then each
expression is also evaluated over what was scraped. Checks that
- every metric and label that a dashboard or an alert names is exposed by a role that runs,
- every exposed metric has a HELP line, and none has more than a few hundred series here,
- every alert has its section in docs/runbooks.md, and every section its alert,
- dashboards/*.json are what dashboards.py writes.
"""
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOKEN = "a-token-for-the-check"
# Made by Prometheus itself.
FOREIGN = {"up"}
TARGET_LABELS = {"instance", "job", "role"}


def ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Roles:
    """One coordinator, two nodes, two gateways and a balancer on loopback, with certificates as elsewhere."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.running, self.monitors = binary, folder, {}, {}
        coordinator, *monitors, api_a, api_b, front = ports(10)
        self.front, self.api_a = front, api_a
        at = f"127.0.0.1:{coordinator}"
        urls = f"https://127.0.0.1:{api_a},https://127.0.0.1:{api_b}"
        peers = ["--gateways", urls, "--coordinators", at, "--threads", "1"]
        plan = {
            "coordinator": ["coordinator", "--id", "0", "--peers", f"0={at}", "--listen", at, "--data", folder / "c", "--nodes-min", "2"],
            "node-1": ["expert-node", "--name", "node-1", "--coordinators", at, "--threads", "1"],
            "node-2": ["expert-node", "--name", "node-2", "--coordinators", at, "--threads", "1"],
            "gateway-1": ["gateway", "--port", api_a, "--gateway-url", f"https://127.0.0.1:{api_a}", *peers],
            "gateway-2": ["gateway", "--port", api_b, "--gateway-url", f"https://127.0.0.1:{api_b}", *peers],
            "front": ["balance", "--listen", f"127.0.0.1:{front}", "--backends", f"127.0.0.1:{api_a},127.0.0.1:{api_b}"],
        }
        processes = {name: f"{args[0]}/{name}" for name, args in plan.items() if args[0] != "balance"}
        subprocess.run([binary, "ca", "ensure", "--dir", folder / "pki", *processes.values()], check=True, stdout=subprocess.DEVNULL)
        for (name, args), port in zip(plan.items(), monitors):
            self.monitors[name] = port
            if name in processes:
                args = [*args, "--tls-dir", folder / "pki" / processes[name].replace("/", "-")]
            log = open(folder / f"{name}.log", "w")
            args = [binary, *args, "--monitor-listen", f"127.0.0.1:{port}"]
            self.running[name] = subprocess.Popen([str(a) for a in args], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                  env={"CONCLAVE_CLUSTER_TOKEN": TOKEN})

    def health(self, name, wait=60):
        """`conclave health`, as images use it."""
        args = [self.binary, "health", "--monitor-listen", f"127.0.0.1:{self.monitors[name]}", "--wait-s", wait]
        return subprocess.run([str(a) for a in args], capture_output=True, text=True, env={})

    def wait(self):
        for name in self.running:
            done = self.health(name)
            if done.returncode:
                log = (self.folder / f"{name}.log").read_text()[-2000:]
                raise SystemExit(f"{name}: {done.stderr}{log}")

    def use(self):
        """Requests good and bad, and a node that dies, so that what is counted is counted."""
        chat = {"messages": [{"role": "user", "content": "Tell me a story about a dog."}], "max_tokens": 24, "temperature": 0}
        for number in range(4):
            url = f"http://127.0.0.1:{self.front}/v1/chat/completions"
            assert post(url, {**chat, "stream": number % 2 == 0, "seed": number})[0] == 200
        for subject in "abcdefgh":
            url = f"http://127.0.0.1:{self.api_a}/v1/completions"
            assert post(url, {"prompt": f"{subject} was", "max_tokens": 4, "stream": True})[0] == 200
        assert post(f"http://127.0.0.1:{self.front}/v1/chat/completions", {"messages": 1})[0] == 400
        self.running["node-2"].kill()
        assert post(f"http://127.0.0.1:{self.front}/v1/chat/completions", chat)[0] == 200

    def scrape(self):
        return {name: get(f"http://127.0.0.1:{port}/metrics") for name, port in self.monitors.items()}

    def stop(self):
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def exposed(text):
    """Name to (labels, series), from Prometheus's text format; the parts of a histogram under their own names."""
    metrics = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, labels = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", line).groups()
        known = metrics.setdefault(name, [set(), 0])
        known[0].update(re.findall(r'(\w+)="', labels or ""))
        known[1] += 1
    return metrics


def without_help(text):
    helped = set(re.findall(r"^# HELP (\S+) ", text, re.M))
    names = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    return names - helped


def asked(expression):
    """Metric names of an expression, each with the labels that its braces name, and the labels that it groups by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = {}
    for name, braces in re.findall(r"\b((?:conclave_\w+)|up)\b(?:\{([^}]*)\})?", bare):
        names.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]~?", braces))
    grouped = {label.strip() for part in re.findall(r"\bby \(([^)]*)\)", bare) for label in part.split(",") if label.strip()}
    return names, grouped


def expressions():
    """(where, expression) of everything that asks."""
    for file in sorted((HERE / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{file.name}: {panel['title']}", target["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                name, label = re.match(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
                yield f"{file.name}: ${variable['name']}", f'{name}{{{label}="x"}}'
    text = (HERE / "rules.yml").read_text()
    for alert in re.split(r"^\s*- alert: ", text, flags=re.M)[1:]:
        yield f"rules.yml: {alert.split()[0]}", alert.split("expr:", 1)[1].split("labels:", 1)[0]


def check_runbooks():
    alerts = set(re.findall(r"- alert: (\w+)", (HERE / "rules.yml").read_text()))
    sections = set(re.findall(r"^## (Conclave\w+)", (ROOT / "docs/runbooks.md").read_text(), re.M))
    anchors = set(re.findall(r"runbooks\.md#(\w+)", (HERE / "rules.yml").read_text()))
    problems = [f"{name} has no section in docs/runbooks.md" for name in sorted(alerts - sections)]
    problems += [f"docs/runbooks.md has a section {name}, which is no alert" for name in sorted(sections - alerts)]
    problems += [f"{name} links to no section" for name in sorted(alerts) if name.lower() not in anchors]
    return problems, len(alerts)


def check_dashboards():
    sys.path.insert(0, str(HERE))
    import dashboards
    return [f"dashboards/{name} is not what dashboards.py writes; run it" for name, text in dashboards.texts().items()
            if (HERE / "dashboards" / name).read_text() != text]


class Prometheus:
    """A real one, that scrapes the roles each second and evaluates every expression."""

    def __init__(self, binary, folder, monitors):
        self.port, = ports(1)
        kinds = {"coordinator": "coordinator", "front": "balance"}
        jobs = [{"targets": [f"127.0.0.1:{port}"], "labels": {"role": kinds.get(name, name.split("-")[0].replace("node", "expert-node"))}}
                for name, port in monitors.items()]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(HERE / "rules.yml")],
                  "scrape_configs": [{"job_name": "conclave", "honor_labels": True, "static_configs": jobs}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.log = open(folder / "prometheus.log", "w")
        self.process = subprocess.Popen([binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                         f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def query(self, expression):
        """How many series it gives, or what is wrong with it."""
        query = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", "5s").replace("$layer", "0")})
        try:
            return len(json.loads(get(f"http://127.0.0.1:{self.port}/api/v1/query?{query}"))["data"]["result"]), None
        except urllib.error.HTTPError as error:
            return 0, error.read().decode()

    def broken_rules(self):
        groups = json.loads(get(f"http://127.0.0.1:{self.port}/api/v1/rules"))["data"]["groups"]
        return [f"{rule['name']}: {rule['lastError']}" for group in groups for rule in group["rules"] if rule["health"] != "ok"]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def evaluate(prometheus):
    """Problems, and panels that stay empty here."""
    problems, empty = prometheus.broken_rules(), []
    for where, expression in expressions():
        # Alerts are for what should not be, and were evaluated as rules; a variable is no expression.
        if where.startswith("rules.yml") or "$" in where.split(": ", 1)[1].split(" ")[0]:
            continue
        series, wrong = prometheus.query(expression)
        if wrong:
            problems.append(f"{where}: {wrong}")
        elif not series:
            empty.append(where.replace(".json", ""))
    return problems, sorted(set(empty))


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/conclave").resolve()
    problems = check_dashboards()
    runbooks, alerts = check_runbooks()
    problems += runbooks
    with tempfile.TemporaryDirectory() as folder:
        roles = Roles(binary, pathlib.Path(folder))
        try:
            roles.wait()
            found = shutil.which("prometheus")
            prometheus = Prometheus(found, pathlib.Path(folder), roles.monitors) if found else None
            if prometheus:
                time.sleep(5)
            roles.use()
            time.sleep(4 if prometheus else 0.5)
            if prometheus:
                evaluated, empty = evaluate(prometheus)
                problems += evaluated
                prometheus.stop()
            del roles.monitors["node-2"]
            texts = roles.scrape()
        finally:
            roles.stop()
    metrics = {}
    for role, text in texts.items():
        for name, (labels, series) in exposed(text).items():
            known = metrics.setdefault(name, [set(), 0])
            known[0].update(labels)
            known[1] = max(known[1], series)
        problems += [f"{role} exposes {name} without HELP" for name in sorted(without_help(text))]
    problems += [f"{name} has {series} series" for name, (_, series) in metrics.items() if series > 300]
    used, count = set(), 0
    for where, expression in expressions():
        count += 1
        names, grouped = asked(expression)
        for name, labels in names.items():
            if name in FOREIGN:
                continue
            used.add(name)
            if name not in metrics:
                problems.append(f"{where}: no role exposes {name}")
                continue
            missing = labels - metrics[name][0] - TARGET_LABELS - {"le"}
            problems += [f"{where}: {name} has no label {label}" for label in sorted(missing)]
        have = set().union(*(metrics[n][0] for n in names if n in metrics)) | TARGET_LABELS | {"le"}
        problems += [f"{where}: grouped by {label}, which nothing has" for label in sorted(grouped - have)]
    promtool = shutil.which("promtool")
    if promtool:
        for role, text in texts.items():
            done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            problems += [f"promtool, {role}: {line}" for line in lines]
        for args in (["check", "rules", HERE / "rules.yml"], ["check", "config", HERE / "prometheus.yml"],
                     ["test", "rules", HERE / "rules_test.yml"]):
            done = subprocess.run([promtool, *map(str, args)], capture_output=True, text=True)
            if done.returncode:
                problems.append(f"promtool {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
    families, wanted = ({re.sub(r"_(bucket|sum|count)$", "", name) for name in names} for names in (metrics, used))
    unused = sorted(families - wanted)
    print(f"{len(texts)} roles expose {len(families)} metrics, at most {max(s for _, s in metrics.values())} series each; "
          f"{count} expressions ask for {len(wanted)} of them; {alerts} alerts with a runbook; "
          f"promtool {'agrees' if promtool else 'is not installed'}")
    if prometheus:
        print("Prometheus evaluates all of them; empty here: " + (", ".join(empty) or "none"))
    if unused:
        print("on no dashboard: " + ", ".join(unused))
    for problem in problems:
        print("PROBLEM", problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
