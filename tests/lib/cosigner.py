"""cosigner.py - witnesses from the outside: `relto witness` as a process, a client of its own, and witnesses that lie.

Written from C2SP tlog-witness and tlog-cosignature; shares nothing with the C sources.
"""
import base64
import hashlib
import http.client
import os
import re
import socket
import struct
import subprocess
import threading
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import rig

SIZE_TYPE = "text/x.tlog.size"


class Key:
    """A witness's key pair."""

    def __init__(self, name, key=None):
        self.name, self.key = name, key or ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = hashlib.sha256(name.encode() + b"\n\x04" + raw).digest()[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), base64.b64encode(b"\x04" + raw).decode())

    def line(self, note, when=None):
        """The cosignature of a checkpoint's text."""
        when = int(time.time()) if when is None else when
        text = note[:note.index(b"\n\n") + 1]
        blob = self.id + struct.pack(">Q", when) + self.key.sign(b"cosignature/v1\ntime %d\n" % when + text)
        return "\u2014 {} {}\n".format(self.name, base64.b64encode(blob).decode()).encode()


def verify_line(vkey, line, text):
    """The time of a cosignature of exactly this key over this text; anything else is an error."""
    name, keyid, data = vkey.split("+", 2)
    raw = base64.b64decode(data, validate=True)
    if raw[:1] != b"\x04" or hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != keyid:
        raise AssertionError("no vkey of a witness: %s" % vkey)
    dash, who, blob = line.decode().rstrip("\n").split(" ")
    blob = base64.b64decode(blob, validate=True)
    if dash != "\u2014" or who != name or blob[:4].hex() != keyid or len(blob) != 4 + 8 + 64:
        raise AssertionError("another key's line: %r" % line)
    (when,) = struct.unpack(">Q", blob[4:12])
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(raw[1:]).verify(
            blob[12:], b"cosignature/v1\ntime %d\n" % when + text)
    except InvalidSignature:
        raise AssertionError("the cosignature of %s does not verify" % name)
    return when


def body(old, proof, note):
    return b"old %d\n" % old + b"".join(base64.b64encode(h) + b"\n" for h in proof) + b"\n" + note


def port_of(address):
    return int(address.rsplit(":", 1)[1])


class Witness:
    """A process of `relto witness`, in a folder of its own."""

    def __init__(self, folder, name, *logs):
        self.relto, self.folder, self.logs, self.process = rig.program("relto"), folder, logs, None
        self.files = ["--key", os.path.join(folder, "key.pem"), "--state", os.path.join(folder, "state")]
        os.makedirs(folder, exist_ok=True)
        self.vkey = self.run("--new", name).stdout.decode().strip()

    def run(self, *more, code=0):
        got = subprocess.run([self.relto, "witness"] + self.files + list(more), capture_output=True, timeout=30)
        if got.returncode != code:
            raise AssertionError("relto witness %s: exit %d, not %d\n%s" % (more, got.returncode, code, got.stderr.decode()))
        return got

    def listening(self, address="127.0.0.1:0", logs=None):
        words = ["--listen", address]
        for log in self.logs if logs is None else logs:
            words += ["--log", log]
        return words

    def start(self, *before, address="127.0.0.1:0"):
        """'before': what runs the command; strace with -D, so that it is not between us and the witness."""
        self.process = subprocess.Popen(list(before) + [self.relto, "witness"] + self.files + self.listening(address),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0") if before else None)
        said = self.process.stdout.readline().decode()
        found = re.fullmatch(r"(\S+) listens on (\S+)\n", said)
        if not found:
            raise AssertionError("relto witness: %r\n%s" % (said, self.process.communicate()[1].decode()))
        self.address = found[2]
        return self

    def end(self, kill=False):
        """(exit status, what it said on standard error)"""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        _, err = self.process.communicate(timeout=30)
        code, self.process = self.process.returncode, None
        return code, err.decode()

    def raw(self, data, half=False):
        """What comes back for these bytes, up to the end of the stream."""
        with socket.create_connection(("127.0.0.1", port_of(self.address)), 30) as s:
            s.sendall(data)
            if half:
                s.shutdown(socket.SHUT_WR)
            out = b""
            try:
                while True:
                    more = s.recv(65536)
                    if not more:
                        return out
                    out += more
            except ConnectionResetError:
                return out

    def ask(self, old, proof, note, path="/add-checkpoint", method="POST"):
        """(status, content type, body)"""
        c = http.client.HTTPConnection("127.0.0.1", port_of(self.address), timeout=30)
        try:
            c.request(method, path, body(old, proof, note))
            got = c.getresponse()
            return got.status, got.getheader("Content-Type"), got.read()
        finally:
            c.close()

    def url(self):
        return "http://%s" % self.address


class Liar:
    """A witness that answers as 'answer(note)' says: bytes to send as they are, or None for silence until the end."""

    def __init__(self, name, answer):
        self.key, self.answer, self.asked, self.held = Key(name), answer, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.ended = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self):
        return "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def serve(self):
        while not self.ended:
            try:
                c, _ = self.listener.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        try:
            c.settimeout(30)
            data = b""
            while b"\r\n\r\n" not in data:
                data += c.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            while len(rest) < size:
                rest += c.recv(65536)
            old, _, note = rest.partition(b"\n\n")
            self.asked.append((old, note))
            said = self.answer(self, old, note)
            if said is None:
                self.held.append(c)
                return
            for piece in [said] if isinstance(said, bytes) else said:
                c.sendall(piece)
            c.close()
        except OSError:
            pass

    def end(self):
        self.ended = True
        self.listener.close()
        self.thread.join(10)
        for c in self.held:
            c.close()


def ok(lines):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(lines) + lines
