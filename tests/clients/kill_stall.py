#!/usr/bin/env python3
"""How long a stream stands still when an expert node is killed under it.

    python tests/clients/kill_stall.py [target/release/conclave] [rounds]

Standard library only. Starts `conclave up` on loopback; each round streams 300 tokens, kills one node's process
with SIGKILL after 40 of them, checks that the text is the same as without a kill, and waits until the node is back.
Prints the longest pause between two tokens of rounds with and without a kill.
"""
import http.client, json, os, re, signal, statistics, subprocess, sys, threading, time

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 21
up = subprocess.Popen([binary, "--log", "warn", "up", "--port", "0"], stdout=subprocess.PIPE, text=True)
pids, found = {}, {}


def follow():
    for line in up.stdout:
        if match := re.match(r"\s+(\S+)\s+pid (\d+)", line):
            pids[match[1]] = int(match[2])
        if match := re.search(r"at http://127.0.0.1:(\d+)/", line):
            found["port"] = int(match[1])
        if match := re.search(r"status --coordinators (\S+)", line):
            found["coordinators"] = match[1]


threading.Thread(target=follow, daemon=True).start()
while "coordinators" not in found:
    time.sleep(0.05)


def stream(kill=None):
    connection = http.client.HTTPConnection("127.0.0.1", found["port"], timeout=60)
    connection.request("POST", "/v1/completions", json.dumps({
        "prompt": "Once upon a time there was a dog", "max_tokens": 300, "temperature": 0, "ignore_eos": True,
        "stream": True}), {"content-type": "application/json"})
    text, longest, last, count = "", 0.0, None, 0
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        assert "error" not in event, event
        now = time.perf_counter()
        if last is not None:
            longest = max(longest, now - last)
        last = now
        text += event["choices"][0]["text"]
        count += 1
        if kill and count == 40:
            os.kill(pids[kill], signal.SIGKILL)
    return text, longest * 1000


def all_ready():
    out = subprocess.run([binary, "status", "--json", "--coordinators", found["coordinators"]],
                         capture_output=True, text=True).stdout
    return out and all(node["state"] == "ready" and (node["silence_ms"] or 0) < 1000 for node in json.loads(out)["nodes"])


try:
    golden, _ = stream()
    calm, killed = [], []
    for at in range(rounds):
        calm.append(stream()[1])
        node = f"node-{at % 3 + 1}"
        before = pids[node]
        text, longest = stream(node)
        assert text == golden, "the text changed"
        killed.append(longest)
        while pids[node] == before or not all_ready():
            time.sleep(0.1)
        time.sleep(0.3)
    show = lambda values: f"median {statistics.median(values):.1f} ms, worst {max(values):.1f} ms"
    print(f"{rounds} rounds, every text equal; longest pause: calm {show(calm)}; with a kill {show(killed)}")
finally:
    up.send_signal(signal.SIGTERM)
    up.wait()
