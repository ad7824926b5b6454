#!/usr/bin/python3
"""test_lanes.py - what is urgent over a slow line.

The claims are in bytes that pass before it, not in time: at 1 MB/s 300 ms are 300,000 bytes, however busy the machine is.
"""
import os
import re
import socket
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from link import Link  # noqa: E402
from wire import label, pb  # noqa: E402

MB, MiB = 1000 * 1000, 1 << 20
HELLO = 32 * 1024  # what handshake and Welcome may take of the line
SPLIT_SECOND = 300 * 1000  # bytes that a line of 1 MB/s passes in 300 ms
SLOW, URGENT = "maritime.slow", "maritime.piracy"


RESTRICTED = [label("ATLAS", "RESTRICTED", Releasable_To=["GBR", "NOR"]), label("TLP", "GREEN")]


class Lanes(wire.Assembler):
    """Counts what came, by lane: bytes, and whole messages."""

    def __init__(self, before):
        super().__init__()
        self.data, self.lanes = before.data, before.lanes
        self.bytes, self.whole = [0] * 4, [0] * 4

    def frame(self, flags, piece):
        self.bytes[flags & 3] += len(piece)
        self.whole[flags & 3] += flags >> 7
        return super().frame(flags, piece)


class LaneTest(rig.LabTest):
    def publish(self, client, sizes, topic, precedence):
        """Reports of so many bytes, in the queue when this returns; their ids."""
        ids = []
        for n, size in enumerate(sizes):
            report = wire.Report(client.agent, topic, [("atlas", client.terms["atlas"])], precedence)
            client.send("publish", report.portion(RESTRICTED, os.urandom(size)).seal())
            ids.append(report.id)
            if n % 8 == 7:
                self.receipts(client, 8)
        self.receipts(client, len(sizes) % 8)
        return ids

    def receipts(self, client, count):
        for _ in range(count):
            self.assertIsNotNone(client.wait(kind="receipt", timeout=60))

    def known(self, name):
        """A subscription that is there before anything is published."""
        with self.lab.client("nor") as nor:
            nor.subscribe(name)

    def behind_a_line(self, name):
        """A reader at the end of a line, which holds 32 KiB itself: what it holds nobody can overtake."""
        link = Link(self.lab.address, received=32768)
        self.addCleanup(link.close)
        agent = self.lab.agent("nor")
        agent.server = link.address
        link.allow(HELLO)
        reader = wire.Client(agent, timeout=60)
        self.addCleanup(reader.close)
        reader.assembler = Lanes(reader.assembler)
        reader.send("subscribe", pb.Subscribe(name=name.encode(), mode=pb.LIVE, credit=1024))
        return link, reader

    def read(self, reader, lane, count):
        while reader.assembler.bytes[lane] < count:
            reader.read_message(0.1)
        return list(reader.assembler.bytes), list(reader.assembler.whole)

    def shares(self, what, before, after):
        """Of what came in between, each lane's, in percent."""
        came = [b - a for a, b in zip(before, after)]
        out = [100 * c / sum(came) for c in came]
        print("# of the %s ROUTINE %.1f %%, PRIORITY %.1f %%, IMMEDIATE %.1f %%, FLASH %.1f %%" % (what, *out), flush=True)
        return out


class SlowLine(LaneTest):
    def test_a_flash_passes_300_000_bytes_of_100_MB_at_most(self):
        self.known("slow")
        gbr = self.client("gbr", timeout=60)
        self.publish(gbr, [16 * MiB - 4096] + [MB] * 84, SLOW, "ROUTINE")
        link, reader = self.behind_a_line("slow")
        link.allow(8 * MiB)
        self.read(reader, 0, 8 * MiB - HELLO)
        other = self.client("nor", timeout=60)
        other.subscribe("other", URGENT)
        (flash,) = self.publish(gbr, [1000], URGENT, "FLASH")
        # the committer is asked for all its deliveries at once, so this answer comes when both are on their way
        other.ack(other.receive(timeout=60))
        before = reader.assembler.bytes[0]
        link.allow(100 * MB)
        m = reader.wait(kind="deliver", timeout=60)
        self.assertEqual(pb.Manifest.FromString(m.deliver.manifest).id, flash)
        passed = reader.assembler.bytes[0] - before
        print("# a FLASH came after %d bytes of ROUTINE" % passed, flush=True)
        self.assertLessEqual(passed, SPLIT_SECOND)

    def test_a_large_routine_on_its_way_keeps_a_20th_under_a_flood_of_flash(self):
        self.known("large")
        gbr = self.client("gbr", timeout=60)
        self.publish(gbr, [8 * MiB], SLOW, "ROUTINE")
        link, reader = self.behind_a_line("large")
        link.allow(2 * MiB)
        self.read(reader, 0, 2 * MiB - HELLO)
        self.publish(gbr, [100000] * 60, SLOW, "FLASH")
        link.allow(100 * MB)
        before, _ = self.read(reader, 3, MB)
        after, _ = self.read(reader, 3, 5 * MB)
        shares = self.shares("bytes", before, after)
        self.assertGreaterEqual(shares[0], 5)
        self.assertGreaterEqual(shares[3], 90)


