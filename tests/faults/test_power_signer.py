#!/usr/bin/python3
"""test_power_signer.py - power cuts under relto-signer: whatever the disk lost, its anchor is found again and is no
older than what it signed.  The anchor is one of the old form when the record begins."""
import base64
import bisect
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import power  # noqa: E402
import rig  # noqa: E402
import witness  # noqa: E402
from signer_lab import ORIGIN  # noqa: E402
from test_signer import consistency  # noqa: E402

LEAVES = [witness.H(b"\0" + bytes([n])) for n in range(60)]
IMAGES = 2000 if os.environ.get("RELTO_CHECK_FULL") == "1" else 200


def old_form(size):
    text = b"relto-anchor 1\n%s\n%d\n%s\n" % (ORIGIN.encode(), size, base64.b64encode(witness.tree_root(LEAVES[:size])))
    return text + b"sha256 %s\n" % hashlib.sha256(text).hexdigest().encode()


class Lab:
    """What a recording needs to know of one."""

    def __init__(self, base):
        self.dir = os.path.join(base, "lab")
        os.makedirs(os.path.join(self.dir, "run"))
        self.anchor, self.key = os.path.join(self.dir, "run", "anchor"), os.path.join(base, "key")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key], check=True)
        os.chmod(self.key, 0o600)
        with open(self.anchor, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(old_form(3))


class Cuts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="relto-power-signer.")
        cls.addClassCleanup(shutil.rmtree, cls.base)
        cls.lab = Lab(cls.base)
        cls.recording = power.Recording(cls.base, cls.lab)
        cls.owed = [(0, 3)]  # where the record stood when so many were known to be signed
        for first in (3, 25):  # it dies, and comes again
            cls.sign(first, first + 22)
        cls.at = cls.recording.read()[0]

    @classmethod
    def sign(cls, size, end):
        path = os.path.join(cls.base, "sock")
        user = ["--user", "root"] if os.geteuid() == 0 else []
        signer = subprocess.Popen(
            [rig.program("relto-signer"), "--origin", ORIGIN, "--key", cls.lab.key, "--anchor", cls.lab.anchor, "--socket", path] +
            user, env=power.environment(cls.recording), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            if b"ready at %d" % size not in signer.stderr.readline():
                raise AssertionError("the signer is not where it was")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(60)
                s.connect(path)
                s.recv(8192)
                for new in range(size + 1, end + 1):
                    proof = consistency(LEAVES[:new], new - 1)
                    s.send(b"RLS1\2" + struct.pack(">QQ", new - 1, new) + witness.tree_root(LEAVES[:new]) + bytes([len(proof)]) +
                           b"".join(proof))
                    if s.recv(8192)[:5] != b"RLS1\3":
                        raise AssertionError("%d is not signed" % new)
                    cls.owed.append((cls.recording.size(), new))
        finally:
            signer.kill()
            signer.communicate()
        cls.recording.mend()

    def look(self, number, *option):
        """One image: what is wrong with it, or None."""
        with tempfile.TemporaryDirectory(dir=self.base) as work:
            out = subprocess.run([rig.program("power-replay"), self.recording.base, self.recording.file, work, str(number), *option,
                                  "make", str(number)], stdout=subprocess.PIPE, text=True, check=True).stdout
            cut = int(out.split()[1])
            owed = max(size for at, size in self.owed if bisect.bisect_left(self.at, at) <= cut)
            got = subprocess.run([rig.program("relto-signer"), "--show", "--json", "--anchor", os.path.join(work, "run", "anchor")],
                                 capture_output=True, text=True)
        if got.returncode:
            return "cut at %d: %s" % (cut, got.stderr)
        shown = json.loads(got.stdout)
        root = base64.b64encode(witness.tree_root(LEAVES[:shown["size"]])).decode()
        if shown["root"] != root or not owed <= shown["size"] <= owed + 1:
            return "cut at %d: %s, and %d were signed" % (cut, shown, owed)
        return None

    def test_after_a_power_cut_the_anchor_is_there_and_no_older_than_what_was_signed(self):
        wrong = [w for w in (self.look(n) for n in range(IMAGES)) if w]
        self.assertEqual(wrong, [])

    def test_a_disk_that_forgets_what_it_flushed_is_found(self):
        """The control: the same run on a disk that keeps no promise."""
        self.assertTrue(any(self.look(n, "--no-flushes") for n in range(IMAGES)))


if __name__ == "__main__":
    unittest.main()
