"""readers.py - the readers of relto's log that share no code, as the tests here call them.

    relto-verify        C; RELTO_VERIFY names it
    relto_verify.py     Python, in this process
    tlog.go             golang.org/x/mod/sumdb, built into a folder of the test's
    store_root.py       python3-lmdb
"""
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "..", "..", "tools")
sys.path[:0] = [HERE, TOOLS, os.path.join(HERE, "..", "lib")]
import forge  # noqa: E402
import lies  # noqa: E402
import relto_verify  # noqa: E402
import tampers  # noqa: E402


def verify_c(folder, key, *options):
    """(exit code, findings) of relto-verify; options: whose view it is."""
    got = subprocess.run([os.environ["RELTO_VERIFY"], "verify", folder, "--key", key, "--json", *options],
                         capture_output=True, timeout=60)
    if got.returncode not in range(10) or b"Sanitizer" in got.stderr:
        raise AssertionError("relto-verify: exit %d\n%s" % (got.returncode, got.stderr.decode(errors="replace")))
    return got.returncode, json.loads(got.stdout)["findings"] if got.stdout else got.stderr


def verify_python(folder, key, *options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = relto_verify.main([folder, "--key", key, *options])
    return code, json.loads(out.getvalue())["findings"]


class Go:
    """tlog.go, built; skips the test, loudly, where there is no Go."""

    def __init__(self, folder):
        if not shutil.which("go") or not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod/sumdb"):
            raise unittest.SkipTest("NO go: install golang-go and golang-golang-x-mod-dev")
        self.program = os.path.join(folder, "tlog")
        env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOCACHE=os.path.join(folder, "gocache"))
        subprocess.run(["go", "build", "-o", self.program, os.path.join(HERE, "tlog.go")], env=env, check=True, timeout=120)

    def accepts(self, *args):
        return subprocess.run([self.program] + list(args), capture_output=True, timeout=120).returncode == 0


class Bench:
    """Bundles to tamper with, in a folder of our own, and both verifiers."""

    def __init__(self, folder, key, hub, party, name):
        """'party' is the bundle of the party of that name."""
        self.key, self.copies, self.hub, self.liar = key, {}, hub, os.path.join(folder, "liar")
        self.views = {"hub": (), "party": ("--party", name)}
        for name, source in (("hub", hub), ("party", party)):
            shutil.copytree(source, os.path.join(folder, name))
            self.copies[name] = tampers.Copy(os.path.join(folder, name))

    def both(self, name, want, folder, *call):
        """None if both say what is wanted, or what they said."""
        (c, c_found), (p, p_found) = verify_c(folder, *call), verify_python(folder, *call)
        if c == p == want:
            return None
        return "%s: wanted %d\n relto-verify %d %s\n relto_verify.py %d %s" % (name, want, c, c_found[:3], p, p_found[:3])

    def tamper(self, name, base, want, what):
        copy = self.copies[base]
        try:
            what(copy)
            return self.both(name, want, copy.folder, self.key, *self.views[base])
        finally:
            copy.restore()

    def told_anew(self, what, after=None):
        """A bundle of ours that tells the hub's log with a change, signed; what verifies it.  'after' may write it anew, and
        gives what the verifiers are to be told of that."""
        log = forge.Log(self.hub)
        key = forge.Key(log.origin)
        what(log.rekey(key).settle())
        log.write(self.liar, key)
        told = after(self.liar, log, key) if after else None
        return self.liar, key.vkey, *(told or ())

    def codes(self, what):
        call = self.told_anew(what)
        return verify_c(*call)[0], verify_python(*call)[0]

    def lie(self, name, want, what, after=None):
        return self.both("lie: " + name, want, *self.told_anew(what, after))

    def run(self, tampered, lied):
        """(what went wrong, the names of the rows that this bundle has nothing for)"""
        wrong, nothing = [], []
        for call, rows in ((self.tamper, tampered), (self.lie, lied)):
            for row in rows:
                try:
                    wrong += filter(None, [call(*row)])
                except tampers.NotHere:
                    nothing.append(row[0])
        return wrong, nothing
