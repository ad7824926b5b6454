#!/usr/bin/python3
"""test_quorum.py - the broker and its witnesses: heads get signed, nothing waits for who does not answer, and what is
missing is said (audit format 7, decision 0023)."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import cosigner  # noqa: E402
from test_cosigning import Log  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from witness import Opening  # noqa: E402

NAMES = ("w/alpha", "w/bravo", "w/charlie")


def lines_of(note):
    """name: line, of the signatures of a note."""
    return {line.split(b" ")[1].decode(): line + b"\n" for line in note.partition(b"\n\n")[2].splitlines()}


def size_of(note):
    return int(note.split(b"\n")[1])


class Witnessed(rig.LabTest):
    """So many honest witnesses; the others lie as each test likes.  Two of the three are the quorum."""

    honest, rule = 2, "group partners 2 A B C\nquorum partners\n"
    answer = staticmethod(lambda *asked: b"")  # at first: they hang up

    @classmethod
    def prepare(cls):
        cls.log = cls.lab.read("hub/log.vkey").strip()
        cls.witnesses, cls.liars = [], []
        for name in NAMES[:cls.honest]:
            w = cosigner.Witness(os.path.join(cls.lab.base, name.replace("/", "-")), name, cls.log).start()
            cls.addClassCleanup(lambda w=w: w.process and w.end(kill=True))
            cls.witnesses.append(w)
        for name in NAMES[cls.honest:]:
            liar = cosigner.Liar(name, cls.answer)
            cls.addClassCleanup(liar.end)
            cls.liars.append(liar)
        cls.vkeys = [w.vkey for w in cls.witnesses] + [liar.key.vkey for liar in cls.liars]
        cls.lines = ["log %s\n" % cls.log] + ["witness %s %s %s\n" % (letter, vkey, one.url()) for letter, one, vkey in zip(
            "ABC", cls.witnesses + cls.liars, cls.vkeys)]
        cls.lab.write("hub/quorum", "".join(cls.lines) + cls.rule)
        cls.lab.edit("reltod.conf", r"(?m)^log \{", 'log {\n    quorum "hub/quorum"\n    heads-every 200ms')

    def status(self):
        out, _ = self.lab.relto("admin", "status", "--json", context=self.lab.context_name("hub", "/operator"))
        return json.loads(out)

    def report(self, body=None):
        """The receipt of a report, which must be there though a witness is being waited for."""
        return publish(self.gbr, [(TEARLINE, body or canary())])[0]

    def setUp(self):
        self.gbr = self.client("gbr")

    def pull(self, name):
        folder = os.path.join(self.lab.base, name)
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        with open(os.path.join(folder, "checkpoint"), "rb") as f:
            return folder, f.read()

    def verify(self, folder, quorum):
        keys = [x for v in self.vkeys for x in ("--witness", v)]
        head = [rig.program("relto-verify"), "verify", folder, "--key", self.log, "--quorum"]
        counted = subprocess.run(head + [str(quorum)] + keys, capture_output=True)
        if quorum == 2:  # the same by the broker's own file
            by_file = subprocess.run(head + [self.lab.path("hub", "quorum")], capture_output=True)
            self.assertEqual(by_file.returncode, counted.returncode, by_file.stderr)
            self.assertEqual(b"which is not the quorum" in by_file.stderr, counted.returncode == 3)
        return counted.returncode

    def why(self):
        return {w["name"]: w["why"] for w in self.status()["quorum"]["witnesses"]}


class TwoOfThree(Witnessed):
    answer = staticmethod(lambda *asked: None)  # silence, for as long as it is listened to

    def test_a_bundle_has_a_head_that_the_quorum_signed(self):
        folder, note = self.pull("bundle")
        signers, text = lines_of(note), note[:note.index(b"\n\n") + 1]
        for w in self.witnesses:
            when = cosigner.verify_line(w.vkey, signers[w.vkey.split("+")[0]], text)
            self.assertLess(abs(when - time.time()), 300)
        self.assertEqual((self.verify(folder, 2), self.verify(folder, 3)), (0, 3))

    def test_sessions_get_the_head_again_with_the_signatures(self):
        nor = self.client("nor", memory=None)
        self.report()
        seen = {}

        def cosigned():
            m = nor.wait(kind="heads", timeout=0.5)
            if m:
                seen.setdefault(size_of(m.heads.checkpoint), []).append(set(lines_of(m.heads.checkpoint)))
            return any(NAMES[0] in s and NAMES[1] in s for told in seen.values() for s in told)

        rig.until(cosigned, 30, "Heads with cosignatures")
        for told in seen.values():
            self.assertEqual(told, sorted(told, key=len))  # never fewer than before
        rig.until(lambda: NAMES[0] in lines_of(self.client("nor", hello=False).hello().checkpoint), 30, "a cosigned Welcome")

    def test_who_lies_costs_nobody_time_and_is_said(self):
        """Each lie is looked at while reports go on, are acknowledged, and heads get their quorum from the others."""
        (liar,), said = self.liars, len(self.lab.messages())
        key, other = liar.key, cosigner.Key(NAMES[2])

        def trickle(liar, old, note):
            for byte in cosigner.ok(key.line(note)):
                yield bytes([byte])
                time.sleep(0.2)

        ok = cosigner.ok
        lies = (
            ("the signature of 'w/charlie' does not verify|no cosignature of 'w/charlie'", lambda s, o, n: ok(other.line(n))),
            ("the signature of 'w/charlie' does not verify",
             lambda s, o, n: ok(key.line(n.replace(b"\n%d\n" % size_of(n), b"\n%d\n" % (size_of(n) + 1), 1)))),
            ("a cosignature of 1000 s since 1970", lambda s, o, n: ok(key.line(n, 1000))),
            ("no cosignature of 'w/charlie'", lambda s, o, n: ok(b"")),
            ("signed note", lambda s, o, n: ok(b"rubbish\n")),
            ("the answer is too long", lambda s, o, n: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100000),
            ("the answer is too long", lambda s, o, n: b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000),
            ("the answer is no HTTP", lambda s, o, n: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("the answer breaks off", lambda s, o, n: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"),
            ("it answers 500", lambda s, o, n: b"HTTP/1.1 500 x\r\n\r\n"),
            ("it answers 422: this log does not go on", lambda s, o, n: b"HTTP/1.1 422 x\r\n\r\n"),
            ("it cosigned size 99999999, and this log has published", lambda s, o, n: b"HTTP/1.1 409 x\r\n\r\n99999999\n"),
            ("a conflict without a size", lambda s, o, n: b"HTTP/1.1 409 x\r\n\r\n-1\n"),
            ("it names another size each time", lambda s, o, n: b"HTTP/1.1 409 x\r\n\r\n%d\n" % (len(s.asked) % 2)),
        )
        for why, lie in lies:
            liar.answer = lie
            self.report()
            rig.until(lambda: re.search(why, self.why()[NAMES[2]]), 20, why)
        # as slow as can be: it may take its 5 s, and meanwhile nothing waits
        liar.answer = trickle
        before = len(liar.asked)
        rig.until(lambda: self.report() and len(liar.asked) > before, 20, "the slow one is asked")
        size = self.status()["quorum"]["cosigned_size"]
        for _ in range(20):
            self.report()
        rig.until(lambda: self.status()["quorum"]["cosigned_size"] > size, 20, "a quorum without the slow one")
        self.assertNotIn("quorum.missing", self.lab.messages()[said:])
        self.assertRegex(self.lab.messages(), r"(?m)warn +witness.failed name=\"w/charlie\" why=")
        # and when it turns honest it is taken
        liar.answer = lambda s, o, n: ok(key.line(n))
        rig.until(lambda: self.report() and not self.why()[NAMES[2]], 20, "the third one is well")
        status = self.status()
        self.assertTrue(status["quorum"]["met"])
        self.assertGreaterEqual(status["counters"]["cosigned"], 2)
        self.assertGreaterEqual(status["counters"]["witness_failed"], len(lies))
        liar.answer = lambda *asked: None

    def test_what_was_signed_is_known_again_after_a_restart(self):
        self.report()
        size = rig.until(lambda: self.status()["quorum"]["cosigned_size"], 20, "a quorum")
        for w in self.witnesses:
            w.end()
        self.gbr.close()
        self.lab.stop()
        self.lab.start()
        self.assertGreaterEqual(rig.until(lambda: self.status()["quorum"]["cosigned_size"], 20, "it is known again"), size)
        for w in self.witnesses:
            w.start(address=w.address)
        self.gbr = self.client("gbr")
        rig.until(lambda: self.report() and self.status()["quorum"]["cosigned_size"] > size + 1, 20, "it goes on")


class Asked(Witnessed):
    """Clients whose contexts have the broker's own file as their quorum (decision 0036)."""

    def relto(self, *words, age="1h", code=0, who="gbr", **more):
        return self.lab.relto(*words, context=self.lab.context_name(who), code=code, RELTO_QUORUM=self.lab.path("hub", "quorum"),
                              RELTO_QUORUM_AGE=age, **more)

    def pub(self, *more, **rest):
        return self.relto("pub", "maritime.piracy", "-", "--label", "ATLAS RESTRICTED//REL TO ATLAS", "--agreement", "atlas", *more,
                          stdin=canary(), **rest)

    def test_what_a_client_takes_of_the_log_is_signed_by_the_quorum(self):
        self.relto("whoami")
        _, err = self.pub("--proof")
        self.assertIn("proved: record", err)
        out, _ = self.pub("--json")
        receipt = os.path.join(self.lab.base, "one.tlog-proof")
        self.relto("audit", "receipt", json.loads(out)["report"], "--type", "intake", "--wait", "60s", "--out", receipt)
        head = [rig.program("relto-verify"), "receipt", receipt, "--key", self.log, "--quorum", self.lab.path("hub", "quorum")]
        got = subprocess.run(head, capture_output=True)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.relto("sub", "--proof", "full", "--count", "2", who="nor")
        folder = os.path.join(self.lab.base, "asked")
        self.relto("audit", "pull", folder, who="hub")
        self.assertEqual(self.verify(folder, 2), 0)
        # and now they are away
        for w in self.witnesses:
            w.end()
        self.report()
        rig.until(lambda: not self.status()["quorum"]["met"], 30, "no quorum")
        _, err = self.relto("whoami", age="1s", code=76)
        self.assertRegex(err, r"^relto: quorum: the log of \d+ records that is shown is not signed .* without w/alpha, w/bravo, w/charlie;")
        self.pub()  # an hour is not over yet
        _, err = self.pub("--proof", age="1s", code=76)
        folder = os.path.join(self.lab.base, "unsigned")
        _, err = self.relto("audit", "pull", folder, code=76, who="hub")
        self.assertRegex(err, r"the head of \d+ records is not signed by the quorum of witnesses: without .*\nrelto: ALARM: keep ")
        self.assertEqual(self.verify(folder, 2), 3)
        for w in self.witnesses:
            w.start(address=w.address)
        rig.until(lambda: self.report() and self.status()["quorum"]["met"], 20, "the quorum")
        self.relto("whoami", age="20s")


