#!/usr/bin/python3
"""test_liar.py - a hub with the hub's own key that lies (tests/lib/hub.py): what the client does not believe, print or
write."""
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import witness  # noqa: E402
import wire  # noqa: E402
from test_path import canary  # noqa: E402
from test_receive import Receiving  # noqa: E402
from test_witness import fast_clock  # noqa: E402
from wire import H, pb  # noqa: E402

LABEL = "ATLAS SECRET//REL TO GBR, NOR"
OTHER = b"\x01" * 16


class Liar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.lab.address = "127.0.0.1:1"
        cls.gbr = cls.lab.context_name("gbr")
        os.unlink(cls.lab.path("home", "contexts", cls.gbr + ".terms"))  # this hub shows no agreement

    def hub(self, **answers):
        answers.setdefault("whoami", lambda s, m: s.send(m.request, identity=pb.Identity(
            party=b"GBR", agent=b"spiffe://gbr.example/fusion-desk", roles=[b"publish"], hub_party=b"HUB", node=b"hub-1",
            certificate_until=1)))
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
    def pub(self, *more, code=0, **variables):
        return self.relto("pub", "maritime.piracy", "-", "--label", LABEL, "--agreement", "atlas", *more, code=code, stdin=b"x",
                          **variables)

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

    def test_what_was_accepted_and_is_in_no_head_after_two_minutes_is_an_alarm(self):
        fast, asked = fast_clock(self.lab), []

        def prove(s, m):
            asked.append(m.prove.report)
            s.send(m.request, error=pb.Error(code=b"not-published", text=b"no", retry_ms=10000))

        log = hub.Log(self.lab)

        def shown(session, hello, welcome):
            welcome.version, welcome.checkpoint = 2, log.note(1, DIGEST)

        self.hub(shown=shown, prove=prove, publish=lambda s, m: s.send(m.request, receipt=receipt(self.of_manifest(m))))
        out, err = self.pub("--proof", code=76, **fast)
        self.assertIn("ALARM: what was accepted is in no signed head of the log after 120 s", err)
        self.assertEqual((len(asked), len(set(asked)), len(out)), (13, 1, 37))  # at once, and every 10 s
        self.pub(**fast)

    def test_a_proof_that_the_broker_does_not_give_is_said(self):
        self.hub(publish=lambda s, m: s.send(m.request, receipt=receipt(self.of_manifest(m))))
        self.assertIn("it is too old", self.pub("--proof", code=76)[1])

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


def pad(time):
    return hub.opening([bytes([1 + hub.TYPES.index("PAD")]), struct.pack(">Q", time), b""], None, None, None, [b"hub-1", b"", b"", b"sync"],
                       None, None, None)


def feedback(time, place):
    """As the party sees what it was given: slots 1 and 8."""
    return hub.opening([bytes([1 + hub.TYPES.index("FEEDBACK")]), struct.pack(">Q", time), OTHER], *[hub.CLOSED] * 6,
                       [struct.pack(">Q", place)])


