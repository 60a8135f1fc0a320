#!/usr/bin/env python3
"""What a cluster of separate processes does when nodes, networks and disks fail under load.

    python tests/clients/faults.py [--binary target/release/conclave] [--only kill,stop] [--repeat 5] [--json FILE] [--keep-logs FOLDER]

Linux, standard library only, root (or user namespaces), `unshare` (util-linux) and `ip` (iproute2). The script starts itself anew in network, mount and process namespaces
of its own: what it starts, mounts and cuts ends with it, also if it is killed, and nothing outside can be reached or signalled. Three coordinators and three expert nodes run in
a network namespace each, every expert on two nodes; the gateway and the clients in the one that routes between them. Certificates are made as for any cluster off loopback.

Lines that lose or delay packets are two TUN devices and a process that passes packets on between them, because not every kernel has `netem`.

Clients stream answers all the time. For each fault and each repetition it counts requests that failed, answers that differ from the undisturbed ones, the longest wait of any
stream for its next token (the first one included), the time until every node is used again, and what the cluster's tokens a second were meanwhile. Exit code 0: no request was
lost, no text differs, and no check failed.
"""
import argparse, contextlib, fcntl, heapq, json, os, pathlib, random, re, select, shutil, signal, statistics, struct, subprocess, sys
import tempfile, threading, time

from cluster import at, gaps, node_states, stream

INSIDE = "CONCLAVE_FAULTS_INSIDE"
CLIENTS, TOKENS = 4, 96
PROMPTS = ["Once upon a time there was a dog", "The cat and the boat", "Two friends went to the sea", "It rained all day", "A small bird sat"]
PATIENCE_S = 60
# For as many whole seconds before a fault the calm throughput is taken.
BEFORE_S = 3


def pump(left, right, delay_s, loss):
    """Passes packets on between two TUN devices, each late by `delay_s`, and each lost with the probability `loss`."""
    chance, due, number = random.Random(1), [], 0
    for fd in (left, right):
        os.set_blocking(fd, False)
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        for fd in select.select([left, right], [], [], wait)[0]:
            with contextlib.suppress(BlockingIOError):
                while packet := os.read(fd, 65536):
                    if chance.random() >= loss:
                        number += 1
                        heapq.heappush(due, (time.monotonic() + delay_s, number, right if fd == left else left, packet))
        while due and due[0][0] <= time.monotonic():
            # A full device loses it, as a line would.
            with contextlib.suppress(OSError):
                os.write(due[0][2], due[0][3])
            heapq.heappop(due)


def sh(*command, check=True):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(*lines):
    """Several commands of `ip` at once."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ip {lines}: {done.stderr.strip()}")


class Process:
    """A role in a network namespace of its own (or, the gateway, in the script's), reached at `address`."""

    def __init__(self, name, number, folder, command):
        self.name, self.number, self.command = name, number, command
        self.log = folder / f"{name}.log"
        self.running = self.id = None
        self.address = f"198.18.{number}.2" if number else "127.0.0.1"
        if number:
            ip(f"netns add {name}", f"link add to-{number} type veth peer name eth0 netns {name}",
               f"addr add 198.18.{number}.1/30 dev to-{number}", f"link set to-{number} up")
            sh("ip", "-n", name, "addr", "add", f"{self.address}/30", "dev", "eth0")
            for device in ("lo", "eth0"):
                sh("ip", "-n", name, "link", "set", device, "up")
            sh("ip", "-n", name, "route", "add", "default", "via", f"198.18.{number}.1")

    def start(self):
        inside = ["ip", "netns", "exec", self.name] if self.number else []
        with self.log.open("ab") as log:
            self.running = subprocess.Popen([str(part) for part in [*inside, *self.command]], stdout=subprocess.PIPE, stderr=log)

    @property
    def pid(self):
        return self.running.pid

    def signal(self, number):
        self.running.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.running.wait()

    def said(self, since=0):
        """What it has written to its log, from a position on."""
        return self.log.read_bytes()[since:].decode(errors="replace")

    def written(self):
        return self.log.stat().st_size if self.log.exists() else 0


class Line:
    """While it stands, what goes between a process and all others is late, or lost."""

    def __init__(self, process, delay_s=0.0, loss=0.0):
        self.process = process
        name, self.number = process.name, process.number
        self.ends = [self.tun("line0"), self.tun("line1")]
        ip("link set line0 up", f"link set line1 netns {name}")
        sh("ip", "-n", name, "link", "set", "line1", "up")
        command = [sys.executable, __file__, "--pump", *map(str, self.ends), delay_s, loss]
        self.pump = subprocess.Popen([str(part) for part in command], pass_fds=self.ends)
        time.sleep(0.3)

    @staticmethod
    def tun(name):
        fd = os.open("/dev/net/tun", os.O_RDWR)
        # TUNSETIFF with IFF_TUN | IFF_NO_PI.
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))
        return fd

    def lay(self):
        """From now on packets take it."""
        ip(f"route replace {self.process.address}/32 dev line0")
        sh("ip", "-n", self.process.name, "route", "replace", "default", "dev", "line1", "src", self.process.address)

    def take_away(self):
        sh("ip", "-n", self.process.name, "route", "replace", "default", "via", f"198.18.{self.number}.1")
        ip(f"route del {self.process.address}/32 dev line0")
        self.pump.terminate()
        self.pump.wait()
        for fd in self.ends:
            os.close(fd)


