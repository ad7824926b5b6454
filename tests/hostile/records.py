"""records.py - TLS 1.3 records of our own making on a session that Python's ssl began: KeyUpdates, empty records, padding.

Python's ssl has no KeyUpdate and writes no empty record.  So the client's traffic secret is taken from the key log, and
from the end of the handshake on everything that is sent is encrypted here (RFC 8446, sections 5.2, 5.4, 7.2, 7.3).  Reading
stays with ssl.
"""
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SUITE, HASH, KEY_BYTES = "TLS_AES_256_GCM_SHA384", hashes.SHA384, 32
ALERT, HANDSHAKE, APPLICATION = 21, 22, 23
QUIET, ASKING = 0, 1  # KeyUpdate: update_not_requested, update_requested


def expand(secret, label, size):
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return HKDFExpand(HASH(), size, info).derive(secret)


def logged_secret(path):
    """The client's first traffic secret in a key log of one session."""
    with open(path, encoding="ascii") as f:
        for line in f:
            words = line.split()
            if words and words[0] == "CLIENT_TRAFFIC_SECRET_0":
                return bytes.fromhex(words[2])
    raise AssertionError("no traffic secret in the key log")


class Writer:
    """The client's half of a session, from its first record after the handshake."""

    def __init__(self, secret):
        self.take(secret)

    def take(self, secret):
        self.secret, self.number = secret, 0
        self.key, self.iv = AESGCM(expand(secret, b"key", KEY_BYTES)), expand(secret, b"iv", 12)

    def record(self, data, kind=APPLICATION, padding=0):
        plain = data + bytes([kind]) + bytes(padding)
        head = struct.pack(">BHH", APPLICATION, 0x0303, len(plain) + 16)
        nonce = (int.from_bytes(self.iv, "big") ^ self.number).to_bytes(12, "big")
        self.number += 1
        return head + self.key.encrypt(nonce, plain, head)

    def records(self, data, size=16384):
        return b"".join(self.record(data[at:at + size]) for at in range(0, len(data), size))

    def key_update(self, asking=QUIET):
        out = self.record(bytes([24, 0, 0, 1, asking]), HANDSHAKE)
        self.take(expand(self.secret, b"traffic upd", HASH.digest_size))
        return out
