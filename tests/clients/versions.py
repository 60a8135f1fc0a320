#!/usr/bin/env python3
"""Whether two versions work together in one cluster, as they do while one is replaced by the other.

    python tests/clients/versions.py OLD NEW

OLD and NEW are `conclave` binaries. Standard library only, loopback only. For each step of an upgrade in the order of docs/operations.md, and for that order backwards, it starts a cluster of
three coordinators, three expert nodes and two gateways, each of the version that it has then, and asks both gateways for the same answers: before and after a node has been killed.
All texts must be equal, and status, pin and unpin must work with the tools of both versions. Exit code 0: all that held.
"""
import contextlib, pathlib, socket, subprocess, sys, tempfile, time

from cluster import status, stream

if len(sys.argv) != 3:
    raise SystemExit(__doc__)
OLD, NEW = sys.argv[1:]
# Which of coordinators, nodes and gateways are new; a step may end in the middle of a role.
STEPS = [("OOO", "OOO", "OO"), ("NOO", "OOO", "OO"), ("NNO", "OOO", "OO"), ("NNN", "OOO", "OO"), ("NNN", "NOO", "OO"), ("NNN", "NNN", "OO"),
         ("NNN", "NNN", "NO"), ("NNN", "NNN", "NN"), ("ONN", "NNN", "NN"), ("OOO", "NNN", "NN"), ("OOO", "OON", "NN"), ("OOO", "OOO", "NO")]
TOKENS, PATIENCE_S = 24, 30


def ports(count):
    """Free ports; bound together, so that none comes twice."""
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in bound]


def until(what, done):
    end = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.1)


def ready(told):
    nodes = told and told["nodes"]
    return bool(nodes) and len(nodes) == 3 and all(node["state"] == "ready" for node in nodes)


def answered(port):
    """The text, once the gateway serves."""
    text = []

    def tried():
        with contextlib.suppress(OSError, RuntimeError):
            text.append(stream(port, tokens=TOKENS)[0])
        return text

    until(f"the gateway at port {port} answers", tried)
    return text[0]


def step(coordinators, nodes, gateways, folder):
    """The texts of one mixed cluster."""
    binary = {"O": OLD, "N": NEW}
    of = ports(len(coordinators) + len(nodes) + len(gateways))
    peers, homes, doors = of[:3], of[3:6], of[6:]
    addresses = ",".join(f"127.0.0.1:{port}" for port in peers)
    group = ",".join(f"{at}=127.0.0.1:{port}" for at, port in enumerate(peers, 1))
    processes = []

    def run(version, *arguments):
        # What roles say while others are missing is no news here.
        with open(folder / f"{len(processes)}.log", "w") as log:
            command = [binary[version], "--log", "warn", *map(str, arguments)]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        return processes[-1]

    try:
        for at, version in enumerate(coordinators, 1):
            run(version, "coordinator", "--id", at, "--peers", group, "--listen", f"127.0.0.1:{peers[at - 1]}", "--data", folder / f"data-{at}", "--nodes-min", 3)
        victim = [run(version, "expert-node", "--name", f"n{at}", "--coordinators", addresses, "--listen", f"127.0.0.1:{homes[at]}", "--threads", 1)
                  for at, version in enumerate(nodes)][0]
        for port, version in zip(doors, gateways):
            run(version, "gateway", "--coordinators", addresses, "--port", port)
        for tool in (OLD, NEW):
            until("all nodes are ready", lambda: ready(status(tool, addresses)))
        texts = [answered(port) for port in doors]
        for tool in (OLD, NEW):
            for wish in (["pin", "0", "0", "n1"], ["unpin", "0", "0"]):
                subprocess.run([tool, *wish, "--coordinators", addresses], check=True, capture_output=True)
        victim.kill()
        # From here on a request that fails is lost.
        return texts + [stream(port, tokens=TOKENS)[0] for port in doors]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def main():
    expected = None
    for versions in STEPS:
        with tempfile.TemporaryDirectory() as folder:
            texts = step(*versions, pathlib.Path(folder))
        expected = expected or texts[0]
        if any(text != expected for text in texts):
            raise SystemExit(f"other text with {versions}: {texts}")
        print(f"coordinators {versions[0]}, nodes {versions[1]}, gateways {versions[2]}: {len(texts)} equal answers")


main()
