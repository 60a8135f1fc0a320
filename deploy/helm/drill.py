#!/usr/bin/env python3
"""Installs the chart on the Kubernetes cluster that kubectl talks to, hurts it in every way it should survive while clients
talk to it, and prints what that cost. Needs helm, kubectl, three machines that take pods, and an image that they find; nothing
but Python's standard library.

    deploy/helm/drill.py --image REPOSITORY:TAG --next-tag TAG     # about six minutes
    deploy/helm/drill.py --only node-killed,machine-drained        # some of it
    deploy/helm/drill.py --cut 'docker pause kind-worker3' --mend 'docker unpause kind-worker3' --only machine-cut

Everything it installs is in a namespace of its own (--namespace), which it makes and removes; restricted pod security is
enforced there. The API is asked at a port of the first machine (--api names another way in). What is compared and counted is
described in deploy/drilling.py.
Exit code 0: no request failed, but for streams of a gateway that is killed, and none was answered otherwise.
"""
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from drilling import SUBJECTS, Client, Load, chosen, options as common_options, run, sh, table, until

RELEASE = "conclave"
COORDINATORS, NODES, GATEWAYS = (f"statefulset/{RELEASE}-coordinator", f"statefulset/{RELEASE}-expert", f"deployment/{RELEASE}-gateway")
# Small, so that three small machines have room.
SMALL = ["coordinator.resources.requests.cpu=50m", "coordinator.spread=required", "expertNode.resources.requests.cpu=100m",
         "expertNode.failureDomain=node", "gateway.resources.requests.cpu=100m", "gateway.resources.requests.memory=256Mi",
         "gateway.spread=required", "gateway.service.type=NodePort"]


class Cluster:
    """The release in its namespace."""

    def __init__(self, options):
        self.namespace, self.cut, self.mend = options.namespace, options.cut, options.mend
        repository, _, tag = options.image.rpartition(":")
        self.image = [f"image.repository={repository}", f"image.tag={tag}"]
        self.next_tag, self.values = options.next_tag, options.values

    def kubectl(self, *args, check=True):
        return sh("kubectl", "-n", self.namespace, *args, check=check)

    def get(self, *what):
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def helm(self, verb, *more):
        settings = [part for value in [*SMALL, *self.image, *more] for part in ("--set", value)]
        files = [part for file in self.values for part in ("-f", file)]
        sh("helm", verb, RELEASE, HERE / "conclave", "-n", self.namespace, *files, *settings)

    def up(self):
        sh("kubectl", "create", "namespace", self.namespace)
        sh("kubectl", "label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")
        self.helm("install")

    def down(self):
        sh("helm", "uninstall", RELEASE, "-n", self.namespace, check=False)
        sh("kubectl", "delete", "namespace", self.namespace, "--timeout=120s", check=False)

    def key(self):
        secret = self.get("secret", f"{RELEASE}-auth")
        return base64.b64decode(secret["data"]["test-key"]).decode()

    def door(self):
        """Host and port at which a machine passes requests on to the gateways."""
        machine = json.loads(sh("kubectl", "get", "nodes", "-o", "json"))["items"][0]
        host = next(one["address"] for one in machine["status"]["addresses"] if one["type"] == "InternalIP")
        return host, self.get("service", f"{RELEASE}-gateway")["spec"]["ports"][0]["nodePort"]

    def rolled_out(self, *sets):
        """Seconds until all pods of `sets` are as they should be."""
        start = time.monotonic()
        for one in sets:
            self.kubectl("rollout", "status", one, "--timeout=300s")
        return time.monotonic() - start

    def leader(self):
        """The coordinator that says of itself that it leads, and its term; `(None, 0)` while none does."""
        for number in range(3):
            pod = f"{RELEASE}-coordinator-{number}"
            metrics = self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:9100/proxy/metrics", check=False)
            told = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("conclave_raft_"))
            if told.get("conclave_raft_is_leader") == "1":
                return pod, int(told["conclave_raft_term"])
        return None, 0

    def kill(self, pod):
        """Kills the pod's processes at once; when its successor is ready, or a pod of a new name is."""
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    def machine_of(self, pod):
        return self.get("pod", pod)["spec"]["nodeName"]

    def machine_with_all(self):
        """A machine with a pod of every role, and not the one whose door is used."""
        first = json.loads(sh("kubectl", "get", "nodes", "-o", "json"))["items"][0]["metadata"]["name"]
        roles = {}
        for pod in self.get("pods")["items"]:
            roles.setdefault(pod["spec"].get("nodeName"), set()).add(pod["metadata"]["labels"].get("app.kubernetes.io/component"))
        return max((name for name in roles if name and name != first), key=lambda name: len(roles[name]))

    def pods_on(self, machine):
        return sorted(pod["metadata"]["name"] for pod in self.get("pods")["items"] if pod["spec"].get("nodeName") == machine)