class Lists(Liar):
    """What a broker lists is held against what was asked, one record against another, and all against the signed head."""

    def says(self, records, *words, code=0, next=0, shown=lambda *_: None):
        """relto audit list, of these pairs of an index and an opening."""
        def answer(s, m):
            s.send(m.request, audit_part=pb.AuditPart(last=True, next=next, records=[
                pb.AuditRecord(index=i, opening=o) for i, o in records]))

        shutil.rmtree(self.lab.path("home", "state"), ignore_errors=True)  # each is another hub's tale
        self.hub(audit_list=answer, shown=shown)
        return self.relto("audit", *(words or ("list",)), code=code)

    def as_hub(self, size, root):
        """Makes of the session an auditor's of the hub, and shows it a signed head."""
        def shown(session, hello, welcome):
            welcome.party, welcome.checkpoint = b"HUB", hub.Log(self.lab).note(size, root)
        return shown

    def test_a_list_is_what_was_asked_for_and_no_more(self):
        for records, words, next in (([(4, pad(1))], ("list", "--from", "5"), 0),         # before it
                                     ([(5, pad(1)), (5, pad(1))], ("list",), 0),          # twice
                                     ([(6, pad(2)), (5, pad(1))], ("list",), 0),          # backwards
                                     ([(5, pad(1)), (6, pad(2))], ("show", "5"), 0)):     # one too many
            self.assertIn("which was not asked for", self.says(records, *words, code=76, next=next)[1])
        self.assertIn("does not go on", self.says([(5, pad(1))], code=76, next=5)[1])     # it would come again

    def test_what_is_no_record_is_not_printed(self):
        long_ago = struct.pack(">Q", 1)
        for opening, why in ((b"RLO1", "opening"), (pad(1) + b"x", "opening"), (hub.opening(*[None] * 8), "slot 1"),
                             (hub.opening([b"\x63", long_ago, b""], *[None] * 7), "")):
            out, err = self.says([(5, opening), (6, pad(2))], code=76)
            self.assertRegex(out, r"^ +6 .* pad *\n$")
            self.assertIn("record 5: ", err)
            self.assertIn(why, err)
        self.assertIn("record 6: its time is before that of a record before it", self.says([(5, pad(9)), (6, pad(8))], code=76)[1])

    def test_all_records_of_the_log_give_its_signed_head_or_the_list_is_a_lie(self):
        records = [pad(n) for n in range(1, 4)]
        leaves = [witness.Opening(r).leaf_hash for r in records]
        root = hub.Tree(*leaves).root(0, 3)
        listed = list(enumerate(records))
        self.assertIn("3 of 3 records; those before 3 give the signed head", self.says(listed, shown=self.as_hub(3, root))[1])
        other = [(0, records[0]), (1, pad(2)), (2, records[2])]
        self.assertIn("record 2: the records up to here do not give the signed head",
                      self.says(other, shown=self.as_hub(3, root), code=76)[1])
        self.assertIn("record 2: a record before it is not shown",
                      self.says([listed[0], listed[2]], shown=self.as_hub(3, root), code=76)[1])
        self.assertIn("the broker's word", self.says(listed[:2], shown=self.as_hub(3, root))[1])

    def test_the_records_of_a_party_give_the_head_that_it_is_told_or_the_list_is_a_lie(self):
        records = [(3, feedback(1, 0)), (8, feedback(2, 1))]
        leaves = [H(b"\x00RLP1" + struct.pack(">Q", i) + witness.Opening(o).leaf_hash) for i, o in records]
        root, time = hub.Tree(*leaves).root(0, 2), 3
        head = lambda *what: (9, hub.party_head(*what, time=time))  # noqa: E731
        self.assertIn("3 of 3 records; 2 of your party's give the head in record 9, which is the broker's word",
                      self.says(records + [head("NOR", 2, root)])[1])
        self.assertIn("record 9: it states another root", self.says(records + [head("NOR", 2, b"x" * 32)], code=76)[1])
        self.assertIn("record 9: it states another size", self.says(records + [head("NOR", 3, root)], code=76)[1])
        self.assertIn("record 8: it is record 1 of your party, and 0 came before it", self.says(records[1:], code=76)[1])


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


def version(n):
    """What Welcome says of the version."""
    return lambda session, hello, welcome: setattr(welcome, "version", n)


def a_hold(n, text=b"GBR", **more):
    return pb.Hold(**{**dict(hold=bytes([n]) * 16, kind=1, publisher=text, recipient=text, deadline=5, report=OTHER, agreement=text,
                             rule=text, portions=[pb.HoldPortion(portion=0, marking=text, size=1)], mode=1), **more})