class Flood(LaneTest):
    proof = None  # hundreds of signatures take the verifier in Python a minute, and it is SlowLine's log again

    def test_each_lane_keeps_a_20th_of_bytes_and_reports_under_a_flood_of_flash(self):
        self.known("flooded")
        gbr = self.client("gbr", timeout=60)
        for precedence, count in (("ROUTINE", 60), ("PRIORITY", 60), ("IMMEDIATE", 60), ("FLASH", 400)):
            self.publish(gbr, [20000] * count, SLOW, precedence)
        link, reader = self.behind_a_line("flooded")
        link.allow(100 * MB)
        before = self.read(reader, 3, MB)
        for what, *came in zip(("bytes", "reports"), before, self.read(reader, 3, 7 * MB)):
            shares = self.shares(what, *came)
            self.assertGreaterEqual(shares[0], 5)
            self.assertGreaterEqual(min(shares[:3]), shares[3] / 20)
            self.assertGreaterEqual(shares[3], 75)


class Waits(LaneTest):
    @classmethod
    def prepare(cls):
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "observe { socket \"run/observe\" }\n"
                      "deadlines {\n    routine 24h\n    priority 300ms\n    immediate 300ms\n    flash 24h\n}\n")

    def overdue(self, lane):
        return self.metrics()["relto_deliveries_overdue{lane=\"%s\"}" % lane]

    def told(self, lane):
        return re.findall(r"delivery\.overdue (subscription=\d+ lane=%d .*)" % lane, self.lab.messages())

    def test_what_waits_behind_a_reader_that_acknowledges_nothing_is_told_while_it_waits(self):
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe("stopped", SLOW, credit=1)
        self.publish(gbr, [1000], SLOW, "PRIORITY")
        first = nor.receive()
        self.publish(gbr, [1000] * 2, SLOW, "PRIORITY")
        rig.until(lambda: self.told(1), 10, "a word of the report that waits")
        self.assertRegex(self.told(1)[0], r"^subscription=\d+ lane=1 waits_ms=\d{3,4} deadline_ms=300$")
        self.assertEqual((self.overdue("PRIORITY"), self.overdue("ROUTINE")), (1, 0))
        nor.ack(first)
        nor.ack(nor.receive())  # the last one waits as long, and it is one spell
        last = nor.receive()
        rig.until(lambda: self.overdue("PRIORITY") == 0, 10, "an end of it")
        self.assertEqual(len(self.told(1)), 1)
        self.publish(gbr, [1000], SLOW, "PRIORITY")
        rig.until(lambda: self.overdue("PRIORITY") == 1, 10, "another spell")
        self.assertEqual(len(self.told(1)), 2)
        nor.ack(last)
        nor.ack(nor.receive())

    def test_what_is_on_its_way_over_a_slow_line_is_told_while_somebody_reads_it(self):
        self.known("line")
        gbr = self.client("gbr", timeout=60)
        self.publish(gbr, [8 * MiB], SLOW, "IMMEDIATE")
        link, reader = self.behind_a_line("line")
        rig.until(lambda: self.told(2), 10, "a word of the report that is on its way")
        self.assertEqual(self.overdue("IMMEDIATE"), 1)
        nor = self.client("nor", timeout=60)
        nor.subscribe("beside", SLOW, credit=1)
        self.publish(gbr, [1000] * 2, SLOW, "IMMEDIATE")
        rig.until(lambda: self.overdue("IMMEDIATE") == 2, 10, "a look at both")
        self.assertEqual(len(self.told(2)), 2, "the first one again")
        nor.close()
        reader.close()
        rig.until(lambda: self.overdue("IMMEDIATE") == 0, 10, "nobody reads it any more")
        self.assertEqual(len(self.told(2)), 2)

    def metrics(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.lab.path("run/observe"))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            got = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        return {name: float(value) for name, value in re.findall(r"(?m)^(relto_deliver\S+) (\S+)$", got)}

    def test_how_long_each_lane_waits_is_measured_and_what_is_late_is_told(self):
        self.known("waits")
        self.lab.edit("reltod.conf", "routine 24h", "routine 1ms")
        self.lab.reload()
        rig.until(lambda: self.lab.messages().count("policy.in-force") > 1, 10, "the new deadlines")
        gbr = self.client("gbr", timeout=60)
        link, reader = self.behind_a_line("waits")
        link.allow(100 * MB)
        for precedence, size in (("FLASH", 1000), ("FLASH", 1000), ("ROUTINE", 4 * MiB)):  # 250 ms of this line
            self.publish(gbr, [size], SLOW, precedence)
            reader.ack(reader.receive(timeout=60))
        got = self.metrics()
        wait = "relto_delivery_wait_seconds_%s{lane=\"%s\"%s}"
        for lane, count in (("ROUTINE", 1), ("PRIORITY", 0), ("IMMEDIATE", 0), ("FLASH", 2)):
            steps = [v for n, v in got.items() if n.startswith(wait[:-3] % ("bucket", lane))]
            self.assertEqual((len(steps), steps, steps[-1]), (10, sorted(steps), count), lane)
            self.assertEqual(got[wait % ("count", lane, "")], count)
            self.assertEqual(got["relto_deliveries_late_total{lane=\"%s\"}" % lane], lane == "ROUTINE")
        self.assertEqual(got[wait % ("bucket", "ROUTINE", ",le=\"0.1\"")], 0)
        self.assertGreater(got[wait % ("sum", "ROUTINE", "")], 0.1)
        told = re.findall(r"delivery\.late .*", self.lab.messages())
        self.assertEqual(len(told), 1)
        self.assertRegex(told[0], r"subscription=\d+ lane=0 waited_ms=\d+ deadline_ms=1 count=1$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
