#!/usr/bin/python3
"""test_receipts.py - receipts: who gets which, what they show, and that nobody else learns anything (design 10, S7)."""
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
import wire  # noqa: E402
from wire import pb  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402

SECOND = os.path.join(os.path.dirname(rig.SECOND), "relto_receipt.py")


def text(report):
    h = report.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def open_slots(opening):
    """Of an RLO1 opening, read here by hand."""
    out, at = set(), 6
    for n in range(1, 9):
        if opening[at]:
            out.add(n)
            at += 21 + int.from_bytes(opening[at + 17:at + 21], "big")
        else:
            at += 33
    return out


class Proving(rig.LabTest):
    heads = "200ms"

    @classmethod
    def prepare(cls):
        cls.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    heads-every  " + cls.heads)

    def setUp(self):
        self.key = self.lab.agent("hub").log_key
        self.folder = os.path.join(self.lab.base, self.id().rsplit(".", 1)[1]) + "/"
        self.names = {party: self.lab.context_name(party) for party in ("gbr", "nor", "ken")}

    def receipts(self, party, report, *more):
        """The records of the receipts of a party, as relto says them; their files are in the folder."""
        out, _ = self.lab.relto("audit", "receipt", text(report), "--wait", "60s", "--json", *more, context=self.names[party])
        return [json.loads(line) for line in out.splitlines()]

    def receipts_with(self, count, party, report, *more):
        """The same, once a head covers so many."""
        return rig.until(lambda: (rs := self.receipts(party, report, *more))[count - 1:] and rs, 60, "a head that covers all")

    def verify(self, file, *more):
        """What both verifiers say of it; they must agree."""
        c = subprocess.run([rig.program("relto-verify"), "receipt", file, "--key", self.key, "--json", *more], capture_output=True)
        p = subprocess.run([sys.executable, SECOND, file, "--key", self.key, *more], capture_output=True)
        self.assertEqual(c.returncode, p.returncode, (c.stdout, c.stderr, p.stdout, p.stderr))
        return c.returncode, json.loads(c.stdout or b"{}"), json.loads(p.stdout or b"{}")