class Holds(Liar):
    NAME = "02020202-0202-0202-0202-020202020202"

    def listing(self, *pages):
        """A hub that gives these pages, one after the other, whatever is asked."""
        left = list(pages)
        self.hub(shown=version(2), holds=lambda s, m: s.send(m.request, hold_list=left.pop(0)))

    def test_a_broker_of_version_1_is_told_apart(self):
        self.hub()
        self.assertIn("it is too old", self.relto("holds", "list", code=76)[1])
        self.hub(shown=version(3))
        self.assertIn("version 3", self.relto("holds", "list", code=76)[1])

    def test_a_list_of_holds_ends(self):
        one, two = a_hold(1), a_hold(2)
        for pages in ([pb.HoldList(holds=[two, one])], [pb.HoldList(holds=[one, one])],
                      [pb.HoldList(holds=[one], next=b"\1" * 16)], [pb.HoldList(next=b"\2" * 16)],
                      [pb.HoldList(holds=[two], next=b"\3" * 16), pb.HoldList(holds=[two])]):
            self.listing(*pages)
            out, err = self.relto("holds", "list", code=76)
            self.assertEqual(out, "")
            self.assertIn("out of order", err)
        self.listing(pb.HoldList(holds=[one], next=b"\2" * 16), pb.HoldList(holds=[two]))
        self.assertEqual(len(self.relto("holds", "list")[0].splitlines()), 3)

    def test_a_list_of_feedback_ends_and_is_about_the_report_that_was_asked_for(self):
        report = uuid.uuid4()
        one, two = (pb.FeedbackRecipient(recipient=p, count=1, said=[pb.FeedbackSaid(code=b"useful", time=1)])
                    for p in (b"NOR", b"K\x1b[31mEN"))

        def page(*recipients, **more):
            return pb.FeedbackStatusReply(report=more.pop("report", report.bytes), recipients=recipients, **more)

        def listing(*pages):
            left = list(pages)
            self.hub(shown=version(2), feedback_status=lambda s, m: s.send(m.request, feedback_status_reply=left.pop(0)))

        for pages, why in (([page(one, report=OTHER)], "about another report"), ([page(next=b"NOR")], "goes on nowhere"),
                           ([page(one, next=b"KEN")], "goes on nowhere"),
                           ([page(one, next=b"NOR"), page(two, next=b"NOR")], "goes on nowhere")):
            listing(*pages)
            out, err = self.relto("feedback", "status", str(report), code=76)
            self.assertEqual(out, "")
            self.assertIn(why, err)
        listing(page(one, next=b"NOR"), page(two))
        out, _ = self.relto("feedback", "status", str(report))
        self.assertEqual(len(out.splitlines()), 3)
        self.assertNotIn("\x1b", out)
        self.hub()
        self.assertIn("it is too old", self.relto("feedback", "status", str(report), code=76)[1])

    def test_a_hold_that_is_neither_live_nor_an_exercise_is_none(self):
        for mode, why in (0, "missing"), (3, "3 is none of its values"):
            self.listing(pb.HoldList(holds=[a_hold(1, mode=mode)]))
            out, err = self.relto("holds", "list", code=65)
            self.assertEqual((out, err), ("", "relto: malformed: hold_list.holds[0].mode: %s\n" % why))

    def test_an_answer_about_another_hold_is_none(self):
        self.hub(shown=version(2), holds=lambda s, m: s.send(m.request, hold_list=pb.HoldList(holds=[a_hold(2)])),
                 decide=lambda s, m: s.send(m.request, decided=pb.Decided(hold=OTHER)))
        out, err = self.relto("holds", "approve", self.NAME, "--because", "x", code=76)
        self.assertEqual(out, "")
        self.assertIn("about another", err)

    def test_what_is_decided_is_what_was_meant(self):
        asked = []

        def decide(s, m):
            asked.append((m.decide.hold, m.decide.answer, list(m.decide.portions), m.decide.because))
            s.send(m.request, decided=pb.Decided(hold=m.decide.hold))

        self.hub(shown=version(2), decide=decide, holds=lambda s, m: s.send(m.request, hold_list=pb.HoldList(
            holds=[a_hold(1, b"KEN"), a_hold(2)])))
        self.relto("holds", "reject", self.NAME, "--because", "x", "--portion", "7", "--portion", "3", "--portion", "7")
        self.relto("holds", "approve", "01010101-0101-0101-0101-010101010101", "--recipient", "KEN", "--because", "y")
        self.assertEqual(asked, [(b"\2" * 16, 2, [3, 7], b"x"), (b"\1" * 16, 1, [], b"y")])


class Record:
    """A record with these slots (1 to 8, lists of fields); what is not in 'shown' is closed."""

    def __init__(self, slots, shown):
        self.opening, commitments = b"RLO1\0\x08", b""
        for n in range(1, 9):
            value = b"".join(len(f).to_bytes(4, "big") + f for f in slots.get(n, []))
            c = wire.H(b"\2\0" + bytes([n]) + b"s" * 16 + value)
            commitments += c
            self.opening += b"\1" + b"s" * 16 + len(value).to_bytes(4, "big") + value if n in shown else b"\0" + c
        self.leaf = wire.H(b"\0RLT1\0\x08" + wire.H(b"\3\0\x08" + commitments))


