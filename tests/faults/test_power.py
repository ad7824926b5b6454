#!/usr/bin/python3
"""test_power.py - power cuts on the real reltod (docs/assurance.md).

usage: test_power.py              the test
       test_power.py FOLDER N     image N of a failed run again, from the FOLDER that it kept; it is left in FOLDER/again
RELTO_POWER_IMAGES sets the number of images, RELTO_SEED the seed of what the disks lose (a recorded run never comes
again, so a failed one is kept).
"""
import multiprocessing
import os
import pickle
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power  # noqa: E402
import rig  # noqa: E402
import wire  # noqa: E402
from power import pb  # noqa: E402
from test_path import SECRET, TEARLINE, canary  # noqa: E402

FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
IMAGES = int(os.environ.get("RELTO_POWER_IMAGES", "20000" if FULL else "2000"))
RUNS = 5 if FULL else 1  # recorded runs that these come from
STARTED = 40 if FULL else 8  # every so manieth image is given to a real reltod, too..
CUT_AGAIN = 4  # ..and every so manieth of these starts is recorded and cut again,..
AGAIN = 12  # ..so often
CREATIONS = 8  # images for each step at which the first start dies
FAILURES = 120 if FULL else 20  # flushes that fail
CONTROLS = 96
PROCESSES = 2
ATLAS = "policy/agreements.d/atlas.policy"
OTHER_BOOT = "0f0e0d0c-0b0a-4908-8706-050403020100"


def scratch():
    """Where images live: in memory if there is room, for a flush of what is thrown away costs the disk."""
    try:
        room = os.statvfs("/dev/shm")
        if os.access("/dev/shm", os.W_OK) and room.f_bavail * room.f_frsize > 1 << 30:
            return "/dev/shm"
    except OSError:
        pass
    return None


# ---- the scenario ----

def quiet_end(work):
    """Runs 'work' until the broker goes away, as it will."""
    def run(*args):
        try:
            work(*args)
        except (wire.Closed, OSError, TimeoutError):
            pass
    return run


@quiet_end
def publish(client, count, r):
    flying = 0
    for _ in range(count):
        kind = r.randrange(6)
        held = kind == 0
        report = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])],
                             "FLASH" if held else r.choice(("ROUTINE", "PRIORITY")))
        secret, tearline = canary(), canary() + secrets.token_bytes(r.choice((0, 0, 900, 5000, 200000)))
        expect = {"NOR": (secret if kind < 4 else b"") + (tearline if kind > 1 else b"")}
        if kind < 4:
            report.portion(SECRET, secret)
        if kind > 1:
            report.portion(TEARLINE, tearline)
            expect["KEN"] = tearline
        if kind == 5:
            report.manifest.expires = int(time.time() * 1000) + 1200
        client.publish_soon(report, report.seal(), {party: power.H(body).hex() for party, body in expect.items()})
        flying += 1
        while flying > 8:
            flying -= take_receipt(client)
    while flying > 0:
        flying -= take_receipt(client)


def take_receipt(client):
    m = client.read_message()
    if m is None or m.WhichOneof("body") == "error":
        raise AssertionError("%s instead of a receipt" % m)
    return m.WhichOneof("body") == "receipt"


@quiet_end
def receive(client, name, r, share, idle):
    """Reads; acknowledges a share of it, several at once."""
    client.subscribe_as(name)
    taken = []
    while True:
        d = client.receive(timeout=idle)
        if d is not None and r.random() < share:
            taken.append(d)
        if taken and (d is None or len(taken) >= 3):
            client.ack_many(taken)
            taken = []
        if d is None:
            return


def traffic(lab, count, r, idle=0.5):
    """Reports for everybody."""
    failed, threads = [], []
    jobs = [(publish, lab.client("gbr"), count, r), (receive, lab.client("nor"), "inbox", r, 1.0, idle),
            (receive, lab.client("ken"), "inbox", r, 0.5, idle), (receive, lab.client("nor"), "second", r, 0.7, idle)]
    saver = lab.begin("ken", "sub", "--name", power.SAVER[1], "--save", lab.path("home", "saved"), "--wait", "1s")

    def run(work, *args):
        try:
            work(*args)
        except Exception:
            failed.append(traceback.format_exc())

    for job in jobs:
        threads.append(threading.Thread(target=run, args=job))
        threads[-1].start()
    for t in threads:
        t.join(60)
        if t.is_alive():
            failed.append("a client hangs")
    for job in jobs:
        job[1].close()
    if failed:
        saver.kill()
        saver.communicate()
        raise AssertionError("\n".join(failed))
    try:
        lab.finish(saver)
    except AssertionError:
        if not lab.mortal:
            raise
        lab.process.wait(10)  # it died under the command