class Cluster:
    """Three coordinators, three nodes, a gateway."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.ids, self.acknowledged, self.next_write = 3, set(), 0
        self.coordinators, self.nodes = {}, {}
        roles = [f"coordinator/coordinator-{k}=198.18.{k}.2" for k in (1, 2, 3)]
        roles += [f"expert-node/node-{k}=198.18.{k + 3}.2" for k in (1, 2, 3)]
        self.pki = folder / "pki"
        sh(binary, "ca", "ensure", "--dir", self.pki, *roles, "gateway/gateway", "operator/operator")
        self.addresses = ",".join(f"198.18.{k}.2:7001" for k in (1, 2, 3))
        peers = ",".join(f"{k}=198.18.{k}.2:7001" for k in (1, 2, 3))
        begin = [binary, "--log", "warn,conclave_coordinator=info"]
        for k in (1, 2, 3):
            name = f"coordinator-{k}"
            # Its disk is one that can be filled.
            data = folder / name
            data.mkdir()
            sh("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", data)
            self.coordinators[name] = Process(name, k, folder, [*begin, "coordinator", "--id", k, "--listen", f"198.18.{k}.2:7001", "--data", data,
                "--nodes-min", 3, "--replicas", 2, "--tls-dir", self.pki / f"coordinator-{name}", "--peers", peers])
            self.coordinators[name].id, self.coordinators[name].data = k, data
        manifest = folder / "manifest.json"
        sh(binary, "manifest", "--out", manifest)
        for k in (1, 2, 3):
            name = f"node-{k}"
            self.nodes[name] = Process(name, k + 3, folder, [*begin, "expert-node", "--name", name, "--listen", f"198.18.{k + 3}.2:7100",
                "--coordinators", self.addresses, "--manifest", manifest, "--tls-dir", self.pki / f"expert-node-{name}"])
        self.gateway = Process("gateway", 0, folder, [*begin, "gateway", "--port", 0, "--coordinators", self.addresses,
            "--manifest", manifest, "--tls-dir", self.pki / "gateway-gateway"])
        for process in [*self.coordinators.values(), *self.nodes.values(), self.gateway]:
            process.start()
        line = self.gateway.running.stdout.readline().decode()
        self.port = int(re.search(r"http://127.0.0.1:(\d+)", line)[1])
        self.until("the cluster to be ready", self.ready)

    # An operator's tool runs on a machine of its own; here it takes what is left of the cores.
    OPERATOR = ["nice", "-n", "19"]

    def conclave(self, *args, check=True):
        return sh(*self.OPERATOR, self.binary, *args, "--coordinators", self.addresses, "--tls-dir", self.pki / "operator-operator", check=check)

    def status(self):
        out = self.conclave("status", "--json", check=False)
        return json.loads(out) if out else None

    def leader(self):
        """The process that leads."""
        leads = lambda: next((c["id"] for c in (self.status() or {"coordinators": []})["coordinators"] if c["leader"]), None)
        self.until("a leader", leads)
        return next(process for process in self.coordinators.values() if process.id == leads())

    def follower(self, number):
        """One that does not lead; another one each time."""
        leader = self.leader()
        others = [process for process in self.coordinators.values() if process is not leader]
        return others[number % len(others)]

    def ready(self):
        """Whether every node is heard of and in use by the coordinators, and every expert covered."""
        told = self.status()
        fresh = lambda node: node["state"] == "ready" and node["silence_ms"] is not None and node["silence_ms"] < 1000
        return bool(told) and len(told["nodes"]) == 3 and all(map(fresh, told["nodes"])) and told["experts_uncovered"] == 0

    def covered(self):
        """Whether besides the gateway asks every node again."""
        states = node_states(self.port)
        return set(states.values()) <= {"0"} and self.ready()

    def caught_up(self):
        """Whether every coordinator has all of the leader's log."""
        told = self.status() or {"coordinators": []}
        matched = [c.get("matched") for c in told["coordinators"]]
        return len(matched) == 3 and None not in matched and len(set(matched)) == 1

    def until(self, what, holds, limit=PATIENCE_S, every=0.1):
        start = time.monotonic()
        while not holds():
            if time.monotonic() - start > limit:
                raise SystemExit(f"waited {limit} s in vain for {what}; status: {json.dumps(self.status())[:3000]}")
            time.sleep(every)
        return time.monotonic() - start

    def change(self, *command, done="already"):
        """Asks for a change until it is acknowledged; how long that took. What an attempt without an answer has `done` is refused as done."""
        start = time.monotonic()
        while True:
            tried = subprocess.run([str(part) for part in [*self.OPERATOR, self.binary, *command, "--coordinators", self.addresses,
                "--tls-dir", self.pki / "operator-operator"]], capture_output=True, text=True)
            if tried.returncode == 0 or done in tried.stderr:
                return time.monotonic() - start
            assert time.monotonic() - start < PATIENCE_S, f"{command} is not taken: {tried.stderr}"
            time.sleep(0.05)

    def write(self):
        """A change that moves nothing and can be found again: an expert is pinned to a home that it has. How long it took."""
        if not self.next_write:
            self.experts = json.loads(self.conclave("experts", "--json"))
        expert = self.experts[self.next_write]
        self.next_write = (self.next_write + 1) % len(self.experts)
        key = expert["layer"], expert["expert"]
        if key in self.acknowledged:
            self.acknowledged.remove(key)
            return self.change("unpin", *key, done="is not pinned")
        took = self.change("pin", *key, expert["homes"][0])
        self.acknowledged.add(key)
        return took

    def check_written(self):
        """Fails if an acknowledged change is not there; takes all back."""
        pinned = {(e["layer"], e["expert"]) for e in json.loads(self.conclave("experts", "--pinned", "--json"))}
        assert pinned == self.acknowledged, f"acknowledged and gone: {self.acknowledged - pinned}, undone and there: {pinned - self.acknowledged}"
        for key in pinned:
            self.change("unpin", *key, done="is not pinned")
        self.acknowledged, self.next_write = set(), 0

    def replace(self, process):
        """What docs/operations.md says to do with a coordinator that has lost its disk: another id, an empty folder."""
        self.change("coordinators", "remove", process.id, done="no coordinator")
        for file in process.data.iterdir():
            file.unlink()
        self.ids += 1
        process.id = self.ids
        if "--peers" in process.command:
            process.command[process.command.index("--peers"):] = ["--join"]
        process.command[process.command.index("--id") + 1] = process.id
        process.start()
        self.change("coordinators", "add", f"{process.id}={process.address}:7001")

    def end(self):
        for process in [self.gateway, *self.nodes.values(), *self.coordinators.values()]:
            if process.running and process.running.poll() is None:
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
        for process in [self.gateway, *self.nodes.values(), *self.coordinators.values()]:
            if process.running:
                process.running.wait()


