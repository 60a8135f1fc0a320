"""Clients that mean harm, for measuring what they cost everybody else: idle sockets, heads that never end, endless bodies.

    python3 tests/clients/attackers.py http://127.0.0.1:8080 --idle 10000 --drips 500 --bodies 8 --seconds 40

Opens as many sockets as the limit of open files allows (`ulimit -n`). Whatever the server closes is opened again.
"""

import argparse
import asyncio
import resource
import time
import urllib.parse

counts = {"idle": 0, "drips": 0, "bodies": 0, "opened": 0}


async def idle(host, port, until):
    """A socket that says nothing until it is closed."""
    reader, writer = await asyncio.open_connection(host, port)
    counts["idle"] += 1
    try:
        await asyncio.wait_for(reader.read(), until - time.time())
    finally:
        counts["idle"] -= 1
        writer.close()


async def drip(host, port, until):
    """The head of a request, a byte a second."""
    _, writer = await asyncio.open_connection(host, port)
    counts["drips"] += 1
    try:
        for byte in b"GET /v1/models HTTP/1.1\r\nx-long: " + b"x" * 100_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)
            if time.time() > until:
                return
    finally:
        counts["drips"] -= 1
        writer.close()


async def body(host, port, until):
    """A body of a gigabyte, as fast as it is taken."""
    _, writer = await asyncio.open_connection(host, port)
    counts["bodies"] += 1
    head = "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    try:
        writer.write((head % (1 << 30)).encode())
        while time.time() < until:
            writer.write(b"x" * 65536)
            await writer.drain()
    finally:
        counts["bodies"] -= 1
        writer.close()


async def again(attack, host, port, until):
    while time.time() < until:
        try:
            counts["opened"] += 1
            await attack(host, port, until)
        except (OSError, asyncio.TimeoutError):
            pass
        await asyncio.sleep(0.2)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    for kind in ("idle", "drips", "bodies"):
        arguments.add_argument(f"--{kind}", type=int, default=0)
    arguments.add_argument("--seconds", type=float, default=40)
    options = arguments.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = max(hard - 100, 1)
    url = urllib.parse.urlsplit(options.url)
    until = time.time() + options.seconds
    kinds = [(body, options.bodies), (drip, options.drips), (idle, options.idle)]
    attacks = [attack for attack, number in kinds for _ in range(number)][:room]
    tasks = [asyncio.create_task(again(attack, url.hostname, url.port, until)) for attack in attacks]
    while time.time() < until:
        await asyncio.sleep(5)
        print(counts, flush=True)
    for task in tasks:
        task.cancel()


asyncio.run(main())