def change_policy(lab, version, rule):
    """Another policy, put in force by the operator."""
    lab.edit(ATLAS, r"version  \d+", "version  %d" % version)
    lab.edit(ATLAS, r"(?m)^    rule cyber", "    %s\n    rule cyber" % rule)
    keep_policy(lab)
    with lab.client("hub", "/operator") as operator:
        if not isinstance(operator.ask("reload", pb.Reload()), pb.StatusReply):
            raise AssertionError("the reload was refused")
        lab.ledger.at_once("reload", operator.ask("whoami", pb.Whoami()).policy.hex())


def keep_policy(lab):
    name = "policy-%d" % len(lab.ledger.policies)
    shutil.copytree(lab.path("policy"), os.path.join(lab.recording.folder, name))
    lab.ledger.policies.append((lab.recording.size(), name))


def new_lab(folder):
    lab = power.Lab()
    lab.edit("reltod.conf", r"map-size +\S+", "map-size 64MiB")
    lab.edit("reltod.conf", r"(?m)^(\s*key\s+.hub/log.key.)", r"\1\n    heads-every 300ms")
    lab.edit(ATLAS, r"within 2h", "within 1s")
    os.rmdir(lab.path("spool"))
    lab.record(folder)
    keep_policy(lab)
    return lab


def fresh(lab, folder):
    """A lab again as it was before the first start, and another record."""
    for name in power.SUBTREES:
        shutil.rmtree(lab.path(name), ignore_errors=True)
    lab.record(tempfile.mkdtemp(dir=folder))
    keep_policy(lab)


def whole_scenario(folder, r):
    """First creation, load, reloads, deaths under load, a clean stop, and starts after each."""
    lab = new_lab(folder)
    try:
        lab.start(die_at=r.randrange(250, 450))
        lab.finish(lab.begin("gbr", "whoami"))
        until_death(lab, r, lambda: change_policy(lab, 2, "rule never-secretly {\n topic secret.x\n withhold\n }"))
        lab.start()
        traffic(lab, 25, r)
        change_policy(lab, 3, "rule never-privately {\n topic private.x\n withhold\n }")
        traffic(lab, 15, r)
        lab.stop()
        lab.start(die_at=r.randrange(80, 200))
        until_death(lab, r)
        lab.start()
        traffic(lab, 20, r)
        lab.finish(lab.begin("nor", "whoami"))
        lab.stop()
        return lab
    except BaseException:
        lab.remove()
        raise


def until_death(lab, r, once=None):
    """Load until reltod dies of itself, and 'once' in the midst of it."""
    while lab.process.poll() is None:
        try:
            traffic(lab, 20, r)
            if once:
                once()
            once = None
        except (wire.Closed, OSError, TimeoutError):
            lab.process.wait(10)


# ---- images ----

