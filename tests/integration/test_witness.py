#!/usr/bin/python3
"""test_witness.py - the client as the log's witness: what it keeps, what it refuses, when it raises the alarm (design
10)."""
import base64
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from test_path import canary  # noqa: E402
from test_receive import Receiving  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def fast_clock(lab):
    """Variables with which the command's clock runs 200 times as fast."""
    if not os.path.exists(FAKETIME):
        raise unittest.SkipTest("NO libfaketime: install the package faketime")
    with open(lab.relto_path, "rb") as f:
        sanitized = b"__asan_init" in f.read()
    if sanitized:
        raise unittest.SkipTest("libfaketime cannot be loaded ahead of a sanitizer")
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": "+0 x200"}


class Alarm(Receiving):
    """The command's clock runs 200 times as fast, so that 120 s are short."""

    def setUp(self):
        super().setUp()
        self.fast = fast_clock(self.lab)

    def test_what_no_head_covers_in_time_raises_the_alarm(self):
        h = self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        _, err = self.lab.relto("sub", "--wait", "200s", context=self.nor, code=76, **self.fast)
        self.assertEqual(len(re.findall("ALARM: 1 reports", err)), 1, err)
        self.assertEqual(h.acks, [1])

    def test_the_broker_hears_of_a_client_whose_program_takes_long(self):
        pings = []

        def ping(session, m):
            pings.append(m.request)
            hub.DEFAULT["ping"](session, m)

        h = self.hub(lambda s: s.deliver(self.gbr, self.report(canary())), ping=ping)
        self.lab.relto("sub", "--count", "1", "--exec", "sleep 100", context=self.nor, **self.fast)
        self.assertGreaterEqual(len(pings), 2)
        self.assertEqual(h.acks, [1])

    def test_before_that_there_is_none(self):
        self.hub(lambda s: s.deliver(self.gbr, self.report(canary())))
        self.lab.relto("sub", "--wait", "100s", context=self.nor, **self.fast)


class Minutes(Alarm):
    """The same fast clock."""

    def test_what_changed_is_attested_again_after_a_minute(self):
        log, records = hub.Log(self.lab), [hub.party_head("NOR", n, b"%d" % n * 32, n - 2 if n > 1 else None) for n in (1, 2, 3)]
        tree = hub.Tree(*(wire.witness.Opening(r).leaf_hash for r in records))

        def show(session, n):
            session.send(heads=wire.pb.Heads(checkpoint=log.note(3, tree.root(0, 3)), party_head=n, opening=records[n],
                                             inclusion=tree.inclusion(n, 0, 3)))

        def attest(session, m):
            """Each answer is followed by a larger head at once, and ends when there is none."""
            session.hub.attests.append(m.attest)
            session.send(m.request, pong=wire.pb.Pong())
            if m.attest.size < 3:
                show(session, m.attest.size)
            else:
                session.deliver(self.gbr, self.report(canary()), number=1)

        h = self.hub(lambda s: show(s, 0), attest=attest,
                     shown=lambda s, hello, w: setattr(w, "checkpoint", log.note(3, tree.root(0, 3))))
        before = time.monotonic()
        self.lab.relto("sub", "--count", "1", context=self.context_copy(), **self.fast)
        self.assertEqual([a.size for a in h.attests], [1, 2, 3])
        self.assertGreater(time.monotonic() - before, 0.55, "two minutes of a clock that is 200 times as fast")

    def context_copy(self):
        shutil.copy(self.lab.path("home", "contexts", self.nor + ".conf"), self.lab.path("home", "contexts", "minutes.conf"))
        return "minutes"