class Missing(Witnessed):
    """One honest witness of three is no quorum."""

    honest = 1

    def test_a_missing_quorum_is_loud_and_stops_nothing(self):
        self.report()
        rig.until(lambda: "quorum.missing" in self.lab.messages(), 20, "the loud line")
        self.assertRegex(self.lab.messages(), r"(?m)error +quorum.missing size=\d+ signed=[01] of=3 action=\"reports under an")
        status = self.status()
        self.assertEqual((status["quorum"]["met"], status["quorum"]["cosigned_size"]), (False, 0))
        self.assertGreaterEqual(status["counters"]["quorum_missing"], 1)
        plain, _ = self.lab.relto("admin", "status", context=self.lab.context_name("hub", "/operator"))
        self.assertRegex(plain, r"(?m)^quorum *\n  met +no$")
        self.assertRegex(plain, r"(?m)^ +witnesses +w/bravo: the answer breaks off$")
        folder, note = self.pull("missing")  # it comes, with what there is
        self.assertEqual(self.verify(folder, 2), 3)
        self.assertEqual(len(re.findall("quorum.missing", self.lab.messages())), 1)  # once a minute
        # when one of them comes back it is over
        liar = self.liars[0]
        liar.answer = lambda s, o, n: cosigner.ok(liar.key.line(n))
        rig.until(lambda: self.status()["quorum"]["met"], 20, "the quorum")
        self.assertIn("quorum.met", self.lab.messages())
        folder, note = self.pull("met")
        self.assertEqual(self.verify(folder, 2), 0)