class Job:
    """Images of one record: what is to be seen, and what was seen of it."""

    start_kind = None  # of a real reltod on an image

    def __init__(self, ledger, seed, count, started=0, option=None):
        self.ledger, self.seed, self.count, self.every, self.option = ledger, seed, count, started, option
        self.faults, self.seen, self.none, self.started, self.cut_again = [], 0, 0, 0, 0

    def command(self, images, first, stride, end, kept, every):
        option = [self.option] if self.option else []
        return [rig.program("power-replay"), self.ledger.recording.base, self.ledger.recording.file, images,
                str(self.seed)] + option + ["look"] + [str(w) for w in (first, stride, end, kept, every)]

    def look(self, first=0, stride=1):
        """Looks at images first, first + stride, .."""
        with tempfile.TemporaryDirectory(prefix="relto-power.", dir=scratch()) as self.work:
            images, kept = os.path.join(self.work, "image"), os.path.join(self.work, "kept")
            os.mkdir(images), os.mkdir(kept)
            command = self.command(images, first, stride, self.count, kept, self.every)
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                for image in power.images(process):
                    self.see(image, os.path.join(kept, str(image.number)))
            if process.returncode:
                raise AssertionError("power_replay: exit %d" % process.returncode)
        return self

    def see(self, image, kept):
        self.seen += 1
        self.none += image.none
        faults = image.faults(self.ledger)
        if os.path.isdir(kept):
            if not faults:
                self.started += 1
                faults = self.start(image, kept)
            shutil.rmtree(kept)
        if faults:
            self.faults.append((image.number, image.cut, faults))

    def start(self, image, kept):
        """The real reltod on it; every so often it is recorded and cut again."""
        folder = os.path.join(self.work, "start")
        os.mkdir(folder)
        start = self.start_kind(self.ledger, image, kept, folder)
        try:
            if self.option == "--at-end":
                return start.run()  # the machine stayed up
            return start.run(boot_id=OTHER_BOOT) if image.number // self.every % CUT_AGAIN else self.cut(start)
        except Exception:
            return [traceback.format_exc() + start.lab.messages()[-3000:]]
        finally:
            start.lab.remove()

    def cut(self, start):
        start.lab.record(os.path.join(start.lab.base, "recording"))
        faults = start.run(boot_id=OTHER_BOOT)
        if faults:
            return faults
        job = Job(start.lab.ledger.settle(start.owed), self.seed, AGAIN).look()
        self.cut_again += job.seen
        if not job.faults:
            return []
        return ["cut again, kept in %s: image %d, cut at %d: %s" % (
            job.keep(self.ledger.recording.folder, "again-%d" % start.image.number), n, cut, "; ".join(why))
            for n, cut, why in job.faults]

    def keep(self, *place):
        """Makes it possible to see its images again, in another place if one is given; that place."""
        if place:
            shutil.move(self.ledger.recording.folder, os.path.join(*place))
            self.ledger.recording.folder = os.path.join(*place)
        with open(os.path.join(self.ledger.recording.folder, "job"), "wb") as f:
            pickle.dump((self.ledger, self.seed, self.count, self.option), f)
        return self.ledger.recording.folder

    def spread(self):
        """The images shared among processes."""
        def work(index, pipe):
            try:
                self.look(index, PROCESSES)
                pipe.send((self.faults, self.seen, self.none, self.started, self.cut_again))
            except BaseException:
                pipe.send(traceback.format_exc())
            pipe.close()

        fork, workers = multiprocessing.get_context("fork"), []
        for i in range(PROCESSES):
            ours, theirs = fork.Pipe(False)
            workers.append((fork.Process(target=work, args=(i, theirs)), ours))
            workers[-1][0].start()
            theirs.close()
        for process, pipe in workers:
            said = pipe.recv()
            process.join()
            if isinstance(said, str):
                raise AssertionError(said)
            faults, seen, none, started, cut_again = said
            self.faults += faults
            self.seen, self.none = self.seen + seen, self.none + none
            self.started, self.cut_again = self.started + started, self.cut_again + cut_again
        return self


class Start:
    """A real reltod on an image, and the clients that knew it before."""

    def __init__(self, ledger, image, kept, folder):
        self.before, self.image = ledger, image
        self.owed = ledger.before(image.cut)
        where = os.path.join(folder, "lab")
        shutil.copytree(ledger.recording.base, where, ignore=shutil.ignore_patterns("spool", "run", "policy", "state", "archive"))
        shutil.copytree(ledger.policy(image.cut), os.path.join(where, "policy"))
        for name in power.SUBTREES:
            if os.path.exists(os.path.join(kept, name)):
                shutil.move(os.path.join(kept, name), os.path.join(where, name))
        self.lab = power.Copy(where)
        self.lab.ledger = power.Ledger(None)

    def run(self, **more):
        lab = self.lab
        lab.start(**more)
        if self.image.size and not self.image.clean and "all=yes" not in lab.messages():
            return ["it did not end well and not all was verified"]
        lab.ledger.heads.update(self.before.heads)
        lab.ledger.published.update(self.before.published)
        for domain, name in (("nor", "inbox"), ("nor", "second"), ("ken", "inbox")):
            self.read(domain, name)
        self.publish()
        self.pull()
        return [] if lab.stop() == 0 else ["the broker did not stop well"]

    def client(self, domain):
        """One that remembers the largest head that left."""
        return self.lab.client(domain, memory=self.before.memory(self.image.cut, self.lab.vkey()))

    def read(self, domain, name):
        """All that waited comes, whole, and nothing that was acknowledged."""
        party = domain.upper()
        waiting = self.image.queued.get((party, name), [])
        if (party, name) not in self.image.subscriptions:
            return
        acked = {what[3] for what in self.owed if what[:3] == ("ack", party, name)}
        due = {r for r in waiting if not self.before.published[r].expires}
        with self.client(domain) as client:
            client.subscribe_as(name)
            while due:
                d = client.receive(timeout=15)
                if d is None:
                    raise AssertionError("%d reports do not come to %s of %s" % (len(due), name, party))
                if d.manifest.id in acked:
                    raise AssertionError("%s came to %s after its acknowledgement" % (d.manifest.id.hex(), party))
                sent = [(p.head, p.body) for p in self.sealed(d.manifest.id).portions]
                if any((p.head, p.body) not in sent for p in d.raw.portions):
                    raise AssertionError("%s is not what was published" % d.manifest.id.hex())
                client.ack_many([d])
                due.discard(d.manifest.id)

    def sealed(self, report):
        return pb.Publish.FromString(self.lab.ledger.published[report].sealed)

    def publish(self):
        """A report that is stored is known, whether its receipt left or not; another one is judged anew."""
        receipts = {what[1].report: what[2] for what in self.owed if what[0] == "receipt"}
        stored = {report for _, report in self.image.reports}
        with self.client("gbr") as client:
            for report in list(receipts)[-2:] + sorted(stored - set(receipts))[:2]:
                receipt = self.publish_one(client, report)
                if not receipt.again or receipt.index != receipts.get(report, receipt.index):
                    raise AssertionError("%s is not the one that was accepted" % report.hex())
            for report in sorted(r for r, known in self.before.published.items() if r not in stored and not known.expires)[:1]:
                try:
                    self.publish_one(client, report)
                except wire.Refused as refused:
                    if refused.code != "agreement-not-usable":  # it named the terms of another policy
                        raise

    def publish_one(self, client, report):
        client.asked[client.request + 1] = self.before.published[report]
        return client.publish(self.sealed(report))

    def pull(self):
        """The command of a partner goes on from the checkpoint that it kept; relto-verify agrees with the log."""
        bundle = os.path.join(self.lab.base, "bundle")
        if self.image.kept:
            self.lab.relto("whoami", context="gbr")
        self.lab.relto("audit", "pull", bundle, context="auditor")
        got = subprocess.run([rig.program("relto-verify"), "verify", bundle, "--key", self.lab.vkey()],
                             capture_output=True, text=True)
        if got.returncode:
            raise AssertionError("relto-verify: %d\n%s%s" % (got.returncode, got.stdout, got.stderr))