class Load:
    """Clients that stream one answer after the other, and what they saw."""

    def __init__(self, port):
        self.port, self.lock, self.over = port, threading.Lock(), threading.Event()
        self.golden = {prompt: stream(port, prompt, TOKENS)[0] for prompt in PROMPTS}
        self.records = []
        self.turns = [0] * CLIENTS
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        turn = number
        while not self.over.is_set():
            turn += 1
            prompt = PROMPTS[turn % len(PROMPTS)]
            record = {"start": time.perf_counter(), "times": [], "error": None, "differs": False}
            try:
                text, _ = stream(self.port, prompt, TOKENS, times=record["times"])
                record["differs"] = text != self.golden[prompt]
            except Exception as error:
                record["error"] = repr(error)
                time.sleep(0.05)
            record["end"] = time.perf_counter()
            with self.lock:
                self.records.append(record)
            self.turns[number] += 1

    def window(self, begin, end):
        """What was under way between two moments, once all of it has ended."""
        before = list(self.turns)
        deadline = time.monotonic() + PATIENCE_S
        while any(now == then for now, then in zip(self.turns, before)) and time.monotonic() < deadline:
            time.sleep(0.02)
        with self.lock:
            return [r for r in self.records if r["end"] >= begin and r["start"] <= end]

    def rate(self, begin, end):
        """Tokens a second between two moments that have passed."""
        return sum(begin <= t <= end for r in self.window(begin, end) for t in r["times"]) / max(end - begin, 1e-9)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)