class PutBack(Witnessed):
    proof = None  # its log is not what the witnesses saw

    def until_said(self, why):
        rig.until(lambda: self.report() and any(why in w for w in self.why().values()), 30, why)

    def test_a_store_that_was_put_back_gets_no_quorum(self):
        self.report()
        rig.until(lambda: self.status()["quorum"]["met"], 20, "a quorum")
        self.gbr.close()
        self.lab.stop()
        old = os.path.join(self.lab.base, "old")
        shutil.copytree(self.lab.path("spool"), old)
        self.lab.start()
        self.gbr = self.client("gbr")
        seen = self.status()["quorum"]["cosigned_size"]
        for _ in range(12):
            self.report()
        last = rig.until(lambda: self.status()["quorum"]["cosigned_size"] > seen + 20 and self.status()["quorum"], 20, "more")
        self.gbr.close()
        self.lab.stop()
        shutil.rmtree(self.lab.path("spool"))
        shutil.move(old, self.lab.path("spool"))
        self.lab.start()  # with the log's key: whoever has both can sign
        self.lab.relto("admin", "status", context=self.lab.context_name("hub", "/operator"), code=76)  # who was there knows
        shutil.rmtree(self.lab.path("home", "state"))
        self.gbr = self.client("gbr", memory=None)
        self.until_said("was the store put back?")
        self.assertRegex(self.lab.messages(), r"(?m)error +witness.failed .*was the store put back\?")
        while self.status()["published_size"] <= last["size"] + 8:
            self.report()
        self.until_said("it answers 422: this log does not go on from what it saw")
        self.assertFalse(self.status()["quorum"]["met"])
        folder, _ = self.pull("forked")
        self.assertEqual(self.verify(folder, 2), 3)


