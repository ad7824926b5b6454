#!/usr/bin/python3
"""test_soak.py - ten minutes of mixed traffic, in which the broker's memory, its descriptors and its file become flat
(RELTO_CHECK_FULL=1; RELTO_SOAK_SECONDS=60 for a shorter one, in which only what goes wrong at once is seen).

Publishers send reports of every precedence, up to 200 KB, with expiries, holds, recalls and supersedes; recipients come
and go, acknowledge, give back, give feedback, answer, delete subscriptions; an officer decides, an auditor reads the log,
an operator loads policies and settings anew and goes through dead letters.  The store forgets: small mailboxes, bodies
after a minute, ids after an hour, records into the archive at once, and the broker's clock (libfaketime) goes on by an hour
and a minute every STEP_SECONDS.  RELTO_SEED repeats what was drawn, not when.

Judged: the second half.  A line is laid through the samples of each measure, and its rise over that half is bounded.  What
stays of a report for ever by design (manifest, routing, heads, seal, facts, hashes) is bounded for each report published, and
with it the file of the store; its pages that no table has (LMDB's free list) are bounded.  The resident set is the heap, the
pages of that file, and the programs.  Of what was asked for little is refused, and by the codes that traffic like this meets.
"""
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scale  # noqa: E402
from scale import MiB, measure, pb, rig, wire  # noqa: E402
from inflight_world import FAKETIME, Clock  # noqa: E402
from test_again import tables  # noqa: E402

SECONDS = int(os.environ.get("RELTO_SOAK_SECONDS", "600"))
STEP_SECONDS, STEP = 20, 3660  # of real time, and by how much the broker's clock goes on
EVERY = 1.0  # between two samples
ATLAS = "policy/agreements.d/atlas.policy"
PARTIES = "GBR,NOR,FRA,KEN"
SECRET = [("ATLAS", "SECRET", {"Releasable To": ["GBR", "NOR"]}), ("TLP", "AMBER", {})]
TEARLINE = [("ATLAS", "RESTRICTED", {"Releasable To": ["ATLAS"]}), ("TLP", "GREEN", {})]
SETTINGS = """limits {
    ack-wait        2s
    max-deliveries  3
    queue-reports   60
}
"""
# by how much a measure may rise over the second half, as its line says
RISE = {"heap": 3 * MiB, "descriptors": 2, "rows": 1 * MiB}
A_KEPT = 1000  # bytes of these rows, of each more report whose id is kept: a machine that gets faster has more of them
A_REPORT = 12000  # bytes that stay of a report (5,000 and 6,200 in two runs of ten minutes)
FREE = 32 * MiB  # most that no table has at a time (15 MiB: bodies that were thrown away)
OTHER = 12 * MiB  # most that is resident beside heap and file (7 MiB)
REFUSED = 0.1  # most of what one asked for (0.05, of officers)
CODES = {"Publisher": {"connection", "clock", "unknown-report", "busy"}, "Recipient": {"connection", "unknown-report", "busy"},
         "Officer": {"connection", "clock", "unknown-hold"}, "Auditor": {"connection"}, "Operator": {"connection", "not-found"}}
FOR_EVER = ("part", "tile", "meta", "policy")


class SoakLab(rig.Lab):
    def __init__(self):
        if os.path.isdir("/dev/shm"):
            tempfile.tempdir = "/dev/shm"
        super().__init__("--parties", PARTIES)
        os.mkdir(self.path("archive"), 0o700)
        self.edit("reltod.conf", r"(?m)^store \{", 'store {\n    archive "archive"\n    archive-after 1s\n'
                  "    archive-segment 1024\n    keep-bodies 60s\n    keep-ids 1h")
        self.write("reltod.conf", self.read("reltod.conf") + SETTINGS)
        self.clock = Clock(self, True)


class Actor(threading.Thread):
    """Does one thing after the other, in sessions that it ends and loses; what it must not see fails the test."""
    pause = 0.05  # s, mean

    def __init__(self, soak, domain, path=None, **more):
        super().__init__(daemon=True)
        self.soak, self.agent = soak, soak.lab.agent(domain, path)
        self.random = random.Random("%d %s %s" % (soak.seed, domain, type(self).__name__))
        self.done, self.refused, self.wrong = 0, {}, None
        self.__dict__.update(more)
        self.start()

    def run(self):
        while not self.soak.over.is_set() and not self.wrong:
            try:
                with wire.Client(self.agent, timeout=30) as c:
                    self.begin(c)
                    for _ in range(self.random.randrange(20, 200)):
                        if self.soak.over.wait(self.random.expovariate(1 / self.pause)):
                            break
                        self.one(c)
                    if self.random.random() < 0.7:
                        c.bye()
            except (wire.Closed, OSError):
                self.count("connection")
            except wire.Refused as e:
                self.count(e.code)
            except Exception:  # whatever else is a fault of somebody's
                self.wrong = traceback.format_exc()

    def one(self, c):
        try:
            self.act(c)
            self.done += 1
        except wire.Refused as e:
            self.count(e.code)

    def count(self, why):
        self.refused[why] = self.refused.get(why, 0) + 1

    def begin(self, c):
        pass


