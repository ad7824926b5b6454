#!/usr/bin/python3
"""test_liar.py - a hub with the hub's own key that lies (tests/lib/hub.py): what the client does not believe, print or
write."""
import json
import os
import pty
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

LABEL = "ATLAS SECRET//REL TO GBR, NOR"
OTHER = b"\x01" * 16


class Liar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.address = "127.0.0.1:1"
        cls.gbr = cls.lab.context_name("gbr")

    def hub(self, **answers):
        h = hub.Hub(self.lab, **answers)
        self.addCleanup(h.close)
        self.lab.address = h.address
        return h

    def relto(self, *words, code=0, **more):
        return self.lab.relto(*words, context=self.gbr, code=code, **more)


def receipt(report):
    return pb.Receipt(report=report, index=5, accepted=1, released=2,
                      evidence=pb.Evidence(party_index=1, leaf_hash=b"x" * 32))


class Answers(Liar):
    def pub(self, *more, code=0):
        return self.relto("pub", "maritime.piracy", "-", "--label", LABEL, "--agreement", "atlas", *more, code=code, stdin=b"x")

    @staticmethod
    def of_manifest(m):
        return pb.Manifest.FromString(m.publish.manifest).id

    def test_a_receipt_for_another_report_is_none(self):
        self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(OTHER)))
        out, err = self.pub(code=76)
        self.assertEqual(out, "")
        self.assertIn("about another report", err)
        self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(self.of_manifest(m))))
        self.pub()

    def test_an_explanation_of_another_report_is_none(self):
        def answer(s, m):
            s.send(m.request, explanation=pb.Explanation(report=OTHER, dry_run=m.WhichOneof("body") == "publish"))

        self.hub(explain=answer, publish=answer)
        self.relto("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c", code=76)
        self.pub("--dry-run", code=76)

    def test_an_explanation_says_who_acknowledged_and_which_agreements_were_not_used(self):
        def answer(s, m):
            x = pb.Explanation(report=m.explain.report, unusable=[pb.Unusable(agreement=b"old", why=b"it ended")])
            for name, when in ((b"KEN", 0), (b"NOR", 1700000000000000)):
                x.decisions.add(recipient=name, outcome=1, time=1, policy=b"p" * 32, delivered=5, acknowledged=when)
            s.send(m.request, explanation=x)

        self.hub(explain=answer)
        out, _ = self.relto("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c")
        self.assertRegex(out, r"NOR +release, delivered \S+, acknowledged 2023-11-14T22:13:20Z\n")
        self.assertNotRegex(out, r"KEN.*acknowledged")
        said = json.loads(self.relto("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c", "--json")[0])
        self.assertEqual([d["acknowledged_us"] for d in said["decisions"]], [0, 1700000000000000])
        self.assertEqual(said["unusable"], [{"agreement": "old", "why": "it ended"}])

    def test_a_receipt_says_which_agreements_were_not_used(self):
        def answer(s, m):
            r = receipt(self.of_manifest(m))
            r.unusable.add(agreement=b"old", why=b"it ended")
            s.send(m.request, receipt=r)

        self.hub(publish=answer)
        self.assertEqual(json.loads(self.pub("--json")[0])["unusable"], [{"agreement": "old", "why": "it ended"}])

    def test_an_answer_in_a_window_for_another_report_is_none(self):
        h = self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(OTHER)))
        env = dict(os.environ, LAB=self.lab.dir, ADDRESS=h.address)
        self.assertEqual(subprocess.run([rig.program("liar_probe")], env=env, timeout=60).returncode, 0)