Job.start_kind = Start


# ---- the test ----

class PowerTest(unittest.TestCase):
    def setUp(self):
        rig.program("power-record"), rig.program("power-replay")
        self.seed = int(os.environ.get("RELTO_SEED", "0")) or secrets.randbits(32)
        self.folder = tempfile.mkdtemp(prefix="relto-power-%d." % self.seed)
        self.r, self.failed = random.Random(self.seed), False
        self.addCleanup(lambda: self.failed or shutil.rmtree(self.folder))
        print("seed %d" % self.seed, flush=True)

    def check(self, job):
        """No fault; else the record stays, and how to see an image again is said."""
        said = "%d images, %d of them without a store, %d of them started, %d more cut again, of %d entries" % (
            job.seen, job.none, job.started, job.cut_again, job.ledger.entries)
        print(said, flush=True)
        if not job.faults:
            return
        self.failed = True
        lines = ["image %d, cut at %d: %s" % (n, cut, "; ".join(faults[:3])) for n, cut, faults in sorted(job.faults)]
        self.fail("%s, %d bad; again with: %s %s NUMBER\n%s" % (
            said, len(lines), os.path.abspath(sys.argv[0]), job.keep(), "\n".join(lines[:12])))

    def broken(self, job, share, name):
        """A control: at least this share of the images must be bad, else the test would find nothing."""
        bad = len(job.faults)
        print("control, %s: %d of %d images bad" % (name, bad, job.seen), flush=True)
        self.assertGreater(bad, job.seen * share, name)


