"""Messages that grow when they are read: some bytes on the wire, many times that in an unpacker.  protobuf-c alone makes
68 bytes of each byte of empty sub-messages (1 MiB: 71 MB).  The broker counts elements before it unpacks, and a request has
an arena of 4 times its message and 64 KiB."""
import itertools
import os
import sys
import unittest

import attack
import measure
import wire
from measure import MiB
from wire import pb

MESSAGE = 17 * MiB
# of one message: itself in its lane, and the arena (4x)
ONE = MESSAGE + 4 * MESSAGE


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_of(kind, name):
    return kind.DESCRIPTOR.fields_by_name[name].number


def raw(request, name, body):
    """A Message with any bytes in the place of one of its kinds."""
    return b"\x08" + varint(request) + field(number_of(pb.Message, name), body)


def portions(count, inside=b""):
    return field(number_of(pb.Publish, "portions"), inside) * count


def bombs(session):
    """(name, bytes of a message from its request on, must its connection end)"""
    of = lambda name: number_of(pb.Publish, name)
    report = wire.Report(session.agent, "maritime.piracy", [("atlas", session.terms["atlas"])])
    sealed = report.portion([("ATLAS", "SECRET", {"Releasable To": ["FRA"]})], b"x").seal()
    manifest = number_of(pb.Manifest, "commitments")
    labels = number_of(pb.PortionHead, "labels")
    categories = number_of(pb.Label, "categories")
    values = number_of(pb.Category, "values")
    label = field(number_of(pb.Label, "vocabulary"), b"A") + field(
        categories, field(number_of(pb.Category, "name"), b"B") + field(values, b"x") * 7000)
    head = field(labels, label) * 4
    def publish(manifest_, portion):
        fields = {of("manifest"): field(of("manifest"), manifest_), of("routing"): field(of("routing"), sealed.routing),
                  of("portions"): portion, of("seal"): field(of("seal"), sealed.seal)}
        return b"".join(fields[n] for n in sorted(fields))

    yield "empty portions to the frame's end", lambda r: raw(r, "publish", portions(32000)), True
    yield "empty portions, 17 MiB of them", lambda r: raw(r, "publish", portions(MESSAGE // 2 - 50)), True
    yield "as many as are elements", lambda r: raw(r, "publish", portions(8100)), True
    yield "unknown fields", lambda r: raw(r, "publish", b"\xfa\x3f\x00" * 20000), True
    yield "an Ack of a million", lambda r: raw(r, "ack", b"\x08\x01" + field(2, b"\x01" * 1000000)), True
    yield "names of an Ack", lambda r: raw(r, "ack", field(2, b"\x01") * 30000), True
    yield "versions of a second Hello", lambda r: raw(r, "hello", field(1, b"\x01" * 60000)), True
    yield "a Deliver of ours", lambda r: raw(r, "deliver", portions(8000, portions(8))), True
    yield "commitments within", lambda r: raw(r, "publish", publish(field(manifest, b"") * 8000, portions(1))), False
    yield "long commitments", lambda r: raw(r, "publish", publish(field(manifest, b"x" * 32) * 400000, b"")), False
    yield "four labels of 7,000 values", lambda r: raw(r, "publish", publish(
        sealed.manifest, field(of("portions"), field(1, head) + field(2, b"x")))), False
    yield "150 heads of such labels", lambda r: raw(r, "publish", publish(
        sealed.manifest, field(of("portions"), field(1, head) + field(2, b"x")) * 150)), False


class BombsTest(measure.HostileTest):
    def test_each_is_refused_and_none_costs_more_memory_than_its_sum(self):
        with attack.Session(self.lab.agent("fra")) as s:
            names = [name for name, _, _ in bombs(s)]
        for number, name in enumerate(names):
            with self.subTest(name), attack.Session(self.lab.agent("fra"), timeout=60) as s:
                _, make, ends = list(bombs(s))[number]
                try:
                    s.send_raw(wire.frames(make(2)))
                    self.answered(s, ends)
                except OSError:
                    self.assertTrue(ends, "the connection was cut")
            self.assertMemory(ONE, "one message: lane and arena")

    def answered(self, s, ends):
        try:
            m = next(m for m in iter(lambda: s.read_message(60), None) if m.WhichOneof("body") != "heads")
        except wire.Closed:
            self.assertTrue(ends, "closed without a word")
            return
        self.assertEqual(m.WhichOneof("body"), "error")
        self.assertIn(m.error.code, (b"limit", b"malformed", b"unknown-message", b"out-of-turn", b"not-canonical",
                                     b"no-memory"))  # the arena of a request is all that it may have
        if ends:
            self.assertTrue(s.closed(10))
        else:
            s.request = 2
            s.ask("ping", pb.Ping())

    def test_a_second_message_of_full_size_beside_the_first_is_all_that_a_session_holds(self):
        with attack.Session(self.lab.agent("fra"), timeout=60) as s:
            for lane in (0, 1):
                s.send_raw((attack.struct.pack(">IB", 65536, lane) + os.urandom(1) * 65535) * 271)
            self.assertMemory(2 * 2 * MESSAGE, "two lanes of 17 MiB, which grow by doubling")
            try:
                s.send_raw((attack.struct.pack(">IB", 65536, 2) + b"x" * 65535) * 10)
                s.read_message(10)
            except (wire.Closed, OSError):
                pass
        self.answered_others()

    def answered_others(self):
        with self.lab.client("nor") as c:
            c.ask("whoami", pb.Whoami())

    def test_a_flood_of_them_costs_the_others_nothing(self):
        """Those that the connection survives, at the frame's size."""
        fra = self.lab.agent("fra")
        self.cost(lambda: attack.Attack(pour, fra), flood=True)
        self.assertMemory(4 * 2 * MiB, "four sessions, a frame and its arena each")


def pour(attack_, agent):
    attack.pour(attack_, [(s, flood(s)) for s in attack.sessions([agent], 4)], True)


def flood(s):
    make = next(make for name, make, _ in bombs(s) if name == "commitments within")
    return (s.records.records(wire.frames(make(n))) for n in itertools.count(2))


if __name__ == "__main__":
    sys.exit(unittest.main())
