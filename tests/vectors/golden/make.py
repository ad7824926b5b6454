#!/usr/bin/python3
"""make.py - makes the golden files from their inputs, or checks them.

Written from docs/design.md (sections 3, 4, 6), docs/audit-format.md and proto/relto.proto alone; it shares no code
with the C sources and uses no protobuf library: the canonical encoding (fields in the order of their numbers,
defaults left out) is a dozen lines here, and test_golden.py holds it against protoc's.

    make.py            compare every golden file with what the inputs give; exit 1 on a difference
    make.py --write    write them (before formats-1; afterwards a golden file never changes)

ECDSA signatures are random: an existing wire/signature.bin that verifies is kept.
"""
import base64
import hashlib
import json
import os
import struct
import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import full  # noqa: E402


def H(data):
    return hashlib.sha256(data).digest()


def read(path):
    with open(os.path.join(HERE, path), "rb") as f:
        return f.read()


def load(path):
    return json.loads(read(path))


# ---- canonical protobuf ----

def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def f_uint(number, value):
    return varint(number << 3) + varint(value) if value else b""


def f_fixed64(number, value):
    return varint(number << 3 | 1) + struct.pack("<Q", value) if value else b""


def f_always(number, value):
    """A length-delimited field that is there: of a repeated field, or a sub-message."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def f_bytes(number, value):
    return f_always(number, value) if value else b""


def f_each(number, values):
    return b"".join(f_always(number, v) for v in values)


def text(s):
    return s.encode("utf-8")


def blob(s):
    return bytes.fromhex(s)


PRECEDENCE = {"ROUTINE": 1, "PRIORITY": 2, "IMMEDIATE": 3, "FLASH": 4}
MODE = {"live": 1, "exercise": 2}
SIGNER = {"good": 1, "revoked": 2}


# ---- the wire report (design, section 6) ----

def encode_label(label):
    out = f_bytes(1, text(label["vocabulary"])) + f_bytes(2, text(label["classification"]))
    for name, values in label["categories"]:
        out += f_always(3, f_bytes(1, text(name)) + f_each(2, [text(v) for v in values]))
    return out


def encode_body(p):
    return f_bytes(1, blob(p["body_salt"])) + f_bytes(2, text(p["title"])) + f_bytes(3, text(p["content"]))


def encode_head(p, body):
    return (f_bytes(1, blob(p["head_salt"])) + f_fixed64(2, p["order"])
            + f_each(3, [encode_label(l) for l in p["labels"]]) + f_bytes(4, text(p["content_type"]))
            + f_uint(5, len(body)) + f_bytes(6, H(b"\x13" + body)))


def encode_namelist(names):
    return f_each(1, [text(n) for n in names])


def encode_routing(r):
    out = f_bytes(1, blob(r["salt"]))
    for a in r["agreements"]:
        out += f_always(2, f_bytes(1, text(a["name"])) + f_bytes(2, blob(a["terms"])))
    if r["only_to"] is not None:
        out += f_always(3, encode_namelist(r["only_to"]))
    out += f_each(4, [text(n) for n in r["not_to"]]) + f_each(5, [blob(s) for s in r["sources"]])
    return out + f_uint(6, int(r["backfill"]))


def encode_manifest(m, signer, routing, commitments):
    report = blob(m["id"])
    return (f_uint(1, 1) + f_bytes(2, report) + f_bytes(3, text(m["hub"])) + f_bytes(4, text(m["originator"]))
            + f_bytes(5, signer) + f_bytes(6, text(m["topic"])) + f_uint(7, PRECEDENCE[m["precedence"]])
            + f_uint(8, MODE[m["mode"]]) + f_uint(9, m["created"]) + f_uint(10, m["not_before"])
            + f_uint(11, m["expires"]) + f_bytes(12, H(b"\x10" + report + routing))
            + f_bytes(13, blob(m["notice_random"])) + f_each(14, commitments))


def batch_root(manifest, place, path):
    r = H(b"\x00" + manifest)
    for level, sibling in enumerate(path):
        r = H(b"\x01" + sibling + r) if place >> level & 1 else H(b"\x01" + r + sibling)
    return r


def signed_message(root):
    return b" " * 64 + b"relto/1 batch\x00" + root


def batch_signature(root, key, certificate):
    """The stored signature if it is good, else a new one."""
    message = signed_message(root)
    try:
        old = read("wire/signature.bin")
        certificate.public_key().verify(old, message, ec.ECDSA(hashes.SHA256()))
        return old
    except (FileNotFoundError, InvalidSignature):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))


def encode_facts(f, portions):
    out = f_bytes(1, blob(f["salt"])) + f_bytes(2, text(f["originator"])) + f_bytes(3, text(f["topic"]))
    out += f_uint(4, PRECEDENCE[f["precedence"]]) + f_uint(5, MODE[f["mode"]])
    out += f_uint(6, f["time"]) + f_uint(7, f["accepted"]) + f_uint(8, f["expires"]) + f_uint(9, SIGNER[f["signer"]])
    for a in f["agreements"]:
        out += f_always(10, f_bytes(1, text(a["name"])) + f_bytes(2, blob(a["terms"])))
    if f["only_to"] is not None:
        out += f_always(11, encode_namelist(f["only_to"]))
    out += f_each(12, [text(n) for n in f["not_to"]])
    for s in f["sources"]:
        out += f_always(13, f_bytes(1, blob(s["id"])) + f_bytes(2, text(s["originator"]))
                        + f_bytes(3, text(s["agreement"])) + f_each(4, [text(p) for p in s["onward_to"]]))
    for p in portions:
        out += f_always(18, f_each(1, [encode_label(l) for l in p["labels"]]) + f_bytes(2, text(p["content_type"])))
    return out


def frames(message, lane, size):
    """The message in frames of at most 'size' bytes of payload each."""
    out = b""
    for at in range(0, len(message), size):
        piece = message[at:at + size]
        last = 0x80 if at + size >= len(message) else 0
        out += struct.pack(">IB", len(piece) + 1, lane | last) + piece
    return out


def make_wire(out):
    inputs = load("wire/inputs.json")
    leaf = x509.load_pem_x509_certificate(read("wire/leaf.pem"))
    ca = x509.load_pem_x509_certificate(read("wire/ca.pem"))
    key = serialization.load_pem_private_key(read("wire/leaf.key"), None)
    chain = [c.public_bytes(serialization.Encoding.DER) for c in (leaf, ca)]
    report = blob(inputs["manifest"]["id"])

    bodies = [encode_body(p) for p in inputs["portions"]]
    heads = [encode_head(p, b) for p, b in zip(inputs["portions"], bodies)]
    routing = encode_routing(inputs["routing"])
    commitments = sorted([H(b"\x11" + report + h) for h in heads] + [blob(c) for c in inputs["padding"]])
    manifest = encode_manifest(inputs["manifest"], H(chain[0]), routing, commitments)
    path = [blob(p) for p in inputs["seal"]["path"]]
    root = batch_root(manifest, inputs["seal"]["place"], path)
    signature = batch_signature(root, key, leaf)
    seal = f_uint(1, inputs["seal"]["place"]) + f_each(2, path) + f_bytes(3, signature)

    portions = [f_bytes(1, h) + f_bytes(2, b) for h, b in zip(heads, bodies)]
    publish = f_bytes(1, manifest) + f_bytes(2, routing) + f_bytes(4, seal) + f_each(5, portions)
    message = f_uint(1, inputs["request"]) + f_always(11, publish)

    d = inputs["deliver"]
    deliver = (f_uint(1, d["subscription"]) + f_uint(2, d["delivery"]) + f_uint(3, d["attempt"])
               + f_bytes(4, manifest) + f_bytes(6, seal) + f_each(7, [portions[k] for k in d["portions"]])
               + f_uint(8, d["accepted"]) + f_bytes(9, H(b"".join(chain)))
               + f_each(10, [text(a) for a in d["agreements"]])
               + f_always(12, f_uint(1, d["party_index"]) + f_bytes(2, blob(d["leaf_hash"]))))

    out["wire/manifest.bin"] = manifest
    out["wire/routing.bin"] = routing
    out["wire/seal.bin"] = seal
    out["wire/signature.bin"] = signature
    out["wire/root.bin"] = root
    out["wire/signed.bin"] = signed_message(root)
    for k, (h, b) in enumerate(zip(heads, bodies)):
        out["wire/head-%d.bin" % k] = h
        out["wire/body-%d.bin" % k] = b
    out["wire/publish.bin"] = message
    out["wire/publish.frames"] = frames(message, inputs["lane"], 65535)
    out["wire/publish-split.frames"] = frames(message, inputs["lane"], inputs["split"])
    out["wire/deliver.bin"] = f_always(45, deliver)
    out["wire/facts.bin"] = encode_facts(inputs["facts"], inputs["portions"])
    out["wire/chain.der"] = b"".join(chain)


# ---- messages of version 2 (PROTOCOL.md, section 5a) ----

KIND = {"review": 1, "consent": 2, "signer": 3}
ANSWER = {"approve": 1, "reject": 2}


def f_packed(number, values):
    return f_bytes(number, b"".join(map(varint, values)))


def encode_hold(h):
    portions = [f_uint(1, p["portion"]) + f_bytes(2, text(p["marking"])) + f_uint(3, p["size"])
                for p in h.get("portions", [])]
    return (f_bytes(1, blob(h["hold"])) + f_uint(2, KIND[h["kind"]]) + f_bytes(3, text(h["publisher"]))
            + f_bytes(4, text(h["recipient"])) + f_uint(5, h["deadline"]) + f_bytes(6, blob(h.get("source", "")))
            + f_bytes(7, blob(h.get("report", ""))) + f_bytes(8, text(h.get("agreement", "")))
            + f_bytes(9, text(h.get("rule", ""))) + f_uint(10, h.get("own", False)) + f_each(11, portions)
            + f_uint(12, MODE[h["mode"]]))


def encode_proof(p):
    return f_uint(1, p["index"]) + f_bytes(2, blob(p["opening"])) + f_each(3, [blob(h) for h in p["inclusion"]])


def encode_proved(d):
    """A Deliver with its proof; its parts are no report."""
    return (f_uint(1, d["subscription"]) + f_uint(2, d["delivery"]) + f_uint(3, d["attempt"]) + f_bytes(4, blob(d["manifest"]))
            + f_bytes(6, blob(d["seal"])) + f_uint(8, d["accepted"]) + f_bytes(9, blob(d["chain"]))
            + f_always(12, f_uint(1, d["party_index"]) + f_bytes(2, blob(d["leaf"]))) + f_always(13, encode_proof(d["proof"]))
            + f_bytes(14, text(d["checkpoint"])))


def make_wire_2(out):
    i = load("wire-2/inputs.json")
    d = i["decide"]
    bodies = {
        "holds": (24, f_bytes(1, blob(i["holds"]["from"])) + f_uint(2, i["holds"]["count"])),
        "decide": (25, f_bytes(1, blob(d["hold"])) + f_packed(2, d["portions"]) + f_uint(3, ANSWER[d["answer"]])
                   + f_bytes(4, text(d["because"]))),
        "subscribe": (12, f_bytes(1, text(i["subscribe"]["name"])) + f_uint(3, MODE["live"]) + f_uint(4, i["subscribe"]["credit"])
                      + f_uint(6, True)),
        "deliver": (45, encode_proved(i["deliver"])),
        "prove": (26, f_bytes(1, blob(i["prove"]["report"])) + f_uint(2, i["prove"]["from"])),
        "proof_list": (54, f_bytes(1, text(i["proof_list"]["checkpoint"]))
                       + f_each(2, [encode_proof(p) for p in i["proof_list"]["proofs"]]) + f_uint(3, i["proof_list"]["next"])),
        "hold_list": (52, f_each(1, [encode_hold(h) for h in i["hold_list"]["holds"]])
                      + f_bytes(2, blob(i["hold_list"]["next"]))),
        "decided": (53, f_bytes(1, blob(i["decided"]["hold"])) + f_packed(2, i["decided"]["portions"])),
    }
    for name, (number, body) in bodies.items():
        out["wire-2/%s.bin" % name] = f_uint(1, i[name]["request"]) + f_always(number, body)


SUBSCRIPTION_ACT = {"list": 1, "delete": 2}
DEAD_ACT = {"list": 1, "retry": 2, "drop": 3}


def encode_subscription(s):
    return f_bytes(1, text(s["name"])) + f_bytes(2, text(s["topic"])) + f_uint(3, MODE[s["mode"]]) + f_uint(4, s["waiting"])


def encode_letter(d):
    return (f_bytes(1, text(d["party"])) + f_bytes(2, text(d["publisher"])) + f_bytes(3, blob(d["report"]))
            + f_bytes(4, text(d["subscription"])) + f_uint(5, MODE[d["mode"]]) + f_uint(6, PRECEDENCE[d["precedence"]])
            + f_bytes(7, text(d["reason"])) + f_uint(8, d["attempts"]) + f_uint(9, d["time"]))


def encode_recalled(r):
    return (f_bytes(1, text(r["recipient"])) + f_uint(2, r["withdrawn"]) + f_uint(3, r["notified"]) + f_uint(4, r["received"])
            + f_bytes(5, text(r["answer"])) + f_uint(6, r["answered"]))


def encode_speaker(r):
    said = [f_bytes(1, text(s["code"])) + f_uint(2, s["time"]) + f_uint(3, s["sighted"]) for s in r["said"]]
    return f_bytes(1, text(r["recipient"])) + f_uint(2, r["count"]) + f_each(3, said)


def asked(i):
    """What clients say of mailboxes, notices and upkeep."""
    nack, s, d, f, e = (i[n] for n in ("nack", "subscriptions", "dead_letters", "feedback", "erase"))
    return {
        "recall_answer": (27, f_bytes(1, blob(i["recall_answer"]["report"])) + f_bytes(2, text(i["recall_answer"]["answer"]))),
        "backup": (28, f_bytes(1, text(i["backup"]["name"]))),
        "erase": (29, f_packed(1, e["records"]) + f_bytes(2, text(e["because"]))),
        "nack": (30, f_uint(1, nack["subscription"]) + f_packed(2, nack["deliveries"]) + f_uint(3, nack["delay_ms"])),
        "subscriptions": (31, f_uint(1, SUBSCRIPTION_ACT[s["act"]]) + f_bytes(3, text(s["name"])) + f_uint(4, s["exercise"])),
        "dead_letters": (32, f_uint(1, DEAD_ACT[d["act"]]) + f_uint(2, d["all"]) + f_bytes(3, text(d["party"]))
                         + f_bytes(4, blob(d["report"]))),
        "feedback": (33, f_bytes(1, blob(f["report"])) + f_bytes(2, text(f["code"])) + f_uint(3, f["sighted"])),
        "recall_status": (34, f_bytes(1, blob(i["recall_status"]["report"]))),
        "sessions": (36, f_uint(1, i["sessions"]["from"])),
        "drain": (37, b""),
        "feedback_status": (38, f_bytes(1, blob(i["feedback_status"]["report"])) + f_bytes(2, text(i["feedback_status"]["from"]))),
    }


def answered(i):
    p, s, d, r, f = (i[n] for n in ("progress", "subscription_list", "dead_letter_list", "recall_status_reply",
                                    "feedback_status_reply"))
    return {
        "progress": (56, f_uint(1, p["done"]) + f_uint(2, p["total"])),
        "subscription_list": (57, f_each(1, map(encode_subscription, s["subscriptions"])) + f_uint(2, s["more"])),
        "dead_letter_list": (58, f_each(1, map(encode_letter, d["letters"])) + f_uint(2, d["next"])),
        "recall_status_reply": (59, f_bytes(1, blob(r["report"])) + f_bytes(2, text(r["topic"]))
                                + f_uint(3, PRECEDENCE[r["precedence"]]) + f_uint(4, MODE[r["mode"]])
                                + f_bytes(5, blob(r["notice"])) + f_bytes(6, text(r["reason"])) + f_uint(7, r["recalled"])
                                + f_each(8, map(encode_recalled, r["recipients"])) + f_uint(9, r["more"])),
        "feedback_status_reply": (60, f_bytes(1, blob(f["report"])) + f_each(2, map(encode_speaker, f["recipients"]))
                                  + f_bytes(3, text(f["next"]))),
    }


def make_wire_2_more(out):
    i = load("wire-2/inputs-2.json")
    for name, (number, body) in dict(asked(i), **answered(i)).items():
        out["wire-2/%s.bin" % name] = f_uint(1, i[name]["request"]) + f_always(number, body)


# ---- the log (audit format, sections 1 to 6) ----

def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def slot_value(fields):
    return b"".join(u32(len(f)) + f for f in fields)


def field(f):
    """One field of audit/inputs.json: {"uint": n}, {"enum": n}, {"text": s}, {"hex": s}, {"digest-of": s}, ...; null: absent."""
    if f is None:
        return b""
    (kind, value), = f.items()
    return {"uint": lambda: u64(value), "enum": lambda: bytes([value]), "text": lambda: text(value),
            "hex": lambda: blob(value), "digest-of": lambda: H(text(value)),
            "digests-of": lambda: b"".join(H(text(v)) for v in value)}[kind]()


def record_slots(record):
    return [slot_value([field(f) for f in record.get("slot%d" % i, [])]) for i in range(1, 9)]


def entry(leaf, slots):
    return leaf + opening(slots, range(1, 9))


def commit(i, salt, value):
    return H(b"\x02" + u16(i) + salt + value)


def salts():
    return [H(b"relto-test-salt" + u16(i))[:16] for i in range(1, 9)]


def leaf_data(slots):
    cs = b"".join(commit(i, s, v) for i, (s, v) in enumerate(zip(salts(), slots), 1))
    return b"RLT1" + u16(8) + H(b"\x03" + u16(8) + cs)


def opening(slots, shown):
    out = b"RLO1" + u16(8)
    for i, (s, v) in enumerate(zip(salts(), slots), 1):
        out += b"\x01" + s + u32(len(v)) + v if i in shown else b"\x00" + commit(i, s, v)
    return out


def leaf_hash(data):
    return H(b"\x00" + data)


def tree_root(leaves):
    if not leaves:
        return H(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return H(b"\x01" + tree_root(leaves[:k]) + tree_root(leaves[k:]))


def inclusion(leaves, i):
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if i < k:
        return inclusion(leaves[:k], i) + [tree_root(leaves[k:])]
    return inclusion(leaves[k:], i - k) + [tree_root(leaves[:k])]


def signer(name, seed, kind):
    key = ed25519.Ed25519PrivateKey.from_private_bytes(H(text(seed)))
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    keyid = H(text(name) + b"\n" + kind + public)[:4]
    vkey = "%s+%s+%s" % (name, keyid.hex(), base64.b64encode(kind + public).decode())
    return key, keyid, vkey


def signature_line(name, data):
    return "\u2014 %s %s\n" % (name, base64.b64encode(data).decode())


def make_audit(out):
    inputs = load("audit/inputs.json")
    records = [record_slots(r) for r in inputs["records"]]
    datas = [leaf_data(s) for s in records]
    leaves = [leaf_hash(d) for d in datas]
    for j, slots in enumerate(records):
        out["audit/record-%d.opening" % j] = opening(slots, range(1, 9))
        out["audit/record-%d.leaf-data" % j] = datas[j]
    out["audit/record-1.recipient.opening"] = opening(records[1], (1, 2, 8))
    out["audit/leaf-hashes"] = "".join(h.hex() + "\n" for h in leaves).encode()
    out["audit/record-1.entry"] = entry(leaves[1], records[1])
    party = b"RLP1" + u64(1) + leaves[1]
    out["audit/party-leaf-1.leaf-data"] = party
    out["audit/party-leaf-1.hash"] = text(leaf_hash(party).hex() + "\n")

    log, witness = inputs["log"], inputs["witness"]
    root = tree_root(leaves)
    body = "%s\n%d\n%s\n" % (log["name"], len(leaves), base64.b64encode(root).decode())
    key, keyid, vkey = signer(log["name"], log["seed"], b"\x01")
    wkey, wkeyid, wvkey = signer(witness["name"], witness["seed"], b"\x04")
    stamped = "cosignature/v1\ntime %d\n%s" % (witness["time"], body)
    checkpoint = body + "\n" + signature_line(log["name"], keyid + key.sign(text(body)))
    cosigned = checkpoint + signature_line(
        witness["name"], wkeyid + u64(witness["time"]) + wkey.sign(text(stamped)))
    proof = "".join(base64.b64encode(h).decode() + "\n" for h in inclusion(leaves, 1))
    extra = base64.b64encode(opening(records[1], (1, 2, 8))).decode()
    out["audit/log.vkey"] = text(vkey + "\n")
    out["audit/witness.vkey"] = text(wvkey + "\n")
    out["audit/checkpoint"] = text(checkpoint)
    out["audit/checkpoint.cosigned"] = text(cosigned)
    out["audit/tlog-proof"] = text("c2sp.org/tlog-proof@v1\nindex 1\n" + proof + "\n" + cosigned)
    out["audit/tlog-proof.extra"] = text(
        "c2sp.org/tlog-proof@v1\nextra " + extra + "\nindex 1\n" + proof + "\n" + cosigned)
    make_bundle(out, log["name"], records, datas, leaves, text(cosigned))


def make_types(out):
    hashes_of = []
    for number, record in enumerate(load("audit/types.json")["records"], 1):
        slots = record_slots(record)
        assert slots[0][4] == number, record["type"]
        out["audit/type-%02d-%s.opening" % (number, record["type"])] = opening(slots, range(1, 9))
        hashes_of.append("%s %s\n" % (record["type"], leaf_hash(leaf_data(slots)).hex()))
    out["audit/types.leaf-hashes"] = text("".join(hashes_of))


def make_bundle(out, origin, records, datas, leaves, checkpoint):
    size = len(leaves)
    out["bundle/bundle"] = text("relto-bundle 1\norigin %s\nsize %d\nview hub\nfirst 0\n" % (origin, size))
    out["bundle/log.vkey"] = out["audit/log.vkey"]
    out["bundle/checkpoint"] = checkpoint
    out["bundle/tile/0/000.p/%d" % size] = b"".join(leaves)
    out["bundle/tile/entries/000.p/%d" % size] = b"".join(u16(len(d)) + d for d in datas)
    openings = [opening(s, range(1, 9)) for s in records]
    out["bundle/record/000000"] = b"".join(u32(len(o)) + o for o in openings)


# ---- the canonical export and the terms (design, section 4), written by hand ----

def make_policy(out):
    def spif(name):
        return hashlib.sha256(read("policy/in/vocab/%s.spif.xml" % name)).hexdigest()

    def anchor(name):
        cert = x509.load_pem_x509_certificate(read("policy/in/trust/%s-ca.pem" % name))
        return hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).hexdigest()

    fill = {"SPIF_" + n.upper().replace("-", "_"): spif(n) for n in ("atlas", "gbr-national", "tlp-2.0")}
    fill = {k.replace(".", "_"): v for k, v in fill.items()}
    fill.update({"ANCHOR_" + n.upper(): anchor(n) for n in ("gbr", "hub", "ken", "nor")})
    for name in ("export.txt", "atlas.terms", "nordic-cti.terms"):
        got = read("policy/%s.in" % name).decode()
        for k, v in fill.items():
            got = got.replace("{{%s}}" % k, v)
        assert "{{" not in got, name
        out["policy/" + name] = text(got)
        out["policy/%s.sha256" % name] = text(hashlib.sha256(text(got)).hexdigest() + "\n")


def everything():
    out = {}
    make_policy(out)
    make_wire(out)
    make_audit(out)
    make_types(out)
    make_wire_2(out)
    make_wire_2_more(out)
    full.make_full(sys.modules[__name__], out)
    return out


INPUTS = ("wire/inputs.json", "wire/ca.pem", "wire/leaf.pem", "wire/leaf.key", "wire-2/inputs.json", "wire-2/inputs-2.json", "audit/inputs.json", "audit/types.json",
          "policy/export.txt.in", "policy/atlas.terms.in", "policy/nordic-cti.terms.in")


def inputs_in(folder):
    found = []
    for at, _, names in os.walk(os.path.join(HERE, folder)):
        found += [os.path.relpath(os.path.join(at, n), HERE) for n in names]
    return sorted(found)


def main():
    write = sys.argv[1:] == ["--write"]
    made = everything()
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}
    for name in list(INPUTS) + inputs_in("policy/in"):
        sums[name] = hashlib.sha256(read(name)).hexdigest()
    made["SHA256SUMS"] = "".join("%s  %s\n" % (sums[n], n) for n in sorted(sums)).encode()
    differ = 0
    for name, data in sorted(made.items()):
        path = os.path.join(HERE, name)
        if write:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)
            continue
        try:
            same = read(name) == data
        except FileNotFoundError:
            same = False
        if not same:
            print("differs: %s" % name)
            differ += 1
    print("%d golden files, %d differences" % (len(made), differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
