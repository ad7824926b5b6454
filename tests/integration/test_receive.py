#!/usr/bin/python3
"""test_receive.py - `relto sub` shows what it acknowledges, and acknowledges nothing else (design 12)."""
import base64
import json
import os
import subprocess
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE, canary  # noqa: E402


class Receiving(unittest.TestCase):
    """The hub is a liar of ours (tests/lib/hub.py); the lab has the keys, and its broker does not run."""

    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.address = "127.0.0.1:1"
        cls.gbr, cls.ken = cls.lab.agent("gbr"), cls.lab.agent("ken")
        cls.nor = cls.lab.context_name("nor")

    def setUp(self):
        self.folder = os.path.join(self.lab.base, "kept." + self.id().rsplit(".", 1)[1])

    def hub(self, after_subscribe=lambda session: None, **more):
        h = hub.Hub(self.lab, after_subscribe=after_subscribe, **more)
        self.addCleanup(h.close)
        self.lab.address = h.address
        return h

    def report(self, *portions, agent=None, report_id=None):
        """Sealed; each portion is its content, or (content, type, title)."""
        r = wire.Report(agent or self.gbr, "maritime.piracy", [("atlas", b"t" * 32)])
        if report_id:
            r.manifest.id = report_id
        for p in portions:
            content, kind, title = p if isinstance(p, tuple) else (p, "text/plain", "")
            r.portion(TEARLINE, content, kind, title)
        return r.seal()

    def sub(self, *more, code=0, wait="2s", context=None, stdout=subprocess.PIPE):
        return self.lab.relto("sub", "--wait", wait, *more, context=context or self.nor, code=code, stdout=stdout)

    def empty_trust(self):
        folder = os.path.join(self.lab.base, "no-trust")
        os.makedirs(folder, exist_ok=True)
        return folder


class Notices(Receiving):
    def test_a_code_of_a_notice_does_not_steer_the_terminal_whoever_lets_it_through(self):
        named = os.urandom(16)
        sent = wire.Report(self.gbr, "maritime.piracy", []).about("RECALL", named, "\x1b[2J\n\u202elegal").seal()
        self.hub(lambda s: s.deliver(self.gbr, sent, agreements=(), change=lambda d: setattr(d, "notice", sent.notice)))
        os.makedirs(os.path.join(self.folder, "GBR." + str(uuid.UUID(bytes=named))))
        for more in ((), ("--json",)):
            out, err = self.sub("--count", "1", "--save", self.folder, *more)
            self.assertIn("recall" if more else "RECALLS report %s: ?[2J??legal\n" % uuid.UUID(bytes=named), out)
            for bad in ("\x1b", "\u202e"):
                self.assertNotIn(bad, out + err)
        for folder in os.listdir(self.folder):
            for name in os.listdir(os.path.join(self.folder, folder)):
                if name.endswith(".json"):
                    with open(os.path.join(self.folder, folder, name), encoding="utf-8") as f:
                        self.assertNotIn("\x1b", f.read())


class Unverified(Receiving):
    def test_a_report_of_an_unpinned_party_is_shown_when_asked_for_and_only_then_acknowledged(self):
        body = canary()
        sent = self.report(body)
        h = self.hub(lambda s: s.deliver(self.gbr, sent))
        _, err = self.sub("--trust", self.empty_trust(), "--count", "1", code=77)
        self.assertIn("is not shown", err)
        self.assertIn("relto context trust", err)
        self.assertEqual(h.acks, [])
        out, _ = self.sub("--trust", self.empty_trust(), "--count", "1", "--unverified")
        self.assertIn(body.decode(), out)
        self.assertEqual(h.acks, [1])

    def test_what_has_no_portions_is_never_acknowledged(self):
        h = self.hub(lambda s: s.deliver(self.gbr, self.report()))
        for more in ((), ("--unverified", "--trust", self.empty_trust())):
            _, err = self.sub("--count", "1", *more, code=77)
            self.assertIn("is not shown", err)
        self.assertEqual(h.acks, [])

    def test_what_is_verified_and_fails_is_not_shown_whatever_is_asked_for(self):
        body = canary()
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(body, agent=self.gbr), chain=self.ken.chain_der))
        out, _ = self.sub("--count", "1", "--unverified", code=77)
        self.assertNotIn(body.decode(), out)
        self.assertEqual(h.acks, [])


