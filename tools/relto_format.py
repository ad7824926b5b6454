"""relto_format.py - what relto's audit log is made of: docs/audit-format.md, sections 1 to 8.

Written from the text alone; shares nothing with the C sources. Python 3, standard library.
"""
import base64
import functools
import os
import re
import struct

from relto_foreign import Unknown, ed25519_good, need, read_export, sha

MALFORMED, SIGNATURE, INCLUSION, CONSISTENCY, CONTENT, GAP, TIME = 2, 3, 4, 5, 6, 7, 9  # section 9

# ---- sections 1 and 2: a field is name=kind, with '?' if it may be absent. Kinds: u(int), eN (enum, 1..N), t(ext),
# r(easons), d(igest), D(igests), X (indexes), i(d), b(ytes). A type has the slots that it may use, and its body.
SLOTS = {1: "type=e26 time=u report=i?", 2: "recipient=t? agreements=t? marking=t? released=d?",
         3: "party=t? agent=t? manifest=d? banner=t? index=u?", 4: "outcome=e4? reasons=r? policy=d? facts=d? link=u?",
         5: "node=t? connection=u? certificate=d? clock=t?", 6: "actor=t? justification=t?", 8: "place=u"}
FIELDS = {name: n for n, spec in SLOTS.items() for name in re.findall(r"(\w+)=", spec)}
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
RELEASED, PUBLISHED = "agreements marking released", "party agent manifest banner index"
FORM = {name: tuple(set(part.split()) for part in said) for names, *said in (  # what is always there, and what may be
    ("INTAKE", "report policy facts " + PUBLISHED, ""), ("REFUSED", "", "report"), ("AGREEMENT KEY", "place", ""),
    ("DECISION NARROWED APPROVAL", "report recipient outcome reasons policy facts link " + PUBLISHED,
     "place " + RELEASED),
    ("DELIVERY", "report recipient party index link place " + RELEASED, ""), ("ACK", "recipient", "party index place"),
    ("EXPIRE RECALL SUPERSEDE DEAD_LETTER", "report recipient party index", "place"),
    ("FEEDBACK", "report recipient party index place", "")) for name in names.split()}
IN_BODY = {"APPROVAL": "approver", "AGREEMENT": "party", "KEY": "party"}  # whose tree slot 8 speaks of, if not slot 2's
OPENED_BY_8 = {"DELIVERY": "1278", "ACK": "1278", "APPROVAL": "178", "AGREEMENT": "178", "KEY": "178"}  # else 18
REASON = r"%d (release|hold|withhold) [^\0- \x7f]+ ([^\0- \x7f]+) [^\0- \x7f]+"


def read_value(kind, data):
    if kind[0] in "uedi":
        value, = struct.unpack({"u": ">Q", "e": "B", "d": "32s", "i": "16s"}[kind[0]], data)
    elif kind in "DX":
        value = [v for v, in struct.iter_unpack({"D": "32s", "X": ">Q"}[kind], data)]
    else:
        value = data if kind == "b" else data.decode()
    need(kind[0] != "e" or 1 <= value <= int(kind[1:]), "an enum's value")
    need(kind != "X" or value == sorted(set(value)), "indexes that do not rise")
    need(kind not in "tr" or "\0" not in value, "NUL in a text")
    if kind == "r":  # (verdict, agreement) of each portion
        *lines, end = value.split("\n")
        found = [re.fullmatch(REASON % i, line) for i, line in enumerate(lines)]
        need(all(found) and not end, "reasons that are not a line for each portion")
        value = [m.groups() for m in found]
    return value


def read_slot(data, spec):
    """The fields that are there."""
    out, at = {}, 0
    for name, kind, absent in re.findall(r"(\w+)=(\w+)(\??)", spec) if data else ():
        size, = struct.unpack_from(">I", data, at)
        at += 4 + size
        need(at <= len(data) and (size or absent), "no " + name)
        if size:
            out[name] = read_value(kind, data[at - size:at])
    need(at == len(data) and (out or not data), "a slot that is not its fields")
    return out


