"""scale.py - a lab for thousands of sessions, and crowd.c, which has them."""
import json
import os
import resource
import select
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hostile"))
import measure  # noqa: E402
import rig  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

FULL = os.environ.get("RELTO_CHECK_FULL") == "1"
MiB = 1 << 20
PER_ADDRESS = 60  # of the 64 that the broker allows
PARTIES = ("GBR", "NOR", "FRA", "KEN", "ESP", "DEU", "NLD", "ITA")
def descriptors(wanted):
    """Room for so many descriptors in this process and those that it starts, or the test is skipped, with a word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, OSError):
            raise rig.unittest.SkipTest("NO DESCRIPTORS: %d wanted, %d allowed" % (wanted, hard))
    elif soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def message(**body):
    (name, what), = body.items()
    m = pb.Message(request=1 if name == "hello" else 2)
    getattr(m, name).CopyFrom(what)
    return wire.frames(m.SerializeToString(deterministic=True), 3)


def status(pid, what):
    """A line of /proc/PID/status or smaps_rollup in bytes, e.g. VmRSS or Pss."""
    name = "smaps_rollup" if what.startswith("Pss") else "status"
    with open("/proc/%d/%s" % (pid, name), encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(what + ":"))


class ScaleLab(measure.HostileLab):
    """Two workers, a store in memory, and room for 'sessions'."""

    def __init__(self, sessions, parties=PARTIES):
        super().__init__("--parties", ",".join(parties))
        self.parties = parties
        self.edit("reltod.conf", r"limits \{", "limits {\n    connections %d\n    connections-per-party %d\n"
                  % (sessions + 200, sessions + 200))


MEMORY, OF = 400e6, 10000  # broker and crowd together, with so many idle sessions
EACH = 28e3  # of the broker; 22 to 24 KB were measured, 31 before what not every session needs was made when it is needed


def cost(lab, crowd, sessions):
    """Opens so many idle sessions; {process: (bytes before, bytes with them)} by its share of memory (PSS), and how many."""
    crowd.do("open", len(lab.parties), len(lab.parties), 30)  # what the first one of each party takes
    pids = {"broker": lab.pid, "crowd": crowd.pid}
    before = {name: status(pid, "Pss") for name, pid in pids.items()}
    said = crowd.do("open", sessions, 200, 240)
    if said["ready"] != sessions:
        raise AssertionError("of %d sessions: %s" % (sessions, said))
    asked = crowd.do("ping")
    if asked["answered"] != sessions:
        raise AssertionError("sessions that do not answer: %s" % asked)
    return {name: (before[name], status(pid, "Pss")) for name, pid in pids.items()}, sessions - len(lab.parties)


def judge(test, costs):
    got, sessions = costs
    each = {name: (after - before) / sessions for name, (before, after) in got.items()}
    whole = {name: before + each[name] * OF for name, (before, _) in got.items()}
    print("# %d idle sessions: %s" % (sessions, ", ".join("%s %.1f MB, %.2f KB each, %.0f MB with %d" % (
        name, after / 1e6, each[name] / 1e3, whole[name] / 1e6, OF) for name, (_, after) in got.items())), flush=True)
    test.assertLess(sum(whole.values()), MEMORY, whole)
    test.assertLess(each["broker"], EACH)


class Crowd:
    """crowd.c with the agents of a lab's parties; each call is answered when it is done."""

    def __init__(self, lab, parties):
        folder = os.path.join(lab.base, "crowd")
        os.mkdir(folder)
        agents = [lab.agent(p.lower()) for p in parties]
        for n, a in enumerate(agents):
            os.symlink(a.certificate_file, os.path.join(folder, "%d.pem" % n))
            os.symlink(a.key_file, os.path.join(folder, "%d.key" % n))
            hello = pb.Hello(versions=[1, 2], software=b"tests/scale/crowd.c")
            self.put(folder, "%d.hello" % n, message(hello=hello))
        self.put(folder, "ping", message(ping=pb.Ping()))
        host, _, port = lab.address.rpartition(":")
        self.process = subprocess.Popen(["nice", "-n", "10", rig.program("crowd"), host, port, folder, str(len(agents)), str(PER_ADDRESS)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self.process.pid  # nice becomes it

    @staticmethod
    def put(folder, name, data):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)

    def begin(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")

    def done(self):
        """Whether the answer is there."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def end(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("crowd ended with %s" % self.process.wait())
        return json.loads(line)

    def do(self, *words):
        self.begin(*words)
        return self.end()

    def close(self):
        self.process.kill()
        self.process.communicate()