class Required(Witnessed):
    """Under an agreement with require-cosign nothing leaves before the quorum has signed."""

    honest = 1

    @classmethod
    def prepare(cls):
        super().prepare()
        with open(os.path.join(rig.HERE, "..", "..", "docs", "policy.md"), encoding="utf-8") as f:
            (cls.line,) = re.findall(r"(?m)^```witnessed\n(.*)\n```$", f.read())
        atlas = cls.lab.read(cls.file).replace("agreement atlas {", "agreement atlas {\n" + cls.line)
        cls.lab.write(cls.file, atlas)
        # and one without it, beside
        other = re.sub(r"(?m)^ *(expect|never) .*\n", "", atlas.replace(cls.line + "\n", ""))
        cls.lab.write("policy/agreements.d/plain.policy", other.replace("agreement atlas {", "agreement plain {"))

    file = "policy/agreements.d/atlas.policy"

    def answer_as(self, honest):
        for liar in self.liars:
            liar.answer = (lambda s, o, n: cosigner.ok(s.key.line(n))) if honest else (lambda *asked: b"")

    def send(self, agreement="atlas", expires_in_ms=0):
        report = wire.Report(self.gbr.agent, "maritime.piracy", [(agreement, self.gbr.terms[agreement])])
        report.portion(TEARLINE, canary())
        if expires_in_ms:
            report.manifest.expires = int(time.time() * 1000) + expires_in_ms
        return self.gbr.publish(report.seal()), report.id

    def got(self, client):
        d = client.receive(timeout=20)
        client.ack(d)
        return d.manifest.id

    def records(self, kind, report):
        """How many records of a type the log has of a report."""
        c = self.client("hub")
        try:
            got = c.ask("audit_list", wire.pb.AuditList(count=1000))
        finally:
            c.close()
        all_of = [Opening(r.opening) for r in got.records]
        return sum(r.type == kind and r.slots[1][2] == report for r in all_of)

    def test_a_delivery_waits_for_the_quorum_and_for_nothing_less(self):
        self.answer_as(False)
        nor = self.client("nor", memory=None)
        nor.subscribe()
        receipt, first = self.send()
        self.assertEqual((receipt.report, receipt.released), (first, 2))  # the receipt does not wait
        _, brief = self.send(expires_in_ms=3000)
        _, second = self.send()
        _, plain = self.send("plain")
        rig.until(lambda: "quorum.missing" in self.lab.messages(), 20, "the quorum is missing")
        self.assertEqual(self.got(nor), plain)  # what needs none overtakes
        rig.until(lambda: self.records("EXPIRE", brief), 20, "one of them expires")
        self.assertIsNone(nor.receive(timeout=0.5))
        self.assertEqual([self.records("DELIVERY", r) for r in (first, brief, second)], [0, 0, 0])
        self.assertEqual(self.records("DECISION", first), 2)
        # the quorum is back: in their order, and not what expired
        self.answer_as(True)
        self.assertEqual([self.got(nor), self.got(nor)], [first, second])
        _, third = self.send()
        self.assertEqual(self.got(nor), third)
        self.assertEqual(self.records("DELIVERY", brief), 0)
        self.assertGreater(self.status()["quorum"]["cosigned_size"], receipt.index)

    def test_dropping_it_is_other_terms_which_hold_for_what_waits(self):
        self.answer_as(False)
        nor = self.client("nor", memory=None)
        before = self.lab.relto("policy", "terms", self.lab.path("policy"), "atlas")[0]
        self.assertIn("\n    require-cosign\n", before)
        nor.subscribe()
        _, waits = self.send()
        rig.until(lambda: not self.status()["quorum"]["met"], 20, "the quorum is missing")
        old = self.lab.read(self.file)
        new = re.sub(r"(version +)1\b", r"\g<1>2", old.replace(self.line + "\n", ""), 1)
        self.lab.write(self.file, new)
        self.assertNotEqual(self.lab.relto("policy", "terms", self.lab.path("policy"), "atlas")[0], before)
        self.lab.relto("admin", "reload", context=self.lab.context_name("hub", "/operator"))
        self.assertEqual(self.got(nor), waits)
        self.lab.write(self.file, re.sub(r"(version +)1\b", r"\g<1>3", old, 1))
        self.lab.relto("admin", "reload", context=self.lab.context_name("hub", "/operator"))


