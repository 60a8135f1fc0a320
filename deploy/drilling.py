"""What the drills of the compose file and of the chart share: clients that ask without a pause and compare every answer with
what the same request was answered before anything was hurt, and a table of what they saw. Temperature 0, so that each token must
be the same. "Sent again" counts requests of which no byte was answered, because nobody was at the door; SDKs send those again too.
"""
import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

SUBJECTS = ["a dog", "a cat and a boat", "two friends", "the moon", "a lost key", "rain", "a small bird", "bread"]


def sh(*command, check=True, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


class Client(threading.Thread):
    """Asks one question after the other, as a stream; half of the clients keep their connection."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.keeps = number % 2 == 0
        self.connection = None

    def run(self):
        turn = self.number
        while not self.load.stopped.is_set():
            self.load.note(self.ask(SUBJECTS[turn % len(SUBJECTS)]))
            turn += 1

    def ask(self, subject):
        """One request. While nobody is at the door it is sent again, as SDKs do, and that is counted: no connection, one
        that ends before a byte of an answer, or one kept from before that has ended meanwhile."""
        record = {"start": time.monotonic(), "subject": subject, "waited": 0.0, "pause": 0.0, "error": None, "text": "", "begun": False, "again": 0}
        deadline = record["start"] + 30
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.load.host, self.load.port, timeout=30)
                    self.connection.connect()
                self.stream(record)
                break
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.connection = None
                if record["begun"] or time.monotonic() > deadline:
                    record["error"] = repr(error)
                    break
                record["again"] += 1
                time.sleep(0.1)
        if not self.keeps and self.connection:
            self.connection.close()
            self.connection = None
        record["end"] = time.monotonic()
        return record

    def stream(self, record):
        body = {"stream": True, "max_tokens": self.load.tokens, "temperature": 0,
                "messages": [{"role": "user", "content": f"Tell me a story about {record['subject']}."}]}
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.load.key}"}
        sent = time.monotonic()
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = self.connection.getresponse()
        record["waited"], record["begun"] = sent - record["start"], True
        if response.status != 200:
            record["error"] = f"{response.status} {response.read()[:200]!r}"
            return
        closes, last, done = response.will_close, time.monotonic(), False
        for line in response:
            if not line.startswith(b"data: "):
                continue
            now = time.monotonic()
            record["pause"] = max(record["pause"], now - last)
            last = now
            data = line[6:].strip()
            if data == b"[DONE]":
                done = True
                continue
            event = json.loads(data)
            if "error" in event:
                record["error"] = json.dumps(event["error"])
                continue
            for choice in event["choices"]:
                record["text"] += choice["delta"].get("content") or ""
        if not done and not record["error"]:
            record["error"] = "the stream ended early"
        if closes:
            self.connection.close()
            self.connection = None


class Load:
    """The clients, and what they saw."""

    def __init__(self, host, port, key, clients, tokens):
        self.host, self.port, self.key, self.tokens = host, port, key, tokens
        self.lock, self.records, self.stopped = threading.Lock(), [], threading.Event()
        self.reference = {}
        self.clients = [Client(self, number) for number in range(clients)]

    def learn(self):
        for subject in SUBJECTS:
            record = Client(self, 1).ask(subject)
            if record["error"]:
                raise SystemExit(f"the first question was not answered: {record['error']}")
            self.reference[subject] = record["text"]

    def start(self):
        for client in self.clients:
            client.start()

    def note(self, record):
        with self.lock:
            self.records.append(record)

    def stop(self):
        self.stopped.set()
        for client in self.clients:
            client.join(60)

    def window(self, begin, end):
        """What was under way between two moments."""
        with self.lock:
            seen = [r for r in self.records if r["end"] >= begin and r["start"] <= end]
        failed = [r for r in seen if r["error"]]
        other = [r for r in seen if not r["error"] and r["text"] != self.reference[r["subject"]]]
        took = sorted(r["end"] - r["start"] for r in seen if not r["error"])
        return {
            "requests": len(seen),
            "failed": len(failed),
            "other_text": len(other),
            "per_s": len(seen) / max(end - begin, 0.001),
            "median_ms": 1000 * statistics.median(took) if took else 0,
            "pause_ms": 1000 * max((r["pause"] for r in seen), default=0),
            "sent_again": sum(r["again"] > 0 for r in seen),
            "sent_again_ms": 1000 * max((r["waited"] for r in seen if r["again"]), default=0),
            "errors": sorted({r["error"] for r in failed})[:3],
        }


def options(description, steps):
    """The command line that every drill has. `steps`: (name, method, whether a failure is a finding)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--only", help="steps, separated by commas: " + ", ".join(name for name, _, _ in steps))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    return parser


def chosen(only, steps):
    """The steps that `--only` names."""
    known = [name for name, _, _ in steps]
    names = only.split(",") if only else known
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such step: {', '.join(sorted(unknown))}")
    return [step for step in steps if step[0] in names]


def run(steps, drill, load):
    """Does one step after the other while the clients ask; what each cost, and how many answers are a finding."""
    rows, bad = [], 0
    for name, step, strict in steps:
        begin = time.monotonic()
        note = step(drill)
        # What went wrong late is still this step's.
        time.sleep(3)
        row = {"step": name, "what": step.__doc__, "note": note, "seconds": time.monotonic() - begin}
        row.update(load.window(begin, time.monotonic()))
        rows.append(row)
        bad += (row["failed"] + row["other_text"]) if strict else row["other_text"]
        print(f"  {name}: {row['requests']} requests, {row['failed']} failed, {row['other_text']} other; {note}", flush=True)
        for error in row["errors"]:
            print(f"    {error}", flush=True)
    return rows, bad


def until(what, condition, limit=90):
    """Seconds until `condition` holds."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > limit:
            raise SystemExit(f"waited {limit} s for {what}")
        time.sleep(0.2)
    return time.monotonic() - start


def table(rows, markdown):
    heads = ["what happened", "requests", "failed", "other text", "longest pause in a stream", "sent again", ""]
    def again(row):
        return f"{row['sent_again']}, up to {row['sent_again_ms'] / 1000:.1f} s" if row["sent_again"] else "0"

    lines = [[row["what"], str(row["requests"]), str(row["failed"]), str(row["other_text"]), f"{row['pause_ms']:.0f} ms", again(row), row["note"]]
             for row in rows]
    if markdown:
        return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *lines])
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [heads, *lines])
