#!/usr/bin/env python3
"""How long users wait when one node after the other hangs, while what the gateway learnt from the last one still counts.

    python tests/clients/pauses.py [target/release/conclave] [pauses] [up's further options]

Standard library only. Starts `conclave up` with three nodes and every expert on two of them; four users stream without a pause, and every
few seconds another node is stopped for 0.6 s (SIGSTOP and SIGCONT), whether or not the gateway trusts the one before again. All texts must be
equal. Prints the longest gap between two tokens of each pause, sorted, and which hedges were made or refused.
"""
import collections, os, re, signal, sys, threading, time

from cluster import PROMPT, Up, metrics, stream

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
pauses = int(sys.argv[2]) if len(sys.argv) > 2 else 30
USERS, TOKENS, STOPPED_S, BETWEEN_S = 4, 64, 0.6, 4.0


def hedges(port):
    """What became of late calls so far."""
    found = re.findall(r"^conclave_expert_(hedges\w*_total){\w+=\"(\w+)\"} (\S+)", metrics(port), re.M)
    return collections.Counter({f"{name.removesuffix('_total').replace('_', ' ')} {what}": int(float(count)) for name, what, count in found})


with Up(binary, "--nodes", "3", "--replicas", "2", *sys.argv[3:]) as up:
    prompts = [f"{PROMPT} and {number} cats" for number in range(USERS)]
    golden = [stream(up.port, prompt, TOKENS)[0] for prompt in prompts]
    over, tokens, lock = threading.Event(), [], threading.Lock()

    def user(number):
        while not over.is_set():
            text, times = stream(up.port, prompts[number], TOKENS)
            assert text == golden[number], "the text changed"
            with lock:
                tokens.append(times)

    users = [threading.Thread(target=user, args=(number,)) for number in range(USERS)]
    [one.start() for one in users]
    time.sleep(8)
    before, windows = hedges(up.port), []
    for number in range(pauses):
        pid, begun = up.pids[f"node-{number % 3 + 1}"], time.perf_counter()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        os.kill(pid, signal.SIGCONT)
        windows.append((begun, time.perf_counter() + 0.5))
        time.sleep(BETWEEN_S)
    over.set()
    [one.join() for one in users]
    spans = [(a, b) for times in tokens for a, b in zip(times, times[1:])]
    longest = sorted(max((1000 * (b - a) for a, b in spans if b > begun and a < end), default=0) for begun, end in windows)
    print(f"{pauses} pauses of {STOPPED_S} s, {len(tokens)} answers, every text equal; longest gap of each, ms: {', '.join(f'{gap:.0f}' for gap in longest)}")
    print(", ".join(f"{what} {count}" for what, count in sorted((hedges(up.port) - before).items())) or "no hedges")
