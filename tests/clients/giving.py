#!/usr/bin/env python3
"""What it costs those who wait for tokens that nodes give their weights to a node that joins.

    python tests/clients/giving.py --model FOLDER [--binary target/release/conclave] [--rates 64MiB,16MiB,0] [--rounds 3] [more options for nodes and gateway]

Standard library only, loopback only. The folder (weights in safetensors, the larger the better) is served by a web server in this script, and every role fetches its own part
into a cache of its own, so that nobody but the homes of an expert has it on a disk. A cluster of three nodes with every expert on two of them streams answers all the time; then a
fourth node joins, with an empty cache, and takes its share from the others. For each `--peer-rate-max` in turn it prints the gaps between tokens while nothing joined, and while
weights arrived, and how fast they did. With 0 the nodes give nothing, and the fourth fetches from the web server: what is left then is what joining itself costs on a shared
machine. All texts must be equal.
"""
import argparse, http.server, os, pathlib, re, shutil, signal, socket, statistics, subprocess, tempfile, threading, time, urllib.request

from cluster import all_ready, at, gaps, status, stream

USERS, TOKENS, CALM_S, PATIENCE_S = 4, 64, 6, 180
RECEIVED = "conclave_node_weights_received_bytes_total"


class Files(http.server.SimpleHTTPRequestHandler):
    """A web server that gives ranges, as every real one does."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            return self.send_error(404)
        size = os.path.getsize(path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        first, last = (int(asked[1]), int(asked[2] or size - 1)) if asked else (0, size - 1)
        last = min(last, size - 1)
        self.send_response(206 if asked else 200)
        self.send_header("content-length", str(last - first + 1))
        self.send_header("accept-ranges", "bytes")
        self.send_header("last-modified", self.date_time_string(os.path.getmtime(path)))
        if asked:
            self.send_header("content-range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with open(path, "rb") as file:
            while first <= last and (sent := os.sendfile(self.connection.fileno(), file.fileno(), first, last - first + 1)):
                first += sent

    def log_message(self, *_):
        pass


def free():
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url):
    """The body; `None` where nobody answers, or by an error."""
    try:
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except OSError:
        return None


def until(what, holds, every=0.1):
    start = time.monotonic()
    while not (value := holds()):
        if time.monotonic() - start > PATIENCE_S:
            raise SystemExit(f"waited {PATIENCE_S} s in vain for {what}")
        time.sleep(every)
    return value


class Cluster:
    """A coordinator, three nodes and a gateway, and one more node when it is asked for; ended with the `with` it stands in."""

    def __init__(self, options, model, caches, rate):
        self.binary, self.model, self.caches, self.more = options.binary, model, caches, options.more
        self.rate, self.processes, self.data = rate, [], tempfile.mkdtemp()
        self.coordinator = f"127.0.0.1:{free()}"
        self.start("coordinator", "--id", "1", "--peers", f"1={self.coordinator}", "--listen", self.coordinator, "--data", self.data,
                   "--replicas", "2", "--nodes-min", "3")
        for number in (1, 2, 3):
            self.node(number)
        gateway = self.start(*self.role("gateway", "gateway"), "--port", "0", stdout=subprocess.PIPE)
        self.port = int(re.search(rb"http://127.0.0.1:(\d+)", gateway.stdout.readline())[1])
        until("the nodes to be ready", lambda: all_ready(told := self.status()) and len(told["nodes"]) == 3)
        until("the gateway to be ready", lambda: get(f"http://127.0.0.1:{self.port}/ready") is not None)

    def start(self, *command, **more):
        # It ends when this script does, also if that is killed.
        begin = [self.binary, "--log", "warn", "--stop-with-stdin"]
        process = subprocess.Popen([*begin, *command], stdin=subprocess.PIPE, **{"stdout": subprocess.DEVNULL, **more})
        self.processes.append(process)
        return process

    def role(self, role, name):
        return [role, "--coordinators", self.coordinator, "--model", self.model, "--model-cache", str(self.caches / name), *self.more]

    def node(self, number):
        """Starts a node; where it tells its metrics."""
        name, monitor = f"node-{number}", f"127.0.0.1:{free()}"
        self.start(*self.role("expert-node", name), "--name", name, "--listen", f"127.0.0.1:{free()}", "--monitor-listen", monitor,
                   "--peer-rate-max", self.rate, "--threads", "1")
        return monitor

    def status(self):
        return status(self.binary, self.coordinator)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()
        shutil.rmtree(self.data)


class Users:
    """Who stream all the time, and when each token came."""

    def __init__(self, port):
        self.port, self.over, self.times, self.texts = port, False, [], set()
        self.threads = [threading.Thread(target=self.run) for _ in range(USERS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over:
            times = []
            self.times.append(times)
            self.texts.add(stream(self.port, tokens=TOKENS, times=times)[0])

    def gaps(self, begin, end):
        return [gap for times in self.times for gap, when in zip(gaps(times), times[1:]) if begin <= when <= end]

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def received(monitor):
    """Bytes that the node at `monitor` has taken from others; what is on its disk does not count."""
    return float((re.search(rf"^{RECEIVED} (\S+)", get(f"http://{monitor}/metrics") or "", re.M) or [0, 0])[1])


def turn(options, model, caches, rate):
    """Gaps while nothing joined, gaps while weights came, and how many bytes came in how long; and the texts."""
    shutil.rmtree(caches / "node-4", ignore_errors=True)
    with Cluster(options, model, caches, rate) as cluster:
        users = Users(cluster.port)
        time.sleep(2)
        calm = time.perf_counter()
        time.sleep(CALM_S)
        begin = time.perf_counter()
        monitor = cluster.node(4)
        placed = lambda: any(node["name"] == "node-4" and node["experts_placed"] > 0 for node in cluster.status()["nodes"])
        seen, first, last = 0, None, begin
        done = threading.Event()
        threading.Thread(target=lambda: (until("the fourth node's share", placed, every=1), done.set())).start()
        while not done.is_set():
            if (now := received(monitor)) > seen:
                first, last, seen = first or time.perf_counter(), time.perf_counter(), now
            time.sleep(0.05)
        end = last if seen else time.perf_counter()
        time.sleep(0.5)
        users.stop()
        return users.gaps(calm, begin), users.gaps(first or begin, end), seen, end - (first or begin), users.texts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/conclave")
    parser.add_argument("--model", required=True)
    parser.add_argument("--rates", default="64MiB,16MiB,0")
    parser.add_argument("--rounds", type=int, default=3)
    options, options.more = parser.parse_known_args()
    folder = pathlib.Path(options.model).resolve()
    with tempfile.TemporaryDirectory() as root:
        root, caches = pathlib.Path(root), pathlib.Path(root) / "caches"
        (root / "served").mkdir()
        shown = root / "served" / folder.name
        shown.mkdir()
        for file in folder.iterdir():
            if file.is_file():
                (shown / file.name).symlink_to(file)
        subprocess.run([options.binary, "--log", "warn", "manifest", "--model", folder, "--out", shown / "conclave-manifest.json"], check=True)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Files(*a, directory=root / "served"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model, texts, seen = f"http://127.0.0.1:{server.server_port}/{folder.name}", set(), {}
        for number in range(options.rounds):
            for rate in options.rates.split(","):
                calm, giving, taken, took, said = turn(options, model, caches, rate)
                texts |= said
                seen.setdefault(rate, []).append((at(calm, .99), at(giving, .99)))
                print(f"round {number + 1}, {rate}: {taken / 2**20:.0f} MiB in {took:.1f} s; between tokens P50 {at(calm, .5):.1f} ms before, {at(giving, .5):.1f} while; "
                      f"P99 {at(calm, .99):.1f}, {at(giving, .99):.1f}; worst {max(calm):.0f}, {max(giving):.0f}", flush=True)
        server.shutdown()
    assert len(texts) == 1, f"{len(texts)} different texts"
    for rate, both in seen.items():
        before, during = (statistics.median(values) for values in zip(*both))
        print(f"{rate}: P99 between tokens, medians: {before:.1f} ms before, {during:.1f} while weights came: {during / before:.2f} times")