class Publisher(Actor):
    sent = ()

    def act(self, c):
        now, act = self.soak.now_ms(), self.random.random()
        earlier, as_it = self.random.choice(self.sent) if self.sent else (None, "ROUTINE")
        if earlier and act < 0.1:
            r = wire.Report(c.agent, "maritime.piracy", [], now_ms=now, precedence=as_it).about("RECALL", earlier,
                                                                                               "wrong-label")
        else:
            precedence = self.random.choice(("ROUTINE", "ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"))
            r = wire.Report(c.agent, "maritime.piracy", [("atlas", c.terms["atlas"])], now_ms=now, precedence=precedence)
            if self.random.random() < 0.3:
                r.manifest.expires = now + self.random.randrange(500, 20000)
            if earlier and act < 0.2:
                r.about("SUPERSEDE", earlier)
            for _ in range(self.random.randrange(1, 4)):
                size = self.random.choice((50, 500, 5000)) if self.random.random() < 0.98 else 200000
                r.portion(self.random.choice((SECRET, TEARLINE)), self.random.randbytes(size))
            self.sent = (self.sent + ((r.id, precedence),))[-20:]
        try:
            c.publish(r.seal())
        except wire.Refused as e:
            if e.code == "agreement-not-usable":  # there is a new version: Welcome tells its terms
                raise wire.Closed("terms")
            raise


class Recipient(Actor):
    pause = 0.02

    def begin(self, c):
        self.name = self.random.choice(("inbox", "inbox", "one", "two", "three"))
        c.subscribe(self.name, credit=self.random.choice((1, 8, 64)))

    def act(self, c):
        m = c.wait(kind="deliver", timeout=0.2)
        what = self.random.random()
        if what < 0.005 and self.name != "inbox":
            c.ask("subscriptions", pb.Subscriptions(act=2, name=self.name.encode()))
            raise wire.Closed("deleted")
        if m is None or what < 0.05:  # as if it had not come
            return
        d, report = m.deliver, pb.Manifest.FromString(m.deliver.manifest).id
        if what < 0.1:
            c.ask("nack", pb.Nack(subscription=d.subscription, deliveries=[d.delivery],
                                  delay_ms=self.random.randrange(0, 2000)))
            return
        c.ask("ack", pb.Ack(subscription=d.subscription, deliveries=[d.delivery]))
        if what > 0.97:
            c.ask("feedback", pb.Feedback(report=report, code=b"useful"))
        elif what > 0.9 and d.notice:
            c.ask("recall_answer", pb.RecallAnswer(report=report, answer=b"destroyed"))


class Officer(Actor):
    pause = 0.5

    def act(self, c):
        for hold in c.holds(20)[:5]:
            c.decide(hold.hold, self.random.choice(("APPROVE", "APPROVE", "REJECT")))


class Auditor(Actor):
    pause, at = 2.0, 0

    def act(self, c):
        got = c.ask("audit_list", pb.AuditList(**{"from": self.at, "count": 200}))
        self.at = got.next or max(0, self.at - self.random.randrange(2000))


class Operator(Actor):
    pause = 1.0

    def act(self, c):
        c.ask("status", pb.Status())
        for letter in c.ask("dead_letters", pb.DeadLetters(act=1, all=True)).letters[:5]:
            c.ask("dead_letters", pb.DeadLetters(act=self.random.choice((2, 3)), all=True, party=letter.party,
                                                 report=letter.report))