class Whole(Receiving):
    """Without --save and --exec only what came out whole is acknowledged."""

    BINARY = bytes(range(256))

    def test_long_text_is_shown_to_its_end(self):
        body = b"".join(b"line %d\twith a tab\r\n" % n for n in range(2000)) + canary()
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(body)))
        out, _ = self.sub("--count", "1")
        self.assertEqual([l[4:] for l in out.splitlines()[4:]], body.decode().splitlines())
        self.assertEqual(h.acks, [1])

    def test_what_a_terminal_cannot_show_is_not_acknowledged_and_says_what_would_help(self):
        for content, kind in ((self.BINARY, "application/octet-stream"), (b"caf\xe9", "text/plain"),
                              (b"\x1b[31mred", "text/plain")):
            h = self.hub(lambda s: s.deliver(self.gbr, self.report((content, kind, ""), canary())))
            out, err = self.sub("--count", "1", code=74)
            self.assertIn("use --save", out)
            self.assertIn("not acknowledged", err)
            self.assertEqual(h.acks, [])
            self.sub("--count", "1", "--save", self.folder)
            self.assertEqual(h.acks, [1])

    def test_json_has_every_byte(self):
        portions = [(self.BINARY, "application/octet-stream", ""), (b"caf\xe9", "text/plain", ""), ("caf\u00e9\0".encode(), "text/plain", ""),
                    (b"", "image/png", ""), (b'{"a":1}', "application/stix+json", ""), (b"plain", "application/pdf", "")]
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(*portions)))
        out, _ = self.sub("--count", "1", "--json")
        got = json.loads(out)["portions"]
        self.assertEqual([p["content"].encode() if "content" in p else base64.b64decode(p["content_base64"], validate=True)
                          for p in got], [p[0] for p in portions])
        self.assertEqual(["content" in p for p in got], [False, False, True, False, True, False])
        self.assertEqual(h.acks, [1])

    def test_what_could_not_be_written_is_not_acknowledged(self):
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        with open("/dev/full", "w") as full:
            self.sub("--count", "1", code=74, stdout=full)
        self.assertEqual(h.acks, [])


class Handing(Receiving):
    def again(self, times):
        """The hub gives one report, and again and again, each time a little after."""
        sent = self.report(canary())

        def give(session):
            for attempt in range(1, times + 1):
                session.deliver(self.gbr, sent, number=1, attempt=attempt)

        return self.hub(give)

    def runs(self):
        with open(self.folder, encoding="utf-8") as f:
            return f.read().split()

    def test_a_program_runs_once_for_a_report_that_comes_again(self):
        h = self.again(3)
        self.sub("--exec", "echo $RELTO_REPORT >>" + self.folder)
        self.assertEqual(len(self.runs()), 1)
        self.assertEqual(h.acks, [1] * len(h.acks), "each attempt is acknowledged, none is run again")
        self.assertGreaterEqual(len(h.acks), 1)

    def test_what_came_again_before_it_was_looked_at_waits_once(self):
        sent = self.report(canary())

        def subscribe(session, m):
            for attempt in (1, 2, 3):
                session.deliver(self.gbr, sent, number=1, attempt=attempt)
            hub.subscribed(session, m)

        h = self.hub(subscribe=subscribe)
        out, _ = self.sub("--json")
        self.assertEqual([json.loads(line)["attempt"] for line in out.splitlines()], [3])
        self.assertEqual(h.acks, [1])

    def test_a_program_that_failed_runs_again(self):
        h = self.again(2)
        self.sub("--exec", "echo x >>%s; test $(wc -l <%s) -gt 1" % (self.folder, self.folder), code=74)
        self.assertEqual(len(self.runs()), 2)
        self.assertEqual(h.acks, [1])

    def test_a_report_that_comes_again_is_shown_and_counted_once(self):
        self.again(3)
        out, _ = self.sub("--count", "2", code=75)
        self.assertEqual(out.count("signature good"), 1)

    def test_a_program_learns_what_it_gets(self):
        body = canary()
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(body, canary())))
        self.sub("--count", "1", "--exec", "head -c %d >%s; echo; env >>%s; exit 0"
                 % (len(body), self.folder, self.folder))
        got = self.runs()
        self.assertTrue(got[0].startswith(body.decode()), got[0])
        with open(self.folder, encoding="utf-8") as f:
            said = f.read()
        marking = "ATLAS RESTRICTED//REL TO ATLAS | TLP:GREEN"
        self.assertIn("RELTO_MARKINGS=%s\n%s\n" % (marking, marking), said)
        for line in ("RELTO_PARTY=GBR", "RELTO_TOPIC=maritime.piracy", "RELTO_ORIGINATOR=spiffe://gbr.example/fusion-desk"):
            self.assertIn(line + "\n", said)
        self.assertEqual(h.acks, [1])

    def test_sigpipe_ends_a_program_as_it_would_elsewhere(self):
        self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        self.sub("--count", "1", "--exec", "grep -q '^SigIgn:.*0...$' /proc/self/status")

    def test_a_long_wait_is_a_long_wait(self):
        body = canary()
        self.hub(lambda s: s.deliver(self.gbr, self.report(body)))
        out, _ = self.sub("--count", "1", wait="30d")
        self.assertIn(body.decode(), out)


