#!/usr/bin/python3
"""test_liar_log.py - a hub with the log's own key that shows another log (tests/lib/hub.py): what a client refuses, what a
person may accept, and what is left to prove it (audit 5 and 8)."""
import json
import os
import pty
import shutil
import subprocess
import sys
import unittest

from cryptography.hazmat.primitives.asymmetric import ed25519

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import witness  # noqa: E402
from test_liar import Liar  # noqa: E402
from wire import pb  # noqa: E402

G1, G2, G3 = ("hub.example/relto/g%d" % n for n in (1, 2, 3))


class Logs(Liar):
    """Each test has a context of its own, which knows nothing yet."""

    def setUp(self):
        self.one, self.two = hub.Log(self.lab), hub.Log(self.lab, G2)
        self.tree = hub.Tree(*(bytes([n]) * 32 for n in range(9)))
        self.forged = hub.Tree(*(bytes([n + 1]) * 32 for n in range(9)))
        self.context = "l-" + self.id().rsplit(".", 1)[1][5:60].replace("_", "-")
        shutil.copy(self.lab.path("home", "contexts", self.gbr + ".conf"), self.lab.path("home", "contexts", self.context + ".conf"))
        self.state = self.lab.path("home", "state", self.context)

    def kept(self, kind):
        return sorted(n for n in os.listdir(self.state) if n.startswith(kind + "-"))

    def show(self, log, size, tree=None, party=b"GBR", **answers):
        """A hub whose log has that head, and a sound proof from any size that Hello says."""
        tree = tree or self.tree

        def shown(session, hello, welcome):
            welcome.party, welcome.checkpoint = party, log.note(size, tree.root(0, size))
            if hello.log_origin.decode() == log.origin and hello.log_size < size:
                welcome.consistency.extend(tree.proof(hello.log_size, size))

        answers.setdefault("audit_list", lambda s, m: s.send(m.request, audit_part=pb.AuditPart(last=True)))
        self.hub(shown=shown, **answers)

    def relto(self, *words, code=0, **more):
        return self.lab.relto(*words, context=self.context, code=code, **more)

    def whoami(self, code=0, why=""):
        out, err = self.relto("whoami", code=code)
        self.assertIn(why, err)
        self.assertEqual(out == "", code != 0)


