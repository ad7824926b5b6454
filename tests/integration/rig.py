"""rig.py - a lab with a real reltod on loopback, for the integration tests.

RELTOD, RELTO and RELTO_VERIFY name the programs (meson sets them).  Every lab lives in a temporary folder, listens on a
port that the kernel picks, and is stopped by its process id.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "model"))
import wire  # noqa: E402

SECOND = os.path.join(HERE, "..", "..", "tools", "relto_verify.py")
START_SECONDS = 30
STOP_SECONDS = 15
# Commands under ASan by the thousand: what they keep until they end is looked for where each runs once, without the lab
# (test_readme.py, tests/foreign), and a memory error names this many callers.
LEAN = {"ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=8"}


def program(name):
    """The path of a program, or the test is skipped, loudly."""
    path = os.environ.get(name.upper().replace("-", "_"))
    if not path or not os.access(path, os.X_OK):
        raise unittest.SkipTest("NO %s: set %s" % (name, name.upper().replace("-", "_")))
    return path


def verifiers():
    """The two that share nothing, each as the head of a command."""
    return [program("relto-verify"), "verify"], [sys.executable, SECOND]


def sanitized():
    """Whether reltod has a sanitizer in it, which costs time and must be the first library."""
    with open(program("reltod"), "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def until(what, seconds, message):
    """Polls 'what' until it is true; a daemon in another process gives no other sign."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("%s: not within %d s" % (message, seconds))
        time.sleep(0.02)


