#!/usr/bin/python3
"""test_liar_quorum.py - a hub whose signer helps it shows one party another log than the witnesses see: what a context with
a quorum refuses (decision 0036, audit 5)."""
import os
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import cosigner  # noqa: E402
from test_liar_log import G2, Logs  # noqa: E402
import hub  # noqa: E402
from wire import pb  # noqa: E402

FILES = ["log.vkey", "quorum", "shown", "what"]


class Witnessed(Logs):
    """Two of three witnesses have to sign; what is shown may be without them for a second."""

    age = "1s"

    def setUp(self):
        super().setUp()
        self.keys = [cosigner.Key(n) for n in ("w/alpha", "w/bravo", "w/charlie")]
        self.asked = []
        self.policy()

    def policy(self, *logs, rule="group g 2 A B C\nquorum g\n", mode=0o600):
        self.quorum = os.path.join(self.lab.dir, self.context + ".quorum")
        with open(self.quorum, "w", encoding="utf-8") as f:
            f.write("".join("log %s\n" % v for v in logs) + "".join(
                "witness %s %s\n" % (n, k.vkey) for n, k in zip("ABC", self.keys)) + rule)
        os.chmod(self.quorum, mode)

    def relto(self, *words, **more):
        more.setdefault("RELTO_QUORUM", self.quorum)
        more.setdefault("RELTO_QUORUM_AGE", self.age)
        return super().relto(*words, **more)

    def signed(self, size, *who, tree=None, log=None, when=None):
        note = (log or self.one).note(size, (tree or self.tree).root(0, size))
        return note + b"".join(k.line(note, when) for k in who)

    def showing(self, *notes, tree=None, then=None):
        """A hub that says Welcome with the first note and Heads with the others, as soon as 'then' says so."""
        tree = tree or self.tree

        def size(note):
            return int(note.split(b"\n")[1])

        def shown(session, hello, welcome):
            welcome.party, welcome.checkpoint = b"GBR", notes[0]
            if 0 < hello.log_size < size(notes[0]):
                welcome.consistency.extend(tree.proof(hello.log_size, size(notes[0])))

        def hello(session, m):
            hub.welcome(session, m)
            at = size(notes[0])
            for note in notes[1:]:
                session.send(heads=pb.Heads(checkpoint=note, **{"from": at}, consistency=tree.proof(at, size(note))))
                at = size(note)

        def whoami(session, m):
            self.asked.append(m)
            session.send(m.request, identity=pb.Identity(party=b"GBR", agent=b"spiffe://gbr.example/fusion-desk",
                                                         roles=[b"publish"], hub_party=b"HUB", node=b"hub-1", certificate_until=1))

        return self.hub(shown=shown, hello=hello, whoami=whoami)

    def refused(self, why, files=FILES, **more):
        _, err = self.relto("whoami", code=76, **more)
        self.assertIn("relto: quorum: ", err)
        self.assertIn(why, err)
        self.assertEqual(self.asked, [], "something was asked of this broker")
        folder = os.path.join(self.state, self.kept("unsigned")[-1])
        self.assertIn(folder, err)
        self.assertEqual(sorted(os.listdir(folder)), files)
        with open(os.path.join(folder, "quorum"), encoding="utf-8") as a, open(self.quorum, encoding="utf-8") as b:
            self.assertEqual(a.read(), b.read())
        return folder