def longest_wait(records, begin, end):
    """The longest wait of any stream for its next token, in ms, of those that touch the window."""
    longest = 0.0
    for record in records:
        moments = [record["start"], *record["times"]]
        for a, b in zip(moments, moments[1:]):
            if b >= begin and a <= end:
                longest = max(longest, (b - a) * 1000)
        # One that ended by an error waited for it.
        if record["error"]:
            longest = max(longest, (record["end"] - moments[-1]) * 1000)
    return longest


# A fault is a generator: it prepares, yields, does its harm, yields for how many seconds it lasts, heals, and yields until all is well again. What it
# returns after that is a note for the table; a failed check raises.

def nothing(cluster, number):
    """nothing, for comparison"""
    yield
    # Asked for as often as in `moves`: on few cores that is not for nothing.
    for _ in range(8):
        cluster.status()
        time.sleep(0.5)
    yield 0
    yield


def moves(cluster, number):
    """an expert node drained and taken back: all its experts move twice"""
    name = f"node-{number % 3 + 1}"
    placed = lambda: next(node["experts_placed"] for node in cluster.status()["nodes"] if node["name"] == name)
    yield
    cluster.change("drain", name)
    cluster.until(f"{name} to be empty", lambda: placed() == 0, every=0.5)
    cluster.change("undrain", name)
    cluster.until(f"{name} to have a share", lambda: placed() > 0, every=0.5)
    yield 0
    yield


def kill(cluster, number):
    """kill -9 of an expert node, started again after 4 s"""
    node = cluster.nodes[f"node-{number % 3 + 1}"]
    yield
    node.kill()
    yield 4
    node.start()
    yield


def stop(cluster, number):
    """an expert node stopped (SIGSTOP) for 5 s"""
    node = cluster.nodes[f"node-{number % 3 + 1}"]
    yield
    node.signal(signal.SIGSTOP)
    yield 5
    node.signal(signal.SIGCONT)
    yield


def on_a_line(cluster, number, seconds, **what):
    line = Line(cluster.nodes[f"node-{number % 3 + 1}"], **what)
    yield
    line.lay()
    yield seconds
    line.take_away()
    yield


