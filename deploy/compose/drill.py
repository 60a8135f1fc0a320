#!/usr/bin/env python3
"""Starts the compose file's cluster, hurts it in every way it should survive while clients talk to it, and prints what
that cost. Needs Docker and a Compose of either generation; nothing but Python's standard library.

    deploy/image.sh && deploy/compose/drill.py                  # about five minutes
    deploy/compose/drill.py --only node-killed,roll-nodes       # some of it
    deploy/compose/drill.py --json drill.json --markdown        # for the records

Everything it starts carries the project name (--project) and is removed at the end, volumes too. What is compared and counted
is described in deploy/drilling.py.
Exit code 0: no request failed, but for streams of a gateway that is killed, and none was answered otherwise.
"""
import datetime
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from drilling import SUBJECTS, Client, Load, chosen, options as common_options, run, sh, table, until

NODES = ["node-1", "node-2", "node-3", "node-4"]
COORDINATORS = ["coordinator-1", "coordinator-2", "coordinator-3"]
GATEWAYS = ["gateway-1", "gateway-2"]


class Cluster:
    """The compose project."""

    def __init__(self, project, port, image):
        self.project, self.port, self.image = project, port, image
        self.key = secrets.token_hex(16)
        v2 = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        self.tool = ["docker", "compose"] if v2 else ["docker-compose"]
        self.token = secrets.token_hex(16)
        self.operates = False

    def compose(self, *args, check=True):
        environment = {
            **os.environ,
            "CONCLAVE_CLUSTER_TOKEN": self.token,
            "CONCLAVE_API_KEYS": self.key,
            "CONCLAVE_PORT": str(self.port),
            "CONCLAVE_IMAGE": self.image,
        }
        files = ["-p", self.project, "-f", HERE / "docker-compose.yml"]
        return sh(*self.tool, *files, *args, env=environment, check=check)

    def containers(self, service):
        return self.compose("ps", "-q", service).split()

    def container(self, service):
        """Of one that runs or does not."""
        found = sh("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
                   "--filter", f"label=com.docker.compose.service={service}").split()
        return found[0]

    def health(self, container):
        return sh("docker", "inspect", "-f", "{{.State.Health.Status}}", container, check=False)

    def wait_healthy(self, services, limit=90):
        start = time.monotonic()
        for service in services:
            while self.health(self.container(service)) != "healthy":
                if time.monotonic() - start > limit:
                    raise SystemExit(f"{service} is not healthy after {limit} s")
                time.sleep(0.1)
        return time.monotonic() - start

    def conclave(self, *args):
        """Runs a subcommand with the operator's certificate, in a container that is there for nothing else."""
        name = f"{self.project}-operator"
        if not self.operates:
            sh("docker", "run", "-d", "--rm", "--name", name, "--network", f"{self.project}_cluster", "--read-only", "--cap-drop", "ALL",
               "-v", f"{self.project}_tls-operator:/tls:ro", "-e", "CONCLAVE_TLS_DIR=/tls", "-e", f"CONCLAVE_CLUSTER_TOKEN={self.token}",
               "-e", "CONCLAVE_COORDINATORS=" + ",".join(f"{one}:7001" for one in COORDINATORS),
               self.image, "balance", "--backends", "127.0.0.1:1")
            self.operates = True
        return sh("docker", "exec", name, "/usr/local/bin/conclave", *args)

    def everybody(self, *more):
        """What the service `certificates` runs, with more flags."""
        made = [f"coordinator/{one}" for one in COORDINATORS] + [f"expert-node/{one}" for one in NODES] + [f"gateway/{one}" for one in GATEWAYS]
        return ["ca", "ensure", "--dir=/authority", "--out=/tls", "--owner=65532", *more, *made]

    def down(self):
        if self.operates:
            sh("docker", "rm", "-f", f"{self.project}-operator", check=False)
        self.compose("--profile", "more", "--profile", "tools", "down", "-v", "--remove-orphans", "-t", "5", check=False)

    def status(self):
        return json.loads(self.conclave("status", "--json"))

    def leader(self):
        leaders = [c for c in self.status()["coordinators"] if c["leader"]]
        return leaders[0]["address"].split(":")[0] if leaders else None


