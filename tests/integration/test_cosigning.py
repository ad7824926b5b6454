#!/usr/bin/python3
"""test_cosigning.py - `relto witness` before a client that is not ours: what it cosigns, refuses, keeps and survives
(C2SP tlog-witness; audit format 7)."""
import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import cosigner  # noqa: E402
import hub  # noqa: E402

NAME = "relto.example/w/partner-a"


class Log:
    """A log's key pair and tree."""

    def __init__(self, origin="log.example/g1", salt=0):
        self.origin, self.key = origin, ed25519.Ed25519PrivateKey.generate()
        self.tree = hub.Tree(*(bytes([n, salt]) * 16 for n in range(64)))
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
        self.vkey = "%s+%s+%s" % (origin, self.id.hex(), base64.b64encode(b"\x01" + raw).decode())

    def sign(self, text):
        blob = base64.b64encode(self.id + self.key.sign(text)).decode()
        return text + "\n\u2014 {} {}\n".format(self.origin, blob).encode()

    def note(self, size, tree=None):
        root = (tree or self.tree).root(0, size)
        return self.sign(b"%s\n%d\n%s\n" % (self.origin.encode(), size, base64.b64encode(root)))


def text_of(note):
    return note[:note.index(b"\n\n") + 1]


class Server(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="relto-w.")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.log = Log()
        self.w = cosigner.Witness(os.path.join(self.folder, "w"), NAME, self.log.vkey)
        self.addCleanup(lambda: self.w.process and self.w.end(kill=True))

    def cosigns(self, old, size, proof=None):
        note = self.log.note(size)
        status, _, said = self.w.ask(old, self.log.tree.proof(old, size) if proof is None else proof, note)
        self.assertEqual(status, 200, said)
        return cosigner.verify_line(self.w.vkey, said, text_of(note))

    def says(self, status, old, proof, note, **more):
        got = self.w.ask(old, proof, note, **more)
        self.assertEqual(got[0], status, got)
        return got

    def conflicts(self, size, old, proof, note):
        self.assertEqual(self.says(409, old, proof, note)[1:], (cosigner.SIZE_TYPE, b"%d\n" % size))


class Protocol(Server):
    def test_a_foreign_client_gets_what_the_standard_says(self):
        self.w.start()
        log, tree = self.log, self.log.tree
        before = int(time.time())
        self.assertTrue(before <= self.cosigns(0, 5) <= time.time())
        self.cosigns(5, 5)  # the same head again
        self.conflicts(5, 0, [], log.note(9))
        self.conflicts(5, 3, tree.proof(3, 9), log.note(9))
        self.conflicts(5, 0, [], log.note(5))
        self.cosigns(5, 9)
        self.conflicts(9, 5, tree.proof(5, 7), log.note(7))  # a rollback
        # a fork: another root of this size, or none that goes on from it
        other = hub.Tree(*(bytes([n]) * 32 for n in range(64)))
        self.says(422, 9, [], log.note(9, other))
        self.says(422, 9, other.proof(9, 20), log.note(20, other))
        self.says(422, 9, tree.proof(9, 20)[:-1], log.note(20))
        self.says(422, 9, tree.proof(9, 20) + [bytes(32)], log.note(20))
        self.says(400, 21, [], log.note(20))
        stranger = Log()
        self.says(403, 9, tree.proof(9, 20), stranger.note(20))  # a key of another with the log's name
        self.says(404, 0, [], Log("other.example/g1").note(20))
        self.says(400, 9, [], b"%s\n20\n" % log.origin.encode())
        self.says(404, 0, [], log.note(9), path="/")
        self.says(405, 9, [], log.note(9), method="PUT")
        self.cosigns(9, 64)
        # what others signed too is no obstacle
        note = log.note(64)
        note += cosigner.Key("w/other").line(note)
        self.assertEqual(self.w.ask(64, [], note)[0], 200)
        code, err = self.w.end()
        self.assertEqual(code, 0, err)
        self.assertIn("FORK: log.example/g1 signed two roots of size 9", err)
        (kept,) = [n for n in os.listdir(self.w.files[3]) if n.startswith("fork-")]
        with open(os.path.join(self.w.files[3], kept), "rb") as f:
            self.assertEqual(f.read(), log.note(9, other))

    def test_what_two_readers_could_read_in_two_ways_is_refused(self):
        self.w.start()
        text = cosigner.body(0, [], self.log.note(5))
        head = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"
        sized = b"Content-Length: %d\r\n" % len(text)
        for fields, status in ((sized, b"200"), (sized + sized, b"400"), (sized + b"Transfer-Encoding: chunked\r\n", b"400"),
                               (b"Transfer-Encoding: odd\r\n", b"400"), (b"Content-Length: 999999\r\n", b"413"),
                               (sized + b"X: " + b"a" * 16384 + b"\r\n", b"413"), (sized + b"Host: v\r\n", b"400")):
            got = self.w.raw(head + fields + b"\r\n" + (text if status == b"200" else b""))
            self.assertEqual(got.split(b" ")[1], status, fields[:80])
        self.assertEqual(self.w.raw(b"\x16\x03\x01\r\n\r\n").split(b" ")[1], b"400")
        self.assertEqual(self.w.raw(head, half=True), b"")

    def test_a_crowd_that_stalls_keeps_nobody_out(self):
        self.w.start()
        crowd = [socket.create_connection(("127.0.0.1", cosigner.port_of(self.w.address))) for _ in range(80)]
        for c in crowd:
            c.sendall(b"POST /add")
        self.cosigns(0, 5)
        ended = 0
        for c in crowd:
            c.settimeout(30)
            try:
                ended += c.recv(1) == b""  # the first ones made room; the deadline takes the others
            except ConnectionResetError:
                ended += 1
            c.close()
        self.assertEqual(ended, 80)

    def test_who_connects_faster_pushes_nobody_out_but_himself(self):
        self.w.start()
        port = cosigner.port_of(self.w.address)
        note = self.log.note(5)
        body = cosigner.body(0, [], note)
        request = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        crowd = []
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(request[:40])
            for _ in range(100):
                crowd.append(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)))
                crowd[-1].sendall(b"POST /add")
            slow.sendall(request[40:])
            slow.settimeout(30)
            self.assertEqual(slow.recv(64).split(b" ")[1], b"200")
        for c in crowd:
            c.close()


