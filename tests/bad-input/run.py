#!/usr/bin/python3
"""run.py - what bad input gets: every line of the *.case tables against a real reltod.

A table has one case a line:   name | input | code | record | connection
  input       what is sent: a name of senders.py with its arguments; 'certificate KIND': see certificates.py
  code        the code of the Error (proto/err.def), '-' for none
  record      the code under which the log gains a REFUSED record for this agent, '-' for none
  connection  open (a Ping is still answered), closed
All messages that were sent and received, sound or not, go through TWO_READERS too (tests/fuzz/fuzz_message.c over a
folder): our codec and protobuf-c must say the same of each.
The runner prints a line for each case, then what it found in the log, and exits 1 if something differs.  The policy's
table has columns of its own: see policies.py.

usage: run.py [CASE-FILE..]
"""
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, HERE)
import certificates  # noqa: E402
import rig  # noqa: E402
import senders  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from wire import pb  # noqa: E402

TABLES = ("certificates", "frames", "messages", "reports")
RECORD_SECONDS = 5


class Messages:
    """Every message that passed, each once."""

    def __init__(self, folder):
        self.folder, self.frames, self.feed = folder, wire.frames, wire.Assembler.feed
        wire.frames, wire.Assembler.feed = self.sent, lambda a, data: self.received(self.feed(a, data))

    def keep(self, message):
        with open(os.path.join(self.folder, hashlib.sha256(message).hexdigest()), "wb") as f:
            f.write(message)

    def sent(self, message, *how, **more):
        self.keep(message)
        return self.frames(message, *how, **more)

    def received(self, messages):
        for m in messages:
            self.keep(m)
        return messages

    def judge(self):
        """What the two readers differ in, '' if in nothing."""
        done = subprocess.run([os.environ["TWO_READERS"], self.folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print("both readers: %s" % done.stdout.decode().strip())
        return "" if done.returncode == 0 else "the readers differ, or fail: %d" % done.returncode


def read_cases(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.strip() and not line.startswith("#"):
                parts = [p.strip() for p in line.split(" | ")]
                if len(parts) != 5:
                    raise SystemExit("%s:%d: %d columns" % (path, number, len(parts)))
                yield parts


class Records:
    """How often the log says REFUSED, by agent and code; read as the hub's auditor."""

    def __init__(self, lab):
        self.client, self.next, self.counts, self.wanted = lab.client("hub"), 0, {}, {}

    def refresh(self):
        while True:
            got = self.client.ask("audit_list", pb.AuditList(**{"from": self.next, "count": 1000}))
            for r in got.records:
                o = witness.Opening(r.opening)
                self.next = r.index + 1
                if o.type == "REFUSED":
                    code, count, agent = o.slots[7][0].decode(), witness.uint(o.slots[7][1]), o.slots[7][3].decode()
                    if code != "tls":  # certificates.py counts those
                        self.counts[agent, code] = self.counts.get((agent, code), 0) + count
            if not got.next:
                return

    def want(self, agent, code):
        self.wanted[agent, code] = self.wanted.get((agent, code), 0) + 1

    def check(self):
        """Records that are missing or too many; those of one second are merged with their count."""
        end = time.monotonic() + RECORD_SECONDS
        while self.counts != self.wanted and time.monotonic() < end:
            time.sleep(0.1)
            self.refresh()
        return ["%s %s: %d records, %d expected" % (key + (self.counts.get(key, 0), self.wanted.get(key, 0)))
                for key in sorted(set(self.counts) | set(self.wanted))
                if self.counts.get(key, 0) != self.wanted.get(key, 0)]


def errors_in(client, seconds):
    """Codes of the Errors that come; whether the connection was closed."""
    codes, end = [], time.monotonic() + seconds
    try:
        while True:
            m = client.read_message(max(0, end - time.monotonic()))
            if m is None:
                return codes, False
            what = m.WhichOneof("body")
            if what == "error":
                codes.append(m.error.code.decode())
                if seconds < 5:
                    end = min(end, time.monotonic() + 0.05)
            elif what in ("receipt", "explanation", "subscribed", "pong") and seconds < 5:
                end = min(end, time.monotonic() + 0.05)
    except wire.Closed:
        return codes, True


def still_open(client):
    try:
        client.request += 1  # a sender may have used the next number by hand
        client.ask("ping", pb.Ping(), timeout=5)
        return True
    except (wire.Closed, wire.Refused, TimeoutError, OSError):
        return False


def on_the_wire(lab, how, code, connection):
    """(agent, what differs from the table)"""
    sender = getattr(senders, how.split()[0])
    who = getattr(sender, "who", "gbr")
    client = lab.client(*([who] if isinstance(who, str) else who), hello=getattr(sender, "hello", True))
    try:
        try:
            sender(client, *how.split()[1:])
            codes, closed = errors_in(client, 6 if connection == "closed" else 1)
        except (wire.Closed, OSError):
            codes, closed = errors_in(client, 1)
            closed = True
        except wire.Refused as e:
            return client.agent.id, ["refused on the way: %s" % e.code]
        wrong = []
        if codes[:1] != ([] if code == "-" else [code]):
            wrong.append("code %s" % (" ".join(codes) or "-"))
        if not closed and connection == "open" and not still_open(client):
            closed = True
        if closed != (connection == "closed"):
            wrong.append("connection %s" % ("closed" if closed else "open"))
        return client.agent.id, wrong
    finally:
        client.close()


def main():
    tables = sys.argv[1:] or [os.path.join(HERE, n + ".case") for n in TABLES]
    try:
        lab = rig.Lab()
    except unittest.SkipTest as e:
        print(e)
        return 77
    bad = total = 0
    folder = tempfile.TemporaryDirectory(prefix="relto-messages.")
    messages = Messages(folder.name)
    try:
        lab.start()
        records = Records(lab)
        for table in tables:
            for name, how, code, record, connection in read_cases(table):
                total += 1
                if how.startswith("certificate "):
                    said = certificates.run_case(lab, how.partition(" ")[2], code, record, connection)
                    wrong = [said] if said else []
                else:
                    agent, wrong = on_the_wire(lab, how, code, connection)
                    if record != "-":
                        records.want(agent, record)
                bad += bool(wrong)
                print("%-4s %s: %s%s" % ("FAIL" if wrong else "ok", os.path.basename(table), name,
                                         " - got " + ", ".join(wrong) if wrong else ""), flush=True)
        for line in records.check():
            bad += 1
            print("FAIL the log: %s" % line)
        if lab.process.poll() is not None:
            bad += 1
            print("FAIL reltod ended: %s" % lab.messages()[-2000:])
    finally:
        lab.remove()
    difference = messages.judge()
    if difference:
        bad += 1
        print("FAIL %s" % difference)
    folder.cleanup()
    print("%d cases, %d wrong" % (total, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
