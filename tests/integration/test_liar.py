#!/usr/bin/python3
"""test_liar.py - a hub with the hub's own key that lies (tests/lib/hub.py): what the client does not believe, print or
write."""
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

    def test_an_answer_in_a_window_for_another_report_is_none(self):
        h = self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(OTHER)))
        env = dict(os.environ, LAB=self.lab.dir, ADDRESS=h.address)
        self.assertEqual(subprocess.run([rig.program("liar_probe")], env=env, timeout=60).returncode, 0)


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

    def test_text_in_other_scripts_is_left_as_it_is(self):
        gbr, text = self.lab.agent("gbr"), "\u03a9 \u0416 \u6f22 caf\u00e9"
        r = wire.Report(gbr, "maritime.piracy", [("atlas", DIGEST)]).portion([("ATLAS", "SECRET", {})], text.encode(), "text/plain", text)
        sealed = r.seal()
        self.hub(after_subscribe=lambda s: s.deliver(gbr, sealed))
        self.assertEqual(self.terminal("sub", "--count", "1", "--wait", "5s").decode().count(text), 2)


if __name__ == "__main__":
    unittest.main()