class SoakTest(unittest.TestCase):
    def setUp(self):
        if not scale.FULL and "RELTO_SOAK_SECONDS" not in os.environ:
            self.skipTest("ten minutes: RELTO_CHECK_FULL=1")
        if not os.path.exists(FAKETIME):
            self.skipTest("NO libfaketime: install the package faketime")
        self.seed = int(os.environ.get("RELTO_SEED") or random.SystemRandom().randrange(1 << 32))
        self.random, self.over = random.Random(self.seed), threading.Event()
        self.lab = SoakLab()
        self.addCleanup(self.lab.remove)
        self.lab.start()
        self.version, self.narrow = 1, False

    def now_ms(self):
        return int((time.time() + self.lab.clock.offset) * 1000)

    def sample(self):
        pid = self.lab.process.pid
        kept, other, reports, file = self.store()
        return {"at": time.monotonic(), "heap": scale.status(pid, "RssAnon"), "rss": scale.status(pid, "VmRSS"),
                "descriptors": measure.descriptors(pid), "rows": other, "evidence": kept, "file": file,
                "free": file - kept - other, "reports": reports,
                "archived": self.archived(), "published": sum(a.done for a in self.actors if isinstance(a, Publisher))}

    def store(self):
        """Bytes of the store's pages that hold what stays for ever (manifests, seals, facts, hashes; bodies stand among
        them), of all others, reports whose ids are kept, and bytes of the file; what is in no table is LMDB's free list."""
        env = tables(self.lab)
        try:
            with env.begin() as t:
                found = {name.decode(): t.stat(env.open_db(name, t, create=False)) for name, _ in t.cursor()}
        finally:
            last = env.info()["last_pgno"]
            env.close()
        pages = {name: 4096 * (s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) for name, s in found.items()}
        kept = sum(pages[name] for name in FOR_EVER)
        return kept, sum(pages.values()) - kept, found["report"]["entries"], 4096 * (last + 1)

    def archived(self):
        folder = self.lab.path("archive", "g1")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return max((int(name.split("-")[1]) for name in names if name.replace("-", "").isdigit()), default=0)

    def policy(self):
        """The next version; NOR's clearance goes down and up."""
        self.version, self.narrow = self.version + 1, not self.narrow
        self.lab.edit(ATLAS, r"(?m)^(\s*version\s+)\d+", r"\g<1>%d" % self.version)
        self.lab.edit(ATLAS, r"(?s)(member NOR \{.*?up-to) \w+", r"\1 " + ("RESTRICTED" if self.narrow else "SECRET"))
        self.lab.edit("reltod.conf", r"queue-reports\s+\d+", "queue-reports   %d" % self.random.randrange(40, 80))
        self.lab.signal(1)

    def accept_clock(self):
        """The broker doubts a clock that jumps, and takes nothing in until somebody has said that it is right."""
        with self.lab.client("hub", "/operator") as c:
            def accepted():
                try:
                    c.ask("accept_clock", pb.AcceptClock())
                    return True
                except wire.Refused:
                    return False
            rig.until(accepted, 10, "a clock that is accepted")

    def begin(self):
        return [Publisher(self, "gbr"), Publisher(self, "fra"), Recipient(self, "nor"), Recipient(self, "nor"),
                Recipient(self, "ken"), Recipient(self, "gbr"), Officer(self, "gbr", "/release-office"),
                Officer(self, "fra", "/release-office"), Auditor(self, "hub"), Auditor(self, "nor", "/inspector"),
                Operator(self, "hub", "/operator")]

    def traffic(self):
        """The samples; everybody did something and saw nothing that is wrong."""
        self.actors = actors = self.begin()
        samples, begun = [self.sample()], time.monotonic()
        stepped = loaded = begun
        while (now := time.monotonic()) - begun < SECONDS:
            time.sleep(EVERY)
            samples.append(self.sample())
            self.assertIsNone(self.lab.process.poll(), self.lab.messages()[-4000:])
            self.assertEqual([a.wrong for a in actors if a.wrong], [])
            if now - stepped >= STEP_SECONDS:
                stepped = now
                self.lab.clock.set(self.lab.clock.offset + STEP)
                self.accept_clock()
            if now - loaded >= 7:
                loaded = now
                self.policy()
        self.over.set()
        for a in actors:
            a.join(60)
            print("# %-10s %6d done, refused: %s" % (type(a).__name__, a.done, a.refused), flush=True)
            self.assertGreater(a.done, 0)
        return samples

    def test_soak(self):
        print("# RELTO_SEED=%d" % self.seed, flush=True)
        samples = self.traffic()
        published = samples[-1]["published"] - samples[len(samples) // 2]["published"]
        half = samples[len(samples) // 2:]
        for s in samples[::max(1, len(samples) // 20)]:
            print("# %5.0f s %s" % (s["at"] - samples[0]["at"], " ".join(
                "%s %.2f" % (k, v / (1 if v < 1e5 else 1e6)) for k, v in s.items() if k != "at")), flush=True)
        rises = {}
        for what in ("heap", "rss", "descriptors", "rows", "evidence", "file", "free", "reports"):
            slope, _ = statistics.linear_regression([s["at"] for s in half], [s[what] for s in half])
            rises[what] = slope * (half[-1]["at"] - half[0]["at"])
        print("# rise over the second half: %s" % rises, flush=True)
        self.proved()
        self.assertLessEqual(max(s["rss"] - s["heap"] - s["file"] for s in samples), OTHER)
        self.judge_refusals()
        if SECONDS < 300:
            return  # nothing is flat yet
        self.assertLessEqual(rises["evidence"], A_REPORT * published)
        self.assertLessEqual(rises["file"], A_REPORT * published)
        self.assertLessEqual(max(s["free"] for s in half), FREE)
        rises["rows"] -= A_KEPT * max(0, rises["reports"])
        for what, most in RISE.items():
            self.assertLessEqual(rises[what], most, what)

    def judge_refusals(self):
        for a in self.actors:
            who, count = type(a).__name__, sum(a.refused.values())
            self.assertLessEqual(set(a.refused), CODES[who], who)
            self.assertLessEqual(count, REFUSED * (a.done + count) + 10, (who, a.refused))

    def proved(self):
        folder = os.path.join(self.lab.base, "bundle")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"), timeout=600)
        verify = self.lab.clock.wrapped(rig.program("relto-verify"))  # else these times are in the future
        got = subprocess.run([verify, "verify", folder, "--key", self.lab.agent("hub").log_key],
                             capture_output=True, text=True)
        print("# " + got.stdout.strip().replace("\n", "\n# "), flush=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)


if __name__ == "__main__":
    unittest.main()
