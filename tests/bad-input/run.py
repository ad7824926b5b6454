#!/usr/bin/python3
"""run.py - what bad input gets: every line of the *.case tables against a real reltod.

A table has one case a line:   name | input | code | record | connection
  input       what is sent: a name of senders.py with its arguments; 'policy' tables: see policy.case
  code        the code of the Error (proto/err.def), '-' for none
  record      REFUSED when the log must gain such a record with this code for this agent, '-' when it must not
  connection  open (a Ping is still answered), closed
The runner prints a line for each case and exits 1 if one differs.

usage: run.py [CASE-FILE..]
"""
import glob
import os
import sys
import time

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

RECORD_SECONDS = 4


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
        self.client, self.next, self.counts = lab.client("hub"), 0, {}

    def refresh(self):
        while True:
            got = self.client.ask("audit_list", pb.AuditList(**{"from": self.next, "count": 1000}))
            for r in got.records:
                o = witness.Opening(r.opening)
                self.next = r.index + 1
                if o.type == "REFUSED":
                    code, count, agent = o.slots[7][0].decode(), witness.uint(o.slots[7][1]), o.slots[7][3].decode()
                    self.counts[agent, code] = self.counts.get((agent, code), 0) + count
            if not got.next:
                return self.counts

    def count(self, agent, code):
        return self.refresh().get((agent, code), 0)


def errors_in(client, seconds):
    """Codes of the Errors that come; whether the connection was closed."""
    codes, end = [], time.monotonic() + seconds
    try:
        while True:
            m = client.read_message(max(0, end - time.monotonic()))
            if m is None:
                return codes, False
            if m.WhichOneof("body") == "error":
                codes.append(m.error.code.decode())
                end = min(end, time.monotonic() + 0.3)
            elif m.WhichOneof("body") in ("receipt", "explanation", "subscribed", "pong"):
                end = min(end, time.monotonic() + 0.1)
    except wire.Closed:
        return codes, True


def still_open(client):
    try:
        client.ask("ping", pb.Ping(), timeout=5)
        return True
    except (wire.Closed, wire.Refused, TimeoutError, OSError):
        return False


def run_case(lab, records, how, code, record, connection):
    """What differs from the table, or ''."""
    if how.startswith("certificate "):
        return certificates.run_case(lab, how.partition(" ")[2], code, record, connection)
    sender = getattr(senders, how.split()[0])
    client = lab.client(getattr(sender, "who", "gbr"), hello=getattr(sender, "hello", True))
    before = records.count(client.agent.id, code) if record == "REFUSED" else 0
    try:
        try:
            sender(client, *how.split()[1:])
            codes, closed = errors_in(client, 6 if connection == "closed" else 1.5)
        except (wire.Closed, OSError):
            codes, closed = errors_in(client, 1)
            closed = True
        wrong = []
        if codes[:1] != ([] if code == "-" else [code]):
            wrong.append("code %s" % (codes or "-"))
        if not closed and connection == "open" and not still_open(client):
            closed = True
        if closed != (connection == "closed"):
            wrong.append("connection %s" % ("closed" if closed else "open"))
    finally:
        client.close()
    if record == "REFUSED":
        end = time.monotonic() + RECORD_SECONDS
        while records.count(client.agent.id, code) <= before:
            if time.monotonic() > end:
                wrong.append("no REFUSED record")
                break
            time.sleep(0.1)
    return ", ".join(wrong)


def main():
    tables = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "*.case")))
    lab = rig.Lab()
    bad = total = 0
    try:
        lab.start()
        records = Records(lab)
        for table in tables:
            for name, how, code, record, connection in read_cases(table):
                total += 1
                wrong = run_case(lab, records, how, code, record, connection)
                bad += bool(wrong)
                print("%-4s %s: %s%s" % ("FAIL" if wrong else "ok", os.path.basename(table), name,
                                         " - got " + wrong if wrong else ""), flush=True)
        if lab.process.poll() is not None:
            bad += 1
            print("FAIL reltod ended: %s" % lab.messages()[-2000:])
    finally:
        lab.remove()
    print("%d cases, %d wrong" % (total, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