class Lab:
    log_key = None  # of a generation of the log that was accepted
    before, given = (), ()  # words before those that start the daemon, and descriptors that it is given

    def __init__(self, *more):
        self.reltod_path, self.relto_path = program("reltod"), program("relto")
        self.base = tempfile.mkdtemp(prefix="relto-lab.")
        self.dir = os.path.join(self.base, "lab")
        self.log_path = os.path.join(self.base, "reltod.log")
        self.process, self.address, self.auditor = None, None, None
        open(self.log_path, "ab").close()
        made = subprocess.run([self.relto_path, "lab", "init", self.dir] + list(more), capture_output=True,
                              env=self.environment(), timeout=120)
        if made.returncode:
            raise AssertionError("relto lab init: %s" % made.stderr.decode(errors="replace"))
        self.edit("reltod.conf", r"(?m)^(\s*listen\s+)\S+", r"\g<1>127.0.0.1:0")

    def environment(self):
        return dict(os.environ, RELTO_HOME=os.path.join(self.dir, "home"))

    def daemon_environment(self):
        return dict(os.environ)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def edit(self, name, pattern, into, count=1):
        text, n = re.subn(pattern, into, self.read(name), count)
        if not n:
            raise AssertionError("nothing like %s in %s" % (pattern, name))
        self.write(name, text)

    # the daemon
    def start(self):
        self.spawn()
        return self.ready()

    def spawn(self, *more):
        """Starts reltod, and does not wait for it."""
        addresses = self.path("run", "addresses")
        if os.path.exists(addresses):
            os.unlink(addresses)
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.before, self.reltod_path, "-c", self.path("reltod.conf"), *more],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, pass_fds=self.given,
                                        env=self.daemon_environment())

    def ready(self):
        addresses = self.path("run", "addresses")

        def there():
            if self.process.poll() is not None:
                raise AssertionError("reltod ended with %d:\n%s" % (self.process.returncode, self.messages()))
            return os.path.exists(addresses) and self.read("run/addresses").split()

        self.address = until(there, START_SECONDS, "reltod's addresses")[-1]
        return self

    def messages(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode(errors="replace")

    def signal(self, number):
        os.kill(self.process.pid, number)

    def reload(self):
        """SIGHUP; gives what the log says from here on, once it says something about a reload."""
        before = len(self.messages())
        self.signal(signal.SIGHUP)
        return until(lambda: re.search(r"(?s)policy|reload", self.messages()[before:]) and self.messages()[before:], 10,
                     "a word about the reload")

    # its log
    def records(self, at=0):
        """(index, opening) of the log from 'at' on, as the hub's auditor sees it, in one session: each other one would be
        an AUDIT_READ record of its own, and there are only so many."""
        try:
            return self.read_log(at)
        except (wire.Closed, OSError):  # the session of an earlier call may be gone, with its broker or its rights
            self.let_go()
            return self.read_log(at)

    def read_log(self, at):
        out, self.auditor = [], self.auditor or self.client("hub")
        while True:
            got = self.auditor.ask("audit_list", wire.pb.AuditList(**{"from": at, "count": 1000}))
            out += [(r.index, r.opening) for r in got.records]
            at = got.next
            if not at:
                return out

    def let_go(self):
        if self.auditor is not None:
            self.auditor.close()
        self.auditor = None

    def stop(self):
        """SIGTERM; the exit status."""
        self.let_go()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("reltod does not stop:\n%s" % self.messages()[-4000:])
        self.log.close()
        code, self.process = self.process.returncode, None
        return code

    def kill(self):
        self.let_go()
        self.process.kill()
        self.process.wait()
        self.log.close()
        for name in ("faketime_shm_%d", "sem.faketime_sem_%d"):  # libfaketime's, of who could not clean up
            try:
                os.unlink(os.path.join("/dev/shm", name % self.process.pid))
            except FileNotFoundError:
                pass
        self.process = None

    # what it recorded
    def prove(self, code):
        """The whole log and each party's own, by both verifiers, which say the same."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        key = self.agent("hub").log_key
        self.prove_one(self.context_name("hub"), [], key, code)
        self.replay(key, code)
        for context in self.contexts():
            name = os.path.basename(context)[:-5]
            if name.endswith("-inspector"):
                self.prove_one(name, ["--party", name.split("-")[0].upper()], key, code)

    def prove_one(self, context, view, key, code):
        folder = os.path.join(self.base, "proved-" + context)
        self.relto("audit", "pull", folder, context=context)
        said = [subprocess.run(verifier + [folder, "--key", key] + view, capture_output=True, env={**LEAN, **os.environ})
                for verifier in verifiers()]
        codes = {got.returncode for got in said}
        if len(codes) > 1 or not codes <= {0, code} or (codes != {code} and not view):
            raise AssertionError("%s: %s" % (context, "\n".join("%s: exit %d\n%s" % (
                got.args[:2], got.returncode, (got.stdout + got.stderr).decode()[-2000:]) for got in said)))

    def replay(self, key, code):
        """Every decision judged again from the bundle that was just verified: as it was recorded."""
        folder = os.path.join(self.base, "proved-" + self.context_name("hub"))
        out, err = self.relto("audit", "replay", folder, "--key", key, code=None)
        if not code and "the recorded decisions follow the recorded policy" not in out:
            raise AssertionError("the replay of %s:\n%s" % (folder, (out + err)[-4000:]))

    def remove(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.base, ignore_errors=True)

    # who talks to it
    def contexts(self):
        folder = self.path("home", "contexts")
        return sorted((os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".conf")), key=lambda p: (len(p), p))

    def context(self, domain, path=None):
        """(file, agent) of a trust domain's label ("gbr", "hub") and the path of its SPIFFE id."""
        path = path or ("/inspector" if domain == "hub" else "/fusion-desk")
        for context in self.contexts():
            a = wire.Agent.from_context(context, self.address)
            a.log_key = self.log_key or a.log_key
            if a.id == "spiffe://%s.example%s" % (domain, path):
                return context, a
        raise AssertionError("no context for %s %s" % (domain, path))

    def agent(self, domain, path=None):
        return self.context(domain, path)[1]

    def client(self, domain, path=None, **more):
        return wire.Client(self.agent(domain, path), **more)

    def context_name(self, domain, path=None):
        return os.path.basename(self.context(domain, path)[0])[:-5]

    def relto(self, *args, context=None, stdin=b"", code=0, timeout=60, stdout=subprocess.PIPE, **variables):
        """Runs the command; gives (stdout, stderr) and checks its exit code unless 'code' is None."""
        env = {**LEAN, **self.environment(), **variables}
        if context:
            env["RELTO_CONTEXT"] = context
        if self.address:
            env.setdefault("RELTO_SERVER", self.address)
        got = subprocess.run([self.relto_path] + list(args), input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=env,
                             timeout=timeout)
        out, err = (got.stdout or b"").decode(errors="replace"), got.stderr.decode(errors="replace")
        if code is not None and got.returncode != code:
            raise AssertionError("relto %s: exit %d, not %d\n%s%s" % (" ".join(args), got.returncode, code, out, err))
        return out, err


class LabTest(unittest.TestCase):
    """A fresh lab for every test class; 'lab' runs.  What it recorded is proved at the end."""

    kind, parties = Lab, ()
    proof = 0  # the exit code of relto-verify then; None: the hub's auditor cannot ask any more

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.kind(*cls.parties)
        cls.addClassCleanup(cls.lab.remove)
        cls.prepare()
        cls.lab.start()
        if cls.proof is not None:
            cls.addClassCleanup(cls.lab.prove, cls.proof)

    @classmethod
    def prepare(cls):
        """What a test class changes before the start."""

    def client(self, domain, path=None, **more):
        c = self.lab.client(domain, path, **more)
        self.addCleanup(c.close)
        return c
