#!/usr/bin/env python3
"""How long a stream stands still when an expert node is killed under it.

    python tests/clients/kill_stall.py [target/release/conclave] [rounds]

Standard library only. Starts `conclave up` on loopback; each round streams 300 tokens, kills one node's process
with SIGKILL after 40 of them, checks that the text is the same as without a kill, and waits until the node is back.
Prints the longest pause between two tokens of rounds with and without a kill. `faults.py` has more faults, under load.
"""
import os, signal, statistics, sys, time

from cluster import Up, all_ready, gaps, stream

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 21

with Up(binary) as up:
    golden, _ = stream(up.port)
    calm, killed = [], []
    for number in range(rounds):
        calm.append(max(gaps(stream(up.port)[1])))
        node = f"node-{number % 3 + 1}"
        before = up.pids[node]
        text, times = stream(up.port, on_token=lambda count: count == 40 and os.kill(before, signal.SIGKILL))
        assert text == golden, "the text changed"
        killed.append(max(gaps(times)))
        while up.pids[node] == before or not all_ready(up.status()):
            time.sleep(0.1)
        time.sleep(0.3)
    show = lambda values: f"median {statistics.median(values):.1f} ms, worst {max(values):.1f} ms"
    print(f"{rounds} rounds, every text equal; longest pause: calm {show(calm)}; with a kill {show(killed)}")