class State(Server):
    def test_what_was_answered_was_durable_before(self):
        """Killed at the moment of the answer: the head is kept, though nobody heard of it."""
        self.w.start("strace", "-D", "-qq", "-o", os.devnull, "-e", "trace=sendto", "-e", "inject=sendto:signal=KILL")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.w.ask(0, [], self.log.note(5))
        self.w.process.wait(30)
        self.w.process.communicate()
        self.w.start()
        self.conflicts(5, 0, [], self.log.note(9))
        self.cosigns(5, 5)
        self.cosigns(5, 9)
        # killed at any other moment, it goes on from what it answered last
        self.w.end(kill=True)
        self.w.start()
        self.conflicts(9, 5, self.log.tree.proof(5, 9), self.log.note(9))

    def test_the_order_is_file_then_name_then_answer(self):
        trace = os.path.join(self.folder, "trace")
        self.w.start("strace", "-D", "-o", trace, "-e", "trace=openat,fsync,rename,sendto")
        self.cosigns(0, 5)
        self.w.end()
        with open(trace, encoding="utf-8", errors="replace") as f:
            calls = re.findall(r"(fsync|rename|sendto)\(|openat\([^)]*(heads\.new)|openat\([^)]*(/state/)\"", f.read())
        order = ["".join(c) for c in calls]
        at = order.index("heads.new")
        self.assertEqual(order[at:at + 6], ["heads.new", "fsync", "rename", "/state/", "fsync", "sendto"], order)

    def test_a_head_that_cannot_be_kept_is_not_cosigned(self):
        for i, (call, error, name) in enumerate((("openat", "ENOSPC", "heads.new"), ("fsync", "EIO", "heads.new"),
                                                 ("rename", "EIO", "heads.new"), ("fsync", "EIO", "."))):
            w = cosigner.Witness(os.path.join(self.folder, str(i)), NAME, self.log.vkey)
            w.start("strace", "-D", "-qq", "-o", os.devnull, "-P", os.path.normpath(os.path.join(w.files[3], name)),
                    "-e", "trace=" + call, "-e", "inject=%s:error=%s" % (call, error))
            with self.assertRaises((OSError, http.client.HTTPException), msg=name):
                w.ask(0, [], self.log.note(5))
            w.process.wait(30)
            _, err = w.process.communicate()
            self.assertEqual(w.process.returncode, 74, err)
            w.process = None

    def test_of_two_at_once_one_goes_on_and_one_conflicts(self):
        self.w.start()
        self.cosigns(0, 5)
        sizes, got = list(range(6, 22)), {}
        barrier = threading.Barrier(len(sizes))

        def one(size):
            barrier.wait(30)
            got[size] = self.w.ask(5, self.log.tree.proof(5, size), self.log.note(size))

        threads = [threading.Thread(target=one, args=(n,)) for n in sizes]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        (won,) = [n for n in sizes if got[n][0] == 200]
        self.assertEqual({got[n] for n in sizes if n != won}, {(409, cosigner.SIZE_TYPE, b"%d\n" % won)})

    def test_a_folder_that_is_gone_or_spoilt_is_no_start(self):
        heads, vkey = (os.path.join(self.w.files[3], n) for n in ("heads", "vkey"))
        listen = self.w.listening()
        self.assertIn(b"what it remembers is not thrown away", self.w.run("--new", NAME, code=64).stderr)
        self.w.start()
        self.cosigns(0, 5)
        self.assertIn(b"another process is this witness", self.w.run(*listen, code=75).stderr)
        self.w.end()
        with open(heads, "rb") as f:
            good = f.read()
        for bad, why in ((good[:-1], b"it is cut"), (good.replace(b"\n5\n", b"\n4\n"), b"damaged"), (good + good, b"damaged")):
            with open(heads, "wb") as f:
                f.write(bad)
            self.assertIn(why, self.w.run(*listen, code=65).stderr)
        os.unlink(heads)
        self.assertIn(b"heads", self.w.run(*listen, code=66).stderr)
        with open(heads, "wb") as f:
            f.write(good)
        more = Log("other.example/g1")
        self.assertIn(b"no --log names any more", self.w.run(*self.w.listening(logs=[more.vkey]), code=78).stderr)
        other = cosigner.Witness(os.path.join(self.folder, "other"), NAME)
        shutil.copy(other.files[1], self.w.files[1])
        self.assertIn(b"the folder of another key", self.w.run(*listen, code=78).stderr)
        os.chmod(self.w.files[1], 0o640)
        self.assertIn(b"group or others can read the key", self.w.run(*listen, code=78).stderr)
        os.unlink(vkey)
        self.assertIn(b"'relto witness --new NAME' makes one", self.w.run(*listen, code=66).stderr)


