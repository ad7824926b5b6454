"""relto_format.py - what relto's audit log is made of: docs/audit-format.md, sections 1 to 7, and RFC 8032.

Written from the text alone; shares nothing with the C sources. Python 3, standard library.
"""
import base64
import hashlib
import re
import struct

MALFORMED, SIGNATURE, INCLUSION, CONSISTENCY, CONTENT, GAP, TIME = 2, 3, 4, 5, 6, 7, 9  # section 9

# Sections 1 and 2. A field is name=kind: u, eN (1..N), t(ext), r(easons), d(igest), D(igests), X (indexes), i(d),
# b(ytes); '?' may be absent.
SLOTS = {
    1: "type=e26 time=u report=i?",
    2: "recipient=t? agreements=t? marking=t? released=d?",
    3: "party=t? agent=t? manifest=d? banner=t? index=u?",
    4: "outcome=e4? reasons=r? policy=d? facts=d? link=u?",
    5: "node=t? connection=u? certificate=d? clock=t?",
    6: "actor=t? justification=t?",
    8: "place=u"}
TYPES = [(line + " ").split(" ", 2) for line in """\
INTAKE 134567 seal=d chain=d anchors=D
DECISION 123456
APPROVAL 12345678 kind=e3 agreement=t subject=t? approver=t recipient=t portion=u answer=e2
DELIVERY 1234578 accepted=u
ACK 123578 deliveries=X? size=u? root=d? certificate=d? signature=b?
NARROWED 1234568
RECALL 123578 notice=i act=e3 reason=t? answer=t? decision=u
SUPERSEDE 123578 notice=i act=e2 reason=t? decision=u
EXPIRE 123578 expiry=u decision=u
DEAD_LETTER 123578 reason=t attempts=u decision=u
FEEDBACK 123578 code=t sighted=u? delivery=u
REFUSED 1567 code=t count=u party=t? agent=t? field=t? peer=t?
POLICY 1567 policy=d previous=d? cause=e2 crls=d? shut=t?
AGREEMENT 178 party=t name=t version=u terms=d state=e3 suspended=e2 signers=t?
KEY 178 party=t purpose=e4 act=e3 key=t
CLOCK 1567 event=e5 wall=u expected=u?
PARTY_HEAD 1567 party=t size=u root=d previous=u?
ERASE 1567 records=X
ADMIN 1567 command=t argument=t? result=t
AUDIT_READ 1567 party=t act=e3 first=u count=u
START 1567 version=t boot=t size=u root=d last=e3
STOP 1567 cause=t size=u root=d
RECOVER 1567 head=b size=u digest=d
CLOSE 1567 next=t? cause=t
PAD 1567
SUBSCRIPTION 1567 party=t mode=e2 name=t pattern=t act=e2""".split("\n")]
DECIDING = ("DECISION", "NARROWED", "APPROVAL")
QUEUED = ("EXPIRE", "RECALL", "SUPERSEDE", "DEAD_LETTER")  # they name the current decision
# Section 2, outside of bodies and slots 5 and 6: what is always there, and what besides.
LINKS = {"party", "index", "place", "link", "policy"}  # without these a record is not joined to the others
STATED = [("INTAKE", "report party agent manifest banner index policy facts", "")] + [
    (name, "report recipient party agent manifest banner index outcome reasons policy facts link",
     "agreements marking released" + " place" * (name != "DECISION")) for name in DECIDING] + [
    (name, "report recipient party index", "place") for name in QUEUED] + [
    ("DELIVERY", "report recipient agreements marking released party index link place", ""),
    ("ACK", "recipient", "party index place"), ("FEEDBACK", "report recipient party index place", ""),
    ("REFUSED", "", "report"), ("AGREEMENT", "place", ""), ("KEY", "place", "")]
FORM = {name: (set(always.split()), set(besides.split())) for name, always, besides in STATED}
IN_BODY = {"APPROVAL": "approver", "AGREEMENT": "party", "KEY": "party"}  # whose tree slot 8 speaks of, if not slot 2's
OPENED_BY_8 = {"DELIVERY": "1278", "ACK": "1278", "APPROVAL": "178", "AGREEMENT": "178", "KEY": "178"}


def need(good, text, code=MALFORMED):
    if not good:
        raise ValueError(text, code)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# ---- Ed25519, RFC 8032: a point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z ----
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    out = (0, 1, 1, 0)
    for bit in bin(n)[2:]:
        out = add(out, out)
        out = add(out, p) if bit == "1" else out
    return out


