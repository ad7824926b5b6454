#!/usr/bin/python3
"""test_restore.py - a new generation of the log from a backup: what it says, keeps, leaves, and refuses (audit 5)."""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from test_again import ATLAS  # noqa: E402
from test_path import TEARLINE, canary  # noqa: E402
from test_upkeep import UpkeepTest  # noqa: E402

H, u64 = forge.H, forge.u64


class Restored(UpkeepTest):
    """Before the tests: A was delivered, B waits, a backup, C; then the store is gone, and the backup restored."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab = cls.lab
        lab.edit(ATLAS, r"version  \d+", "version  4")
        lab.reload()
        rig.until(lambda: lab.messages().count("policy.in-force") > 1, 10, "version 4")
        cls.sealed = {}
        cls.send(cls, "A")
        with lab.client("nor") as nor:
            nor.subscribe()
            nor.ack(nor.receive(timeout=10))
        cls.send(cls, "B")
        lab.relto("admin", "backup", "b1", context="operator")
        cls.send(cls, "C")
        lab.relto("audit", "pull", lab.path("last"), context=lab.context_name("hub"))
        cls.old = forge.Log(lab.path("last"))
        lab.stop()
        cls.refusals = [cls.reltod("--restore", lab.path("backups", "b1"))]
        lab.edit("reltod.conf", r"/relto/g1", "/relto/g2")
        cls.refusals.append(cls.reltod("--restore", lab.path("backups", "b1")))
        os.rename(lab.path("spool"), lab.path("spool.dead"))
        cls.refusals += [cls.reltod("--restore", lab.path("backups", "none")),
                         cls.reltod("--restore", lab.path("backups", "b1"), "--head", lab.path("hub", "log.vkey")),
                         cls.reltod("--restore", cls.torn())]
        cls.nothing_made = not os.path.exists(lab.path("spool")) and not os.path.exists(lab.path("spool.restore"))
        # what an attempt that was killed has left is in nobody's way
        os.mkdir(lab.path("spool.restore"), 0o700)
        shutil.copy(lab.path("spool.dead", "data.mdb"), lab.path("spool.restore", "data.mdb"))
        cls.said = cls.reltod("--restore", lab.path("backups", "b1"), "--head", lab.path("last", "checkpoint"))
        cls.refusals.append(cls.reltod("--restore", lab.path("backups", "b1")))
        lab.edit(ATLAS, r"version  \d+", "version  3")
        lab.start()
        cls.key = re.search(r"by its key: (\S+)", cls.said.stdout)[1]
        cls.stranger = lab.relto("admin", "status", context="operator", code=77)
        cls.unmeant = [lab.relto("context", "accept-log", *words, context="operator", code=64)
                       for words in ((), ("hub.example/relto/g3",), ("--json",))]
        cls.still = lab.relto("admin", "status", context="operator", code=77)
        cls.accepted = {name: lab.relto("context", "accept-log", cls.key, context=name)[0]
                        for name in (os.path.basename(c)[:-5] for c in lab.contexts())}
        lab.log_key = cls.key
        cls.lower, _ = lab.relto("admin", "status", context="operator")
        lab.edit(ATLAS, r"version  \d+", "version  4")
        lab.reload()
        rig.until(lambda: "refused" not in json.loads(lab.relto("admin", "status", "--json", context="operator")[0]), 10,
                  "version 4 again")

    def send(self, name):
        with self.lab.client("gbr") as c:
            if name not in self.sealed:
                report = wire.Report(c.agent, "maritime.piracy", [("atlas", c.terms["atlas"])])
                report.portion(TEARLINE, canary())
                self.sealed[name] = report.seal(), report.id
            return c.publish(self.sealed[name][0])

    @classmethod
    def reltod(cls, *words):
        return subprocess.run([cls.lab.reltod_path, "-c", cls.lab.path("reltod.conf"), *words], capture_output=True, text=True)

    @classmethod
    def torn(cls):
        """A copy with one byte of a record turned."""
        folder = cls.lab.path("torn")
        shutil.copytree(cls.lab.path("backups", "b1"), folder)
        with open(os.path.join(folder, "data.mdb"), "r+b") as f:
            data = f.read()
            at = data.index(b"RLO1") + 40
            f.seek(at)
            f.write(bytes([data[at] ^ 1]))
        return folder

    def test_what_cannot_be_restored_says_why_and_makes_nothing(self):
        words = (("say \"hub.example/relto/g2\"", 78), ("holds a store: move it away", 78), ("No such file", 66),
                 ("no blank line before the signatures", 65), ("does not", 65), ("holds a store", 78))
        for got, (why, code) in zip(self.refusals, words, strict=True):
            self.assertIn(why, got.stderr)
            self.assertEqual((got.returncode, got.stdout), (code, ""), got.stderr)
        self.assertTrue(self.nothing_made)
        self.assertEqual(self.reltod("--head", "x").returncode, 64)
        self.assertEqual(self.reltod("-t", "--restore", "x").returncode, 64)

    def test_record_0_says_what_was_known_and_what_was_restored(self):
        self.assertEqual(self.said.returncode, 0, self.said.stderr)
        first, second = self.log()[:2]
        with open(self.lab.path("last", "checkpoint"), "rb") as f:
            head = f.read()
        restored = len(self.copied("b1", "entry"))
        self.assertEqual((first.index, first.kind, second.kind), (0, "RECOVER", "START"))
        self.assertEqual(first.slots[7], [head, u64(restored), H(head)])
        known = len(self.old.records)
        self.assertIn("its last head known is of %d records: %d are lost\n" % (known, known - restored), self.said.stdout)
        waited = re.findall(r"(?m)^waited (\S+) from GBR for (\w+)$", self.said.stdout)
        self.assertEqual(sorted(waited, key=lambda w: w[1] == "NOR")[-1], (str(uuid.UUID(bytes=self.sealed["B"][1])), "NOR"))
        self.proven()

    def test_clients_that_know_the_old_log_refuse_the_new_one(self):
        for out, err in (self.stranger, self.still):
            self.assertEqual(out, "")
            self.assertIn("relto: generation: ", err)
            self.assertIn("shows the log 'hub.example/relto/g2', and 'hub.example/relto/g1' is the one known here", err)
            self.assertIn("relto context accept-log", err)

    def test_nobody_accepts_a_log_by_accident(self):
        for (out, err), why in zip(self.unmeant, ("say which log: relto context accept-log " + self.key,
                                                  "not 'hub.example/relto/g3' is shown, but '%s'" % self.key,
                                                  "say which log"), strict=True):
            self.assertIn("nothing was changed", err)
            self.assertIn(why, err)
        self.assertFalse(json.loads(self.unmeant[2][0])["accepted"])

    def test_a_person_sees_what_is_known_what_is_shown_and_what_it_claims(self):
        hub = self.accepted[self.lab.context_name("hub")]
        with open(self.lab.path("last", "checkpoint"), encoding="utf-8") as f:
            origin, size, root = f.read().split("\n")[:3]
        head = "%s records, root %s" % (size, root)
        self.assertIn("known    %s: %s\n" % (origin, head), hub)
        self.assertRegex(hub, r"(?m)^shown    hub.example/relto/g2: \d+ records, root \S{44}$")
        self.assertIn("key      %s\n" % self.key, hub)
        self.assertIn("says     the last head known to it: %s\n" % head, hub)
        self.assertIn("restored were %d records" % len(self.copied("b1", "entry")), hub)
        self.assertTrue(hub.endswith("accepted; what was kept of the one before stays\n"))
        self.assertIn("known    hub.example/relto/g1: no head\n", self.accepted[self.lab.context_name("gbr")])
        self.assertIn("only to the role audit: ask an auditor of your party", self.accepted[self.lab.context_name("gbr")])
        gbr = self.accepted[self.lab.context_name("gbr", "/inspector")]
        self.assertIn("says     the last head known to it: %s\n" % head, gbr)
        lost = int(size) - len(self.copied("b1", "entry"))
        self.assertIn("restored were %d records, %d are lost: by its first records" % (int(size) - lost, lost), gbr)
        self.assertIn("of what is known here %d records are lost\n" % lost, hub)

    def test_every_party_opens_the_record_0_of_its_bundle_and_both_verifiers_take_it(self):
        folder = os.path.join(self.lab.base, "of-gbr")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("gbr", "/inspector"))
        for verifier in rig.verifiers():
            got = subprocess.run(verifier + [folder, "--key", self.key, "--party", "GBR"], capture_output=True, text=True)
            self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        first = forge.Log(folder).records[0]
        self.assertEqual((first.kind, [s.n for s in first.slots if s.value is not None]), ("RECOVER", [1, 7]))

    def test_what_was_accepted_stays_so_beside_what_was_known(self):
        name = self.lab.context_name("hub")
        out, _ = self.lab.relto("context", "accept-log", context=name)
        self.assertTrue(out.endswith("it is believed here already\n"))
        self.assertNotIn("says", out.replace(self.key, ""), "RECOVER speaks of the log before")
        state = sorted(n.split("-hub")[0] + n.rsplit("_", 1)[1][:2] for n in os.listdir(self.lab.path("home", "state", name))
                       if n.startswith(("checkpoint", "accepted")))
        self.assertEqual(state, ["acceptedg1", "checkpointg1", "checkpointg2"])

    def test_an_auditor_replays_bundles_of_either_log_with_one_context(self):
        hub = self.lab.context_name("hub")
        new = os.path.join(self.lab.base, "replayed")
        self.lab.relto("audit", "pull", new, context=hub)
        for folder in (self.lab.path("last"), new):
            out, _ = self.lab.relto("audit", "replay", folder, context=hub)
            self.assertIn("the recorded decisions follow the recorded policy", out)
        # a context that accepted nothing knows the pinned one alone
        shutil.copy(self.lab.path("home", "contexts", hub + ".conf"), self.lab.path("home", "contexts", hub + "-fresh.conf"))
        self.lab.relto("audit", "replay", self.lab.path("last"), context=hub + "-fresh")
        self.lab.relto("audit", "replay", new, context=hub + "-fresh", code=65)

    def test_agreements_that_were_accepted_bind_the_new_log(self):
        self.assertRegex(self.lower, r"(?m)^refused +atlas: ")

    def test_nothing_that_waited_leaves_and_what_is_sent_again_does(self):
        with self.lab.client("nor") as nor:
            nor.subscribe()
            self.assertIsNone(nor.receive(timeout=1))
            self.assertEqual(self.send("B").again, False)
            got = nor.receive(timeout=10)
            self.assertEqual(got.manifest.id, self.sealed["B"][1])
            nor.ack(got)
            self.assertEqual(self.send("C").again, False)
            nor.ack(nor.receive(timeout=10))
        self.assertEqual(self.send("B").again, True)

    def test_an_id_of_the_old_log_is_no_other_report_s(self):
        with self.lab.client("gbr") as c:
            report = wire.Report(c.agent, "maritime.piracy", [("atlas", c.terms["atlas"])])
            report.manifest.id = self.sealed["A"][1]
            report.portion(TEARLINE, canary())
            with self.assertRaises(wire.Refused) as no:
                c.publish(report.seal())
            self.assertEqual(no.exception.code, "id-conflict")

    def test_both_verifiers_hold_a_recover_against_its_head(self):
        folder, key = self.proven()
        with open(self.lab.path("hub", "log.key"), "rb") as f:
            pem = f.read()
        new, old = forge.Key("hub.example/relto/g2", pem), forge.Key("hub.example/relto/g1", pem)
        stranger = forge.Key("hub.example/relto/g1")
        head = forge.Log(folder).records[0].field(7, 0)
        text = head.decode().split("\n\n")[0] + "\n"
        size = int(text.split("\n")[1])

        def headed(note):
            def lie(log):
                log.records[0].set(7, 0, note)
                log.records[0].set(7, 2, H(note))
            return lie

        def other(pattern, into, by=old):
            return headed(by.note(re.sub(pattern, into, text)).encode())

        def again(note, size=None):
            """Another RECOVER, right behind."""
            def lie(log):
                more = forge.Record.parse(log.records[0].opening())
                more.set(7, 0, note)
                more.set(7, 1, size or more.field(7, 1))
                more.set(7, 2, H(note))
                log.records.insert(1, more)
            return lie
        smaller = old.note(re.sub(r"\n\d+\n", "\n%d\n" % (size - 1), text)).encode()
        forked = old.note(re.sub(r"\n[^\n]{44}\n$", "\n" + "A" * 43 + "=\n", text)).encode()
        rows = [(0, lambda log: None), (0, again(smaller)), (0, headed(stranger.note(text).encode())),
                (2, headed(b"no note")), (2, headed(head + "— other AAAAAA==\n".encode())),
                (2, other(r"\n\d+\n", "\n%d\n" % 2**64)), (6, other(r"/g1\n", "/g01\n", forge.Key("hub.example/relto/g01", pem))),
                (6, other(r"/g1\n", "\n", forge.Key("hub.example/relto", pem))), (3, headed(head[:-8] + b"AAAAAA=\n")),
                (5, again(forked)), (6, lambda log: log.records[0].set(7, 2, H(b"x"))),
                (6, other(r"/g1\n", "/g2\n", new)), (6, other(r"^hub", "bub", forge.Key("bub.example/relto/g1", pem))),
                (6, lambda log: log.records[0].set(7, 1, u64(size + 1))), (6, again(smaller, u64(1))),
                (7, again(old.note(re.sub(r"\n\d+\n", "\n%d\n" % (size + 1), text)).encode())),
                (7, lambda log: log.records.append(log.records[0]) or log.records.pop(0))]
        for n, (code, lie) in enumerate(rows):
            log = forge.Log(folder)
            lie(log)
            if n == len(rows) - 1:
                log.records[-1].set(1, 1, log.records[-2].field(1, 1))
            lied = os.path.join(self.lab.base, "lied.%d" % n)
            log.settle().write(lied, new)
            self.judged(n, code, lied, "--key", key)

        def closed(slots):
            def lie(log):
                log.records[0].shown_to = lambda party: slots
            return lie
        # as GBR sees it: from a broker that opens it to the hub alone, and from those that hide a part of it
        rows = [(0, lambda log: None), (0, closed(set())), (0, again(smaller)), (7, closed({1})), (2, closed({7})),
                (7, lambda log: again(smaller)(log) or closed(set())(log)), (6, lambda log: log.records[0].set(7, 2, H(b"x"))),
                (3, headed(head[:-8] + b"AAAAAA=\n")), (5, again(forked))]
        for n, (code, lie) in enumerate(rows):
            log, lied = forge.Log(folder), os.path.join(self.lab.base, "lied.gbr.%d" % n)
            lie(log)
            os.mkdir(lied)
            log.settle().write(lied, new, "party GBR")
            self.judged("of GBR, %d" % n, code, lied, "--key", key, "--party", "GBR")

    def judged(self, row, code, folder, *words):
        for program in rig.verifiers():
            got = subprocess.run(program + [folder, *words], capture_output=True, text=True)
            self.assertEqual(got.returncode, code, "row %s: %s\n%s" % (row, program, got.stdout[-1500:]))
        shutil.rmtree(folder)


if __name__ == "__main__":
    unittest.main()