def blackhole(cluster, number):
    """every packet of an expert node dropped for 5 s"""
    yield from on_a_line(cluster, number, 5, loss=1.0)


def delay(cluster, number):
    """every packet of an expert node late by 40 ms each way, for 5 s"""
    yield from on_a_line(cluster, number, 5, delay_s=0.04)


def loss(cluster, number):
    """a fifth of the packets of an expert node lost, each way, for 5 s"""
    yield from on_a_line(cluster, number, 5, loss=0.2)


def restarts(cluster, number):
    """an expert node killed and started again, six times in a row"""
    node = cluster.nodes[f"node-{number % 3 + 1}"]
    yield
    for _ in range(6):
        node.kill()
        time.sleep(0.2)
        node.start()
        time.sleep(1)
    yield 0
    yield


def leader_killed(cluster, number):
    """kill -9 of the leading coordinator, started again after 4 s"""
    leader = cluster.leader()
    cluster.write()
    yield
    leader.kill()
    took = cluster.write()
    yield 4
    leader.start()
    cluster.until("it to catch up", cluster.caught_up)
    yield
    cluster.check_written()
    return f"a change is taken after {took:.1f} s"


def cut_off(cluster, process):
    cluster.write()
    line = Line(process, loss=1.0)
    yield
    line.lay()
    took = cluster.write()
    yield 5
    line.take_away()
    cluster.until("it to catch up", cluster.caught_up)
    yield
    cluster.check_written()
    return f"a change is taken after {took:.1f} s"


def follower_cut_off(cluster, number):
    """a coordinator that follows cut off for 5 s"""
    return (yield from cut_off(cluster, cluster.follower(number)))


def leader_cut_off(cluster, number):
    """the leading coordinator cut off for 5 s"""
    return (yield from cut_off(cluster, cluster.leader()))


def full_disk(cluster, process):
    said = process.written()
    fill = process.data / "fill"
    yield
    with contextlib.suppress(OSError), fill.open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
    writes = 0
    while process.running.poll() is None and writes < 600:
        cluster.write()
        writes += 1
    if process.running.poll() is None:
        # A log's file keeps the pages that it no longer needs, and after earlier faults it can have many.
        yield 0
        fill.unlink()
        yield
        cluster.check_written()
        return f"its file had room for {writes} changes: it ran on, and all are there"
    told = process.said(said)
    assert process.running.returncode == 1 and "this coordinator has stopped" in told and "free" in told, told
    for other in cluster.coordinators.values():
        assert other is process or other.running.poll() is None, f"{other.name} ended too"
    took = cluster.write()
    yield 0
    fill.unlink()
    process.start()
    cluster.until("it to catch up", cluster.caught_up)
    yield
    cluster.check_written()
    return f"ended with its reason after {writes} changes; the next one took {took:.1f} s; caught up with room again"


def follower_disk_full(cluster, number):
    """the disk of a coordinator that follows full"""
    return (yield from full_disk(cluster, cluster.follower(number)))


def leader_disk_full(cluster, number):
    """the disk of the leading coordinator full"""
    return (yield from full_disk(cluster, cluster.leader()))


def torn(cluster, process, harm):
    for _ in range(5):
        cluster.write()
    cluster.until("it to have all of that", cluster.caught_up)
    file = process.data / "raft.redb"
    before = file.read_bytes()
    cluster.write()
    cluster.until("it to have that too", cluster.caught_up)
    yield
    process.kill()
    harm(file, before)
    for _ in range(3):
        cluster.write()
    said = process.written()
    process.start()
    cluster.until("it to catch up or to end", lambda: process.running.poll() is not None or cluster.caught_up())
    yield 0
    note = "it came back by itself and caught up"
    if process.running.poll() is not None:
        told = process.said(said)
        assert process.running.returncode == 1 and "new id" in told, f"it ended without saying what to do: {told}"
        cluster.replace(process)
        cluster.until("the new one to catch up", cluster.caught_up)
        note = "it ended and said why; another id took its place"
    for other in cluster.coordinators.values():
        assert other.running.poll() is None, f"{other.name} ended too: {other.said()[-2000:]}"
    yield
    cluster.check_written()
    return note