def unlock(opening):
    """Section 5: {slot: value} of what is opened, and the leaf that the commitments of all eight slots give."""
    hashes, values, at = [], {}, 6
    for n in range(1, 9):
        flag, salt, end = opening[at:at + 1], opening[at + 1:at + 17], at + 33
        if flag == b"\1":
            end = at + 21 + int.from_bytes(opening[at + 17:at + 21], "big")
            values[n] = opening[at + 21:end]
        need(flag in (b"\0", b"\1"), "no opening", CONTENT)
        hashes.append(sha(b"\2\0%c" % n, salt, values[n]) if n in values else opening[at + 1:end])
        at = end
    need(opening[:6] == b"RLO1\0\x08" and at == len(opening), "no opening", CONTENT)
    return values, sha(b"\0RLT1\0\x08", sha(b"\3\0\x08", *hashes))


class Record:
    """Fields of slots 1 to 6 and 8 are attributes, None where absent or closed; those of slot 7 are in 'body'."""

    def __init__(self, at, opening, leaf):
        values, given = unlock(opening)
        need(given == leaf, "does not give its leaf", CONTENT)
        self.at, self.leaf, self.open, self.body = at, leaf, set(values), {}
        vars(self).update(dict.fromkeys(FIELDS))
        need(values.get(1), "slot 1 is closed or empty")
        self.name, self.may, body = TYPES[read_slot(values[1], SLOTS[1])["type"] - 1]
        for n, value in values.items():
            need(not value or str(n) in self.may, "a slot that its type has not")
            need(value or n != 7 or not re.search(r"=\w+( |$)", body), "no body")
            vars(self).update(read_slot(value, SLOTS[n]) if n != 7 else {"body": read_slot(value, body)})
        whole = self.name != "ACK" or 7 not in values or len(self.body) == (1 if "deliveries" in self.body else 4)
        need(whole, "an ACK of nothing, or half an attestation")
        self.report_key, self.key = (self.party, self.report), (self.party, self.report, self.recipient)

    def form(self):
        """Section 2: codes for fields that are there and should not be, or should and are not, in an open slot."""
        always, besides = FORM.get(self.name, (set(), set()))
        if self.name == "ACK" and self.body:
            always, besides = always | besides if "deliveries" in self.body else always, set()
        if self.name == "APPROVAL" and {3, 7} <= self.open:
            own = self.body["approver"] == self.party
            always, besides = (always, besides - {"place"}) if own else (always | {"place"}, besides)
        always = always | {"node", "clock"} if "5" in self.may else always
        if self.name == "APPROVAL":  # a person in a session, always
            always = always | {"connection", "certificate", "justification" if self.justification else "actor"}
        said = {name for name in FIELDS if getattr(self, name) is not None}
        free = {"type", "time", "connection", "certificate", "actor", "justification"}  # for these 'may' is enough
        wrong = said - always - besides - free | {name for name in always - said if FIELDS[name] in self.open}
        links = {"party", "index", "place", "link", "policy"}  # without these it is not joined to the others
        return {GAP if name in links - said else MALFORMED for name in wrong}

    def shown(self, own):
        """Section 4: the slots that the bundle of the hub (own: None) or of a party must show of it."""
        out = "17" if self.name in ("PARTY_HEAD", "RECOVER") else ""
        out += ("1234" if self.name == "APPROVAL" else "12347") if 3 in self.open else ""
        out += OPENED_BY_8.get(self.name, "18") if 8 in self.open else ""
        return set(map(int, out if own else "1234578"))

    def places(self, own):
        """(party, place) in each party tree that it is a leaf of; 'own' where this view does not show the party."""
        eighth = self.body.get(IN_BODY[self.name]) if self.name in IN_BODY else self.recipient
        return [(p or own, n) for p, n in ((self.party, self.index), (eighth, self.place)) if n is not None]


# ---- sections 3, 7 and 8 ----
HEX = "([0-9a-f]{64})"
LINE = re.compile(r"(0|[1-9]\d*) %s %s (-|%s)((?: %s)*)\n" % (HEX, HEX, HEX, HEX))
CLAIMS = rb"relto-bundle 1\norigin (.+)\nsize (\d+)\nview (?:hub|party (.+))\nfirst (\d+)\n"
KEY_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
NUMBER = rb"(0|[1-9]\d{0,19})"


