#!/usr/bin/env python3
"""What a node that is ten times as slow as the others costs, and how many extra calls its neighbours make for it.

    python tests/clients/slow_node.py [target/release/conclave] [rounds] [up's further options]

Standard library only. Starts `conclave up` with three nodes and every expert on two of them. In turns it streams answers with all nodes
well, and with one node stopped for 9 ms of every 10 (SIGSTOP and SIGCONT), each time another one; before each turn it waits until the gateway
asks every node. All texts must be equal. Prints the gaps between tokens and the time per output token of both, their ratio, and the
extra calls (hedges and probes) as a share of the calls that were answered.
"""
import os, re, signal, sys, threading, time

from cluster import Up, at, gaps, metrics, node_states, stream

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 12
STREAMS, TOKENS, STOPPED_S, RUNS_S = 4, 200, 0.009, 0.001


def calls_and_extra(port):
    """Needed and extra calls so far."""
    text = metrics(port)
    total = lambda name: sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)", text, re.M))
    return total("conclave_expert_calls_total"), total("conclave_expert_hedges_total") + total("conclave_expert_probes_total")


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


def all_asked(port):
    while True:
        stream(port, tokens=TOKENS)
        if set(node_states(port).values()) <= {"0"}:
            return


with Up(binary, "--nodes", "3", "--replicas", "2", *sys.argv[3:]) as up:
    golden = stream(up.port, tokens=TOKENS)[0]
    seen = {"calm": ([], []), "slow": ([], [])}
    calls, extra, loads = {"calm": 0, "slow": 0}, {"calm": 0, "slow": 0}, []

    def turn(kind):
        before = calls_and_extra(up.port)
        for _ in range(STREAMS):
            text, times = stream(up.port, tokens=TOKENS)
            assert text == golden, "the text changed"
            seen[kind][0].extend(gaps(times))
            seen[kind][1].append((times[-1] - times[0]) * 1000 / (len(times) - 1))
        after = calls_and_extra(up.port)
        calls[kind] += after[0] - before[0]
        extra[kind] += after[1] - before[1]
        loads.append(os.getloadavg()[0])

    for number in range(rounds):
        all_asked(up.port)
        turn("calm")
        with Slowed(up.pids[f"node-{number % 3 + 1}"]):
            turn("slow")
    print(f"{rounds} rounds of {STREAMS} streams of {TOKENS} tokens, every text equal; load {min(loads):.1f} to {max(loads):.1f}")
    for kind, (between, tpots) in seen.items():
        print(f"{kind}: between tokens P50 {at(between, .5):.2f}, P99 {at(between, .99):.2f}, worst {max(between):.1f} ms; per output token "
              f"P50 {at(tpots, .5):.2f}, P99 {at(tpots, .99):.2f} ms; extra calls {extra[kind]:.0f} of {calls[kind]:.0f}, "
              f"{100 * extra[kind] / calls[kind]:.2f} %")
    ratio = lambda which, share: at(seen["slow"][which], share) / at(seen["calm"][which], share)
    print(f"slow over calm: between tokens P50 {ratio(0, .5):.2f}, P99 {ratio(0, .99):.2f}; "
          f"per output token P50 {ratio(1, .5):.2f}, P99 {ratio(1, .99):.2f}")
