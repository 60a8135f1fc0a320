"""What the clients here share: a cluster of `conclave up`, what it says of itself, and streams with the time of each token.

Standard library only. Only processes that are started here, or that `up` names, are ever signalled.
"""
import http.client, json, re, signal, subprocess, threading, time

PROMPT = "Once upon a time there was a dog"


def stream(port, prompt=PROMPT, tokens=300, on_token=None, times=None, headers={}):
    """The text of a streamed answer and when each of its tokens came. `on_token` gets each token's number, from 1.

    Fails if the server answers with an error, or ends the stream before its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v1/completions", json.dumps({
        "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True,
    }), {"content-type": "application/json", **headers})
    text, times, done = "", [] if times is None else times, False
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{response.status} {response.read()[:300]!r}")
    for line in response:
        done = done or line.startswith(b"data: [DONE]")
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            raise RuntimeError(json.dumps(event["error"]))
        times.append(time.perf_counter())
        text += event["choices"][0]["text"]
        if on_token:
            on_token(len(times))
    if not done:
        raise RuntimeError("the stream ended early")
    return text, times


def gaps(times):
    """Milliseconds between two tokens."""
    return [(b - a) * 1000 for a, b in zip(times, times[1:])]


def at(values, share):
    """The value below which `share` of them lie, by nearest rank; of few values the last is the largest."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def metrics(port):
    """The gateway's metrics, as text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def node_states(port):
    """What the gateway thinks of each node: by number, "0" if it asks it."""
    return dict(re.findall(r'^conclave_expert_node_state{node="(\d+)"} (\d)', metrics(port), re.M))


def status(binary, coordinators, *more):
    """What `conclave status` says; `None` while nobody answers."""
    command = [binary, "status", "--json", "--coordinators", coordinators, *more]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    return json.loads(out) if out else None


def all_ready(told):
    """Whether a status shows every node in use and heard of just now."""
    return bool(told) and all(node["state"] == "ready" and (node["silence_ms"] or 0) < 1000 for node in told["nodes"])


class Up:
    """`conclave up` on loopback, ended with the `with` it stands in; `pids` is kept up to date."""

    def __init__(self, binary, *more, global_options=()):
        self.binary, self.pids, self.found = binary, {}, {}
        self.process = subprocess.Popen([binary, "--log", "warn", *global_options, "up", "--port", "0", *more], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._follow, daemon=True).start()
        while "coordinators" not in self.found:
            if self.process.poll() is not None:
                raise SystemExit("`conclave up` ended before it was ready")
            time.sleep(0.05)
        self.port = self.found["port"]

    def _follow(self):
        for line in self.process.stdout:
            if match := re.match(r"\s+(\S+)\s+pid (\d+)", line):
                self.pids[match[1]] = int(match[2])
            if match := re.search(r"at http://127.0.0.1:(\d+)/", line):
                self.found["port"] = int(match[1])
            if match := re.search(r"status --coordinators (\S+)", line):
                self.found["coordinators"] = match[1]

    def status(self):
        return status(self.binary, self.found["coordinators"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