class Tree:
    """RFC 9162; 'peaks' are the roots of the perfect subtrees, largest first."""

    def __init__(self, hashes=()):
        self.size, self.peaks, self.head = 0, [], None  # head: of a party's tree, the index of its last PARTY_HEAD
        for h in hashes:
            self.add(h)

    def add(self, h):
        self.size += 1
        self.peaks.append(h)
        for _ in range((self.size & -self.size).bit_length() - 1):
            self.peaks[-2:] = [sha(b"\1", *self.peaks[-2:])]

    def root(self):
        out = self.peaks[-1] if self.peaks else sha()
        for left in self.peaks[-2::-1]:
            out = sha(b"\1", left, out)
        return out


def unbase64(text):
    need(base64.b64encode(base64.b64decode(text, validate=True)) == text, "base64 that is not canonical")
    return base64.b64decode(text)


def read_vkey(text):
    """(name, key id, key, vkey)"""
    name, key_id, key = text.strip().split(b"+", 2)
    key = unbase64(key)
    need(len(key) == 33 and key[0] == 1 and key_id == sha(name, b"\n", key)[:4].hex().encode(), "not a vkey of Ed25519")
    return name, bytes.fromhex(key_id.decode()), key[1:], text.strip()


def is_key_name(name):
    return len(name) <= 255 and KEY_NAME.fullmatch(name.decode())


def read_note(note):
    """(text, [(name, key id and signature)]) of a signed note."""
    text, gap, lines = note.rpartition(b"\n\n")
    need(gap and lines.endswith(b"\n") and len(note) <= 65536, "no note")
    need(not re.search(r"[\x00-\x09\x0b-\x1f]", note.decode()), "a note with control characters")
    signed = []
    for line in lines[:-1].split(b"\n"):
        form = re.fullmatch(b"\xe2\x80\x94 ([^ ]+) (.+)", line)
        need(form and is_key_name(form[1]), "no signature line")
        signed.append((form[1], unbase64(form[2])))
        need(len(signed[-1][1]) >= 5, "a signature of nothing")
    need(len(signed) <= 16, "more than 16 signatures")
    return text + b"\n", signed


def generation_of(origin):
    """(stem, generation) of a log; no generation where its name has none."""
    form = re.fullmatch(rb"(.+)/g%s" % NUMBER, origin)
    return (form[1], int(form[2])) if form and int(form[2]) < 2**64 else (origin, None)


def read_three(text):
    """(origin, size, root) of the lines of a checkpoint."""
    form = re.fullmatch(rb"(.+)\n%s\n(.{44})\n" % NUMBER, text)
    need(form and int(form[2]) < 2**64, "not the three lines of a checkpoint")
    root = unbase64(form[3])
    need(len(root) == 32, "a root that is none")
    return form[1], int(form[2]), root


def read_checkpoint(note, vkey):
    """(size, root) of a note that the log signed whose key this is."""
    text, lines = read_note(note)
    ours = [blob[4:] for name, blob in lines if (name, blob[:4]) == vkey[:2]]
    need(len(ours) == 1 and ed25519_good(vkey[2], ours[0], text), "checkpoint: not signed by this log", SIGNATURE)
    origin, size, root = read_three(text)
    need(origin == vkey[0], "the checkpoint of another log")
    return size, root


def read_head(note, key):
    """(origin, size, root) of a head, and whether this key signed it under its origin: None if it did not, False if
    what stands there for it is wrong."""
    text, lines = read_note(note)
    origin, size, root = read_three(text)
    need(is_key_name(origin), "its origin is the name of no key")
    key_id = sha(origin, b"\n\1", key)[:4]
    ours = [blob[4:] for name, blob in lines if (name, blob[:4]) == (origin, key_id)]
    signed = (len(ours) == 1 and ed25519_good(key, ours[0], text)) if ours else None
    return origin, size, root, signed


