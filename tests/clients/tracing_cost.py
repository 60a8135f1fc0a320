#!/usr/bin/env python3
"""What spans cost: processor time and tokens a second of a cluster while all of its requests are traced, beside the same cluster while none is.

    pip install grpcio
    python tests/clients/tracing_cost.py [target/release/conclave] [rounds] [control] [up's further options]

Starts one `conclave up` with three nodes and `--otlp-endpoint` at a collector in this script that takes every span and drops it. Four users stream answers for two seconds, with a `traceparent` that
asks for spans, and then with one that forbids them, by turns, since a machine's pace drifts within ten. Prints what all processes of the cluster used of the processors for a token, and
tokens a second: medians, and the mean of the rounds' ratios with its standard error. `control`: nobody asks for spans, which shows what two turns of the same kind differ by. The collector is a
process of its own at the lowest priority: it would run elsewhere.
"""
import json, math, os, pathlib, statistics, subprocess, sys, tempfile, threading, time

from cluster import Up, stream

USERS, SECONDS = 4, 2
COLLECTOR = """
import concurrent.futures, grpc, os, sys
os.nice(19)
class All(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), handlers=[All()])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""


def used(pids_file):
    """Seconds of processor time of the cluster's processes so far."""
    nanoseconds = 0
    for process in json.loads(pids_file.read_text()).values():
        for task in pathlib.Path(f"/proc/{process['pid']}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def turn(up, pids_file, traced):
    """Processor milliseconds a token, and tokens a second."""
    times, before, start = [[] for _ in range(USERS)], used(pids_file), time.monotonic()
    headers = {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{traced:02x}"}

    def run(mine):
        while time.monotonic() - start < SECONDS:
            one = []
            stream(up.port, tokens=40, times=one, headers=headers)
            mine.extend(one)

    threads = [threading.Thread(target=run, args=(mine,)) for mine in times]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    tokens = sum(map(len, times))
    return 1000 * (used(pids_file) - before) / tokens, tokens / (time.monotonic() - start)


if __name__ == "__main__":
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/conclave"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    more = sys.argv[3:]
    control = more[:1] == ["control"]
    collector = subprocess.Popen([sys.executable, "-c", COLLECTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = f"http://127.0.0.1:{collector.stdout.readline().strip()}"
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "pids"
        with Up(binary, "--nodes", "3", "--pids-file", str(file), *more[control:], global_options=["--otlp-endpoint", endpoint]) as up:
            # Weights may still move into memory of their own.
            time.sleep(8)
            seen = ([], [])
            for number in range(rounds + 1):
                # The one that is first has the cooler machine.
                for traced in (0, 1) if number % 2 else (1, 0):
                    figures = turn(up, file, traced and not control)
                    if number:
                        seen[traced].append(figures)
    collector.stdin.close()
    collector.wait()
    medians = [[statistics.median(column) for column in zip(*figures)] for figures in seen]
    for name, (cpu, rate) in zip(("not traced", "not traced either" if control else "traced"), medians):
        print(f"{name}: {cpu:.4f} ms of the processors a token, {rate:.1f} tokens/s")
    for k, what in enumerate(("processor time", "tokens/s")):
        # Of logarithms, so that a round in which the one was twice as slow weighs as much as its opposite.
        logs = [math.log(b[k] / a[k]) for a, b in zip(*seen)]
        error = statistics.stdev(logs) / math.sqrt(len(logs))
        print(f"{what}, the second over the first: {math.exp(statistics.fmean(logs)):.4f} +- {error:.4f} (median {math.exp(statistics.median(logs)):.4f}, {len(logs)} rounds)")