def number(n):
    return n.to_bytes(8, "big")


def delivery(recipient=b"NOR", report=OTHER, shown=(1, 2, 7, 8)):
    return Record({1: [bytes([1 + hub.TYPES.index("DELIVERY")]), number(1), report], 2: [recipient, b"atlas@1", b"x", DIGEST],
                   3: [b"GBR", b"", b"", b"", number(0)], 4: [b"", b"", b"", b"", number(0)], 7: [number(1)], 8: [number(0)]}, shown)


def ack(of):
    return Record({1: [bytes([1 + hub.TYPES.index("ACK")]), number(2), b""], 2: [b"NOR", b"", b"", b""],
                   7: [number(of), b"", b"", b"", b""], 8: [number(1)]}, (1, 2, 7, 8))


class Proofs(Liar):
    """Receipts: nothing is taken that does not hold, and nothing of it is told."""
    RECORDS = [delivery(report=b"\x02" * 16), delivery(), ack(1), delivery(b"KEN"), ack(0), delivery(shown=(1, 2, 3, 7, 8)),
               delivery(shown=(1, 2, 7))]
    ID = "01010101-0101-0101-0101-010101010101"

    def setUp(self):
        self.log, self.tree = hub.Log(self.lab), hub.Tree(*(r.leaf for r in self.RECORDS))
        self.note = self.log.note(7, self.tree.root(0, 7))

    def proof(self, at, **more):
        p = dict(index=at, opening=self.RECORDS[at].opening, inclusion=self.tree.inclusion(at, 0, 7))
        return pb.Proof(**{**p, **more})

    def ask(self, *proofs, code=0, note=None, **more):
        def shown(session, hello, welcome):
            welcome.version, welcome.checkpoint, welcome.party = 2, self.note, b"NOR"

        self.hub(shown=shown, prove=lambda s, m: s.send(m.request, proof_list=pb.ProofList(
            checkpoint=note or self.note, proofs=proofs, **more)))
        return self.relto("audit", "receipt", self.ID, "--json", code=code)

    def test_what_holds_is_taken(self):
        out, _ = self.ask(self.proof(1), self.proof(2))
        said = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([r["type"] for r in said], ["delivery", "ack"])
        file = os.path.join(self.lab.base, "held.tlog-proof")
        for r in said:
            with open(file, "w", encoding="utf-8") as f:
                f.write(r["proof"])
            self.assertEqual(subprocess.run([rig.program("relto-verify"), "receipt", file, "--key", self.lab.agent("hub").log_key],
                                            stdout=subprocess.DEVNULL).returncode, 0)

    def test_what_does_not_hold_is_not(self):
        path = self.tree.inclusion(1, 0, 7)
        for proof, why in (
                (self.proof(1, inclusion=path[:1] + [DIGEST] + path[2:]), "not in the tree"),
                (self.proof(1, inclusion=path[1:]), "not in the tree"),
                (self.proof(1, inclusion=[]), "not in the tree"),
                (self.proof(1, index=2), "not in the tree"),
                (self.proof(1, opening=self.RECORDS[0].opening), "not in the tree"),
                (self.proof(1, opening=b"RLO1"), "the opening"),
                (self.proof(3), "opens more, or less"), (self.proof(5), "opens more, or less"),
                (self.proof(6), "opens more, or less")):
            out, err = self.ask(proof, code=77)
            self.assertEqual(out, "")
            self.assertIn(why, err)

    def test_a_head_that_was_not_shown_proves_nothing(self):
        other = hub.Tree(*[r.leaf for r in self.RECORDS] + [DIGEST])
        for note, why in ((self.log.note(8, other.root(0, 8)), "none that the broker showed"),
                          (self.note[:-6] + b"AAA=\n", "its checkpoint"), (b"x\n", "its checkpoint")):
            out, err = self.ask(self.proof(1, inclusion=other.inclusion(1, 0, 8)), note=note, code=77)
            self.assertEqual(out, "")
            self.assertIn(why, err)

    def test_a_receipt_of_another_report_is_none(self):
        for proofs, more, why in (
                ([self.proof(0)], {}, "about another report"), ([self.proof(4)], {}, "about another report"),
                ([self.proof(2)], {}, "about another report"),  # no delivery before it that it could acknowledge
                ([self.proof(1), self.proof(1)], {}, "out of order"), ([self.proof(1)], {"next": 1}, "does not go on"),
                ([], {"next": 5}, "does not go on")):
            _, err = self.ask(*proofs, code=76, **more)
            self.assertIn(why, err)

    def test_no_receipt_is_told_as_none(self):
        out, err = self.ask(code=75)
        self.assertEqual(out, "")
        self.assertIn("no published head covers", err)