class Bundles(Liar):
    def setUp(self):
        self.folder = os.path.join(self.lab.base, "bundle." + self.id().rsplit(".", 1)[1])

    def pull(self, *parts, code=0, more=()):
        def answer(s, m):
            for n, (name, data) in enumerate(parts):
                s.send(m.request, audit_part=pb.AuditPart(name=name.encode(), data=data, last=n + 1 == len(parts)))

        self.hub(audit_pull=answer)
        return self.relto("audit", "pull", self.folder, *more, code=code)

    def test_a_file_of_a_bundle_stays_in_its_folder(self):
        for name in ("../evil", "/tmp/evil", "a/../../evil", "a//b", "./a", "a/.", "..", "a/", "a\\..\\b\n"):
            self.pull((name, b"x"), code=65)
            self.assertFalse(os.path.exists(self.folder), name)
        self.assertFalse(os.path.exists(os.path.join(self.lab.base, "evil")))

    def test_what_cannot_be_written_is_said(self):
        _, err = self.pull(("a", b"1"), ("a/b", b"2"), code=74)
        self.assertIn("cannot write %s/a/b: Not a directory" % self.folder, err)
        self.assertIn("not a whole bundle", err)

    def test_what_was_pulled_is_said_as_json_too(self):
        out, err = self.pull(("a/b", b"12"), ("c", b"5"), ("a/b", b"34"), more=("--json",))
        self.assertEqual(json.loads(out), {"folder": self.folder, "files": 2, "bytes": 5})
        self.assertEqual(err, "")
        with open(os.path.join(self.folder, "a", "b"), "rb") as f:
            self.assertEqual(f.read(), b"1234")

    def test_a_pull_that_is_refused_leaves_nothing(self):
        self.hub(audit_pull=lambda s, m: s.send(m.request, error=pb.Error(code=b"role", text=b"no")))
        self.relto("audit", "pull", self.folder, code=77)
        self.assertFalse(os.path.exists(self.folder))

    def test_a_folder_that_is_there_is_not_written_to(self):
        os.mkdir(self.folder)
        self.pull(("a", b"1"), code=64)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_list_of_records_ends(self):
        self.hub(audit_list=lambda s, m: s.send(m.request, audit_part=pb.AuditPart(last=True, next=5)))
        _, err = self.relto("audit", "list", "--from", "5", code=76)
        self.assertIn("does not go on", err)
        for words in (("--count", "0"), ("--count", "x"), ("--from", "-1"), ("--from", "99999999999999999999999")):
            self.relto("audit", "list", *words, code=64)


EVIL = "x\x1b[31mEVIL\x1b]0;title\x07\u202eback\u009b2J\rover\nline".encode()
DIGEST = b"x" * 32


def agreement():
    return pb.Agreement(name=EVIL, version=1, terms=DIGEST, title=EVIL, state=2, valid_from=1, mode=1, topics=[EVIL], at_most=1,
                        members=[EVIL], may_originate=True)


def evil_explanation(s, m):
    x = pb.Explanation(report=m.explain.report, unusable=[pb.Unusable(agreement=EVIL, why=EVIL)])
    d = x.decisions.add(recipient=EVIL, outcome=3, time=1, policy=DIGEST)
    d.portions.add(portion=0, verdict=2, reason=EVIL, agreement=EVIL, rule=EVIL, place=EVIL).obligations.add(
        kind=1, agreement=EVIL, subject=EVIL, approver=EVIL, deadline=5)
    s.send(m.request, explanation=x)


def evil_receipt(s, m):
    r = receipt(Answers.of_manifest(m))
    r.unusable.add(agreement=EVIL, why=EVIL)
    s.send(m.request, receipt=r)