class Drill:
    def __init__(self, cluster, load, image_two):
        self.cluster, self.load, self.image_two = cluster, load, image_two

    def steady(self):
        """nothing, for comparison"""
        time.sleep(8)
        return ""

    def node_killed(self):
        """kill -9 of an expert node"""
        container = self.cluster.container("node-2")
        sh("docker", "kill", "-s", "KILL", container)
        time.sleep(5)
        sh("docker", "start", container)
        return f"back in use {self.cluster.wait_healthy(['node-2']):.1f} s after its start"

    def leader_killed(self):
        """kill -9 of the leading coordinator"""
        old = self.cluster.leader()
        others = [self.cluster.container(name) for name in COORDINATORS if name != old]
        container = self.cluster.container(old)
        killed = datetime.datetime.now(datetime.timezone.utc)
        sh("docker", "kill", "-s", "KILL", container)
        elected = []
        until("a new leader", lambda: elected.extend(self.led_since(killed, others)) or elected)
        time.sleep(3)
        sh("docker", "start", container)
        self.cluster.wait_healthy(COORDINATORS)
        return f"a new leader after {(min(elected) - killed).total_seconds():.1f} s"

    def led_since(self, when, containers):
        """When any of them said that it leads."""
        for container in containers:
            done = subprocess.run(["docker", "logs", "--since", when.isoformat(), container], capture_output=True, text=True)
            for line in (done.stdout + done.stderr).splitlines():
                if "this coordinator leads" in line:
                    yield datetime.datetime.fromisoformat(json.loads(line)["timestamp"].replace("Z", "+00:00"))

    def node_paused(self):
        """an expert node frozen for 8 s"""
        container = self.cluster.container("node-3")
        sh("docker", "pause", container)
        time.sleep(8)
        sh("docker", "unpause", container)
        return f"back in use {self.cluster.wait_healthy(['node-3']):.1f} s after"

    def node_cut_off(self):
        """an expert node cut off its network for 8 s"""
        container, network = self.cluster.container("node-4"), f"{self.cluster.project}_cluster"
        sh("docker", "network", "disconnect", "-f", network, container)
        time.sleep(8)
        sh("docker", "network", "connect", "--alias", "node-4", network, container)
        return f"back in use {self.back('node-4'):.1f} s after"

    def back(self, name):
        """Until the coordinators hear of a node again."""
        def heard():
            node = next(n for n in self.cluster.status()["nodes"] if n["name"] == name)
            return node["state"] == "ready" and (node["silence_ms"] or 0) < 1500
        return until(f"{name} to be heard", heard)

    def gateway_killed(self):
        """kill -9 of a gateway: streams that it sends to clients end"""
        container = self.cluster.container("gateway-1")
        sh("docker", "kill", "-s", "KILL", container)
        time.sleep(3)
        sh("docker", "start", container)
        return f"back in use {self.cluster.wait_healthy(['gateway-1']):.1f} s after its start"

    def scale(self):
        """two more expert nodes, then drained and taken away"""
        names = ["node-5", "node-6"]
        self.cluster.compose("up", "-d", "--no-deps", *names)
        extra = lambda: [n for n in self.cluster.status()["nodes"] if n["name"] in names]
        took = until("two more nodes with experts", lambda: sum(
            n["state"] == "ready" and n["experts_placed"] > 0 for n in extra()) == 2)
        for name in names:
            self.cluster.conclave("drain", name)
        empty = lambda: all(n["experts_placed"] == 0 and n["experts_held"] == 0 for n in extra())
        drained = until("the two to be empty", empty)
        self.cluster.compose("rm", "-s", "-f", *names)
        return f"in use after {took:.1f} s, empty {drained:.1f} s after `drain`"

    def roll(self, services):
        """Recreates one after the other from the new image; the next one when the last is healthy."""
        self.cluster.image = self.image_two
        start = time.monotonic()
        for service in services:
            self.cluster.compose("up", "-d", "--no-deps", service)
            self.cluster.wait_healthy([service])
            # Gateways follow the placement at once; this is for their connections.
            time.sleep(1)
        new = sh("docker", "inspect", "-f", "{{.Id}}", self.image_two)
        for service in services:
            image = sh("docker", "inspect", "-f", "{{.Image}}", self.cluster.container(service))
            assert image == new, f"{service} runs {image}"
        return f"{(time.monotonic() - start) / len(services):.1f} s each"

    def roll_coordinators(self):
        """new image: three coordinators, one after the other"""
        return self.roll(COORDINATORS)

    def roll_nodes(self):
        """new image: four expert nodes"""
        return self.roll(NODES)

    def roll_gateways(self):
        """new image: two gateways"""
        return self.roll(GATEWAYS)

    def renew(self):
        """new certificates from the same authority, for every process"""
        # One that is valid for longer than a third of 90 days is kept, but not a third of 365.
        begun = datetime.datetime.now(datetime.timezone.utc)
        self.cluster.compose("run", "--rm", "certificates", *self.cluster.everybody("--days=365"))
        services = [*COORDINATORS, *NODES, *GATEWAYS]
        new = lambda service: "new certificates in use" in sh(
            "sh", "-c", f"docker logs --since {begun.isoformat()} {self.cluster.container(service)} 2>&1")
        return f"in use everywhere after {until('new certificates', lambda: all(map(new, services))):.1f} s"

    def roll_front(self):
        """new image: the balancer, the only one of its kind"""
        return self.roll(["front"])