class Heads(Receiving):
    """What the hub shows of its log, to one connection and to the next."""

    def setUp(self):
        super().setUp()
        self.log = hub.Log(self.lab)
        self.context_name = "s-" + self.id().rsplit(".", 1)[1][5:60].replace("_", "-")
        shutil.copy(self.lab.path("home", "contexts", self.nor + ".conf"),
                    self.lab.path("home", "contexts", self.context_name + ".conf"))
        self.state = self.lab.path("home", "state", self.context_name)

    def kept(self, kind):
        return sorted(n for n in os.listdir(self.state) if n.startswith(kind + "-"))

    def notes(self):
        """The sizes of the checkpoints that are kept."""
        (name,) = self.kept("checkpoint")
        with open(os.path.join(self.state, name), "rb") as f:
            return sorted(int(n.split(b"\n")[1]) for n in f.read().split(b"\0"))

    def show(self, welcome, tree, size, since):
        welcome.checkpoint = self.log.note(size, tree.root(0, size))
        welcome.consistency.extend(tree.proof(since, size))

    def ping(self, code=0):
        return self.sub(wait="10ms", context=self.context_name, code=code)

    def together(self, *heads):
        """Processes that say Hello at once, each shown its own head of (tree, size); (talk, exit status) of each."""
        barrier, turns = threading.Barrier(len(heads)), list(heads)

        def shown(session, hello, welcome):
            tree, size = turns.pop(0)
            barrier.wait(30)
            self.show(welcome, tree, size, 0)

        self.hub(shown=shown)
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.context_name, RELTO_SERVER=self.lab.address)
        ps = [subprocess.Popen([self.lab.relto_path, "sub", "--wait", "10ms"], env=env, stderr=subprocess.PIPE) for _ in heads]
        return [(p.communicate(timeout=60)[1].decode(), p.returncode) for p in ps]

    def test_a_head_right_behind_welcome_goes_on_from_it(self):
        tree = hub.Tree(*(bytes([n]) * 32 for n in range(8)))
        self.hub(shown=lambda session, hello, w: self.show(w, tree, 3, hello.log_size))
        self.ping()

        def answer(session, m):
            hub.welcome(session, m)
            heads = wire.pb.Heads(checkpoint=self.log.note(8, tree.root(0, 8)), consistency=tree.proof(5, 8))
            setattr(heads, "from", 5)
            session.send(heads=heads)

        self.hub(shown=lambda session, hello, w: self.show(w, tree, 5, hello.log_size), hello=answer)
        slow = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:delay_exit=300000"]
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.context_name, RELTO_SERVER=self.lab.address,
                   ASAN_OPTIONS="detect_leaks=0")  # which cannot be traced
        got = subprocess.run(slow + [self.lab.relto_path, "sub", "--wait", "10ms"], env=env, capture_output=True, timeout=60)
        self.assertEqual((got.returncode, self.notes(), self.kept("fork")), (0, [8], []), got.stderr)

    def test_heads_that_processes_were_shown_at_once_are_joined(self):
        tree = hub.Tree(*(bytes([n]) * 32 for n in range(8)))
        barrier, hellos = threading.Barrier(2), []

        def shown(session, hello, welcome):
            """The first two say Hello at once and are shown two heads; from then on the log has size 7."""
            hellos.append(hello.log_size)
            n = len(hellos)
            if n <= 2:
                barrier.wait(30)
            self.show(welcome, tree, {1: 2, 2: 5}.get(n, 7), hello.log_size)

        self.hub(shown=shown)
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.context_name, RELTO_SERVER=self.lab.address)
        ps = [subprocess.Popen([self.lab.relto_path, "sub", "--wait", "10ms"], env=env) for _ in range(2)]
        self.assertEqual([p.wait(60) for p in ps], [0, 0])
        # whoever kept its head second found the other's, and asked until one proof had joined both
        self.assertEqual((hellos[:2], sorted(hellos[2:])), ([0, 0], [2, 5]))
        self.assertEqual((self.notes(), self.kept("fork")), ([7], []))

    def test_a_log_that_shows_each_process_another_past_is_found_out(self):
        trees = [hub.Tree(*(bytes([n + k]) * 32 for n in range(64))) for k in (0, 100)]
        barrier, hellos = threading.Barrier(2), []

        def shown(session, hello, welcome):
            """Two pasts, each with its proofs, and never two heads of one size."""
            hellos.append(hello.log_size)
            n = len(hellos)
            if n <= 2:
                barrier.wait(30)
            since = hello.log_size or n
            self.show(welcome, trees[since % 2], since + 2, hello.log_size)

        self.hub(shown=shown)
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.context_name, RELTO_SERVER=self.lab.address)
        ps = [subprocess.Popen([self.lab.relto_path, "sub", "--wait", "10ms"], env=env, stderr=subprocess.PIPE) for _ in range(2)]
        said = sorted((p.communicate(timeout=60)[1].decode() for p in ps), key=len)
        self.assertEqual(sorted(p.returncode for p in ps), [0, 76])
        self.assertIn("does not join", said[1])
        self.assertIn("auditor", said[1])
        self.assertEqual(len(self.kept("fork")), 1)

    def test_two_roots_for_one_size_are_a_fork_for_whoever_comes_second(self):
        one, two = hub.Tree(b"1" * 32, b"2" * 32), hub.Tree(b"1" * 32, b"3" * 32)
        said = self.together((one, 2), (two, 2))
        self.assertEqual(sorted(code for _, code in said), [0, 76])
        self.assertEqual((self.notes(), len(self.kept("fork"))), ([2], 1))

    def test_a_partys_tree_that_shrank_or_changed_between_sessions_is_refused(self):
        records = [hub.party_head("NOR", size, root * 32) for size, root in
                   ((5, b"a"), (5, b"a"), (6, b"b"), (4, b"c"), (6, b"d"))]
        tree = hub.Tree(*(wire.witness.Opening(r).leaf_hash for r in records))
        for last, code in ((0, 0), (1, 0), (2, 0), (3, 76), (4, 76), (0, 0)):
            def heads(session, m, n=last):
                hub.subscribed(session, m)
                session.send(heads=wire.pb.Heads(checkpoint=self.log.note(5, tree.root(0, 5)), party_head=n,
                                                 opening=records[n], inclusion=tree.inclusion(n, 0, 5)))
                session.deliver(self.gbr, self.report(canary()))

            self.hub(shown=lambda session, hello, welcome: self.show(welcome, tree, 5, hello.log_size), subscribe=heads)
            _, err = self.sub("--count", "1", context=self.context_name, wait="20s", code=code)
            self.assertEqual("the tree of NOR had" in err, code == 76, err)
        self.assertEqual(len(self.kept("fork")), 2)
        folder = os.path.join(self.state, self.kept("fork")[0])
        got = subprocess.run([rig.program("relto-verify"), "receipt", os.path.join(folder, "party-head.tlog-proof"), "--key",
                              self.log.vkey], capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        self.assertIn("party-head", got.stdout)

    def test_what_a_short_session_left_uncovered_the_next_one_watches(self):
        records = [hub.party_head("NOR", size, b"%d" % size * 32) for size in (1, 2)]
        tree = hub.Tree(*(wire.witness.Opening(r).leaf_hash for r in records))

        def session(last, code=0):
            """A delivery that is record 1 of the party's tree; or the head of record 'last', and then another one."""
            def subscribe(s, m):
                hub.subscribed(s, m)
                if last is not None:
                    s.send(heads=wire.pb.Heads(checkpoint=self.log.note(2, tree.root(0, 2)), party_head=last,
                                               opening=records[last], inclusion=tree.inclusion(last, 0, 2)))
                s.deliver(self.gbr, self.report(canary()), number=1)

            self.hub(shown=lambda s, hello, welcome: self.show(welcome, tree, 2, hello.log_size), subscribe=subscribe)
            return self.sub("--count", "1", context=self.context_name, wait="20s", code=code)[1]

        def watched():
            (name,) = self.kept("watched")
            with open(os.path.join(self.state, name), encoding="utf-8") as f:
                return os.path.join(self.state, name), f.read()

        self.assertNotIn("ALARM", session(None))
        self.assertEqual(watched()[1], "1 0\n")
        self.assertNotIn("ALARM", session(0))  # the first head that does not cover it: the broker may have been down
        name, text = watched()
        self.assertNotEqual(text, "1 0\n")
        with open(name, "w", encoding="utf-8") as f:
            f.write("1 %d\n" % (time.time() - 121))
        self.assertNotIn("ALARM", session(None))  # without a head there is nothing to judge by
        self.assertIn("ALARM: 1 reports", session(0, code=76))
        self.assertNotIn("ALARM", session(1))  # at last
        self.assertEqual(self.kept("watched"), [])

    def test_the_key_of_another_log_says_what_may_be_wrong(self):
        tree = hub.Tree(b"1" * 32)
        self.hub(shown=lambda session, hello, welcome: self.show(welcome, tree, 1, hello.log_size))
        other = os.path.join(self.lab.base, "other.vkey")
        raw = b"\x01" + ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        with open(other, "w", encoding="utf-8") as f:
            f.write("%s+%s+%s\n" % (hub.ORIGIN, wire.H(hub.ORIGIN.encode() + b"\n" + raw)[:4].hex(),
                                    base64.b64encode(raw).decode()))
        _, err = self.sub("--log-key", other, context=self.context_name, code=77)
        self.assertIn("is this log-key that of its log?", err)
        self.ping()
        _, err = self.sub("--log-key", other, context=self.context_name, code=65)
        self.assertIn("needs another state folder", err)

    def told(self, *sizes, answer=None, code=0, **more):
        """A session that is shown heads of its party's tree of these sizes, the first one, and all others and a report when that
        one was attested; (the hub, what was said)."""
        records = [hub.party_head("NOR", n, b"%d" % (n % 10) * 32, previous=k - 1 if k else None) for k, n in enumerate(sizes)]
        tree = hub.Tree(*(wire.witness.Opening(r).leaf_hash for r in records))

        def show(session, n):
            session.send(heads=wire.pb.Heads(checkpoint=self.log.note(len(sizes), tree.root(0, len(sizes))), party_head=n,
                                             opening=records[n], inclusion=tree.inclusion(n, 0, len(sizes))))

        def subscribe(session, m):
            hub.subscribed(session, m)
            show(session, 0)
            if sizes[0] == 0:
                session.deliver(self.gbr, self.report(canary()), number=1)

        def attest(session, m):
            session.hub.attests.append(m.attest)
            session.send(m.request, **({"error": wire.pb.Error(code=answer, text=b"no")} if answer else {"pong": wire.pb.Pong()}))
            for n in range(1, len(sizes)):
                show(session, n)
            session.deliver(self.gbr, self.report(canary()), number=1)

        shutil.rmtree(self.state, ignore_errors=True)
        h = self.hub(shown=lambda s, hello, w: self.show(w, tree, len(sizes), hello.log_size), subscribe=subscribe,
                     attest=attest, **more)
        return h, self.sub("--count", "1", context=self.context_name, wait="20s", code=code)[1]

    def test_a_client_that_receives_signs_the_largest_head_that_it_verified_and_once(self):
        h, _ = self.told(4)
        (said,) = h.attests
        self.assertEqual((said.origin, said.size, said.root), (hub.ORIGIN.encode(), 4, b"4" * 32))
        texts = b"".join(len(t).to_bytes(4, "big") + t for t in (said.origin, b"NOR"))
        text = b" " * 64 + b"relto/1 attest\0" + texts + (4).to_bytes(8, "big") + b"4" * 32
        wire.check_signature(self.lab.agent("nor").key.public_key(), said.signature, text)
        with self.assertRaises(wire.Bad):
            wire.check_signature(self.lab.agent("nor").key.public_key(), said.signature, text[:-1] + b"5")
        h, _ = self.told(4, 5, 6)
        self.assertEqual([a.size for a in h.attests], [4], "the next one in a minute")

    def test_of_an_empty_tree_nothing_is_attested(self):
        self.assertEqual(self.told(0)[0].attests, [])

    def test_a_broker_that_refuses_what_it_showed_raises_the_alarm(self):
        for answer, alarm in ((b"fork", True), (b"bad-signature", True), (b"quota", False), (b"limit", False),
                              (b"busy", False), (b"malformed", False)):
            h, err = self.told(4, answer=answer, code=76 if alarm else 0)
            self.assertEqual((len(h.attests), "ALARM: the broker refuses what was attested" in err), (1, alarm), err)
            self.assertEqual(h.acks, [1])


if __name__ == "__main__":
    unittest.main()