class Bundle:
    """The folder, and what is found in it."""

    def __init__(self, folder, vkey):
        self.folder, self.vkey, self.findings, self.exports = folder, vkey, [], {}
        self.at = self.size = self.root = self.party = self.first = None
        self.missing, self.unknown = set(), set()  # files that are not there; what cannot be judged here

    def must(self, good, code, text):
        if not good:
            self.findings.append({"code": code, "at": self.at, "text": text})

    def guard(self, call, *args, code=MALFORMED):
        """Runs what raises for what is not as it should be; that is a finding."""
        try:
            return call(*args)
        except Unknown as e:
            return self.unknown.add(str(e))
        except (ValueError, LookupError, OSError, struct.error) as e:
            return self.must(False, e.args[1] if type(e) is ValueError and len(e.args) == 2 else code, str(e.args[0]))

    def read(self, name, optional=True):
        """A file's bytes; None, and that is told, if it is missing and may be."""
        path = os.path.join(self.folder, name)
        if optional and not os.path.exists(path):
            return self.missing.add(name)
        with open(path, "rb") as file:
            return file.read()

    @functools.lru_cache(maxsize=16)
    def content(self, folder, digest):
        """The bytes that a digest names, if they are there and are the right ones; a party's bundle has none."""
        data = self.read("%s/%s" % (folder, digest.hex())) if digest and not self.party else None
        good = data is None or sha(data) == digest
        self.must(good, CONTENT, folder + "/ has something else under a content's name")
        return data if good else None

    def export(self, digest):
        """What the canonical export of this digest says, if it is there."""
        if digest not in self.exports:
            data = self.content("policy", digest)
            self.exports[digest] = data and read_export(data)
        return self.exports[digest]

    def level(self, level, count, width):
        """All hashes or entries of a level of the tree; None where a tile is missing and may be."""
        out = []
        for first in range(0, count, 256):
            part, digits = min(256, count - first), str(first // 256)
            groups = re.findall("...", digits.zfill(-(-len(digits) // 3) * 3))
            name = "/".join(["tile", str(level)] + ["x" + g for g in groups[:-1]] + groups[-1:])
            data = self.read(name + (".p/%d" % part if part < 256 else ""), optional=level != 0)
            need(data is None or len(data) == part * width, name + ": its length")
            out += [data and data[i:i + width] for i in range(0, part * width, width)]
        return out

    def load(self):
        """Checkpoint, claims, tree; True: one can go on."""
        need(os.path.exists(os.path.join(self.folder, "checkpoint")), "there is no checkpoint", SIGNATURE)
        self.size, self.root = read_checkpoint(self.read("checkpoint"), self.vkey)
        claims = re.fullmatch(CLAIMS, self.read("bundle", optional=False))
        good = claims and (claims[1], int(claims[2])) == (self.vkey[0], self.size)
        need(good, "bundle: not the five lines of version 1, or of another log or size than the checkpoint")
        self.party, self.first = claims[3] and claims[3].decode(), int(claims[4])
        self.leaves = hashes = self.level(0, self.size, 32)
        self.must(Tree(hashes).root() == self.root, INCLUSION, "the leaves do not give the root")
        entries = self.guard(self.level, "entries", self.size, 40) or ()
        good = all(e is None or e[:2] == b"\0\x26" and sha(b"\0", e[2:]) == leaf for e, leaf in zip(entries, hashes))
        self.must(good, INCLUSION, "an entry is not that of its leaf")
        for level in range(1, 8):
            hashes = [Tree(hashes[i:i + 256]).root() for i in range(0, len(hashes) - 255, 256)]
            found = self.guard(self.level, level, len(hashes), 32) or ()
            self.must(all(h in (None, mine) for h, mine in zip(found, hashes)), INCLUSION, "a tile of level %d" % level)
        return True

    def openings(self):
        """(opening, line of report/) of each record; b"": closed; True: its file of lines is missing, False: no line."""
        for n in range(0, self.size, 1024):
            data, at, lines = self.read("record/%06d" % (n // 1024), optional=False), 0, {}
            reports = None if self.party else self.read("report/%06d" % (n // 1024))
            if reports is not None:
                lines = self.guard(read_lines, reports.decode()) or {}
            for self.at in range(n, min(self.size, n + 1024)):
                size, = struct.unpack_from(">I", data, at)
                at += 4 + size
                need(at <= len(data), "its file of record/ is cut off")
                yield data[at - size:at], lines.pop(self.at, reports is None)
            need(at == len(data), "bytes after the last record")
            self.must(not lines, MALFORMED, "report/ has lines of no record")


def read_lines(text):
    """{index: digests of [manifest], [routing], [notice] and [heads]} of a file of report/"""
    found = list(LINE.finditer(text))
    need("".join(m[0] for m in found) == text, "report/ has something else than lines")
    indexes = [int(m[1]) for m in found]
    need(sorted(set(indexes)) == indexes, "lines of report/ that do not rise")
    return {int(m[1]): [[bytes.fromhex(d) for d in m[n].strip("-").split()] for n in (2, 3, 4, 6)] for m in found}
