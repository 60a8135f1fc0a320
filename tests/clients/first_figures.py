#!/usr/bin/env python3
"""First figures of a running server: time to first token, decode speed of one stream and of eight together.

    python tests/clients/first_figures.py [http://127.0.0.1:8080]

Standard library only. Medians of five rounds; greedy, 256 tokens an answer, end-of-answer tokens ignored.
"""
import http.client, json, statistics, sys, threading, time, urllib.parse

url = urllib.parse.urlparse(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
TOKENS, ROUNDS = 256, 5


def stream(prompt):
    """Seconds to the first and to the last chunk with text."""
    connection = http.client.HTTPConnection(url.hostname, url.port)
    start = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps({
        "prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}),
        {"content-type": "application/json"})
    first = last = None
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            last = time.perf_counter() - start
            first = first or last
    return first, last


def many(clients):
    times = [None] * clients
    threads = [threading.Thread(target=lambda i=i: times.__setitem__(i, stream(f"Once upon a time there were {i} friends")))
               for i in range(clients)]
    start = time.perf_counter()
    [t.start() for t in threads]
    [t.join() for t in threads]
    return clients * TOKENS / (time.perf_counter() - start)


many(1)
one = [stream("Once upon a time there was a dog") for _ in range(ROUNDS)]
first = statistics.median(f for f, _ in one)
speed = statistics.median((TOKENS - 1) / (last - f) for f, last in one)
print(f"time to first token {first * 1000:.1f} ms; one stream {speed:.0f} tok/s; "
      f"eight streams {statistics.median(many(8) for _ in range(ROUNDS)):.0f} tok/s together")