class Calls(Server):
    def test_a_wrong_call_says_what_is_wrong(self):
        log = self.log.vkey
        listen = ["--listen", "127.0.0.1:0"]
        for words, code, why in ((listen, 64, b"--listen and a --log are needed"),
                                 (["--log", log], 64, b"--listen and a --log are needed"),
                                 (listen + ["--log", "x"], 65, b"no vkey"), (listen + ["--log", self.w.vkey], 64, b"not the vkey of a log"),
                                 (listen + ["--log", log, "--log", log], 64, b"the key is there twice"),
                                 (listen + ["--log", log] * 17, 64, b"more than 16 logs"),
                                 (["--listen", "localhost:1", "--log", log], 64, b"127.0.0.1:4775"),
                                 (["--listen", "127.0.0.1:65536", "--log", log], 64, b"127.0.0.1:4775"),
                                 (["--new", "x", "--log", log], 64, b"--new makes a witness and ends"),
                                 (["--bogus"], 64, b"what is '--bogus'?"), (["more"], 64, b"what is 'more'?")):
            self.assertIn(why, self.w.run(*words, code=code).stderr, words)
        got = subprocess.run([self.w.relto, "witness"], capture_output=True)
        self.assertEqual((got.returncode, b"--key and --state are needed" in got.stderr), (64, True))
        new = cosigner.Witness(os.path.join(self.folder, "fresh"), NAME)
        for name in ("", "a b", "a+b"):
            new.files[3] = os.path.join(self.folder, "none")
            self.assertIn(b"a name of", new.run("--new", name, code=65).stderr)
            self.assertFalse(os.path.exists(new.files[3]))
        said = json.loads(new.run("--new", NAME, "--json").stdout)
        self.assertEqual((said["name"], said["vkey"]), (NAME, new.vkey))  # the key that was there
        self.assertEqual(os.stat(new.files[1]).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