def flip_last(file, before):
    """Flips the bits of the pages that the last acknowledged change wrote; the first page tells where the last two stand, and stays."""
    content = bytearray(file.read_bytes())
    for begin in range(4096, len(content), 4096):
        page = slice(begin, begin + 4096)
        if content[page] != before[page]:
            content[page] = bytes(byte ^ 0xFF for byte in content[page])
    file.write_bytes(content)


def torn_page(cluster, number):
    """kill -9 of a coordinator, bits flipped in its last acknowledged change"""
    return (yield from torn(cluster, cluster.follower(number), flip_last))


def truncated_log(cluster, number):
    """kill -9 of a coordinator, the second half of its log's file gone"""
    return (yield from torn(cluster, cluster.follower(number), lambda file, _: os.truncate(file, file.stat().st_size // 2)))


FAULTS = [nothing, moves, kill, stop, blackhole, delay, loss, restarts, leader_killed, follower_cut_off, leader_cut_off, follower_disk_full,
          leader_disk_full, torn_page, truncated_log]


def run_once(cluster, load, fault, number):
    """One repetition: what it cost."""
    steps = fault(cluster, number)
    next(steps)
    time.sleep(BEFORE_S)
    begin = time.perf_counter()
    seconds = next(steps)
    time.sleep(max(0.0, begin + seconds - time.perf_counter()))
    healing = time.perf_counter()
    note = None
    with contextlib.suppress(StopIteration):
        next(steps)
    cluster.until("every node to be used again", cluster.covered)
    covered = time.perf_counter()
    try:
        next(steps)
    except StopIteration as done:
        note = done.value
    end = time.perf_counter()
    records = load.window(begin, end)
    between = [gap for r in records for gap in gaps([t for t in r["times"] if begin <= t <= end])]
    calm = load.rate(begin - BEFORE_S, begin)
    return {
        "requests": len(records),
        "lost": sum(r["error"] is not None for r in records),
        "differ": sum(r["differs"] for r in records),
        "errors": sorted({r["error"] for r in records if r["error"]})[:3],
        "stall_ms": longest_wait(records, begin, end),
        "gap_p50_ms": at(between, .5), "gap_p99_ms": at(between, .99), "gap_max_ms": max(between),
        "covered_s": covered - healing,
        # From half a second after it on, so that the stall itself does not count twice.
        "rate": load.rate(begin + 0.5, healing) / calm if healing - begin > 1 else None,
        "calm_tokens_per_s": calm,
        "note": note,
        "load": os.getloadavg()[0],
    }


def row(fault, runs):
    stalls = [run["stall_ms"] for run in runs]
    rates = [run["rate"] for run in runs if run["rate"]]
    back = [run["covered_s"] for run in runs]
    total = lambda key: sum(run[key] for run in runs)
    loads = [run["load"] for run in runs]
    notes = "; ".join(dict.fromkeys(run["note"] for run in runs if run["note"]))
    return [fault.__doc__, str(len(runs)), str(total("requests")), str(total("lost")), str(total("differ")),
            f"{statistics.median(stalls):.0f}, {at(stalls, .99):.0f}, {max(stalls):.0f}",
            f"{statistics.median(run['gap_p99_ms'] for run in runs):.1f}", f"{statistics.median(back):.1f}, {max(back):.1f}", f"{100 * statistics.median(rates):.0f} %" if rates else "",
            f"{min(loads):.1f} to {max(loads):.1f}", notes]


HEAD = ["fault", "times", "requests", "lost", "other text", "longest wait (ms): P50, P99, worst", "P99 between tokens (ms)", "used again after (s): P50, worst", "tokens/s", "load", ""]


def missing():
    """What this machine lacks, for people."""
    lacks = [f"`{tool}`: install the package {package}" for tool, package in [("ip", "iproute2"), ("unshare", "util-linux"), ("mount", "mount")]
             if not shutil.which(tool)]
    if not os.path.exists("/dev/net/tun"):
        lacks.append("/dev/net/tun: load the kernel module `tun`")
    if not sys.platform.startswith("linux"):
        lacks.append("Linux: namespaces are what this is made of")
    return lacks


def enter():
    """Starts this script anew in namespaces of its own; returns only there."""
    if os.environ.get(INSIDE):
        return
    if lacks := missing():
        raise SystemExit("faults.py cannot run here; it lacks\n  " + "\n  ".join(lacks))
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        unshare[1:1] = ["--user", "--map-root-user"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        raise SystemExit("faults.py may not make namespaces here; it needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")
    with tempfile.TemporaryDirectory(prefix="conclave-faults-", ignore_cleanup_errors=True) as folder:
        inside = subprocess.Popen([*unshare, sys.executable, os.path.abspath(__file__), *sys.argv[1:]], env={**os.environ, INSIDE: folder})
        # `unshare` waits deaf to this; with it ends everything inside.
        signal.signal(signal.SIGTERM, lambda *_: inside.kill())
        while True:
            # Ctrl-C reaches the script inside too, which ends in its own time.
            with contextlib.suppress(KeyboardInterrupt):
                sys.exit(inside.wait())


def main():
    if sys.argv[1:2] == ["--pump"]:
        left, right, delay_s, loss = sys.argv[2:]
        return pump(int(left), int(right), float(delay_s), float(loss))
    known = {fault.__name__.replace("_", "-"): fault for fault in FAULTS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="Faults: " + "; ".join(f"{name}: {fault.__doc__}" for name, fault in known.items()))
    parser.add_argument("--binary", default="target/release/conclave")
    parser.add_argument("--only", help="some faults, separated by commas; default: all")
    parser.add_argument("--repeat", type=int, default=3, help="how often each")
    parser.add_argument("--json", type=pathlib.Path, help="write every repetition there")
    parser.add_argument("--keep-logs", type=pathlib.Path, help="copy the processes' logs there")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(known)
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"there is no fault {', '.join(unknown)}; there are {', '.join(known)}")
    enter()
    # As process 1 of its namespace it gets no signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # `ip netns` keeps its namespaces here; nobody else's are seen or touched.
    sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    sh("ip", "link", "set", "lo", "up")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    folder = pathlib.Path(os.environ[INSIDE])
    binary = pathlib.Path(args.binary).resolve()
    cluster, results, failed = None, {}, []
    try:
        cluster = Cluster(binary, folder)
        load = Load(cluster.port)
        cluster.until("every node to be asked", cluster.covered)
        results.update({name: [] for name in names})
        # In turns, so that whatever else the machine does meanwhile is shared.
        for number in range(args.repeat):
            for name in names:
                try:
                    results[name].append(run_once(cluster, load, known[name], number))
                    print(" | ".join(row(known[name], results[name][-1:])), flush=True)
                except AssertionError as error:
                    failed.append(f"{name}, time {number + 1}: {error}")
                    print(f"FAILED {failed[-1]}", flush=True)
                    # The cluster is not as it was.
                    break
            if failed:
                break
        load.stop()
        print("\n| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
        for name in names:
            if results[name]:
                print("| " + " | ".join(row(known[name], results[name])) + " |")
        for name in names:
            for error in sorted({error for run in results[name] for error in run["errors"]}):
                print(f"{name}: {error}")
        if args.json:
            args.json.write_text(json.dumps(results, indent=1))
    finally:
        if args.keep_logs:
            args.keep_logs.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copy(log, args.keep_logs)
        if cluster:
            cluster.end()
        for mount in folder.glob("coordinator-?"):
            sh("umount", mount, check=False)
    lost = sum(run["lost"] + run["differ"] for runs in results.values() for run in runs)
    return 1 if lost or failed else 0


if __name__ == "__main__":
    sys.exit(main())