class AtTheBeginning(Witnessed):
    def test_a_head_that_the_quorum_signed_is_gone_on_from(self):
        self.showing(self.signed(5, *self.keys[:2]))
        self.whoami()
        self.assertEqual((len(self.asked), len(self.kept("signed")), self.kept("unsigned")), (1, 1, []))

    def test_a_head_that_nobody_signed_is_refused_and_its_evidence_tells_an_auditor(self):
        self.showing(self.signed(5))
        folder = self.refused("the log of 5 records that is shown is not signed by the quorum of witnesses, and was not in "
                              "time: without w/alpha, w/bravo, w/charlie")
        got = subprocess.run([rig.program("relto-verify"), "compare", os.path.join(folder, "shown"), os.path.join(folder, "shown"),
                              "--key", self.one.vkey, "--quorum", os.path.join(folder, "quorum")], capture_output=True)
        self.assertEqual(got.returncode, 3, got.stderr)

    def test_too_few_an_unknown_witness_and_one_of_the_future_are_none(self):
        a, b, c = self.keys
        stranger = cosigner.Key(b.name)
        later = self.signed(5) + b"".join(k.line(self.signed(5), int(time.time()) + 1000) for k in self.keys)
        for note, who in ((self.signed(5, a), "without w/bravo, w/charlie"), (self.signed(5, a, stranger), "without w/bravo, w/charlie"),
                          (self.signed(5, c), "without w/alpha, w/bravo"), (later, "without w/alpha, w/bravo, w/charlie")):
            self.showing(note)
            self.refused(who)

    def test_a_signature_that_is_forged_is_refused_at_once(self):
        a, b, _ = self.keys
        for forged in (b.line(self.signed(5, tree=self.forged)), b.line(self.signed(4)), b.line(self.signed(5, log=self.two))):
            self.showing(self.signed(5, a) + forged)
            self.age = "7d"  # nothing is waited for
            self.refused("a signature of a witness is forged in what is shown: checkpoint: the signature of 'w/bravo' does not verify")

    def test_the_signatures_may_come_after_welcome(self):
        self.age = "20s"
        self.showing(self.signed(5), self.signed(5, *self.keys[1:]))
        self.whoami()
        self.assertEqual(len(self.asked), 1)

    def test_a_hub_that_shows_no_head_is_no_log_that_was_signed(self):
        self.hub()
        _, err = self.relto("whoami", code=76)
        self.assertIn("quorum: the broker shows no head of its log", err)

    def test_a_log_at_rest_stays_signed(self):
        self.showing(self.signed(5, *self.keys[:2], when=1000000))
        self.whoami()

    def test_without_a_quorum_it_is_as_it_was(self):
        self.showing(self.signed(5))
        self.relto("whoami", RELTO_QUORUM="", RELTO_QUORUM_AGE="")
        self.assertEqual(self.kept("signed"), [])


class Later(Witnessed):
    def test_what_was_signed_lately_stands_for_what_is_not_yet(self):
        self.age = "1h"
        self.showing(self.signed(5, *self.keys[:2], when=int(time.time()) - 3000))
        self.whoami()
        self.showing(self.signed(7))
        self.whoami()

    def test_what_was_signed_too_long_ago_does_not(self):
        self.showing(self.signed(5, *self.keys[:2], when=int(time.time()) - 100))
        self.whoami()
        self.asked.clear()
        self.showing(self.signed(7))
        folder = self.refused("the log of 7 records", ["log.vkey", "quorum", "shown", "signed", "what"])
        with open(os.path.join(folder, "signed"), "rb") as f:
            self.assertIn(b"\n5\n", f.read())
        self.age = "1h"
        self.whoami()

    def test_what_another_quorum_signed_is_none(self):
        self.showing(self.signed(5, *self.keys[:2]))
        self.whoami()
        self.asked.clear()
        self.policy(rule="quorum C\n")
        self.showing(self.signed(7))
        self.refused("the log of 7 records", ["log.vkey", "quorum", "shown", "signed", "what"])

    def test_a_signed_head_that_does_not_fit_is_a_fork(self):
        self.showing(self.signed(5, *self.keys[:2]))
        self.whoami()
        self.showing(self.signed(7, *self.keys, tree=self.forged), tree=self.forged)
        self.whoami(76, "fork: the log was rewritten or rolled back")

    def test_the_head_of_another_log_than_is_kept_does_not_count_for_it(self):
        """Without the head that it was kept with nothing shows that this one goes on from it."""
        self.showing(self.signed(5, *self.keys[:2]))
        self.whoami()
        self.asked.clear()
        (name,) = self.kept("checkpoint")
        os.unlink(os.path.join(self.state, name))
        self.age = "4s"
        self.showing(self.signed(7, tree=self.forged), tree=self.forged)
        self.refused("the log of 7 records", ["log.vkey", "quorum", "shown", "signed", "what"])

    def test_a_session_ends_when_its_log_goes_on_without_them(self):
        self.showing(self.signed(5, *self.keys[:2]), self.signed(7))
        begin = time.monotonic()
        _, err = self.relto("sub", "--wait", "30s", code=76)
        self.assertIn("quorum: the log of 7 records that is shown is not signed", err)
        self.assertIn("without w/alpha, w/bravo, w/charlie", err)
        self.assertGreaterEqual(time.monotonic() - begin, 1)

    def test_and_not_when_they_come(self):
        self.showing(self.signed(5, *self.keys[:2]), self.signed(7), self.signed(7, *self.keys[1:]), self.signed(8, *self.keys[:2]))
        self.relto("sub", "--wait", "3s")
        self.assertEqual(self.kept("unsigned"), [])

    def test_who_sends_without_end_does_not_put_it_off(self):
        """A program with librelto, for which nothing is ever all that came."""
        def flood(session, m):
            hub.welcome(session, m)
            session.send(heads=pb.Heads(checkpoint=self.signed(7), **{"from": 5}, consistency=self.tree.proof(5, 7)))
            while True:
                session.send(heads=pb.Heads(checkpoint=self.signed(7), **{"from": 7}))

        def shown(session, hello, welcome):
            welcome.party, welcome.checkpoint = b"GBR", self.signed(5, *self.keys[:2])

        self.hub(shown=shown, hello=flood)
        self.probe()

    def probe(self, **more):
        env = dict(os.environ, LAB=self.lab.dir, ADDRESS=self.lab.address, QUORUM=self.quorum, VKEY=self.one.vkey, **more)
        got = subprocess.run([rig.program("liar_probe")], env=env, timeout=60, capture_output=True)
        self.assertEqual(got.returncode, 0, got.stderr)

    def test_proofs_are_taken_under_a_signed_head_alone(self):
        a, b, _ = self.keys

        def shown(session, hello, welcome):
            welcome.version, welcome.party, welcome.checkpoint = 2, b"GBR", self.signed(5, a, b)

        for note, code in ((self.signed(5, a), "not-published"), (self.signed(5, a) + b.line(self.signed(4)), "quorum")):
            self.hub(shown=shown, prove=lambda s, m, note=note: s.send(m.request, proof_list=pb.ProofList(checkpoint=note)))
            self.probe(PROVE=code)