class Generations(Logs):
    def accept(self, *words, code=0):
        return self.relto("context", "accept-log", *words, code=code)

    def typed(self, line):
        """accept-log at a terminal where somebody types that: (exit status, what the terminal got)."""
        ours, theirs = pty.openpty()
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.context, RELTO_SERVER=self.lab.address)
        p = subprocess.Popen([self.lab.relto_path, "context", "accept-log"], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        out = b""
        try:
            while True:
                out += os.read(ours, 65536)
                if out.endswith(b"the log that is shown: "):
                    os.write(ours, line.encode() + b"\n")
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return p.wait(30), out.decode()

    def test_a_later_generation_is_refused_until_a_person_types_its_name(self):
        self.show(self.one, 5)
        self.whoami()
        self.show(self.two, 3)
        self.whoami(77, "'%s', and '%s' is the one known here" % (G2, G1))
        for line in ("y", "", G1, G3):
            code, said = self.typed(line)
            self.assertEqual((code, "nothing was changed" in said), (1, True), said)
        self.whoami(77)
        self.assertEqual((len(self.kept("checkpoint")), self.kept("accepted"), self.kept("fork")), (1, [], []))
        code, said = self.typed(G2)
        self.assertEqual((code, "accepted" in said), (0, True), said)
        self.whoami()
        self.assertEqual((len(self.kept("checkpoint")), len(self.kept("accepted"))), (2, 1))

    def test_an_earlier_generation_than_the_accepted_one_is_a_fork_and_nobody_can_accept_it(self):
        self.show(self.two, 3)
        self.accept(G2)
        self.show(self.one, 9)
        self.whoami(76, "an earlier generation is shown")
        self.assertIn("an earlier generation is shown", self.accept(G1, code=76)[1])
        self.assertEqual(len(self.kept("fork")), 2)
        self.show(self.two, 4)
        self.whoami()

    def test_what_was_accepted_is_gone_on_from(self):
        self.show(self.two, 5)
        self.accept(self.two.vkey)
        for size, tree in ((5, self.forged), (4, self.tree), (7, self.forged)):
            self.show(self.two, size, tree)
            self.whoami(76, "rewritten or rolled back")
        self.show(self.two, 7)
        self.whoami()

    def test_generations_are_accepted_one_behind_the_other(self):
        for log in (self.two, hub.Log(self.lab, G3)):
            self.show(log, 5)
            self.whoami(77, "accept-log")
            self.accept(log.vkey)
            self.whoami()
        self.assertEqual(len(self.kept("accepted")), 2)

    def test_only_the_same_key_and_the_same_log_have_generations(self):
        other = ed25519.Ed25519PrivateKey.generate()
        for log in (hub.Log(self.lab, G2, other), hub.Log(self.lab, "hub.example/other/g2"), hub.Log(self.lab, "hub.example/relto/x2"),
                    hub.Log(self.lab, "hub.example/relto/g02"), hub.Log(self.lab, "hub.example/relto")):
            self.show(log, 5)
            self.whoami(77, "unverified: the checkpoint of the broker")
            self.assertIn("unverified", self.accept(log.vkey, code=77)[1])
        self.assertEqual(self.kept("accepted"), [])

    def test_a_look_at_a_log_keeps_nothing_of_it(self):
        self.show(self.two, 5)
        self.assertIn("say which log", self.accept(code=64)[1])
        self.assertIn("not '%s' is shown" % G3, self.accept(G3, code=64)[1])
        self.assertEqual([n for n in os.listdir(self.state) if n != "lock"], [])
        self.show(self.one, 5)
        self.assertIn("it is believed here already", self.accept()[0])
        self.assertEqual([n for n in os.listdir(self.state) if n != "lock"], [])
        self.hub()
        self.assertIn("no head of its log", self.accept(code=75)[1])

    def recover(self, *notes, size=4, leaf=None, **answers):
        """A hub of the next generation whose first records say that; 'leaf': its head begins with another one."""
        records = [hub.opening([bytes([1 + hub.TYPES.index("RECOVER")]), (1).to_bytes(8, "big"), b""], None, None, None,
                               [b"hub-1", b"", b"", b"sync"], None, [note, size.to_bytes(8, "big"), hub.H(note)], None)
                   for note in notes]
        leaves = [leaf or witness.Opening(record).leaf_hash for record in records]
        part = pb.AuditPart(last=True, records=[pb.AuditRecord(index=i, opening=r) for i, r in enumerate(records)])
        self.show(self.two, 5, hub.Tree(*leaves, *self.tree.leaves[len(leaves):]),
                  audit_list=lambda s, m: s.send(m.request, audit_part=part), **answers)

    def test_what_was_lost_is_counted_from_the_largest_head_in_whatever_order_they_are_said(self):
        notes = [self.one.note(n, self.tree.root(0, n)) for n in (4, 5)]
        for order in (notes, notes[::-1]):
            self.recover(*order)
            self.assertEqual(json.loads(self.accept("--json", code=64)[0])["lost"], 1)

    def test_a_hub_that_shows_no_head_when_it_is_to_prove_one_proves_nothing_later(self):
        def hello(session, m):
            if m.hello.log_size:
                session.hub.shown = lambda s, h, w: setattr(w, "party", b"GBR")
            hub.welcome(session, m)

        def bye(session, m):
            session.send(heads=pb.Heads(checkpoint=self.two.note(5, self.tree.root(0, 5))))
            session.send(m.request, bye=pb.Bye())

        self.recover(self.one.note(4, self.tree.root(0, 4)), hello=hello, bye=bye)
        self.assertIn("no head of its log", self.accept(G2, code=75)[1])
        self.assertEqual(self.kept("accepted"), [])

    def test_a_log_that_comes_from_another_one_than_is_known_is_a_fork(self):
        self.show(self.one, 5)
        self.whoami()
        self.recover(self.one.note(5, self.forged.root(0, 5)))
        self.assertIn("comes from another one than is known here", self.accept(G2, code=76)[1])
        self.assertEqual((self.kept("accepted"), len(self.kept("fork"))), ([], 1))
        self.recover(self.one.note(5, self.tree.root(0, 5)))
        self.accept(G2)

    def test_what_the_new_log_does_not_know_of_the_old_one_is_said(self):
        self.show(self.one, 5)
        self.whoami()
        self.recover(self.one.note(4, self.tree.root(0, 4)), size=3)
        out, _ = self.accept(code=64)
        self.assertIn("restored were 3 records, 1 are lost: by its first records", out)
        self.assertIn("of what is known here 2 records are lost", out)
        self.assertIn("does not know the head that is known here", out)
        said = json.loads(self.accept("--json", G2)[0])
        self.assertEqual([said["known"]["size"], said["shown"]["size"], said["restored"], said["accepted"], said["key"]],
                         [5, 5, 3, True, self.two.vkey])
        self.assertEqual([(r["origin"], r["size"]) for r in said["recover"]], [(G1, 4)])
        self.assertEqual(said["lost"], 1)

    def test_a_record_that_is_not_in_the_log_says_nothing(self):
        self.show(self.one, 5)
        self.whoami()
        note = self.one.note(9, self.tree.root(0, 9))
        for size, leaf in ((9, b"x" * 32), (9, None)):
            self.recover(note, size=size, leaf=leaf)
            if leaf:
                self.assertIn("no proof that the first 1 records that were read are those of '%s'" % G2, self.accept(G2, code=77)[1])
                self.assertEqual((self.kept("accepted"), self.kept("fork")), ([], []))
        self.assertIn("of what is known here nothing is lost by that", self.accept(G2)[0])

    def test_a_claim_that_the_log_s_key_did_not_sign_is_none(self):
        for note in (hub.Log(self.lab, G1, ed25519.Ed25519PrivateKey.generate()).note(5, b"x" * 32), b"no note", self.two.note(5, b"x" * 32)):
            self.recover(note)
            self.assertIn("says     nothing of the log that is known here", self.accept(code=64)[0])
            said = json.loads(self.accept("--json", code=64)[0])
            self.assertEqual((said["recover"], said["restored"], said["lost"]), ([], None, None), "not that nothing is lost")

    def test_what_was_noted_is_checked(self):
        self.show(self.two, 3)
        self.accept(G2)
        (name,) = self.kept("accepted")
        for text, why in (("", "accepted-"), (G1 + "\n", "is none behind '%s'" % G1), ("hub.example/other/g2\n", "is none behind"),
                          ("hub.example/relto/g0\n", "is none behind")):
            with open(os.path.join(self.state, name), "w", encoding="utf-8") as f:
                f.write(text)
            self.whoami(65, why)


class Forks(Logs):
    """What a client that refuses leaves behind, and what somebody else makes of it who trusts neither."""

    def evidence(self):
        """The newest folder of evidence, and the names in it."""
        folder = os.path.join(self.state, self.kept("fork")[-1])
        return folder, sorted(os.listdir(folder))

    def verify(self, *words):
        got = subprocess.run([rig.program("relto-verify"), *words, "--key", self.one.vkey], capture_output=True)
        return got.returncode, (got.stdout + got.stderr).decode()

    def refused(self, size, tree, why):
        self.show(self.one, size, tree)
        self.whoami(76, why)
        folder, names = self.evidence()
        self.assertEqual(names, ["heads", "kept", "log.vkey", "shown", "what"])
        with open(os.path.join(folder, "what"), encoding="utf-8") as f:
            self.assertRegex(f.read(), r"\Awhat: .*%s.*\nwhen: \d+ s since 1970\nbroker: spiffe://hub.example/relto\n\Z" % why)
        for name, note in (("kept", self.one.note(5, self.tree.root(0, 5))), ("shown", self.one.note(size, tree.root(0, size))),
                           ("log.vkey", self.one.vkey.encode())):
            with open(os.path.join(folder, name), "rb") as f:
                self.assertEqual(f.read(), note)
        return folder

    def test_two_roots_for_one_size_prove_it_to_anybody(self):
        self.show(self.one, 5)
        self.whoami()
        folder = self.refused(5, self.forged, "another root for the same size")
        code, said = self.verify("compare", os.path.join(folder, "kept"), os.path.join(folder, "shown"))
        self.assertEqual(code, 5, said)
        self.assertIn("two heads of one log that cannot both be true", said)
        code, said = self.verify("compare", os.path.join(folder, "kept"), os.path.join(folder, "kept"))
        self.assertEqual(code, 0, said)

    def test_a_rollback_and_a_rewriting_are_kept_with_what_a_bundle_is_held_against(self):
        self.show(self.one, 5)
        self.whoami()
        self.refused(4, self.tree, "size 4 is shown, 5 was verified")
        self.refused(7, self.forged, "no proof that size 7 extends size 5")
        self.assertEqual(len(self.kept("fork")), 2)

    def test_a_program_with_librelto_is_told_the_same(self):
        os.makedirs(os.path.dirname(self.state), exist_ok=True)
        for size, tree, log, code in ((5, self.tree, self.one, ""), (4, self.tree, self.one, "fork"), (5, self.forged, self.one, "fork"),
                                      (7, self.forged, self.one, "fork"), (6, self.tree, self.two, "generation"),
                                      (7, self.tree, self.one, "")):
            self.show(log, size, tree)
            env = dict(os.environ, LAB=self.lab.dir, ADDRESS=self.lab.address, STATE=self.state, EXPECT=code, VKEY=self.one.vkey)
            self.assertEqual(subprocess.run([rig.program("liar_probe")], env=env, timeout=60).returncode, 0, (size, code))


if __name__ == "__main__":
    unittest.main()