def point(number):
    """y, and x by its last bit: a root of (y^2 - 1) / (d y^2 + 1)."""
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not sign), "not a point of the curve", SIGNATURE)
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def ed25519_good(key, signature, message):
    """Is S B - k A written as the bytes R?"""
    r, s, a = (int.from_bytes(part, "little") for part in (signature[:32], signature[32:], key))
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, _ = add(times(s % ORDER, point(4 * pow(5, -1, P) % P)), times(ORDER - k, point(a)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return len(signature) == 64 and s < ORDER and y | (x & 1) << 255 == r


# ---- the tree, section 3 ----
class Tree:
    """RFC 9162; 'peaks' are the roots of the perfect subtrees, largest first."""

    def __init__(self, hashes=()):
        self.size, self.peaks, self.head = 0, [], None  # head: of a party's tree, the index of its last PARTY_HEAD
        self.extend(hashes)

    def extend(self, hashes):
        for h in hashes:
            self.size += 1
            self.peaks.append(h)
            for _ in range((self.size & -self.size).bit_length() - 1):
                self.peaks[-2:] = [sha(b"\1", *self.peaks[-2:])]

    def root(self):
        out = self.peaks[-1] if self.peaks else sha()
        for left in self.peaks[-2::-1]:
            out = sha(b"\1", left, out)
        return out


def party_leaf(index, leaf):
    return sha(b"\0RLP1", struct.pack(">Q", index), leaf)


# ---- keys and checkpoints, section 7 ----
def unbase64(text):
    out = base64.b64decode(text, validate=True)
    need(base64.b64encode(out) == text, "base64 that is not canonical")
    return out


def read_vkey(text):
    """(name, key id, key)"""
    name, key_id, key = text.strip().split(b"+", 2)
    key = unbase64(key)
    need(len(key) == 33 and key[0] == 1, "not an Ed25519 vkey")
    need(key_id == sha(name, b"\n", key)[:4].hex().encode(), "a vkey whose id is not its key's")
    return name, bytes.fromhex(key_id.decode()), key[1:]


def read_checkpoint(note, vkey):
    """(size, root) of a note that the log signed whose key this is."""
    text, blank, lines = note.rpartition(b"\n\n")
    *lines, end = lines.split(b"\n")
    need(len(note) <= 65536 and blank and end == b"" and 1 <= len(lines) <= 16, "checkpoint: no note")
    ours = []
    for line in lines:
        match = re.fullmatch("— ([^ +]+) (\\S+)".encode(), line)
        need(match, "checkpoint: a line that is no signature")
        blob = unbase64(match[2])
        if (match[1], blob[:4]) == vkey[:2]:
            ours.append(blob[4:])
    good = len(ours) == 1 and ed25519_good(vkey[2], ours[0], text + b"\n")
    need(good, "checkpoint: not signed by this log", SIGNATURE)
    form = re.fullmatch(rb"(.+)\n(0|[1-9]\d{0,19})\n(.+)", text)
    need(form and form[1] == vkey[0] and int(form[2]) < 2**64, "checkpoint: its three lines")
    root = unbase64(form[3])
    need(len(root) == 32, "checkpoint: its root")
    return int(form[2]), root


# ---- records, sections 1, 2 and 5 ----
def read_reasons(data):
    """A line for each portion."""
    lines = data.decode().split("\n")
    need(lines.pop() == "", "reasons: a line without end")
    for i, line in enumerate(lines):
        need(re.fullmatch(r"%d (release|hold|withhold)( [^\0- \x7f]+){3}" % i, line), "reasons: line %d" % i)
    return lines


def read_value(kind, data):
    k, size = kind[0], len(data)
    need(size == {"u": 8, "e": 1, "d": 32, "i": 16}.get(k, size), "the length of a field")
    need(size % {"D": 32, "X": 8}.get(k, 1) == 0, "the length of a list")
    if k in "ue":
        number = int.from_bytes(data, "big")
        need(k == "u" or 1 <= number <= int(kind[1:]), "an enum's value")
        return number
    if k == "X":
        indexes = [i for i, in struct.iter_unpack(">Q", data)]
        need(indexes == sorted(set(indexes)), "indexes that do not rise")
        return indexes
    need(k not in "tr" or b"\0" not in data, "NUL in a text")
    return read_reasons(data) if k == "r" else data.decode() if k == "t" else data


def read_slot(data, spec):
    """The fields of a slot; what is absent is not in the dict, which is empty for an empty slot."""
    out, at = {}, 0
    for name, kind, absent in re.findall(r"(\w+)=(\w+)(\??)", spec) if data else ():
        size, = struct.unpack_from(">I", data, at)
        at += 4 + size
        need(at <= len(data) and (size or absent), "no " + name)
        if size:
            out[name] = read_value(kind, data[at - size:at])
    need(at == len(data) and (out or not data), "a slot that is not its fields")
    return out


class Record:
    """An opening that gives its leaf, taken apart: slots[n] is there if slot n is opened."""

    def __init__(self, index, opening, leaf):
        self.index, self.leaf, self.slots = index, leaf, {}
        values = self.unlock(opening)
        need(values.get(1), "slot 1 is closed or empty")
        self.type, self.may, body = TYPES[read_slot(values[1], SLOTS[1])["type"] - 1]
        for n, value in values.items():
            need(not value or str(n) in self.may, "a slot %d in %s" % (n, self.type))
            need(value or n != 7 or not re.search(r"=\w+( |$)", body), "%s without its body" % self.type)
            self.slots[n] = read_slot(value, SLOTS.get(n, body))
        self.party, self.report, self.time = self.get(3, "party"), self.get(1, "report"), self.get(1, "time")
        self.recipient, self.link = self.get(2, "recipient"), self.get(4, "link")
        self.key = self.party, self.report, self.recipient
        body = self.slots.get(7, {})
        need(self.type != "ACK" or not body or len(body) == (1 if "deliveries" in body else 4), "half an attestation")
        need(self.type != "ACK" or 7 not in self.slots or body, "an ACK of nothing")

    def unlock(self, opening):
        """The values of the opened slots; the commitments of all eight must give the leaf."""
        hashes, values, at = [], {}, 6
        for n in range(1, 9):
            flag, end = opening[at:at + 1], at + 33
            hashes.append(opening[at + 1:end])
            if flag == b"\1" and at + 21 <= len(opening):
                end = at + 21 + struct.unpack_from(">I", opening, at + 17)[0]
                values[n] = opening[at + 21:end]
                hashes[-1] = sha(b"\2\0%c" % n, opening[at + 1:at + 17], values[n])
            need(flag in (b"\0", b"\1") and end <= len(opening), "no opening", CONTENT)
            at = end
        need(opening[:6] == b"RLO1\0\x08" and at == len(opening), "no opening", CONTENT)
        leaf = sha(b"\0RLT1\0\x08", sha(b"\3\0\x08", *hashes))
        need(leaf == self.leaf, "does not give its leaf", CONTENT)
        return values

    def form(self):
        """The gravest code of what is there and should not be, or is not where its slot is opened; 0: nothing."""
        always, besides = map(set, FORM.get(self.type, ((), ())))
        body = self.slots.get(7, {})
        if self.type == "ACK" and body:
            trees = {"party", "index", "place"}
            always, besides = (always | trees, besides) if "deliveries" in body else (always, set())
        if self.type == "APPROVAL" and body and 3 in self.slots:
            (always.add if body["approver"] != self.party else besides.discard)("place")
        opened = {name for n in self.slots if n != 7 for name in re.findall(r"(\w+)=", SLOTS[n])}
        said = {name for n, fields in self.slots.items() if n not in (5, 6, 7) for name in fields} - {"type", "time"}
        lacks = always & opened - said
        hub = self.slots.get(5)  # node and clock are always there
        half = hub is not None and "5" in self.may and not {"node", "clock"} <= set(hub)
        if half or lacks - LINKS or said - always - besides:
            return MALFORMED
        return GAP if lacks else 0

    def get(self, slot, field):
        return self.slots.get(slot, {}).get(field)

    def places(self):
        """(party, index) in each party tree; the party is None if this view does not show it."""
        eighth = self.get(7, IN_BODY[self.type]) if self.type in IN_BODY else self.recipient
        both = (self.party, self.get(3, "index")), (eighth, self.get(8, "place"))
        return [(party, index) for party, index in both if index is not None]


# ---- protobuf, as far as manifests, heads and facts need it ----
def varint(data, at):
    digits = re.compile(rb"[\x80-\xff]{0,9}[\0-\x7f]").match(data, at)
    need(digits, "not a protobuf message")
    return sum((byte & 127) << 7 * i for i, byte in enumerate(digits[0])), digits.end()


def proto(data):
    """The values of each field number."""
    out, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        value, at = (8, at) if kind == 1 else varint(data, at)
        if kind:
            need(kind in (1, 2) and at + value <= len(data), "not a protobuf message")
            value, at = data[at:at + value], at + value
        out.setdefault(key >> 3, []).append(value)
    return out


def number_of(message, field):
    """The last value of a field that is a number; else 0."""
    value = message.get(field, [0])[-1]
    return value if isinstance(value, int) else 0


def order_of(head):
    """The place of a portion in reading order, in a list; empty if the head says none."""
    try:
        return [int.from_bytes(order, "little") for order in proto(head).get(2, [])]
    except ValueError:
        return []


# ---- the canonical export of a policy: a statement is a line, four spaces a level ----
def receivers(export, agreement):
    """Who may receive under an agreement; None if there is none of that name."""
    if export is None:
        return None
    out, inside, member = [], False, None
    found = False
    for line in export.decode().split("\n"):
        if line == "agreement %s {" % agreement:
            inside = found = True
        elif line == "}":
            inside = False
        elif inside and re.fullmatch("    member .* {", line):
            member = line[11:-2]
        elif inside and line == "    }":
            member = None
        elif inside and member and re.fullmatch("        may \\[.*receive ]", line):
            out.append(member)
    return out if found else None