class Proved(Receiving):
    """Deliveries that have to bring their proof, from a hub that has none, or another."""
    ACCEPTED = int(time.time() * 1000000)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bodies = [canary(), canary()]
        cls.sealed, other = Receiving.report(cls, *cls.bodies), Receiving.report(cls, canary())
        cls.records = [cls.record(cls.sealed), cls.record(other), cls.record(cls.sealed, b"KEN"),
                       cls.record(cls.sealed, portions=1), cls.record(cls.sealed, accepted=cls.ACCEPTED + 1),
                       cls.record(cls.sealed, agreements=b"atlas@1\nother@2")]
        cls.log, cls.tree = hub.Log(cls.lab), hub.Tree(*(r.leaf for r in cls.records))
        cls.note = cls.log.note(6, cls.tree.root(0, 6))

    @classmethod
    def record(cls, sealed, recipient=b"NOR", portions=2, accepted=ACCEPTED, agreements=b"atlas@1"):
        """The DELIVERY of the first portions of a report."""
        report = pb.Manifest.FromString(sealed.manifest).id
        heads = sorted(wire.H(b"\x11" + report + p.head) for p in sealed.portions[:portions])
        released = wire.H(b"RLD1" + wire.H(b"\0" + sealed.manifest) + b"".join(heads))
        return Record({1: [bytes([1 + hub.TYPES.index("DELIVERY")]), number(1), report],
                       2: [recipient, agreements, b"ATLAS SECRET", released], 7: [number(accepted)], 8: [number(0)]}, (1, 2, 7, 8))

    def give(self, at, change=lambda d: None, code=76):
        """A hub that delivers the report with the proof of that record; what came of it."""
        def prove(d):
            d.accepted = self.ACCEPTED
            d.evidence.CopyFrom(pb.Evidence(party_index=0, leaf_hash=self.records[at].leaf))
            d.proof.CopyFrom(pb.Proof(index=at, opening=self.records[at].opening, inclusion=self.tree.inclusion(at, 0, 6)))
            d.checkpoint = self.note
            change(d)

        def shown(session, hello, welcome):
            welcome.version, welcome.checkpoint = 2, self.note

        h = self.hub(lambda s: s.deliver(self.gbr, self.sealed, change=prove), shown=shown)
        out, err = self.sub("--proof", "full", "--count", "1", code=code)
        if code:
            self.assertEqual((out, h.acks), ("", []))
            self.assertIn("ALARM: the broker does not prove what it delivers", err)
        return out, err, h.acks

    def test_a_report_with_its_proof_is_handed_over(self):
        out, _, acks = self.give(0, code=0)
        self.assertEqual(([b.decode() in out for b in self.bodies], acks), ([True, True], [1]))

    def test_one_without_a_valid_proof_is_not_shown_not_acknowledged_and_raises_the_alarm(self):
        def path(d):
            d.proof.inclusion[0] = DIGEST

        def none(d):
            d.ClearField("proof")

        def leaf(d):
            d.evidence.leaf_hash = DIGEST

        def place(d):
            d.evidence.party_index = 1

        def head(d):
            other = hub.Tree(*[r.leaf for r in self.records] + [DIGEST])
            d.checkpoint = self.log.note(7, other.root(0, 7))
            d.proof.inclusion[:] = other.inclusion(0, 0, 7)

        for at, change, why in ((0, none, "it came without one"), (0, path, "not in the tree"), (0, head, "none that the broker showed"),
                                (1, lambda d: None, "about another report"), (2, lambda d: None, "opens more, or less"),
                                (3, lambda d: None, "is not this manifest with these 2 portions"),
                                (4, lambda d: None, "another time of acceptance"), (5, lambda d: None, "other agreements"),
                                (0, leaf, "not the record that the delivery names"), (0, place, "not the record that the delivery names")):
            _, err, _ = self.give(at, change)
            self.assertIn(why, err)

    def test_a_broker_that_cannot_is_not_asked(self):
        self.hub()
        _, err = self.sub("--proof", "full", code=76)
        self.assertIn("gives no proofs: it is too old", err)


