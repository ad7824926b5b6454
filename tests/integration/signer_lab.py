"""signer_lab.py - a lab whose log is signed by relto-signer, a process of its own."""
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

ORIGIN = "hub.example/relto/g1"


class SignerLab(rig.Lab):
    """The signer starts with the broker, unless a test has started it or wants it away ('alone')."""

    wait = "2s"  # how long the broker waits before it stops intake: more than a busy machine takes

    def __init__(self, *more):
        self.signer_path, self.signer, self.alone, self.options = rig.program("relto-signer"), None, False, []
        self.key_name, self.home, self.user = "log.key", None, "root"
        self.origin, self.anchor_name = ORIGIN, "anchor"
        super().__init__("--signer", *more)
        self.signer_log = os.path.join(self.base, "signer.log")
        self.edit("reltod.conf", r'(?m)^(\s*)signer\s+"run/signer.sock"',
                  r'\g<0>' + '\n    signer-wait %s\n    heads-every 100ms' % self.wait)
        with open(self.path("reltod.conf"), "a", encoding="utf-8") as f:
            f.write("limits {\n    drain 500ms\n}\n")
        self.once("--new", "--origin", ORIGIN, "--anchor", self.anchor)

    @property
    def anchor(self):
        return self.key(self.anchor_name)

    def key(self, name=None):
        return os.path.join(self.home or self.path("signer"), name or self.key_name)

    def once(self, *args, code=0):
        """Runs the program to its end; what it said."""
        user = ["--user", "root"] if os.geteuid() == 0 else []
        got = subprocess.run([self.signer_path] + user + list(args), capture_output=True, text=True, timeout=60,
                             stdin=subprocess.DEVNULL)
        if got.returncode != code:
            raise AssertionError("relto-signer %s: exit %d, not %d\n%s" % (
                " ".join(args), got.returncode, code, got.stdout + got.stderr))
        return got.stdout + got.stderr

    def arguments(self):
        user = ["--user", self.user] if os.geteuid() == 0 else []
        socket = os.path.join(self.home or self.path("run"), "signer.sock")
        return ["--origin", self.origin, "--key", self.key(), "--anchor", self.anchor, "--socket", socket] + user + self.options

    def start_signer(self):
        before = len(self.said())
        with open(self.signer_log, "ab") as log:
            self.signer = subprocess.Popen([self.signer_path] + self.arguments(), stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        rig.until(lambda: "ready at" in self.said()[before:] or self.signer.poll() is not None, 30, "the signer")
        return self.signer

    def end_signer(self, how=signal.SIGTERM):
        if self.signer is None:
            return None
        self.signer.send_signal(how)
        code, self.signer = self.signer.wait(30), None
        return code

    def said(self):
        if not os.path.exists(self.signer_log):
            return ""
        with open(self.signer_log, encoding="utf-8") as f:
            return f.read()

    def anchored(self):
        """The size in the later of the anchor's two slots."""
        with open(self.anchor, "rb") as f:
            slots = [f.read(4096).split(b"\n") for _ in range(2)]
        if any(s[0] != b"relto-anchor 2" for s in slots):
            raise AssertionError("a slot is none: %r" % [s[0] for s in slots])
        return int(max(slots, key=lambda s: int(s[1]))[3])

    def told(self, event, times=1):
        """Waits until the broker has said an event so often."""
        return rig.until(lambda: len(re.findall(r"\b%s\b" % re.escape(event), self.messages())) >= times, 20, event)

    def spawn(self, *more):
        if self.signer is None and not self.alone:
            self.start_signer()
        super().spawn(*more)

    def refused(self):
        """Starts the broker, which must refuse; its exit code and last words."""
        before = len(self.messages())
        self.spawn()
        code = self.process.wait(60)
        self.log.close()
        self.process = None
        return code, self.messages()[before:]

    def remove(self):
        try:
            if self.signer is not None:
                self.end_signer(signal.SIGKILL)
        finally:
            super().remove()
