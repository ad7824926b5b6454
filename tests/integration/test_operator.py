#!/usr/bin/python3
"""test_operator.py - what an operator sees and does: who is connected, and the end in good order."""
import json
import os
import pty
import re
import socket
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402


class OperatorTest(rig.LabTest):
    def operate(self, *words, **more):
        return self.lab.relto("admin", *words, context=self.lab.context_name("hub", "/operator"), **more)


class Sessions(OperatorTest):
    def sessions(self):
        return [json.loads(line) for line in self.operate("sessions", "--json")[0].splitlines()]

    def test_every_session_of_every_worker_is_told_with_who_it_is(self):
        clients = [self.client(party) for party in ("gbr", "nor", "ken", "ken")]
        clients[1].subscribe()
        got = self.sessions()
        self.assertEqual([s["connection"] for s in got], sorted(s["connection"] for s in got))
        self.assertEqual(sorted(s["agent"] for s in got), sorted(
            ["spiffe://%s.example/fusion-desk" % p for p in ("gbr", "nor", "ken", "ken")] + ["spiffe://hub.example/operator"]))
        nor = next(s for s in got if s["party"] == "NOR")
        self.assertEqual((nor["state"], nor["version"], nor["subscriptions"], nor["unanswered"]), ("ready", 2, 1, 0))
        self.assertEqual(nor["address"], "127.0.0.1:%d" % clients[1].tls.getsockname()[1])
        self.assertGreater(nor["certificate_until"], nor["idle_ms"] // 1000)
        out, _ = self.operate("sessions")
        self.assertRegex(out.splitlines()[0], r"^connection +party +agent +address +state +for s +idle s +subscriptions")
        self.assertRegex(out, r"(?m)^\d+ +NOR +spiffe://nor.example/fusion-desk +%s +ready +\d" % re.escape(nor["address"]))
        clients[1].bye()
        rig.until(lambda: "NOR" not in [s.get("party") for s in self.sessions()], 10, "NOR is gone")

    def test_who_waits_to_shake_hands_is_told_without_a_name(self):
        host, _, port = self.lab.address.rpartition(":")
        with socket.create_connection((host, int(port))) as s:
            mine = "127.0.0.1:%d" % s.getsockname()[1]
            got = rig.until(lambda: [x for x in self.sessions() if x["address"] == mine], 10, "the stranger")
            self.assertEqual((got[0]["state"], "party" in got[0]), ("handshake", False))

    def test_nobody_else_may_ask_and_a_place_past_the_last_worker_is_malformed(self):
        for context in (self.lab.context_name("gbr"), self.lab.context_name("hub")):
            for what in ("sessions", "drain"):
                _, err = self.lab.relto("admin", what, context=context, code=77)
                self.assertEqual(err, "relto: role: your agent does not have the role for this\n")
        operator = self.client("hub", "/operator")
        for begin in (1, 1 << 40):  # what was not begun, and so is on no record, does not go on
            with self.assertRaises(wire.Refused) as got:
                operator.ask("sessions", pb.Sessions(**{"from": begin}))
            self.assertEqual((got.exception.code, got.exception.field), ("malformed", "sessions.from"))

    def test_a_reading_is_on_record_once(self):
        self.sessions()

        def read():
            out, _ = self.lab.relto("audit", "list", "--json", context=self.lab.context_name("hub"))
            return [r["body"] for r in map(json.loads, out.splitlines()) if r["type"] == "admin"]
        before = read().count({"command": "sessions", "result": "ok"})
        self.sessions()
        rig.until(lambda: read().count({"command": "sessions", "result": "ok"}) == before + 1, 20, "the record")


class Top(OperatorTest):
    def top(self, *words, **more):
        return self.lab.relto("top", *words, context=self.lab.context_name("hub", "/operator"), **more)

    def test_elsewhere_than_on_a_terminal_pages_follow_each_other_and_are_plain(self):
        out, _ = self.top("--every", "100ms", "--count", "2")
        pages = out.split("\n\n")
        self.assertEqual(len(pages), 2)
        self.assertNotIn("\x1b", out)
        self.assertRegex(pages[0], r"^hub-1 +hub.example/relto/g1 +20[0-9-]+T\S+Z\n +total *\nconnections +1 *\n")
        self.assertRegex(pages[1], r"(?m)^ +total +a second$")
        self.assertRegex(pages[1], r"(?m)^messages_in +\d+ +\d+\.\d$")
        counters = json.loads(self.operate("status", "--json")[0])["counters"]
        for name in counters:
            self.assertRegex(pages[1], r"(?m)^%s +\d+ +[\d.]+$" % name)

    def test_a_terminal_is_written_over_in_place(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        try:
            self.top("--every", "100ms", "--count", "2", stdout=theirs)
        finally:
            os.close(theirs)
        out = b""
        while b"\x1b[J" not in out.partition(b"\x1b[J")[2]:  # the end of the second page
            out += os.read(ours, 65536)
        self.assertTrue(out.startswith(b"\x1b[2J\x1b[H"))
        self.assertEqual((out.count(b"\x1b[H"), out.count(b"\x1b[2J")), (2, 1))

    def test_json_is_a_line_a_look(self):
        out, _ = self.top("--json", "--every", "100ms", "--count", "3")
        looks = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(looks), 3)
        self.assertLess(looks[0]["counters"]["messages_in"], looks[2]["counters"]["messages_in"])

    def test_a_wrong_call_and_who_may_not(self):
        for words in (("--every", "99ms"), ("--every", "61s"), ("--every", "x"), ("--count", "0"), ("--count", "1x")):
            _, err = self.top(*words, code=64)
            self.assertIn("'%s' is not right: --every 100ms to 60s, --count from 1" % words[1], err)
        self.top("--every", "60s", "--count", "1")
        _, err = self.lab.relto("top", "--count", "1", context=self.lab.context_name("gbr"), code=77)
        self.assertEqual(err, "relto: role: your agent does not have the role for this\n")


class Drain(OperatorTest):
    proof = None

    @classmethod
    def prepare(cls):
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "limits { drain 60s }\n")

    def test_sessions_get_what_they_are_owed_and_bye_and_newcomers_are_told_so(self):
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe()
        _, report = publish(gbr, [(TEARLINE, canary())])
        self.operate("drain")
        self.assertEqual(nor.receive().manifest.id, report)  # came before Bye
        for client in (gbr, nor):
            while client.read_message().WhichOneof("body") != "bye":
                pass
        # gbr and nor do not close yet: the broker waits for them, and who comes now is told
        with self.assertRaises(wire.Refused) as got:
            self.lab.client("ken")
        self.assertEqual((got.exception.code, got.exception.error.retry_ms), ("draining", 1000))
        _, err = self.lab.relto("whoami", context=self.lab.context_name("ken"), code=75)
        self.assertIn("draining: the broker is going down, try again", err)
        gbr.close()
        nor.close()
        self.assertEqual(self.lab.process.wait(10), 0)
        self.assertIn("broker.draining", self.lab.messages())
        self.assertIn("cause=drain", self.lab.messages())
        self.lab.stop()
        self.lab.start()  # and nothing was lost
        again = self.lab.client("nor")
        self.addCleanup(again.close)
        again.subscribe()
        self.assertEqual(again.receive().manifest.id, report)
        kinds = [wire_type(o) for _, o in self.lab.records()]
        self.assertIn(("STOP", b"drain"), kinds)
        self.assertIn(("ADMIN", b"drain"), kinds)
        self.lab.prove(0)

    def test_who_does_not_go_is_waited_for_so_long_and_no_longer(self):
        self.lab.stop()
        self.lab.edit("reltod.conf", "drain 60s", "drain 300ms")
        self.lab.start()
        gbr = self.client("gbr")
        self.operate("drain")
        self.assertEqual(self.lab.process.wait(10), 0)
        self.assertTrue(gbr.closed())
        self.lab.stop()
        self.lab.edit("reltod.conf", "drain 300ms", "drain 60s")
        self.lab.start()


def wire_type(opening):
    o = rig.wire.witness.Opening(opening)
    return o.type, o.slots[7][0] if o.slots[7] else b""


if __name__ == "__main__":
    unittest.main(verbosity=2)