class Settings(Witnessed):
    def config(self, why, code=78, **more):
        _, err = self.relto("whoami", code=code, **more)
        self.assertIn(why, err)
        self.assertEqual(self.asked, [])

    def test_a_quorum_that_judges_nothing_of_this_log_is_an_error(self):
        self.showing(self.signed(5, *self.keys))
        self.policy(hub.Log(self.lab, G2).vkey)
        self.config("the quorum of witnesses names other logs than 'hub.example/relto/g1' with its key")
        self.policy(rule="quorum none\n")
        self.config("quorum: of nobody, which demands nothing", 65)
        self.policy(rule="")
        self.config("quorum: there is no line 'quorum NAME'", 65)
        self.policy(mode=0o620)
        self.config("group or others can write it")
        self.config("quorum-age: there is no quorum", RELTO_QUORUM="")
        self.policy(self.one.vkey)
        self.whoami()

    def test_an_age_is_one_second_to_seven_days(self):
        self.showing(self.signed(5, *self.keys))
        for age in ("999ms", "604800001ms", "8d", "0s", "soon"):
            self.config("quorum-age: '%s' is no time of 1s to 7d" % age, RELTO_QUORUM_AGE=age)
        for age in ("1s", "7d"):
            self.relto("whoami", RELTO_QUORUM_AGE=age)

    def test_doctor_says_who_is_missing(self):
        def found(*notes):
            self.showing(*notes)
            out, _ = self.relto("doctor", code=None)
            return out

        note = self.signed(5, *self.keys[:2])
        out = found(note)
        self.assertRegex(out, r"(?m)^ok    quorum: of 3 witnesses: g$")
        self.assertRegex(out, r"(?m)^ok    witnesses: the quorum signed it$")
        self.age = "1h"
        out = found(self.signed(7))
        self.assertRegex(out, r"(?m)^warn  witnesses: the head of 7 records is not signed by the quorum of witnesses: without "
                              r"w/alpha, w/bravo, w/charlie$")
        self.age = "1s"
        time_of_old = self.signed(5, *self.keys[:2], when=1000)
        with open(os.path.join(self.state, self.kept("signed")[0]), "wb") as f:
            f.write(time_of_old)
        out = found(self.signed(8))
        self.assertRegex(out, r"(?m)^FAIL  broker: quorum: the log of 8 records .*\n +the witnesses are away")
        self.assertRegex(found(self.signed(8, *self.keys)), r"(?m)^warn  state: .* has 1 heads of the log that the quorum had not signed")
        self.policy(rule="quorum none\n")
        self.assertRegex(found(note), r"(?m)^FAIL  quorum: .*: a quorum of nobody demands nothing")
        self.policy(rule="quorum X\n")
        self.assertRegex(found(note), r"(?m)^FAIL  quorum: .*: quorum: line 4: a quorum that no line before defines")


if __name__ == "__main__":
    unittest.main()