class Saving(Receiving):
    def names(self):
        return sorted(os.listdir(self.folder))

    def body(self, name):
        with open(os.path.join(self.folder, name, "00.body"), "rb") as f:
            return f.read()

    def test_one_party_cannot_take_the_place_of_anothers_report(self):
        mine, theirs = canary(), canary()
        first = self.report(theirs, agent=self.ken)
        report_id = first.manifest and wire.pb.Manifest.FromString(first.manifest).id

        def give(session):
            session.deliver(self.ken, first)
            session.deliver(self.gbr, self.report(mine, report_id=report_id))

        h = self.hub(give)
        self.sub("--save", self.folder, "--count", "2")
        text = report_id.hex()
        text = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        self.assertEqual(self.names(), ["GBR." + text, "KEN." + text])
        self.assertEqual([self.body(n) for n in self.names()], [mine, theirs])
        self.assertEqual(sorted(h.acks), [1, 2])

    def test_the_labels_lie_beside_the_contents_as_xml(self):
        self.hub(lambda s: s.deliver(self.gbr, self.report(canary(), canary())))
        self.sub("--save", self.folder, "--count", "1")
        (name,) = self.names()
        kept = os.path.join(self.folder, name)
        self.assertEqual(sorted(os.listdir(kept)), ["%02d.%s" % (n, what) for n in range(2) for what in
                                                    ("0.label.xml", "1.label.xml", "body", "front", "head")] +
                         ["manifest", "report.json"])
        with open(os.path.join(kept, "report.json"), encoding="utf-8") as f:
            labels = json.load(f)["portions"][0]["labels"]
        for n, spif in enumerate(("atlas", "tlp-2.0")):
            out, err = self.lab.relto("vocab", "mark", os.path.join(wire.ROOT, "policy", "vocab", spif + ".spif.xml"),
                                      os.path.join(kept, "00.%d.label.xml" % n), context=self.nor)
            self.assertEqual((out.strip(), err), (labels[n]["marking"], ""))

    def test_what_stands_there_counts_only_if_it_is_the_same_report(self):
        bodies = [canary(), canary()]
        first = self.report(bodies[0])
        second = self.report(bodies[1], report_id=wire.pb.Manifest.FromString(first.manifest).id)

        def give(session):
            session.deliver(self.gbr, first)
            session.deliver(self.gbr, second)

        self.hub(give)
        for _ in range(2):
            _, err = self.sub("--save", self.folder, "--count", "2")
            self.assertIn("ANOTHER report", err)
            (name, beside) = self.names()
            self.assertEqual(beside, name + ".2")
            self.assertEqual([self.body(n) for n in (name, beside)], bodies)

    def test_what_is_not_verified_cannot_stand_where_a_partys_report_would(self):
        sent = self.report(canary())
        self.hub(lambda s: s.deliver(self.gbr, sent))
        self.sub("--save", self.folder, "--count", "1", "--trust", self.empty_trust(), "--unverified")
        (name,) = self.names()
        self.assertTrue(name.startswith("unverified.gbr.example."), name)

    def test_a_program_learns_where_the_report_is_kept(self):
        self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        self.sub("--save", self.folder, "--count", "1", "--exec", "cp $RELTO_FOLDER/report.json %s/copy" % self.folder)
        self.assertIn("copy", self.names())


class Credit(Receiving):
    def test_all_that_the_broker_allows_is_asked_for(self):
        h = self.hub(credit=700)
        self.sub(wait="10ms")
        self.assertEqual(h.wanted_credit, 700)
        self.sub("--credit", "3", wait="10ms")
        self.assertEqual(h.wanted_credit, 3)
        for wrong in ("0", "1025", "x"):
            self.sub("--credit", wrong, code=64)

    def test_reports_that_hold_all_credit_end_the_command_and_are_told(self):
        def give(session):
            for _ in range(3):
                session.deliver(self.ken, self.report(canary(), agent=self.ken))
            session.deliver(self.ken, self.report(canary(), agent=self.ken), number=2, attempt=2)

        h = self.hub(give)
        _, err = self.sub("--credit", "3", "--trust", self.empty_trust(), wait="1d", code=77)
        self.assertIn("nothing more can come: 3 reports", err)
        _, err = self.sub("--credit", "4", "--trust", self.empty_trust(), code=77)
        self.assertNotIn("nothing more can come", err)
        self.assertEqual(h.acks, [])

    def test_what_is_acknowledged_later_holds_nothing(self):
        def give(session):
            first = self.report(canary())
            session.deliver(self.gbr, first, number=1)
            session.deliver(self.gbr, first, number=1, attempt=2)
            session.deliver(self.gbr, self.report(canary()), number=2)

        h = self.hub(give)
        self.sub("--credit", "2", "--exec", "test -e %s || { touch %s; exit 1; }" % (self.folder, self.folder), code=74)
        self.assertEqual(h.acks, [1, 2])


if __name__ == "__main__":
    unittest.main()