class Drill:
    def __init__(self, cluster):
        self.cluster = cluster

    def steady(self):
        """nothing, for comparison"""
        time.sleep(8)
        return ""

    def node_killed(self):
        """an expert node's pod killed and deleted"""
        self.cluster.kill(f"{RELEASE}-expert-1")
        return f"its successor is in use {self.cluster.rolled_out(NODES):.1f} s after"

    def leader_killed(self):
        """the leading coordinator's pod killed and deleted"""
        old, term = self.cluster.leader()
        begun = time.monotonic()
        self.cluster.kill(old)
        # The successor has the same name, and may be the one that is elected.
        until("a leader of a later term", lambda: self.cluster.leader()[1] > term)
        elected = time.monotonic() - begun
        self.cluster.rolled_out(COORDINATORS)
        return f"a new leader {elected:.1f} s after"

    def machine_drained(self):
        """`kubectl drain` of a machine, and back"""
        machine = self.cluster.machine_with_all()
        pods = self.cluster.pods_on(machine)
        begun = time.monotonic()
        sh("kubectl", "drain", machine, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        empty = time.monotonic() - begun
        time.sleep(3)
        sh("kubectl", "uncordon", machine)
        return f"{len(pods)} pods gone after {empty:.1f} s, all back {self.cluster.rolled_out(COORDINATORS, NODES, GATEWAYS):.1f} s after `uncordon`"

    def machine_cut(self):
        """a machine cut off for a minute"""
        if not self.cluster.cut:
            return "left out: no --cut and --mend"
        sh("sh", "-c", self.cluster.cut)
        time.sleep(60)
        sh("sh", "-c", self.cluster.mend)
        return f"all ready {self.cluster.rolled_out(COORDINATORS, NODES, GATEWAYS):.1f} s after"

    def gateways_scaled(self):
        """a gateway less, and back to two"""
        self.cluster.kubectl("scale", GATEWAYS, "--replicas=1")
        until("one gateway to go", lambda: len(self.cluster.get("pods", "-l", "app.kubernetes.io/component=gateway")["items"]) == 1, 180)
        self.cluster.kubectl("scale", GATEWAYS, "--replicas=2")
        return f"the second one serves {self.cluster.rolled_out(GATEWAYS):.1f} s after it was asked for"

    def renewed(self):
        """`kubectl rollout restart` of all three, for new certificates"""
        self.cluster.kubectl("rollout", "restart", COORDINATORS, NODES, GATEWAYS)
        return f"all done after {self.cluster.rolled_out(COORDINATORS, NODES, GATEWAYS):.1f} s"

    def upgraded(self):
        """`helm upgrade` to another image"""
        if not self.cluster.next_tag:
            return "left out: no --next-tag"
        keys = self.cluster.get("secret", f"{RELEASE}-auth")["data"]
        self.cluster.helm("upgrade", f"image.tag={self.cluster.next_tag}")
        took = self.cluster.rolled_out(COORDINATORS, NODES, GATEWAYS)
        assert self.cluster.get("secret", f"{RELEASE}-auth")["data"] == keys, "an upgrade keeps its keys"
        for pod in self.cluster.get("pods")["items"]:
            # A gateway of before ends when its answers have.
            if "deletionTimestamp" not in pod["metadata"]:
                assert pod["spec"]["containers"][0]["image"].endswith(f":{self.cluster.next_tag}"), pod["metadata"]["name"]
        return f"all done after {took:.1f} s"

    def gateway_killed(self):
        """a gateway's pod killed and deleted: streams that it sends to clients end"""
        pods = self.cluster.get("pods", "-l", "app.kubernetes.io/component=gateway")["items"]
        self.cluster.kill(pods[0]["metadata"]["name"])
        return f"two again {self.cluster.rolled_out(GATEWAYS):.1f} s after"


# Name, method, whether a failure is a finding: a client whose own gateway is killed, or cut off, loses its stream.
STEPS = [
    ("steady", Drill.steady, True),
    ("node-killed", Drill.node_killed, True),
    ("leader-killed", Drill.leader_killed, True),
    ("machine-drained", Drill.machine_drained, True),
    ("gateways-scaled", Drill.gateways_scaled, True),
    ("renewed", Drill.renewed, True),
    ("upgraded", Drill.upgraded, True),
    ("machine-cut", Drill.machine_cut, False),
    ("gateway-killed", Drill.gateway_killed, False),
]


def main():
    parser = common_options(__doc__.split("\n\n")[0], STEPS)
    parser.add_argument("--namespace", default="conclave-drill")
    parser.add_argument("--image", default="conclave:dev", help="where the machines find it: REPOSITORY:TAG")
    parser.add_argument("--next-tag", help="of the same repository: what `helm upgrade` goes to")
    parser.add_argument("--values", action="append", default=[], help="a values file more")
    parser.add_argument("--api", help="HOST:PORT of the gateways; default: a port of the first machine")
    parser.add_argument("--cut", help="a shell command that takes a machine, not the first one, off the network")
    parser.add_argument("--mend", help="and what brings it back")
    options = parser.parse_args()
    for tool in ("helm", "kubectl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing")
    if bool(options.cut) != bool(options.mend):
        sys.exit("--cut and --mend go together")
    steps = chosen(options.only, STEPS)

    cluster, bad, load = Cluster(options), 0, None
    version = json.loads(sh("kubectl", "version", "-o", "json"))["serverVersion"]["gitVersion"]
    try:
        start = time.monotonic()
        cluster.up()
        cluster.rolled_out(COORDINATORS, NODES, GATEWAYS)
        ready = time.monotonic() - start
        print(f"all ready {ready:.1f} s after `helm install`, Kubernetes {version}", flush=True)
        sh("helm", "test", RELEASE, "-n", cluster.namespace)
        host, port = options.api.rsplit(":", 1) if options.api else cluster.door()
        load = Load(host, int(port), cluster.key(), options.clients, options.tokens)
        load.learn()
        load.start()
        rows, bad = run(steps, Drill(cluster), load)
        load.stop()
        print("\n" + table(rows, options.markdown))
        if options.json:
            options.json.write_text(json.dumps({"kubernetes": version, "ready_s": ready, "steps": rows}, indent=1) + "\n")
    finally:
        if load:
            load.stopped.set()
        if not options.keep:
            cluster.down()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
