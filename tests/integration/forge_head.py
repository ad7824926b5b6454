#!/usr/bin/env python3
"""forge_head.py LAB STATE SIZE - puts a checkpoint into a client's state that the lab's log never had, signed by its key."""
import base64
import glob
import hashlib
import sys

from cryptography.hazmat.primitives import serialization


def main(lab, state, size):
    origin = "hub.example/relto/g1"
    with open(lab + "/hub/log.key", "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    keyid = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    root = base64.b64encode(hashlib.sha256(b"never").digest()).decode()
    text = "%s\n%s\n%s\n" % (origin, size, root)
    blob = base64.b64encode(keyid + key.sign(text.encode())).decode()
    kept = glob.glob(state + "/checkpoint-*")
    if len(kept) != 1:
        sys.exit("not one checkpoint in %s" % state)
    with open(kept[0], "w", encoding="utf-8") as f:
        f.write("%s\n\u2014 %s %s\n" % (text, origin, blob))


if __name__ == "__main__":
    main(*sys.argv[1:])