class Receipts(Proving):
    def test_each_gets_the_records_of_its_view_and_both_verifiers_take_them(self):
        bodies = [canary(), canary()]
        saved, topic = os.path.join(self.lab.base, "saved"), "maritime.saved"
        with self.lab.client("nor") as nor:
            nor.subscribe(name="saved", topic=topic)
        _, report = publish(self.client("gbr"), [(SECRET, bodies[0]), (TEARLINE, bodies[1])], topic)
        self.lab.relto("sub", "--name", "saved", "--save", saved, "--count", "1", "--wait", "30s", context=self.names["nor"])
        seen = {}
        for party, count in (("gbr", 5), ("nor", 2)):
            for r in self.receipts_with(count, party, report, "--out", self.folder + party + "/"):
                code, said, second = self.verify(r["file"])
                self.assertEqual((code, said["size"], second["type"].lower()), (0, r["size"], r["type"]))
                self.assertEqual((said["record"]["index"], second["index"]), (r["index"], r["index"]))
                seen.setdefault(party, {}).setdefault(r["type"], []).append((set(second["open"]), r))
        published, received = {1, 2, 3, 4, 7}, {1, 2, 7, 8}
        self.assertEqual({kind: [o for o, _ in rs] for kind, rs in seen["gbr"].items()}, {
            "intake": [published], "decision": [published] * 2, "delivery": [published], "ack": [published]})
        self.assertEqual({kind: [o for o, _ in rs] for kind, rs in seen["nor"].items()}, {
            "delivery": [received], "ack": [received]})
        # the same record, opened to each as far as it may see
        ours, theirs = seen["gbr"]["delivery"][0][1], seen["nor"]["delivery"][0][1]
        self.assertEqual(ours["index"], theirs["index"])
        self.assertNotIn("publisher", theirs)
        self.saved_is_shown(theirs["file"], saved, bodies)
        self.any_byte_counts(theirs["file"])

    def saved_is_shown(self, receipt, saved, bodies):
        """And nothing else is taken for it."""
        (name,) = os.listdir(saved)
        folder = os.path.join(saved, name)
        code, said, _ = self.verify(receipt, "--report", folder)
        self.assertEqual((code, said["report_portions"], said["contents_checked"]), (0, 2, 2))
        for n, body in enumerate(bodies):
            with open(os.path.join(folder, "%02d.body" % n), "rb") as f:
                self.assertEqual(f.read(), body)

        def flip(path, at=0):
            with open(path, "r+b") as f:
                f.seek(at, 2 if at < 0 else 0)
                byte = f.read(1)[0]
                f.seek(-1, 1)
                f.write(bytes([byte ^ 1]))

        def one(name, at=-1):
            return lambda other: flip(os.path.join(other, name), at)

        other = folder + ".other"
        for how in (one("00.body"), one("01.front", 5), one("00.head"), one("manifest"),
                    lambda o: os.unlink(os.path.join(o, "01.head")), lambda o: os.unlink(os.path.join(o, "00.head")),
                    lambda o: shutil.copy(os.path.join(o, "00.head"), os.path.join(o, "02.head"))):
            shutil.copytree(folder, other)
            how(other)
            self.assertEqual(self.verify(receipt, "--report", other)[0], 6)
            shutil.rmtree(other)

    def any_byte_counts(self, receipt):
        """Both verifiers refuse each line with a byte changed, by the same code."""
        with open(receipt, "rb") as f:
            data = f.read()
        lines = data.split(b"\n")
        want = [2, 4, 4] + [4] * (lines.index(b"") - 3) + [None, 3, 3, 3, None, 3]
        at = 0
        for n, (line, code) in enumerate(zip(lines, want)):
            # of `extra` a byte of a closed slot (an open one may be malformed, too); of `index` the last digit
            where = at + (len(line) * 7 // 10 if n == 1 else len(line) - 1 if n == 2 else len(line) // 2)
            if code:
                old = data[where:where + 1]
                new = b"8" if old in b"79" else b"7" if old.isdigit() else b"k" if old != b"k" else b"m"
                with open(self.folder + "changed", "wb") as f:
                    f.write(data[:where] + new + data[where + 1:])
                self.assertEqual(self.verify(self.folder + "changed")[0], code, line)
            at += len(line) + 1

    def test_who_publishes_can_wait_for_the_proof(self):
        out, err = self.lab.relto("pub", "maritime.piracy", "-", "--label", "ATLAS SECRET//REL TO GBR, NOR", "--agreement", "atlas",
                                  "--proof", context=self.names["gbr"], stdin=b"x")
        record, size = map(int, re.search(r"(?m)^proved: record (\d+), in the tree of (\d+) records$", err).groups())
        intake = self.receipts("gbr", uuid.UUID(out.strip()).bytes, "--type", "intake")[0]
        self.assertEqual((intake["index"], intake["size"] >= size > record), (record, True))

    def test_a_file_for_one_and_a_folder_for_many(self):
        _, report = publish(self.client("gbr"), [(TEARLINE, canary())])
        one = self.folder[:-1] + ".proof"
        (r,) = self.receipts("gbr", report, "--out", one, "--type", "intake")
        self.assertEqual((r["type"], r["report"]), ("intake", text(report)))
        with open(one, encoding="utf-8") as f:
            self.assertEqual(f.read(), r["proof"])
        self.assertFalse(os.stat(one).st_mode & 0o077)
        said = {"context": self.names["gbr"]}
        _, err = self.lab.relto("audit", "receipt", text(report), "--out", one, code=64, **said)
        self.assertIn("do not go into one file: --out FOLDER/, or --type", err)
        _, err = self.lab.relto("audit", "receipt", text(report), "--type", "narrowed", code=66, **said)
        self.assertIn("there is no receipt of type 'narrowed'", err)
        out, err = self.lab.relto("audit", "receipt", text(report), **said)
        self.assertRegex(out, r"intake +%s  from GBR" % text(report))
        self.assertRegex(err, r"\d receipts verified, in the tree of \d+ records; keep them with --out")
        for words in (("receipt",), ("receipt", "x"), ("list", "--out", "x"), ("receipt", text(report), "--wait", "long")):
            self.lab.relto("audit", *words, code=64, **said)
        self.lab.relto("audit", "receipt", text(report), "--out", "/proc/none/", code=74, **said)

    def refusal(self, party, report):
        """The whole Error, but for the request."""
        with self.assertRaises(wire.Refused) as got:
            self.client(party).ask("prove", pb.Prove(report=report))
        return got.exception.error.SerializeToString(deterministic=True)

    def test_what_is_not_mine_and_what_is_not_there_are_one_answer(self):
        gbr = self.client("gbr")
        none = self.refusal("ken", os.urandom(16))
        self.assertIn(b"unknown-report", none)
        _, withheld = publish(gbr, [(SECRET, canary())])
        held, report = publish(gbr, [(SECRET, canary())], precedence="IMMEDIATE")
        self.assertEqual((held.held, held.withheld), (1, 1))
        for party, id in (("ken", withheld), ("ken", report), ("nor", report), ("hub", withheld)):
            self.assertEqual(self.refusal(party, id), none, party)
        _, err = self.lab.relto("audit", "receipt", text(withheld), context=self.names["ken"], code=66)
        self.assertEqual(err, "relto: unknown-report: no such report\n")
        # the publisher has them
        self.assertEqual([r["type"] for r in self.receipts_with(3, "gbr", report)], ["intake", "decision", "decision"])

    def test_a_long_list_comes_in_pieces_and_begins_again_wherever_it_is_not_told(self):
        nor = self.client("nor")
        for n in range(20):
            nor.subscribe(name="s%d" % n)
        _, report = publish(self.client("gbr"), [(TEARLINE, canary())])
        for _ in range(20):
            nor.ack(nor.receive())
        _, other = publish(self.client("gbr"), [(TEARLINE, canary())])
        nor.ack(nor.receive())
        self.receipts_with(2, "nor", other)  # so a head covers what is another report's
        whole = self.receipts_with(21, "nor", report)
        self.assertEqual([r["type"] for r in whole], ["delivery"] + ["ack"] * 20)
        asker = self.client("nor")
        pages, at = [], 0
        while not pages or at:
            pages.append(asker.ask("prove", pb.Prove(**{"report": report, "from": at})))
            at = pages[-1].next
        indices = [p.index for page in pages for p in page.proofs]
        self.assertEqual(indices, [r["index"] for r in whole])
        self.assertGreater(len(pages), 1)
        for page in pages:
            for p in page.proofs:
                self.assertEqual(open_slots(p.opening), {1, 2, 7, 8})
        # a place of a reading that is over, and one that no answer named, begin again
        for at in (pages[0].next, indices[5]):
            again = asker.ask("prove", pb.Prove(**{"report": report, "from": at}))
            self.assertEqual(again.proofs[0].index, indices[0])
        with self.assertRaises(wire.Refused):  # nor is it another report's
            asker.ask("prove", pb.Prove(**{"report": os.urandom(16), "from": again.next}))

    def test_who_asks_is_on_record(self):
        _, report = publish(self.client("gbr"), [(TEARLINE, canary())])
        (intake,) = self.receipts("gbr", report, "--type", "intake")
        out, _ = self.lab.relto("audit", "list", "--json", context=self.lab.context_name("hub"))
        reads = [r["body"] for r in map(json.loads, out.splitlines()) if r["type"] == "audit-read"]
        self.assertIn({"party": "GBR", "act": "receipt", "first": intake["index"], "count": 1}, reads)


class Full(Proving):
    """Subscriptions whose deliveries bring their proof."""

    def subscribe(self, client, name, topic, proof=True):
        return client.ask("subscribe", pb.Subscribe(name=name, topic=topic.encode(), mode=pb.Mode.Value("LIVE"), credit=64,
                                                    proof=proof))

    def test_the_proof_is_saved_beside_each_report_and_proves_it(self):
        topic, saved = "maritime.proved", os.path.join(self.lab.base, "proved")
        with self.lab.client("nor") as nor:
            self.subscribe(nor, b"proved", topic, False)
        gbr = self.client("gbr")
        reports = [publish(gbr, [(SECRET, canary()), (TEARLINE, canary())], topic)[1] for _ in range(3)]
        out, _ = self.lab.relto("sub", "--name", "proved", "--proof", "full", "--save", saved, "--count", "3", "--wait", "60s",
                                context=self.names["nor"])
        at = [out.index(text(report)) for report in reports]
        self.assertEqual(at, sorted(at), "in order")
        for report in reports:
            folder = os.path.join(saved, "GBR." + text(report))
            code, said, second = self.verify(os.path.join(folder, "delivery.tlog-proof"), "--report", folder)
            self.assertEqual((code, said["report_portions"], said["contents_checked"]), (0, 2, 2))
            self.assertEqual((second["type"], second["open"], second["report"]), ("DELIVERY", [1, 2, 7, 8], report.hex()))
        for value in ("half", ""):
            _, err = self.lab.relto("sub", "--proof", value, context=self.names["nor"], code=64)
            self.assertIn("is not right: full", err)

    def test_none_goes_before_a_head_that_covers_it_was_shown_and_others_wait_for_nothing(self):
        topic = "maritime.covered"
        nor, plain = self.client("nor"), self.client("nor")
        self.subscribe(nor, b"covered", topic)
        self.subscribe(plain, b"plain", topic, False)
        gbr = self.client("gbr")
        sent = [publish(gbr, [(TEARLINE, canary())], topic)[1] for _ in range(80)]  # more than are asked for at once
        got = []
        for _ in sent:
            d = nor.receive(timeout=60)
            self.assertLess(d.raw.proof.index, nor.memory.seen.size, "it tells more than the heads do")
            self.assertEqual(open_slots(d.raw.proof.opening), {1, 2, 7, 8})
            self.assertTrue(d.raw.checkpoint)
            got.append(d.manifest.id)
            nor.ack(d)
        self.assertEqual(got, sent)
        self.assertNotIn("delivery.failed", self.lab.messages(), "none was tried before there was a head")
        for _ in sent:
            d = plain.receive(timeout=60)
            self.assertFalse(d.raw.HasField("proof") or d.raw.checkpoint)
            plain.ack(d)


class Unpublished(Proving):
    heads, proof = "45s", None  # whoever proves it would have to wait for a head

    def test_what_no_head_covers_yet_says_when_to_try_again(self):
        gbr = self.client("gbr")
        for _ in range(9):  # a head may come at any moment, but not nine times
            receipt, report = publish(gbr, [(TEARLINE, canary())])
            try:
                gbr.ask("prove", pb.Prove(report=report))
                self.assertGreater(gbr.memory.seen.size, receipt.index)
            except wire.Refused as e:
                self.assertEqual((e.error.code, e.error.retry_ms), (b"not-published", 45000))
                break
        else:
            self.fail("there always was a head")


if __name__ == "__main__":
    unittest.main()