class Terminal(Liar):
    """Nothing that a hub or a partner says can steer the terminal of whoever reads it."""

    def terminal(self, *words, stdin=b"x"):
        """What a terminal would get of a command, both outputs."""
        ours, theirs = pty.openpty()
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.gbr, RELTO_SERVER=self.lab.address, NO_COLOR="1", TERM="xterm")
        with tempfile.TemporaryFile() as f:
            f.write(stdin)
            f.seek(0)
            p = subprocess.Popen([self.lab.relto_path] + list(words), stdin=f, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        out = b""
        try:
            while True:
                out += os.read(ours, 65536)
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        p.wait(30)
        return out.replace(b"\r\n", b"\n")

    def harmless(self, *words, evil=True):
        for more in ((), ("--json",)):
            out = self.terminal(*words, *more)
            text = out.decode()
            self.assertFalse([c for c in text if (ord(c) < 0x20 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0
                              or 0x202a <= ord(c) <= 0x202e], (words, more, out))
            self.assertEqual("EVIL" in text, evil, (words, more, out))
            if not more:
                self.assertNotRegex(text, r"(?m)^line", "a line of its own")

    def test_who_i_am_and_my_agreements(self):
        def answer(s, m):
            s.send(m.request, identity=pb.Identity(party=EVIL, agent=EVIL, roles=[EVIL], hub_party=EVIL, node=EVIL,
                                                   certificate_until=1, agreements=[agreement()]))

        self.hub(whoami=answer)
        self.harmless("whoami")
        self.harmless("agreement", "list")
        self.terminal("pub", "maritime.piracy", "--label", LABEL)

    def test_decisions_and_receipts(self):
        self.hub(explain=evil_explanation, publish=evil_receipt)
        self.harmless("explain", "01a22731-5392-7bfc-81c5-2f4b638bfe7c")
        out = self.terminal("pub", "maritime.piracy", "--label", LABEL, "--agreement", "atlas")
        self.assertIn(b"EVIL", out)
        self.assertNotIn(b"\x1b", out)

    def test_errors(self):
        self.hub(status=lambda s, m: s.send(m.request, error=pb.Error(code=EVIL[:20], text=EVIL, field=EVIL, nearest=EVIL, detail=EVIL)))
        self.harmless("admin", "status")

    def test_what_the_broker_says_of_itself(self):
        text = '{"EVIL\u009b":"\u009b\u202e","a":{"b\u202eb":1}}'.encode()
        self.hub(status=lambda s, m: s.send(m.request, status_reply=pb.StatusReply(json=text)))
        self.harmless("admin", "status")

    def test_a_report(self):
        gbr = self.lab.agent("gbr")
        r = wire.Report(gbr, "maritime.piracy", [("atlas", DIGEST)])
        evil = EVIL.decode()
        r.portion([("ATLAS", evil, {evil: [evil]})], EVIL, "text/plain", evil)
        sealed = r.seal()
        self.hub(after_subscribe=lambda s: s.deliver(gbr, sealed, agreements=[EVIL]))
        self.harmless("sub", "--count", "1", "--wait", "5s")

    def records(self, text):
        """A hub that lists one DELIVERY to somebody of that name."""
        kind = bytes([1 + hub.TYPES.index("DELIVERY")])
        data = hub.opening([kind, b"\0" * 7 + b"\1", OTHER], [text, b"a@1", text, b""], None, None, None, None, None, None)
        self.hub(audit_list=lambda s, m: s.send(m.request, audit_part=pb.AuditPart(
            last=True, records=[pb.AuditRecord(index=7, opening=data)])))

    def test_records(self):
        self.records(EVIL)
        self.harmless("audit", "list")
        text = "\u03a9 \u0416 \u6f22"
        self.records(text.encode())
        self.assertIn(text, self.terminal("audit", "list").decode())

    def test_text_in_other_scripts_is_left_as_it_is(self):
        gbr, text = self.lab.agent("gbr"), "\u03a9 \u0416 \u6f22 caf\u00e9"
        r = wire.Report(gbr, "maritime.piracy", [("atlas", DIGEST)]).portion([("ATLAS", "SECRET", {})], text.encode(), "text/plain", text)
        sealed = r.seal()
        self.hub(after_subscribe=lambda s: s.deliver(gbr, sealed))
        self.assertEqual(self.terminal("sub", "--count", "1", "--wait", "5s").decode().count(text), 2)


if __name__ == "__main__":
    unittest.main()