class Seen(Liar):
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


class Terminal(Seen):
    """Nothing that a hub or a partner says can steer the terminal of whoever reads it."""

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

    def test_holds(self):
        self.hub(shown=version(2), holds=lambda s, m: s.send(m.request, hold_list=pb.HoldList(holds=[a_hold(2, EVIL[:60])])),
                 decide=lambda s, m: s.send(m.request, decided=pb.Decided(hold=m.decide.hold)))
        self.harmless("holds", "list")
        self.harmless("holds", "show", Holds.NAME)
        self.harmless("holds", "approve", Holds.NAME, "--because", "x")

    def test_errors(self):
        self.hub(status=lambda s, m: s.send(m.request, error=pb.Error(code=EVIL[:20], text=EVIL, field=EVIL, nearest=EVIL, detail=EVIL)))
        self.harmless("admin", "status")

    def test_what_the_broker_says_of_itself(self):
        text = '{"EVIL\u009b":"\u009b\u202e","a":{"b\u202eb":1},\
"l\u009b":["\u009b",{"\u009b":"\u202e"},[1],2],"refused":["\u009b"]}'.encode()
        self.hub(status=lambda s, m: s.send(m.request, status_reply=pb.StatusReply(json=text)),
                 reload=lambda s, m: s.send(m.request, status_reply=pb.StatusReply(json=text)))
        self.harmless("admin", "status")
        self.harmless("admin", "reload")

    def test_a_report(self):
        gbr = self.lab.agent("gbr")
        r = wire.Report(gbr, "maritime.piracy", [("atlas", DIGEST)])
        evil = EVIL.decode()
        r.portion([("ATLAS", evil, {evil: [evil]})], EVIL, "text/plain", evil)
        sealed = r.seal()
        self.hub(after_subscribe=lambda s: s.deliver(gbr, sealed, agreements=[EVIL]))
        self.harmless("sub", "--count", "1", "--wait", "5s")

    def test_why_a_connection_was_lost(self):
        gbr, sessions = self.lab.agent("gbr"), []

        def after(s):
            sessions.append(s)
            if len(sessions) % 2:
                s.send(error=pb.Error(code=b"busy", text=EVIL))
            else:
                s.deliver(gbr, wire.Report(gbr, "maritime.piracy", [("atlas", DIGEST)]).portion(
                    [("ATLAS", "SECRET", {})], b"x").seal())

        self.hub(after_subscribe=after)
        self.harmless("sub", "--count", "1")

    def records(self, text):
        """A hub that lists one DELIVERY to somebody of that name."""
        kind = bytes([1 + hub.TYPES.index("DELIVERY")])
        data = hub.opening([kind, b"\0" * 7 + b"\1", OTHER], [text, b"a@1", text, b""], None, None, None, None, [bytes(8)], None)
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


class Progress(Seen):
    """Long work says how far it is, on a terminal and nowhere else."""

    def both(self, seen, *words):
        self.assertRegex(self.terminal(*words).decode(), seen)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.assertNotRegex(self.relto(*words)[1], seen)

    def setUp(self):
        self.folder = os.path.join(self.lab.base, "far." + self.id().rsplit(".", 1)[1])

    def test_a_pull(self):
        def answer(s, m):
            for n in range(9):
                s.send(m.request, audit_part=pb.AuditPart(name=b"a", data=bytes(1 << 20), last=n == 8))

        self.hub(audit_pull=answer)
        self.both(r"\r1 files, 4 MiB\r1 files, 8 MiB\r1 files, 9 MiB\n", "audit", "pull", self.folder)

    def test_a_backup(self):
        def answer(s, m):
            s.send(m.request, progress=pb.Progress(done=3 << 20, total=9 << 20))
            s.send(m.request, status_reply=pb.StatusReply(json=b'{"ok":true}'))

        self.hub(shown=version(2), backup=answer)
        self.both(r"\r3 of at most 10 MiB copied", "admin", "backup", "one")


if __name__ == "__main__":
    unittest.main()
