#!/usr/bin/python3
"""test_signer.py - relto-signer: nobody hears of what it did not sign; it signs what extends its anchor, and nothing
else (AUDIT sections 3, 5 and 8)."""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from signer_lab import ORIGIN, SignerLab  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402


class SignerTest(rig.LabTest):
    kind, parties = SignerLab, ("--parties", "GBR,NOR")

    def take(self, client, count, timeout=10):
        """So many reports, acknowledged."""
        out = []
        for _ in range(count):
            d = client.receive(timeout)
            self.assertIsNotNone(d, "report %d of %d" % (len(out) + 1, count))
            client.ack(d)
            out.append(d)
        return out


class Away(SignerTest):
    """The signer dies, stalls, comes back; at the end the whole log is verified by both verifiers."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.write("reltod.conf", cls.lab.read("reltod.conf") + "observe { socket \"run/observe\" }\n")

    def setUp(self):
        self.gbr, self.nor = self.client("gbr"), self.client("nor")
        self.nor.subscribe()

    def ready(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.lab.path("run/observe"))
            s.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            return b"".join(iter(lambda: s.recv(65536), b""))

    def test_nothing_is_heard_of_what_is_not_signed_and_nothing_is_lost(self):
        publish(self.gbr, [(TEARLINE, canary())])
        self.take(self.nor, 1)
        anchored, away = self.lab.anchored(), self.lab.messages().count("signer.away")
        self.stopped = self.lab.signer
        self.addCleanup(self.stopped.send_signal, signal.SIGCONT)
        self.stopped.send_signal(signal.SIGSTOP)
        report = wire.Report(self.gbr.agent, "maritime.piracy", [("atlas", self.gbr.terms["atlas"])])
        sealed = report.portion(TEARLINE, canary()).seal()
        request = self.gbr.send("publish", sealed)
        self.lab.told("signer.away", away + 1)
        self.assertIn(b"\r\n\r\nrelto-signer does not sign: nothing is taken\n", self.ready())
        self.assertIsNone(self.gbr.wait(request, timeout=0.2), "a receipt of what nobody signed")
        self.assertIsNone(self.nor.receive(timeout=0.2), "bytes of what nobody signed")
        with self.assertRaises(wire.Refused) as no:
            publish(self.gbr, [(TEARLINE, canary())])
        self.assertEqual(no.exception.code, "signer")
        with self.assertRaises(wire.Refused) as no:  # its fate is not signed: neither a receipt nor a conflict
            self.client("gbr").publish(sealed)
        self.assertEqual(no.exception.code, "signer")
        self.assertEqual(self.lab.anchored(), anchored)
        out, err = self.lab.relto("pub", "maritime.piracy", "-", "--label", "ATLAS RESTRICTED//REL TO ATLAS",
                                  context="gbr", stdin=b"x", code=75)
        self.assertIn("the log's signer does not answer, try again later", out + err)
        self.stopped.send_signal(signal.SIGCONT)
        self.assertEqual(self.gbr.wait(request, timeout=20).receipt.report, report.id)
        self.assertEqual([d.manifest.id for d in self.take(self.nor, 1)], [report.id])
        self.lab.told("signer.back")
        self.assertIn(b"\r\n\r\nready\n", self.ready())
        publish(self.gbr, [(TEARLINE, canary())])
        self.take(self.nor, 1)

    def test_what_was_signed_before_is_still_delivered(self):
        with self.client("nor") as late:
            late.subscribe(name="late")
        self.nor.close()
        ids = [publish(self.gbr, [(TEARLINE, canary())])[1] for _ in range(2)]
        with self.client("nor") as nor:  # the DELIVERY is made for the first reader
            nor.subscribe()
            self.take(nor, 2)
            away = self.lab.messages().count("signer.away")
            self.lab.end_signer(signal.SIGKILL)
            self.addCleanup(lambda: self.lab.signer or self.lab.start_signer())
            self.lab.told("signer.away", away + 1)
            nor.subscribe(name="late")
            got = [nor.receive() for _ in ids]
            self.assertEqual(sorted(d.manifest.id for d in got), sorted(ids))
            self.lab.start_signer()
            nor.ack(*got)

    def test_nothing_leaves_under_old_rules_while_new_ones_wait_for_room(self):
        """They may be narrower: what was signed before waits, too, until they are recorded."""
        with self.client("nor") as late:
            late.subscribe(name="later")
        self.nor.close()
        ids = [publish(self.gbr, [(TEARLINE, canary())])[1] for _ in range(2)]
        with self.client("nor") as nor:
            nor.subscribe()
            self.take(nor, 2)
            nor.subscribe(name="later", credit=1)
            first = nor.receive()
            away, behind, waits = (self.lab.messages().count(e) + 1 for e in ("signer.away", "signer.behind", "rules.wait"))
            self.lab.end_signer(signal.SIGKILL)
            self.addCleanup(lambda: self.lab.signer or self.lab.start_signer())
            self.lab.told("signer.away", away)
            other, names = self.client("nor"), iter(range(250))

            def is_full():
                """One more job that is recorded and not answered."""
                other.send("subscribe", wire.pb.Subscribe(name=b"full-%d" % next(names), topic=b"maritime.>", mode=wire.pb.LIVE, credit=1))
                return self.lab.messages().count("signer.behind") >= behind
            rig.until(is_full, 20, "signer.behind")
            self.lab.signal(signal.SIGHUP)
            self.lab.told("rules.wait", waits)
            nor.send("ack", wire.pb.Ack(subscription=first.raw.subscription, deliveries=[first.raw.delivery]))
            self.assertIsNone(nor.receive(1), "there is credit for it, and it was signed")
            self.lab.start_signer()
            self.assertEqual(sorted([first.manifest.id, nor.receive().manifest.id]), sorted(ids))

    def test_whom_new_rules_shut_out_is_shut_out_while_their_record_waits(self):
        """Within the second (S9), and does not come back; all else waits for the signature."""
        watch = self.client("gbr", "/watch")
        away, coming = (self.lab.messages().count(e) + 1 for e in ("signer.away", "rules.coming"))
        forced = self.lab.messages().count("policy.in-force")
        self.lab.end_signer(signal.SIGKILL)
        self.addCleanup(lambda: self.lab.signer or self.lab.start_signer())
        self.lab.told("signer.away", away)
        self.lab.relto("lab", "revoke", self.lab.dir, "GBR", "/watch")
        self.lab.signal(signal.SIGHUP)
        self.lab.told("rules.coming", coming)
        self.assertTrue(watch.closed(10), "the session goes on")
        with self.assertRaises((wire.Refused, wire.Closed, OSError)):
            self.client("gbr", "/watch")
        self.gbr.ask("ping", wire.pb.Ping())
        self.assertEqual(self.lab.messages().count("policy.in-force"), forced)
        self.lab.start_signer()
        self.lab.told("policy.in-force", forced + 1)
        publish(self.gbr, [(TEARLINE, canary())])
        self.take(self.nor, 1)

    def test_a_signer_killed_under_load_costs_nothing_but_time(self):
        stop, receipts, refused = threading.Event(), [], []

        def load():
            with self.lab.client("gbr", timeout=30) as c:
                while not stop.is_set():
                    try:
                        receipts.append(publish(c, [(TEARLINE, canary())])[1])
                    except wire.Refused as no:
                        refused.append(no.code)
        threads = [threading.Thread(target=load) for _ in range(3)]
        for t in threads:
            t.start()
        for n in range(4):
            rig.until(lambda: len(receipts) >= 15 * (n + 1), 30, "receipts")
            self.lab.end_signer(signal.SIGKILL)
            self.lab.start_signer()
        stop.set()
        for t in threads:
            t.join()
        self.assertLessEqual(set(refused), {"signer"})
        missing = set(receipts)
        while missing:
            missing -= {d.manifest.id for d in self.take(self.nor, 1)}

    def test_a_full_ring_under_load_stops_intake_and_loses_nothing(self):
        """Eight batches wait for the signer; what comes then is not answered, or refused, and never half of it."""
        ours = [self.client("gbr") for _ in range(3)]
        away, behind = (self.lab.messages().count(e) + 1 for e in ("signer.away", "signer.behind"))
        self.stopped = self.lab.signer
        self.addCleanup(self.stopped.send_signal, signal.SIGCONT)
        self.stopped.send_signal(signal.SIGSTOP)
        asked, answers, names = {c: {} for c in ours}, {c: {} for c in ours}, iter(range(250))

        def ask(client):
            report = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])])
            asked[client][client.send("publish", report.portion(TEARLINE, canary()).seal())] = report.id

        def listen(client, seconds):
            """One answer, if one comes."""
            m = client.read_message(seconds)
            if m is not None and m.WhichOneof("body") in ("receipt", "error"):
                answers[client][m.request] = m
            return m is not None

        while self.lab.messages().count("signer.away") < away and len(asked[ours[0]]) < 900:
            for client in ours:
                ask(client)
            self.gbr.ask("whoami", wire.pb.Whoami())  # so that they are many batches
        self.lab.told("signer.away", away)

        def is_full():
            """Subscriptions are no reports: they are recorded as long as there is room."""
            self.gbr.send("subscribe", wire.pb.Subscribe(name=b"ring-%d" % next(names), topic=b"maritime.>", mode=wire.pb.LIVE, credit=1))
            return self.lab.messages().count("signer.behind") >= behind
        rig.until(is_full, 30, "signer.behind")
        for client in ours:
            ask(client)
            while listen(client, 0.1):
                pass
            self.assertEqual([m for m in answers[client].values() if m.WhichOneof("body") == "receipt"], [])
        self.assertIsNone(self.nor.receive(timeout=0.1), "bytes of what nobody signed")
        self.stopped.send_signal(signal.SIGCONT)
        due, refused = set(), set()
        for client in ours:
            while len(answers[client]) < len(asked[client]):
                self.assertTrue(listen(client, 60), "%d of %d answers" % (len(answers[client]), len(asked[client])))
            for request, m in answers[client].items():
                if m.WhichOneof("body") == "receipt":
                    self.assertEqual(m.receipt.report, asked[client][request])
                    due.add(m.receipt.report)
                else:
                    refused.add(wire.Refused(m.error).code)
        self.assertGreater(len(due), 8)
        self.assertEqual(refused, {"signer"})
        self.assertEqual({d.manifest.id for d in self.take(self.nor, len(due), 60)}, due)
        self.lab.told("signer.back")
        publish(self.gbr, [(TEARLINE, canary())])
        self.take(self.nor, 1)

    def test_a_stop_that_nobody_signs_says_so_and_the_next_start_signs_what_is_left(self):
        self.lab.end_signer(signal.SIGKILL)
        report = wire.Report(self.gbr.agent, "maritime.piracy", [("atlas", self.gbr.terms["atlas"])])
        sealed = report.portion(TEARLINE, canary()).seal()
        self.gbr.send("publish", sealed)
        self.lab.told("signer.away", self.lab.messages().count("signer.away") + 1)
        self.assertEqual(self.lab.stop(), 75)
        self.assertIn("the stop is unfinished: the log's signer does not answer", self.lab.messages())
        self.lab.start()
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            self.assertTrue(gbr.publish(sealed).again, "it was durable")
            self.assertEqual([d.manifest.id for d in self.take(nor, 1)], [report.id])

    def test_a_restart_goes_on_where_the_anchor_is(self):
        publish(self.gbr, [(TEARLINE, canary())])
        self.take(self.nor, 1)
        self.lab.kill()  # what was durable and not signed is signed with the next START
        self.lab.start()
        self.assertIn("signer.met", self.lab.messages())
        self.assertEqual(self.lab.stop(), 0)
        self.lab.start()
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            publish(gbr, [(TEARLINE, canary())])
            self.take(nor, 1)


class Starts(unittest.TestCase):
    """What the broker and the signer refuse to start with, and what they say."""

    @classmethod
    def setUpClass(cls):
        cls.lab = SignerLab("--parties", "GBR,NOR")
        cls.addClassCleanup(cls.lab.remove)
        cls.old = os.path.join(cls.lab.base, "old")
        cls.run_once()
        shutil.copytree(cls.lab.path("spool"), cls.old)
        cls.run_once()
        cls.new = os.path.join(cls.lab.base, "new")
        shutil.copytree(cls.lab.path("spool"), cls.new)
        shutil.copy(cls.lab.anchor, cls.lab.anchor + ".kept")

    @classmethod
    def run_once(cls):
        cls.lab.start()
        with cls.lab.client("gbr") as gbr:
            publish(gbr, [(TEARLINE, canary())])
        if cls.lab.stop() != 0:
            raise AssertionError(cls.lab.messages())

    def setUp(self):
        self.lab.end_signer()
        self.lab.alone, self.lab.options = False, []
        self.put(self.new)
        shutil.copy(self.lab.anchor + ".kept", self.lab.anchor)

    def put(self, spool):
        shutil.rmtree(self.lab.path("spool"))
        shutil.copytree(spool, self.lab.path("spool"))

    def test_a_store_that_was_rolled_back_is_refused_and_nothing_is_signed(self):
        anchored = self.lab.anchored()
        self.put(self.old)
        code, said = self.lab.refused()
        self.assertEqual(code, 65)
        self.assertIn("code=rollback", said)
        self.assertIn("the signer has signed %d records of this log, and the store has" % anchored, said)
        self.assertIn("do not make the anchor anew", said)
        self.assertEqual(self.lab.anchored(), anchored)
        self.put(self.new)
        self.run_once()  # with the store that ran last it goes on
        self.assertGreater(self.lab.anchored(), anchored)

    def test_a_tail_cut_off_inside_the_store_is_refused_even_with_the_stolen_key(self):
        """One record less, and all that is left made to fit: entries, tiles, heads, a checkpoint."""
        try:
            import tamper
        except ImportError:
            raise unittest.SkipTest("NO python3-lmdb")
        anchored = self.lab.anchored()
        log = tamper.StoreLog(self.lab.path("spool"))
        self.assertEqual(len(log.records), anchored)
        with open(self.lab.key(), "rb") as f:
            key = forge.Key(log.origin, f.read())
        log.records.pop()
        log.write(key)
        log.close()
        code, said = self.lab.refused()
        self.assertEqual(code, 65)
        self.assertIn("the signer has signed %d records of this log, and the store has %d" % (anchored, anchored - 1), said)
        self.assertEqual(self.lab.anchored(), anchored)

    def test_a_store_that_was_lost_is_refused(self):
        shutil.rmtree(self.lab.path("spool"))
        os.mkdir(self.lab.path("spool"), 0o700)
        code, said = self.lab.refused()
        self.assertEqual(code, 65)
        self.assertIn("and the store has 0", said)

    def test_a_fork_is_refused_even_with_the_stolen_key(self):
        self.put(self.old)
        conf = self.lab.read("reltod.conf")
        self.addCleanup(self.lab.write, "reltod.conf", conf)
        self.lab.edit("reltod.conf", r"(?m)^\s*signer.*$", "    key \"signer/log.key\"")
        self.lab.edit("reltod.conf", r"(?m)^\s*signer-wait.*$", "")
        self.lab.alone = True
        for _ in range(3):  # longer than what was signed
            self.run_once()
        self.lab.write("reltod.conf", conf)
        self.lab.alone = False
        code, said = self.lab.refused()
        self.assertEqual(code, 76)
        self.assertIn("are not those that the signer signed", said)

    def test_without_its_anchor_the_signer_refuses_and_so_does_the_broker(self):
        os.unlink(self.lab.anchor)
        said = self.lab.once(*self.lab.arguments(), code=66)
        self.assertIn("nothing is signed without the anchor: bring it back from its backup", said)
        self.lab.alone = True
        code, said = self.lab.refused()
        self.assertEqual(code, 75)
        self.assertIn("start relto-signer, and then the broker", said)

    def test_an_anchor_is_never_made_over_another(self):
        said = self.lab.once("--new", "--origin", ORIGIN, "--anchor", self.lab.anchor, code=65)
        self.assertIn("an anchor is never made anew", said)

    def test_an_anchor_of_the_old_form_is_taken_over_once(self):
        size, shown = self.lab.anchored(), json.loads(self.lab.once("--show", "--json", "--anchor", self.lab.anchor))
        text = "relto-anchor 1\n%s\n%d\n%s\n" % (ORIGIN, size, shown["root"])
        text += "sha256 %s\n" % hashlib.sha256(text.encode()).hexdigest()
        with open(self.lab.anchor, "w", encoding="utf-8") as f:
            f.write(text)
        again = json.loads(self.lab.once("--show", "--json", "--anchor", self.lab.anchor))
        self.assertEqual(again, shown)
        with open(self.lab.anchor, encoding="utf-8") as f:
            self.assertEqual(f.read(), text, "only who signs writes it")
        self.run_once()
        self.assertGreater(self.lab.anchored(), size)

    def test_an_anchor_that_is_damaged_or_of_another_log_is_refused(self):
        with open(self.lab.anchor, "rb") as f:
            text = f.read()
        size = self.lab.anchored()
        for change, code, word in ((lambda t: t.replace(b"\n1", b"\n2"), 65, "no slot of the anchor matches its checksum"),
                                   (lambda t: t[:-1], 65, "no anchor"), (lambda t: b"", 65, "no anchor"),
                                   (lambda t: t * 9, 65, "no anchor"), (lambda t: t[:4096] * 2, 0, "one slot of the anchor"),
                                   (lambda t: bytes(4096) + t[4096:], 0, "is torn, as by a power cut, or damaged"),
                                   (lambda t: t[:4096] + bytes(4096), 0, "the other one, of %d records, is taken" % size)):
            with open(self.lab.anchor, "wb") as f:
                f.write(change(text))
            arguments = self.lab.arguments() if code else ["--show", "--anchor", self.lab.anchor]
            self.assertIn(word, self.lab.once(*arguments, code=code))
        with open(self.lab.anchor, "wb") as f:
            f.write(text)
        other = [a if a != ORIGIN else "other.example/relto/g1" for a in self.lab.arguments()]
        self.assertIn("is of the log '%s', not 'other" % ORIGIN, self.lab.once(*other, code=78))
        os.chmod(self.lab.anchor, 0o666)
        self.assertIn("only its owner can write", self.lab.once(*self.lab.arguments(), code=78))

    def test_what_stands_at_the_sockets_place_is_left_there(self):
        arguments = self.lab.arguments()
        arguments[arguments.index("--socket") + 1] = self.lab.key()
        self.assertIn("Address already in use", self.lab.once(*arguments, code=74))
        self.assertTrue(os.path.exists(self.lab.key()))

    def test_two_signers_never_have_one_anchor(self):
        self.lab.start_signer()
        self.assertIn("another signer has the anchor", self.lab.once(*self.lab.arguments(), code=75))

    def test_each_asks_who_the_other_is(self):
        self.lab.options = ["--peer", "4242"]
        code, said = self.lab.refused()
        self.assertEqual(code, 75)
        self.assertIn("refused a connection: uid %d is not that of --peer, 4242" % os.geteuid(), self.lab.said())
        self.lab.end_signer()
        self.lab.options = []
        conf = self.lab.read("reltod.conf")
        self.addCleanup(self.lab.write, "reltod.conf", conf)
        self.lab.edit("reltod.conf", r"(?m)^(\s*)signer-wait", r"\1signer-user 4242\n\1signer-wait")
        code, said = self.lab.refused()
        self.assertEqual(code, 78)
        self.assertIn("runs as uid %d, and log { signer-user } is 4242" % os.geteuid(), said)

    def test_what_it_prints_of_itself(self):
        said = self.lab.once("--show", "--anchor", self.lab.anchor, "--key", self.lab.key(), "--json")
        shown = json.loads(said)
        self.assertEqual((shown["origin"], shown["size"]), (ORIGIN, self.lab.anchored()))
        self.assertEqual(shown["keys"], [self.lab.read("home/log.vkey").strip()])
        self.assertIn("size    %d\n" % self.lab.anchored(), self.lab.once("--show", "--anchor", self.lab.anchor))
        self.assertIn("usage:", self.lab.once("--anchor", self.lab.anchor, code=64))
        os.chmod(self.lab.key(), 0o644)
        self.assertIn("a key that group or others can reach", self.lab.once(*self.lab.arguments(), code=78))
        os.chmod(self.lab.key(), 0o600)


class Unkept(SignerTest):
    def test_without_a_durable_anchor_there_is_no_signature(self):
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            anchored = self.lab.anchored()
            os.rename(self.lab.anchor, self.lab.anchor + ".away")
            report = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])])
            request = gbr.send("publish", report.portion(TEARLINE, canary()).seal())
            self.lab.told("signer.away")
            self.assertIn("refused (not-kept): the anchor 'anchor': No such file or directory", self.lab.said())
            self.assertIn("the signer refuses (not-kept)", self.lab.messages())
            self.assertIsNone(gbr.wait(request, timeout=0.1))
            os.rename(self.lab.anchor + ".away", self.lab.anchor)
            self.assertEqual(gbr.wait(request, timeout=20).receipt.report, report.id)
            self.take(nor, 1)
            self.assertGreater(self.lab.anchored(), anchored)

    def test_it_has_no_way_to_a_network(self):
        with open("/proc/%d/status" % self.lab.signer.pid, encoding="utf-8") as f:
            status = f.read()
        self.assertRegex(status, r"Seccomp:\s*2")
        self.assertRegex(status, r"NoNewPrivs:\s*1")


class NewGeneration(SignerTest):
    """A store that was lost is restored from a backup as a new log, whose key stays with the signer."""

    @classmethod
    def prepare(cls):
        cls.lab.edit("reltod.conf", r"(?m)^store \{", 'store {\n    backup-dir "backups"')
        os.mkdir(cls.lab.path("backups"), 0o700)

    def restore(self, code):
        got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf"), "--restore", self.lab.path("backups", "b1"),
                              "--head", self.lab.path("last", "checkpoint")], capture_output=True, text=True, timeout=120)
        self.assertEqual(got.returncode, code, got.stderr)
        self.assertEqual(os.path.exists(self.lab.path("spool")), code == 0)
        return got.stderr if code else got.stdout

    def test_a_restore_learns_the_key_from_the_signer_and_the_start_has_its_head_signed(self):
        lab = self.lab
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            publish(gbr, [(TEARLINE, canary())])
            self.take(nor, 1)
            lab.relto("admin", "backup", "b1", context="operator")
            publish(gbr, [(TEARLINE, canary())])
            self.take(nor, 1)
        lab.relto("audit", "pull", lab.path("last"), context=lab.context_name("hub"))
        self.assertEqual(lab.stop(), 0)
        lab.edit("reltod.conf", r"/relto/g1", "/relto/g2")
        os.rename(lab.path("spool"), lab.path("spool.dead"))
        self.assertIn("the signer signs for '%s', and log { origin } is '%s'" % (ORIGIN, ORIGIN[:-1] + "2"), self.restore(78))
        lab.end_signer()
        self.assertIn("start relto-signer", self.restore(75))
        lab.origin, lab.anchor_name = ORIGIN[:-1] + "2", "anchor.g2"
        lab.once("--new", "--origin", lab.origin, "--anchor", lab.anchor)
        lab.start_signer()
        said = self.restore(0)
        self.assertIn("its first head is signed when the broker starts\n", said)
        self.assertEqual(lab.anchored(), 0)
        key = re.search(r"by its key: (\S+)", said)[1]
        self.assertEqual(key.split("+", 2)[2], lab.read("home/log.vkey").strip().split("+", 2)[2], "the same key, another name")
        lab.write("home/log.vkey", key + "\n")
        lab.start()
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            receipt, report = publish(gbr, [(TEARLINE, canary())])
            self.assertEqual([d.manifest.id for d in self.take(nor, 1)], [report])
        self.assertGreater(lab.anchored(), receipt.index)
        lab.relto("audit", "pull", lab.path("now"), context=lab.context_name("hub"))
        records = witness.bundle_records(lab.path("now"))
        self.assertEqual([records[n].kind for n in range(2)], ["RECOVER", "START"])
        # it is whole, and nobody's copy of it is taken for it again
        self.assertEqual(lab.stop(), 0)
        os.rename(lab.path("spool"), lab.path("spool.g2"))
        self.assertIn("the signer has signed %d records of '%s' already: a new generation begins with an anchor" % (
            lab.anchored(), lab.origin), self.restore(78))
        os.rename(lab.path("spool.g2"), lab.path("spool"))
        lab.start()


class OtherUser(SignerTest):
    """The signer is another user than the broker, as it is to be: only root can set that up."""

    USER, STRANGER = 65534, 1
    proof = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("NO root: two users are needed, and only root can become them")
        super().setUpClass()

    @classmethod
    def prepare(cls):
        lab = cls.lab
        lab.home = tempfile.mkdtemp(prefix="relto-signer.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, lab.home)
        for name in ("anchor", "log.key"):
            shutil.move(lab.path("signer", name), lab.home)
            os.chown(os.path.join(lab.home, name), cls.USER, cls.USER)
        os.chown(lab.home, cls.USER, cls.USER)
        os.chmod(lab.home, 0o711)
        lab.user, lab.options = str(cls.USER), ["--peer", "root"]
        lab.edit("reltod.conf", r"run/signer.sock", os.path.join(lab.home, "signer.sock"))
        lab.edit("reltod.conf", r"(?m)^(\s*)signer-wait", r"\1signer-user %d\n\1signer-wait" % cls.USER)

    def test_a_signer_of_another_user_signs_and_has_nothing_of_roots(self):
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            publish(gbr, [(TEARLINE, canary())])
            self.take(nor, 1)
        with open("/proc/%d/status" % self.lab.signer.pid, encoding="utf-8") as f:
            status = f.read()
        self.assertRegex(status, r"Uid:(\s+%d){4}\n" % self.USER)
        self.assertRegex(status, r"Groups:\s*\n")
        self.assertRegex(status, r"CapEff:\s*0+\n")
        self.assertEqual({os.stat(os.path.join(self.lab.home, n)).st_uid for n in os.listdir(self.lab.home)}, {self.USER})

    def test_who_is_neither_the_broker_nor_the_signer_is_turned_away_unheard(self):
        """Nor is the signer's own user its peer."""
        anchored = self.lab.anchored()
        for uid in (self.STRANGER, self.USER):
            code = ("import os, socket, sys; os.setgroups([]); os.setgid(%d); os.setuid(%d); "
                    "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(20); s.connect(sys.argv[1]); "
                    "sys.exit(s.recv(8192) != b'')" % (uid, uid))
            done = subprocess.run([sys.executable, "-c", code, os.path.join(self.lab.home, "signer.sock")], timeout=60,
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("refused a connection: uid %d is not that of --peer, 0" % uid, self.lab.said())
        with self.client("gbr") as gbr:
            publish(gbr, [(TEARLINE, canary())])
        self.assertGreater(self.lab.anchored(), anchored)

    def test_a_broker_that_was_told_of_another_user_does_not_start(self):
        self.assertEqual(self.lab.stop(), 0)
        conf = self.lab.read("reltod.conf")
        self.lab.edit("reltod.conf", r"signer-user %d" % self.USER, "signer-user root")
        code, said = self.lab.refused()
        self.lab.write("reltod.conf", conf)
        self.assertEqual(code, 78)
        self.assertIn("runs as uid %d, and log { signer-user } is 0" % self.USER, said)
        self.lab.start()


def consistency(leaves, m, whole=True):
    """RFC 9162, 2.1.4.1: PROOF and SUBPROOF."""
    n = len(leaves)
    if m == n:
        return [] if whole else [witness.tree_root(leaves)]
    k = 1 << (n - 1).bit_length() - 1
    if m <= k:
        return consistency(leaves[:k], m, whole) + [witness.tree_root(leaves[k:])]
    return consistency(leaves[k:], m - k, False) + [witness.tree_root(leaves[:k])]


class Packets(unittest.TestCase):
    """The signer alone, and somebody who speaks its protocol from its text (docs/audit-format.md, 12)."""

    LEAVES = [witness.H(b"\0" + bytes([n])) for n in range(40)]

    def setUp(self):
        self.lab = SignerLab("--parties", "GBR,NOR")
        self.addCleanup(self.lab.remove)
        self.lab.start_signer()

    def line(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(s.close)
        s.settimeout(20)
        s.connect(self.lab.path("run", "signer.sock"))
        hello = s.recv(8192)
        self.assertEqual(hello[:5], b"RLS1\1")
        self.assertEqual(hello[48:], self.lab.read("home/log.vkey").strip().encode())
        return s, struct.unpack(">Q", hello[5:13])[0]

    def ask(self, old, new, root=None, proof=None):
        if proof is None:
            proof = consistency(self.LEAVES[:new], old) if old else []
        return b"RLS1\2" + struct.pack(">QQ", old, new) + (root or witness.tree_root(self.LEAVES[:new])) + \
            bytes([len(proof)]) + b"".join(proof)

    def signed(self, s, size):
        got = s.recv(8192)
        self.assertEqual(got[:5], b"RLS1\3", got)
        note = got[15:]
        self.assertEqual(struct.unpack(">QH", got[5:15]), (size, len(note)))
        cp = witness.Checkpoint(note, witness.Key(self.lab.read("home/log.vkey")))
        self.assertEqual((cp.origin, cp.size, cp.root), (ORIGIN, size, witness.tree_root(self.LEAVES[:size])))

    def refused(self, packet, reason):
        """Refused, and the line is closed; the anchor is where it was."""
        s, at = self.line()
        s.send(packet)
        got = s.recv(8192)
        self.assertEqual(got[:6], b"RLS1\4" + bytes([reason]), got)
        self.assertEqual(struct.unpack(">Q", got[6:14])[0], at)
        self.assertEqual(s.recv(8192), b"")
        self.assertEqual(self.lab.anchored(), at)

    def test_it_signs_what_extends_its_anchor_and_nothing_else(self):
        s, at = self.line()
        self.assertEqual(at, 0)
        for packet in (self.ask(0, 5), self.ask(5, 9), self.ask(9, 9), self.ask(9, 33)):  # without waiting in between
            s.send(packet)
        for size in (5, 9, 9, 33):
            self.signed(s, size)
        self.assertEqual(self.lab.anchored(), 33)
        self.refused(self.ask(33, 33, root=b"\1" * 32), 3)
        self.refused(self.ask(9, 9), 2)
        self.refused(self.ask(5, 9), 2)
        self.refused(self.ask(0, 40), 4)
        self.refused(self.ask(9, 40), 4)
        self.refused(self.ask(33, 40, root=b"\1" * 32), 4)
        self.refused(self.ask(33, 40, proof=consistency(self.LEAVES, 33)[:-1]), 4)
        self.lab.end_signer(signal.SIGKILL)
        self.lab.start_signer()
        self.refused(self.ask(9, 9), 2)
        s, at = self.line()
        s.send(self.ask(33, 40))
        self.signed(s, 40)
        s.send(self.ask(40, 40))  # what was signed is signed again: an answer can get lost
        self.signed(s, 40)

    def test_garbage_ends_the_line_and_nothing_else(self):
        good = self.ask(0, 5)
        for packet in (b"x", b"RLS1", b"RLS1\2", good[:-1], good + b"x", b"RLS1\5" + good[5:], b"RLS1\3" + good[5:],
                       b"RLS2" + good[4:], good[:52] + b"\x42" + b"x" * 66 * 32, b"x" * 5000, os.urandom(4096)):
            self.refused(packet, 1)
        silent = [self.line()[0] for _ in range(7)]  # who says nothing is in nobody's way
        s, at = self.line()
        s.send(self.ask(at, at) if at else self.ask(0, 5))
        self.signed(s, at or 5)
        for other in silent:
            other.close()
        self.assertEqual(self.lab.end_signer(), 0)
        self.lab.start_signer()


class Rotation(SignerTest):
    """One key of the log follows another: for a while both sign, every party is told, nothing has to be at once."""

    proof = None  # proved below, by each key

    def keys(self):
        """What KEY records say of the log's keys: {party: [(act, vkey)]}."""
        self.pull()
        out = {}
        for _, r in sorted(witness.bundle_records(self.bundle).items()):
            if r.kind == "KEY" and r.field(7, 1) == b"\1":
                out.setdefault(r.field(7, 0), []).append((r.field(7, 2)[0], r.field(7, 3).decode()))
        return out

    def pull(self):
        self.bundle = os.path.join(self.lab.base, "bundle%d" % len(os.listdir(self.lab.base)))
        self.lab.relto("audit", "pull", self.bundle, context=self.lab.context_name("hub"))

    def verified(self, vkey):
        """The exit code of both verifiers, with this key."""
        codes = {subprocess.run(v + [self.bundle, "--key", vkey], capture_output=True).returncode for v in rig.verifiers()}
        self.assertEqual(len(codes), 1)
        return codes.pop()

    def again(self, **keys):
        self.assertEqual(self.lab.stop(), 0)
        self.lab.end_signer()
        for name, value in keys.items():
            setattr(self.lab, name, value)
        self.lab.start()
        with self.client("gbr") as gbr, self.client("nor") as nor:
            nor.subscribe()
            publish(gbr, [(TEARLINE, canary())])
            self.take(nor, 1)

    def trust(self, vkey):
        self.lab.write("home/log.vkey", vkey + "\n")

    def test_a_key_follows_another_without_a_break(self):
        old = self.lab.read("home/log.vkey").strip()
        parties = set(self.keys())
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.lab.key("new.key")], check=True)
        os.chmod(self.lab.key("new.key"), 0o600)
        new = json.loads(self.lab.once("--show", "--anchor", self.lab.anchor, "--key", self.lab.key("new.key"),
                                       "--json"))["keys"][0]
        # both sign: whoever has either key goes on
        self.again(options=["--then", self.lab.key("new.key")])
        self.assertEqual(self.keys(), {p: [(1, old), (1, new)] for p in parties})
        self.assertEqual((self.verified(old), self.verified(new)), (0, 0))
        self.trust(new)
        self.pull()
        self.assertEqual(self.verified(new), 0)
        # the new one alone
        self.again(options=[], key_name="new.key")
        self.assertEqual(self.keys(), {p: [(1, old), (1, new), (2, old)] for p in parties})
        self.assertEqual((self.verified(old), self.verified(new)), (3, 0))
        self.trust(old)
        out, err = self.lab.relto("audit", "list", context=self.lab.context_name("hub"), code=None)
        self.assertIn("log-key", out + err)
        self.trust(new)
        # the whole log, with the checkpoints that only the old key signed
        self.assertEqual(self.lab.stop(), 0)
        self.lab.spawn("--verify-all")
        self.lab.ready()
        self.assertIn("all=yes", self.lab.messages())
        # at once it does not go
        self.assertEqual(self.lab.stop(), 0)
        self.lab.end_signer()
        self.lab.key_name = "log.key"
        code, said = self.lab.refused()
        self.assertEqual(code, 65)
        self.assertIn("let both sign for a while (relto-signer --then)", said)


if __name__ == "__main__":
    unittest.main()