# Name, method, whether a failure is a finding: a client whose own gateway is killed loses its stream.
STEPS = [
    ("steady", Drill.steady, True),
    ("node-killed", Drill.node_killed, True),
    ("leader-killed", Drill.leader_killed, True),
    ("node-paused", Drill.node_paused, True),
    ("node-cut-off", Drill.node_cut_off, True),
    ("scale", Drill.scale, True),
    ("roll-coordinators", Drill.roll_coordinators, True),
    ("roll-nodes", Drill.roll_nodes, True),
    ("roll-gateways", Drill.roll_gateways, True),
    ("renew", Drill.renew, True),
    ("roll-front", Drill.roll_front, True),
    ("gateway-killed", Drill.gateway_killed, False),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def second_image(image, tag):
    """The same files under a new image id, as a release would be."""
    name = sh("docker", "create", image)
    try:
        sh("docker", "commit", "--change", f"LABEL conclave.drill={time.time()}", name, tag)
    finally:
        sh("docker", "rm", name)


def main():
    parser = common_options(__doc__.split("\n\n")[0], STEPS)
    parser.add_argument("--project", default="conclave-drill")
    parser.add_argument("--image", default="conclave:dev")
    options = parser.parse_args()
    if not shutil.which("docker"):
        sys.exit("docker is missing")
    steps = chosen(options.only, STEPS)

    cluster = Cluster(options.project, free_port(), options.image)
    image_two = f"{options.project}:two"
    second_image(options.image, image_two)
    bad = 0
    load = Load("127.0.0.1", cluster.port, cluster.key, options.clients, options.tokens)
    try:
        start = time.monotonic()
        cluster.compose("up", "-d")
        record = Client(load, 1).ask(SUBJECTS[0])
        if record["error"]:
            sys.exit(f"no first answer: {record['error']}")
        first = time.monotonic() - start
        print(f"`up` to the end of the first answer: {first:.1f} s, with {' '.join(cluster.tool)}", flush=True)
        cluster.wait_healthy([*COORDINATORS, *NODES, *GATEWAYS, "front"])
        load.learn()
        load.start()
        rows, bad = run(steps, Drill(cluster, load, image_two), load)
        load.stop()
        print("\n" + table(rows, options.markdown))
        if options.json:
            options.json.write_text(json.dumps({"first_answer_s": first, "tool": cluster.tool, "steps": rows}, indent=1) + "\n")
    finally:
        load.stopped.set()
        if not options.keep:
            cluster.down()
            sh("docker", "rmi", image_two, check=False)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