class Whole(PowerTest):
    def test_what_left_survives_a_power_cut_at_any_moment(self):
        for run in range(RUNS):
            lab = whole_scenario(os.path.join(self.folder, "run-%d" % run), self.r)
            self.addCleanup(lab.remove)
            ledger = lab.ledger.settle()
            kinds = [what[0] for _, what in ledger.owed]
            print(", ".join("%d %s" % (kinds.count(k), k) for k in sorted(set(kinds))), flush=True)
            self.complete(lab)
            self.check(Job(ledger, self.seed + run, IMAGES // RUNS, STARTED).spread())
            self.broken(Job(ledger, self.seed, CONTROLS, option="--no-flushes").spread(), 0.5, "no flush counts")
            self.broken(Job(ledger.too_early(), self.seed, CONTROLS).spread(), 0.05, "answers before their flush")

    def complete(self, lab):
        """Without a cut the model has what the disk has: the recorder saw everything."""
        end = os.path.join(lab.recording.folder, "end")
        os.mkdir(end)
        subprocess.run([rig.program("power-replay"), lab.recording.base, lab.recording.file, end, "0", "end"], check=True)
        for name in power.SUBTREES:
            self.assertEqual(contents(os.path.join(end, name)), contents(lab.path(name)), name)


def contents(folder):
    """Every file below a folder; of LMDB's lock file, which is memory, the name alone."""
    out = {}
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                out[os.path.relpath(os.path.join(at, name), folder)] = name == "lock.mdb" or power.H(f.read())
    return out


class Creation(PowerTest):
    def test_a_store_whose_maker_died_at_any_step_is_durable_once_it_answers(self):
        lab = new_lab(os.path.join(self.folder, "0"))
        self.addCleanup(lab.remove)
        for _ in range(RUNS):
            steps, seen = 0, 0
            while self.dies(lab, steps + 1):
                job = Job(lab.ledger.settle(), self.seed, CREATIONS).look()
                if job.faults:
                    self.check(job)
                shutil.rmtree(lab.recording.folder)
                steps, seen = steps + 1, seen + job.seen
            print("%d steps of the first start, %d images" % (steps, seen), flush=True)
            self.assertGreater(steps, 20)

    def dies(self, lab, step):
        """A first start that dies before that step, a second one that may die, and one with reports; False: there is no
        such step."""
        fresh(lab, self.folder)
        if not self.start_dies(lab, step):
            lab.kill()
            return False
        if self.start_dies(lab, self.r.randrange(1, 12)):
            lab.start()
        with lab.client("gbr") as client:
            publish(client, 2, self.r)
        lab.kill()
        return True

    def start_dies(self, lab, step):
        try:
            lab.start(die_at=step)
            return False
        except AssertionError:
            if lab.process.poll() != -9:
                raise
            lab.kill()
            return True


class Failure(PowerTest):
    def test_after_a_flush_that_failed_nothing_is_promised_and_everything_is_verified(self):
        lab = new_lab(os.path.join(self.folder, "0"))
        self.addCleanup(lab.remove)
        ends = []
        for n in range(FAILURES):
            fresh(lab, self.folder)
            try:
                lab.start(fail_at=n + 1 if n < 12 else self.r.randrange(12, 150))  # each one of the first start
                until_death(lab, self.r)
            except AssertionError:
                if lab.process.poll() is None:
                    raise
            ends.append(lab.process.poll())
            lab.kill()
            job = Job(lab.ledger.settle(), self.seed + n, 12, 6, "--at-end").look()
            if job.faults:
                self.check(job)
            shutil.rmtree(lab.recording.folder)
        print("exits: %s" % ", ".join("%d x %d" % (ends.count(e), e) for e in sorted(set(ends))), flush=True)
        self.assertEqual([e for e in ends if e <= 0], [])
        self.assertIn(74, ends)


class Mutants(PowerTest):
    def mutant(self, name, share):
        lab = new_lab(os.path.join(self.folder, name))
        self.addCleanup(lab.remove)
        lab.start(mutant=name)
        with lab.client("gbr") as client:
            for _ in range(12):  # one after the other: what a receipt promises is not made good by the next flush
                publish(client, 1, self.r)
        lab.kill()
        self.broken(Job(lab.ledger.settle(), self.seed, CONTROLS).spread(), share, "without " + name)

    def test_a_broker_that_does_not_flush_its_pages_is_found(self):
        self.mutant("fdatasync", 0.2)

    def test_a_broker_that_does_not_flush_its_meta_page_is_found(self):
        self.mutant("dsync", 0.05)

    def test_a_broker_that_does_not_flush_its_folders_is_found(self):
        self.mutant("folder", 0.1)


def again(folder, number, kind):
    """An image of a failed run: what is wrong with it, as it lies there and when it is started."""
    with open(os.path.join(folder, "job"), "rb") as f:
        ledger, seed, count, option = pickle.load(f)
    ledger.recording.folder = folder
    job = kind(ledger, seed, count, 1, option)
    job.work, image_folder = os.path.join(folder, "again"), os.path.join(folder, "again", "image")
    shutil.rmtree(job.work, ignore_errors=True)
    os.makedirs(image_folder)
    kept = os.path.join(job.work, str(number))
    with subprocess.Popen(job.command(image_folder, number, 1, number + 1, job.work, 1), stdout=subprocess.PIPE,
                          text=True) as process:
        for image in power.images(process):
            print("image %d, cut at %d, as it was: %s" % (image.number, image.cut, kept))
            faults = image.faults(ledger)
            if not faults and option != "--no-flushes":
                shutil.copytree(kept, kept + ".started")
                faults = job.start(image, kept + ".started")
            print("\n".join(faults) or "nothing is wrong with it")


def main(kind=Job):
    if len(sys.argv) == 3 and os.path.isdir(sys.argv[1]):
        again(os.path.abspath(sys.argv[1]), int(sys.argv[2]), kind)
    else:
        unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
