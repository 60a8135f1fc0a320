#!/usr/bin/env python3
"""What a node that is ten times as slow as the others costs, and how many extra calls its neighbours make for it.

    python tests/clients/slow_node.py [target/release/conclave] [rounds] [up's further options]

Standard library only. Starts `conclave up` with three nodes and every expert on two of them. In turns it streams answers with all nodes
well, and with one node stopped for 9 ms of every 10 (SIGSTOP and SIGCONT), each time another one; before each turn it waits until the gateway
asks every node. All texts must be equal. Prints the gaps between tokens and the time per output token of both, their ratio, and the
extra calls (hedges and probes) as a share of the calls that were answered.
"""
import http.client, json, os, re, signal, subprocess, sys, threading, time

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 12
STREAMS, TOKENS, STOPPED_S, RUNS_S = 4, 200, 0.009, 0.001
up = subprocess.Popen([binary, "--log", "warn", "up", "--port", "0", "--nodes", "3", "--replicas", "2", *sys.argv[3:]],
                      stdout=subprocess.PIPE, text=True)
pids, found = {}, {}


def follow():
    for line in up.stdout:
        if match := re.match(r"\s+(\S+)\s+pid (\d+)", line):
            pids[match[1]] = int(match[2])
        if match := re.search(r"at http://127.0.0.1:(\d+)/", line):
            found["port"] = int(match[1])
        if re.search(r"status --coordinators (\S+)", line):
            found["ready"] = True


def stream():
    """Text, gaps between tokens, and the time per output token, in milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", found["port"], timeout=120)
    connection.request("POST", "/v1/completions", json.dumps({
        "prompt": "Once upon a time there was a dog", "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True,
        "stream": True}), {"content-type": "application/json"})
    text, times = "", []
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            assert "error" not in event, event
            times.append(time.perf_counter())
            text += event["choices"][0]["text"]
    gaps = [(b - a) * 1000 for a, b in zip(times, times[1:])]
    return text, gaps, (times[-1] - times[0]) * 1000 / (len(times) - 1)


def metrics():
    """Needed and extra calls so far, and the state of each node."""
    connection = http.client.HTTPConnection("127.0.0.1", found["port"], timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    total = lambda name: sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)", text, re.M))
    states = dict(re.findall(r'^conclave_expert_node_state{node="(\d+)"} (\d)', text, re.M))
    return total("conclave_expert_calls_total"), total("conclave_expert_hedges_total") + total("conclave_expert_probes_total"), states


class Slowed:
    """A process that runs one millisecond in ten, until the end."""

    def __init__(self, pid):
        self.pid, self.over = pid, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(STOPPED_S)
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(RUNS_S)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def all_asked():
    while True:
        stream()
        if set(metrics()[2].values()) <= {"0"}:
            return


def at(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


threading.Thread(target=follow, daemon=True).start()
while "ready" not in found:
    time.sleep(0.05)
try:
    golden = stream()[0]
    seen = {"calm": ([], []), "slow": ([], [])}
    calls, extra, loads = {"calm": 0, "slow": 0}, {"calm": 0, "slow": 0}, []

    def turn(kind):
        before = metrics()
        for _ in range(STREAMS):
            text, gaps, tpot = stream()
            assert text == golden, "the text changed"
            seen[kind][0].extend(gaps)
            seen[kind][1].append(tpot)
        after = metrics()
        calls[kind] += after[0] - before[0]
        extra[kind] += after[1] - before[1]
        loads.append(os.getloadavg()[0])

    for number in range(rounds):
        all_asked()
        turn("calm")
        with Slowed(pids[f"node-{number % 3 + 1}"]):
            turn("slow")
    print(f"{rounds} rounds of {STREAMS} streams of {TOKENS} tokens, every text equal; load {min(loads):.1f} to {max(loads):.1f}")
    for kind, (gaps, tpots) in seen.items():
        print(f"{kind}: between tokens P50 {at(gaps, .5):.2f}, P99 {at(gaps, .99):.2f}, worst {max(gaps):.1f} ms; per output token "
              f"P50 {at(tpots, .5):.2f}, P99 {at(tpots, .99):.2f} ms; extra calls {extra[kind]:.0f} of {calls[kind]:.0f}, "
              f"{100 * extra[kind] / calls[kind]:.2f} %")
    ratio = lambda which, share: at(seen["slow"][which], share) / at(seen["calm"][which], share)
    print(f"slow over calm: between tokens P50 {ratio(0, .5):.2f}, P99 {ratio(0, .99):.2f}; "
          f"per output token P50 {ratio(1, .5):.2f}, P99 {ratio(1, .99):.2f}")
finally:
    up.send_signal(signal.SIGTERM)
    up.wait()
