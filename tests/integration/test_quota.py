#!/usr/bin/python3
"""test_quota.py - a party that publishes faster than it may is read from as fast as it may, and nobody else notices
(decision 0030).  Rates are judged by the broker's own clock, the time of acceptance in receipts."""
import concurrent.futures
import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

MiB = 1 << 20
SENDERS = 4  # connections of the party that floods
RATE, RATE_BYTES = 150, 4 * MiB
GROWS = 12 * MiB  # one report of 1 MiB at a time, in four copies and with what malloc keeps, and the others' sessions


def anonymous(pid):
    """Bytes of memory that are no file's."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))


def report(client, size):
    made = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])])
    return made.portion(TEARLINE, os.urandom(size)).seal()


def framed(client, reports):
    out = []
    for r in reports:
        client.request += 1
        m = pb.Message(request=client.request)
        m.publish.CopyFrom(r)
        out.append(wire.frames(m.SerializeToString(deterministic=True)))
    return b"".join(out)


def flood(client, data, count):
    """Sends all there is, as fast as it is taken; the receipts."""
    client.tls.settimeout(120)
    client.send_raw(data)
    return [client.wait(kind="receipt", timeout=120).receipt for _ in range(count)]


class Flood:
    """Reports made beforehand, over several connections, each with a thread of its own."""

    def __init__(self, clients, reports, size):
        self.clients, self.each = clients, reports // len(clients)
        self.data = [framed(c, [report(c, size) for _ in range(self.each)]) for c in clients]
        self.pool = concurrent.futures.ThreadPoolExecutor(len(clients))

    def __enter__(self):
        self.under_way = [self.pool.submit(flood, c, d, self.each) for c, d in zip(self.clients, self.data)]
        return self

    def __exit__(self, *exc):
        self.pool.shutdown()

    def over(self):
        return all(f.done() for f in self.under_way)

    def receipts(self):
        return sorted((r for f in self.under_way for r in f.result()), key=lambda r: r.accepted)


class Quota(rig.LabTest):
    proof = 0 if os.environ.get("RELTO_CHECK_FULL") == "1" else None  # of thousands of reports: half a minute

    def setUp(self):
        # between letting a report in and dating it a thread may have to wait for the processor
        self.step = 1.5 if rig.sanitized() else 0.3
        self.plain = self.lab.read("reltod.conf")
        self.addCleanup(self.take)

    def wait_until_nobody_is_slowed(self):
        """..and a second has passed, in which the buckets ran empty."""
        rig.until(lambda: self.lab.messages().count("publish.slowed") == self.lab.messages().count("publish.not-slowed"), 30,
                  "the end of what is slowed")

    def take(self, *limits):
        text = "limits {\n%s\n}\n" % "\n".join("    " + limit for limit in limits) if limits else ""
        self.lab.write("reltod.conf", self.plain + text)
        self.operator("reload")

    def operator(self, *what):
        return self.lab.relto("admin", *what, context=self.lab.context_name("hub", "/operator"))[0]

    def sessions(self):
        return [json.loads(line) for line in self.operator("sessions", "--json").splitlines()]

    def counters(self):
        return json.loads(self.operator("status", "--json"))["counters"]

    def senders(self, many=SENDERS):
        return [self.client("gbr", timeout=60) for _ in range(many)]

    def the_others_meanwhile(self, flood_):
        """What a session of the same party that only reads and one of another party are served with until it is over;
        the most memory of the broker."""
        reader, nor = self.client("gbr"), self.client("nor")
        reader.subscribe()
        served, most = 0, 0
        while not flood_.over():
            most = max(most, anonymous(self.lab.process.pid))
            if served == RATE // 2:  # more could be beyond its own rate
                nor.ask("ping", pb.Ping())
                continue
            receipt, _ = publish(nor, [(TEARLINE, canary())])
            self.assertFalse(receipt.again)
            got = reader.receive(timeout=30)
            reader.ack(got)
            served += 1
        return served, most

    def accepted_once(self, receipts):
        """When each was accepted, in s of the broker's clock from the first on."""
        self.assertEqual(len({r.report for r in receipts}), len(receipts))
        self.assertFalse(any(r.again for r in receipts))
        return [(r.accepted - receipts[0].accepted) / 1e6 for r in receipts]

    def at_the_rate(self, count, took, rate):
        said = "%d in %.3f s, at %d a second" % (count, took, rate)
        print("# %s: %s" % (self.id().split(".")[-1], said), flush=True)
        self.assertAlmostEqual(took, count / rate, delta=max(0.1 * count / rate, self.step), msg=said)

    def test_a_flood_of_reports_is_accepted_at_the_rate_and_nobody_else_waits(self):
        self.wait_until_nobody_is_slowed()
        self.take("publish-rate %d" % RATE)
        before, log = self.counters(), len(self.lab.messages())
        with Flood(self.senders(), 4 * RATE, 100) as f:
            served, _ = self.the_others_meanwhile(f)
        times = self.accepted_once(f.receipts())
        self.at_the_rate(len(times) - RATE, times[-1], RATE)  # beyond those of a second, which go at once
        for i, begun in enumerate(times):  # wherever it is looked at: never more than a second ahead, but for our own steps
            for j in range(i + RATE + 1, len(times)):
                self.assertGreaterEqual(times[j] - begun, (j - i - RATE) / RATE - self.step, "%d to %d" % (i, j))
        self.assertGreater(served, 10, "reports of another party, received and acknowledged meanwhile")
        after = self.counters()
        self.assertEqual(after["slowed"] - before["slowed"], 1)
        self.assertGreaterEqual(after["slowed_seconds"] - before["slowed_seconds"], 1)
        said = self.lab.messages()[log:]
        self.assertRegex(said, 'publish.slowed conn=[0-9]+ party="GBR" agent="spiffe://gbr.example/fusion-desk" '
                         "reports_a_second=%d bytes_a_second=268435456" % RATE)
        self.assertEqual(said.count("publish.slowed"), 1)
        self.wait_until_nobody_is_slowed()
        self.assertRegex(self.lab.messages()[log:], 'publish.not-slowed party="GBR" waited_ms=[0-9]{4}')

    def test_a_flood_of_bytes_is_accepted_at_their_rate_and_the_broker_does_not_grow(self):
        self.take("publish-rate-bytes %dMiB" % (RATE_BYTES // MiB))
        with Flood(self.senders(), 8, MiB) as f:  # what malloc and the store keep from the first time
            f.receipts()
        self.wait_until_nobody_is_slowed()
        before = anonymous(self.lab.process.pid)
        with Flood(self.senders(), 20, MiB) as f:
            served, most = self.the_others_meanwhile(f)
        print("# 20 MiB were sent, and the broker grew by %.1f" % ((most - before) / MiB), flush=True)
        times = self.accepted_once(f.receipts())
        begun = 2 * RATE_BYTES // MiB  # those that went at once, and took their time to come, are past
        self.at_the_rate(len(times) - 1 - begun, times[-1] - times[begun], RATE_BYTES / MiB)
        self.assertGreater(served, 3, "reports of another party, received and acknowledged meanwhile")
        if not rig.sanitized():  # which keep what is freed
            self.assertLess(most - before, GROWS, "bytes of memory")

    def test_wider_limits_count_at_once_for_who_waits(self):
        self.take("publish-rate 1")
        gbr, other = self.client("gbr", timeout=60), self.client("nor")
        gbr.send_raw(framed(gbr, [report(gbr, 100) for _ in range(60)]))
        first = gbr.wait(kind="receipt").receipt
        rig.until(lambda: [s.get("party") for s in self.sessions() if s["slowed"]] == ["GBR"], 20, "a session that is slowed")
        self.assertIn("slowed", self.operator("sessions"))
        self.take("publish-rate 1000")
        rest = [gbr.wait(kind="receipt", timeout=60).receipt for _ in range(59)]
        self.assertLess(rest[-1].accepted - first.accepted, 40e6, "at one a second they take a minute")
        self.assertFalse([s for s in self.sessions() if s["slowed"]])
        self.assertTrue(other.ask("ping", pb.Ping()) is not None)

    def test_who_waits_when_the_broker_goes_down_is_told_so_and_nothing_is_half_taken(self):
        self.take("publish-rate 1", "drain 1s")
        gbr = self.client("gbr", timeout=60)
        made = [report(gbr, 100) for _ in range(5)]
        gbr.send_raw(framed(gbr, made))
        taken = {gbr.wait(kind="receipt").receipt.report}
        rig.until(lambda: any(s["slowed"] for s in self.sessions()), 20, "a session that is slowed")
        self.assertEqual(self.lab.stop(), 0)
        self.assertTrue(gbr.closed(timeout=30))
        told = [m.WhichOneof("body") for m in gbr.last]
        taken |= {m.receipt.report for m in gbr.last if m.WhichOneof("body") == "receipt"}
        self.assertTrue(all(m.error.code == b"draining" for m in gbr.last if m.WhichOneof("body") == "error"))
        self.assertIn("bye", told)  # what the broker had not read by then has no answer, and was not taken (PROTOCOL.md 3)
        self.lab.write("reltod.conf", self.plain)
        self.lab.start()
        again = self.client("gbr", timeout=60)
        for m in made:
            got = again.publish(m)
            self.assertEqual(got.again, got.report in taken)


if __name__ == "__main__":
    unittest.main()
