#!/usr/bin/python3
"""test_confined.py - the level of the sandbox that the start line tells; and in a build without a sanitizer, where the filter
of system calls is on, a broker that does all that a broker does.  A call that the filter forbids ends it (SIGSYS)."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import cosigner  # noqa: E402
import without  # noqa: E402
from signer_lab import ORIGIN, SignerLab  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from test_service import ManagedLab  # noqa: E402

ABI_KNOWN = 5  # the newest that reltod asks for
PARTIES = ("--parties", "GBR,NOR")


@unittest.skipIf(without.PRCTL is None, "NO numbers of system calls for this processor")
class Level(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab(*PARTIES)
        cls.addClassCleanup(cls.lab.remove)
        cls.conf, cls.landlock = cls.lab.read("reltod.conf"), min(without.landlock(), ABI_KNOWN)
        cls.seccomp = "no" if rig.sanitized() else "yes"

    def spawn(self, sandbox, *missing):
        self.lab.write("reltod.conf", self.conf + "sandbox %s\n" % sandbox)
        self.lab.before = (sys.executable, without.__file__, *missing, "--")
        before = len(self.lab.messages())
        self.lab.spawn()
        return before

    def reached(self, sandbox, *missing):
        """What the start line tells, and what the kernel tells of the process: its filters, but for that of without.py."""
        before = self.spawn(sandbox, *missing)
        self.lab.ready()
        (line,) = re.findall(r"broker\.ready .* (landlock=.*)", self.lab.messages()[before:])
        with open("/proc/%d/status" % self.lab.process.pid, encoding="utf-8") as f:
            filters = int(re.search(r"Seccomp_filters:\s*(\d+)", f.read())[1]) - 1
        self.assertEqual(self.lab.stop(), 0)
        self.assertEqual("seccomp=yes" in line, filters == 1, line)
        return line

    def test_the_start_line_tells_what_was_reached(self):
        for sandbox, missing, landlock, seccomp in (
                ("best-effort", (), self.landlock, self.seccomp), ("best-effort", ("landlock",), 0, self.seccomp),
                ("best-effort", ("seccomp",), self.landlock, "no"), ("off", (), 0, "no")):
            with self.subTest(sandbox, missing=missing):
                self.assertEqual(self.reached(sandbox, *missing), "landlock=%d seccomp=%s" % (landlock, seccomp))

    def test_without_what_is_required_there_is_no_start(self):
        for missing in (("landlock",), ("seccomp",)):
            with self.subTest(missing):
                before = self.spawn("required", *missing)
                self.assertEqual(self.lab.process.wait(30), 78)
                has = ("no" if "landlock" in missing or not self.landlock else "yes",
                       "no" if "seccomp" in missing else self.seccomp)
                self.assertIn("%s gives landlock %s, seccomp %s; 'sandbox best-effort' goes on without" % (
                    "this kernel, or this build," if rig.sanitized() else "this kernel", *has), self.lab.messages()[before:])
        if self.landlock and self.seccomp == "yes":
            self.assertEqual(self.reached("required"), "landlock=%d seccomp=yes" % self.landlock)


class ConfinedLab(SignerLab, ManagedLab):
    """A broker that has all there is: sockets and a watchdog of its manager, a signer, a witness, backups."""

    def __init__(self, *more):
        super().__init__(*more)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listens(self.listening)
        self.variables = {"WATCHDOG_USEC": "200000"}
        self.witness = cosigner.Liar("w/alpha", lambda s, o, note: cosigner.ok(s.key.line(note)))  # an honest one
        self.write("reltod.conf", "sandbox required\n" + self.read("reltod.conf"))
        self.edit("reltod.conf", r"(?m)^store \{", 'store {\n    backup-dir "backups"')
        self.edit("reltod.conf", r"(?m)^log \{", 'log {\n    quorum "hub/quorum"')
        os.mkdir(self.path("backups"), 0o700)
        self.keep_quorum(self.read("hub/log.vkey").strip())

    def keep_quorum(self, log):
        self.write("hub/quorum", "log %s\nwitness A %s %s\nquorum A\n" % (log, self.witness.key.vkey, self.witness.url()))

    def remove(self):
        self.listening.close()
        self.witness.end()
        super().remove()


@unittest.skipIf(rig.sanitized(), "a sanitizer needs what the filter forbids")
@unittest.skipUnless(without.landlock(), "NO LANDLOCK: this kernel has none")
class Confined(rig.LabTest):
    kind, parties = ConfinedLab, PARTIES
    proof = None  # the clients of the log before know its successor for another one

    def operator(self, *words, **more):
        return self.lab.relto("admin", *words, context="operator", **more)[0]

    def report(self):
        with self.client("gbr") as gbr:
            return publish(gbr, [(TEARLINE, canary())])[0]

    def status(self):
        return json.loads(self.operator("status", "--json"))

    def test_nothing_that_a_broker_does_is_forbidden(self):
        for what in (self.watched, self.signed, self.cosigned, self.backed_up, self.erased, self.reloaded, self.well,
                     self.read, self.restored):
            what()
            with open("/proc/%d/status" % self.lab.process.pid, encoding="utf-8") as f:
                self.assertRegex(f.read(), r"Seccomp:\s*2\n", what.__name__)
        self.drained()
        self.assertNotRegex(self.lab.messages(), r"Permission denied|not permitted")

    def watched(self):
        self.assertEqual(self.lab.address, "127.0.0.1:%d" % self.lab.listening.getsockname()[1])
        for said in ("READY=1", "WATCHDOG=1", "WATCHDOG=1"):
            self.lab.until_told(said)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.lab.path("run/observe"))
            s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            self.assertIn(b"relto_ready 1\n", b"".join(iter(lambda: s.recv(65536), b"")))

    def signed(self):
        """By a signer that died, and by the one that came after it."""
        self.report()
        self.assertEqual(self.lab.end_signer(signal.SIGKILL), -signal.SIGKILL)
        self.lab.start_signer()
        receipt = self.report()
        self.assertGreater(self.lab.anchored(), receipt.index)

    def cosigned(self):
        rig.until(lambda: self.report() and self.status()["quorum"]["met"], 20, "the witness's signature")

    def backed_up(self):
        os.mkdir(self.lab.path("backups", "b1.part"), 0o700)  # of one that died
        self.operator("backup", "b1")
        self.assertEqual(os.listdir(self.lab.path("backups")), ["b1"])

    def erased(self):
        self.operator("erase", str(self.report().index), "--because", "asked for")

    def reloaded(self):
        self.lab.write("policy/agreements.d/pause.policy", "suspend atlas\n")
        self.lab.edit("reltod.conf", r"drain 500ms", "drain 500ms\n    credit 7")
        self.operator("reload")
        self.assertEqual(self.client("nor").welcome.limits.credit, 7)
        os.unlink(self.lab.path("policy/agreements.d/pause.policy"))
        self.operator("reload")
        self.report()

    def well(self):
        self.assertIn("ok    broker: ", self.lab.relto("doctor", context=self.lab.context_name("gbr"))[0])

    def read(self):
        folder = os.path.join(self.lab.base, "bundle")
        self.lab.relto("audit", "pull", folder, context=self.lab.context_name("hub"))
        got = subprocess.run([rig.program("relto-verify"), "verify", folder, "--key", self.lab.agent("hub").log_key],
                             capture_output=True, text=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)

    def restored(self):
        """The start of a new generation, whose record 0 the signer signs first."""
        lab = self.lab
        self.assertEqual(lab.stop(), 0)
        lab.end_signer()
        os.rename(lab.path("spool"), lab.path("spool.dead"))
        lab.origin, lab.anchor_name = ORIGIN[:-1] + "2", "anchor.g2"
        lab.edit("reltod.conf", r"/relto/g1", "/relto/g2")
        lab.once("--new", "--origin", lab.origin, "--anchor", lab.anchor)
        lab.start_signer()
        got = subprocess.run([lab.reltod_path, "-c", lab.path("reltod.conf"), "--restore", lab.path("backups", "b1")],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(got.returncode, 0, got.stderr)
        lab.log_key = re.search(r"by its key: (\S+)", got.stdout)[1]
        lab.keep_quorum(lab.log_key)
        lab.write("home/log.vkey", lab.log_key + "\n")
        lab.start()
        self.report()  # its receipt says that a head was signed
        lab.relto("context", "accept-log", lab.log_key, context="operator")
        self.cosigned()

    def drained(self):
        self.operator("drain")
        self.assertEqual(self.lab.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
