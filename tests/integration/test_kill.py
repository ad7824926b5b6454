#!/usr/bin/python3
"""test_kill.py - kill -9 at random moments: before the broker is ready, under load, in a reload, in a stop.  After each
restart what clients were told is compared with the log and the store (kill_judge.py), and relto-verify reads the log.

200 moments, 1,000 with RELTO_CHECK_FULL=1, 10 under the sanitizers.  RELTO_SEED repeats what was drawn; a moment is a
number of answers that clients had by then, so that a slow machine dies as deep in its load as a fast one.
"""
import collections
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import kill_judge  # noqa: E402
import kill_parties  # noqa: E402
import witness  # noqa: E402

MOMENTS = 1000 if os.environ.get("RELTO_CHECK_FULL") == "1" else 200
MOMENTS_SANITIZED = 10
MOMENTS_OF_A_LAB = 20  # then a new one, so that logs stay small
ANSWERS = (5, 30, 120)  # of a load, at most
KINDS = ["load"] * 4 + ["start"] * 3 + ["reload"] * 2 + ["stop"]
ATLAS = "policy/agreements.d/atlas.policy"
WIDE, NARROW = "up-to SECRET", "[ UNCLASSIFIED RESTRICTED ]"
SIGHUP, SIGTERM = 1, 15
RELOAD_SECONDS, END_SECONDS = 0.1, 60
MEMORY = "/dev/shm"  # for bundles: hundreds of small files, each time


class Life:
    """One lab, its parties and its deaths."""

    def __init__(self, r, counts):
        self.r, self.counts, self.told, self.lab = r, counts, kill_parties.Told(), rig.Lab()
        self.scratch = tempfile.mkdtemp(prefix="relto-kill.", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.version, self.start_seconds = 1, 0.1
        self.lab.edit(ATLAS, r"(?m)^\s*expect .*\n", "", 0)
        self.lab.edit(ATLAS, "within 2h", "within 1s")
        self.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    heads-every  100ms")

    def remove(self):
        shutil.rmtree(self.scratch)
        self.lab.remove()

    # ---- deaths ----
    def die(self, kind):
        """Under load; False if the broker was gone by then."""
        told, threads = self.told, kill_parties.load(self.lab, self.told, lambda: random.Random(self.r.getrandbits(64)))
        told.dying = False
        for t in threads:
            t.start()
        told.wait(self.r.randint(0, self.r.choice(ANSWERS)))
        said = len(self.lab.messages())
        if kind == "reload":
            self.rewrite()
            self.lab.signal(SIGHUP)
            self.wait(RELOAD_SECONDS)
        told.dying = True
        if kind == "stop":
            self.lab.signal(SIGTERM)
        self.wait(self.r.choice((0, 0.02)))
        died = self.kill()
        for t in threads:
            t.join(kill_parties.ANSWER)
        if any(t.is_alive() for t in threads):
            told.fault("a client does not see that the broker died")
        if kind == "reload" and "policy.in-force" not in self.lab.messages()[said:]:
            kind = "reload that had not ended"
        self.counts[kind] += died
        return died

    def die_starting(self):
        """Twice: under load, and while what that left is recovered.  A store that was never there is made meanwhile."""
        if self.lab.process is not None:
            self.die("load before a death at start")
        said = len(self.lab.messages())
        self.lab.spawn()
        self.wait(1.2 * self.start_seconds)
        died = self.kill()
        self.counts["start, ready" if "broker.ready" in self.lab.messages()[said:] else "start"] += died
        return died

    def wait(self, most):
        time.sleep(self.r.uniform(0, most))

    def kill(self):
        code = self.lab.process.poll()
        self.lab.kill()
        if code not in (None, 0):
            self.told.fault("reltod ended with %d", code)
        return code is None

    def rewrite(self):
        """NOR may have less from now on, or more again."""
        self.version += 1
        into = self.r.choice([WIDE, NARROW])
        self.lab.edit(ATLAS, r"(?s)(member NOR \{.*?clearance   ATLAS )(up-to SECRET|\[[^]]*\])", r"\g<1>" + into)
        self.lab.edit(ATLAS, r"version  \d+", "version  %d" % self.version)

    # ---- what is left ----
    def start(self):
        begun = time.monotonic()
        self.lab.start()
        self.start_seconds = time.monotonic() - begun

    def look(self):
        """All that clients were told, against the log and the store, before anybody else connects."""
        store = kill_judge.read_store(self.lab)
        folder, key = os.path.join(self.scratch, "bundle"), self.lab.agent("hub").log_key
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        got = subprocess.run([rig.program("relto-verify"), "verify", folder, "--key", key, "--state",
                              os.path.join(self.lab.base, "heads")], capture_output=True)
        if got.returncode:
            self.told.fault("relto-verify: exit %d\n%s", got.returncode, (got.stdout + got.stderr).decode())
        records = witness.bundle_records(folder)
        if len(records) < store.size:
            self.told.fault("%d records in the bundle, %d in the store", len(records), store.size)
        judge = kill_judge.Judge(self.told, records, store)
        judge.judge()
        self.complain()
        shutil.rmtree(folder)
        return judge

    def complain(self):
        if self.told.faults:
            raise AssertionError("\n".join(self.told.faults[:20]) + "\n" + self.lab.messages()[-3000:])

    def end(self):
        """Everything that waits is read; then nothing may be missing."""
        self.told.dying, done = False, threading.Event()
        readers = [kill_parties.LastReader(done.is_set, self.lab, self.told, self.r, *p) for p in kill_parties.READERS]
        for t in readers:
            t.start()
        try:
            rig.until(lambda: self.told.faults or not any(kill_judge.read_store(self.lab)[1:3]), END_SECONDS, "empty queues")
        finally:
            done.set()
            for t in readers:
                t.join(kill_parties.ANSWER)
        self.look().judge_end()
        self.complain()


class Kill(unittest.TestCase):
    def test_a_broker_that_is_killed_at_any_moment_keeps_what_it_promised(self):
        seed = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
        print("seed %d" % seed, flush=True)
        r, counts, begun = random.Random(seed), collections.Counter(), time.monotonic()
        wanted, moments, told = MOMENTS_SANITIZED if rig.sanitized() else MOMENTS, 0, collections.Counter()
        while moments < wanted:
            life = Life(r, counts)
            try:
                moments += self.live(life, min(MOMENTS_OF_A_LAB, wanted - moments))
                if moments >= wanted:
                    life.lab.prove(0)  # by both verifiers, and each party's own
            except BaseException:
                print("moment %d; RELTO_SEED=%d draws the same" % (sum(counts.values()) + 1, seed), flush=True)
                raise
            finally:
                life.remove()
            told.update(receipts=len(life.told.receipts), deliveries=len(life.told.came),
                        acknowledged=len(life.told.settled))
        print("# %d moments in %.0f s: %s; %s" % (moments, time.monotonic() - begun, spelt(counts), spelt(told)))
        self.assertGreater(min(told.values()), wanted)
        if wanted > MOMENTS_SANITIZED:
            self.assertGreater(counts["start"], 0, "no start was killed before it was ready")

    def live(self, life, wanted):
        moments = 0
        while moments < wanted:
            kind = life.r.choice(KINDS)
            if life.lab.process is None and kind != "start":
                life.start()
            moments += life.die_starting() if kind == "start" else life.die(kind)
            life.start()
            life.look()
        life.end()
        return moments


def spelt(counts):
    return ", ".join("%s %d" % kv for kv in sorted(counts.items()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