class Unwitnessed(rig.LabTest):
    """No quorum is named: nothing is delivered under such an agreement, and that is said."""

    @classmethod
    def prepare(cls):
        cls.lab.write(Required.file, cls.lab.read(Required.file).replace("agreement atlas {", "agreement atlas {\n    require-cosign"))

    def test_nothing_is_delivered_and_it_is_said(self):
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe()
        publish(gbr, [(TEARLINE, canary())])
        self.assertIsNone(nor.receive(timeout=1))
        self.assertRegex(self.lab.messages(), r"(?m)error +policy.agreement-unwitnessed name=\"atlas\" version=1 action=\"it has")


class Settings(unittest.TestCase):
    def test_a_quorum_that_cannot_be_is_no_start(self):
        lab = rig.Lab()
        self.addCleanup(lab.remove)
        log = lab.read("hub/log.vkey").strip()
        a, b = (cosigner.Key(n).vkey for n in ("w/a", "w/b"))
        lab.edit("reltod.conf", r"(?m)^log \{", 'log {\n    quorum "hub/quorum"')
        url = "http://127.0.0.1:1"
        for text, why in (("quorum none\n", "leave the setting out"),
                          ("witness A %s\nquorum A\n" % a, "have a URL could never be the quorum"),
                          ("witness A %s %s\nwitness B %s\ngroup g all A B\nquorum g\n" % (a, url, b), "could never be the quorum"),
                          ("log %s\nwitness A %s %s\nquorum A\n" % (a.replace("+B", "+A"), a, url), "quorum: line 1"),
                          ("witness A %s https://127.0.0.1\nquorum A\n" % a, "'https://127.0.0.1' is no URL that can be asked"),
                          ("witness A %s http://w.example\nquorum A\n" % a, "a numeric address"),
                          ("witness A %s http://127.0.0.1:0\nquorum A\n" % a, "a numeric address"),
                          ("witness A %s http://127.0.0.1:65536\nquorum A\n" % a, "a numeric address"),
                          ("witness A %s http://[::1\nquorum A\n" % a, "a numeric address"),
                          ("witness A %s http://127.0.0.1/x?y\nquorum A\n" % a, "a numeric address"),
                          ("quorum A\n", "line 1: a quorum that no line before defines"),
                          (None, "hub/quorum")):
            if text is None:
                os.unlink(lab.path("hub/quorum"))
            else:
                lab.write("hub/quorum", text)
            got = subprocess.run([lab.reltod_path, "-c", lab.path("reltod.conf"), "-t"], capture_output=True, text=True)
            self.assertNotEqual(got.returncode, 0, text)
            self.assertIn(why, got.stderr)
            self.assertIn("log { quorum", got.stderr)
        for url in ("http://127.0.0.1", "http://[::1]:4775/prefix/", "http://[::1]"):
            lab.write("hub/quorum", "log %s\nwitness A %s %s\nquorum A\n" % (log, a, url))
            got = subprocess.run([lab.reltod_path, "-c", lab.path("reltod.conf"), "-t"], capture_output=True, text=True)
            self.assertEqual(got.returncode, 0, got.stderr)
        lab.write("hub/quorum", "log %s\nwitness A %s %s\nquorum A\n" % (Log().vkey, a, url))
        got = subprocess.run([lab.reltod_path, "-c", lab.path("reltod.conf"), "-t"], capture_output=True, text=True)
        self.assertIn("it names other logs than 'hub.example/relto/g1'", got.stderr)


if __name__ == "__main__":
    unittest.main()
