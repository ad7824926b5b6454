"""tampers.py - what is done to the files of a bundle, and what a verifier must say to it.

A row is (name, base, exit code, what). The code is that of docs/audit-format.md, section 9; both verifiers must give
it. 'what' changes a Copy of a hub's or a party's bundle; the log's own key verifies it. Lies of the log itself, which
need its key, are in lies.py.
"""
import base64
import os
import struct

import forge
from forge import H, pieces, put

ALL = set(range(1, 9))
MEMBERS = "facts manifest routing seal chain anchor head policy spif".split()


class NotHere(Exception):
    """This bundle has nothing of the kind that is tampered with."""


class Copy:
    """A bundle of our own, whose files can be changed and put back."""

    def __init__(self, folder):
        self.folder, self.before = folder, {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def names(self, start):
        out = []
        for at, _, names in os.walk(self.path(start)):
            out += [os.path.relpath(os.path.join(at, n), self.folder) for n in names]
        if not out:
            raise NotHere(start)
        return sorted(out)

    def first(self, start):
        return self.names(start)[0]

    def last(self, start):
        return self.names(start)[-1]

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def put(self, name, data):
        """None: the file is gone."""
        if name not in self.before:
            self.before[name] = self.read(name) if os.path.exists(self.path(name)) else None
        if data is not None:
            put(self.folder, name, data)
        elif os.path.exists(self.path(name)):
            os.unlink(self.path(name))

    def restore(self):
        for name, data in self.before.items():
            self.put(name, data)
        self.before = {}

    def change(self, name, change):
        self.put(name, change(self.read(name)))

    def remove(self, name):
        self.put(name, None)

    def rename(self, name, into):
        self.put(into, self.read(name))
        self.remove(name)


def flip(data, at=-1):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


def swap(items, i=0, j=1):
    if len(items) <= max(i, j):
        raise NotHere("too few")
    items[i], items[j] = items[j], items[i]


def put_at(index, value):
    """Of a list: one item gets another value, or the one that is made of the old."""
    def change(items):
        items[index] = value(items[index]) if callable(value) else value
    return change


def empty_all(items):
    items[:] = [b""] * len(items)


# ---- parts of files ----
def text(name, old, new):
    """Some bytes of a file into others."""
    def tamper(c):
        if old not in c.read(name):
            raise NotHere(repr(old))
        c.change(name, lambda data: data.replace(old, new, 1))
    return tamper


def lines(name, change, which=slice(None)):
    """change(list of lines) of a text file."""
    def tamper(c):
        data = c.read(name).split(b"\n")
        part = data[which]
        change(part)
        data[which] = part
        c.put(name, b"\n".join(data))
    return tamper


def head(change):
    """The three lines of the checkpoint."""
    return lines("checkpoint", change, slice(0, 3))


def signatures(change):
    """The signature lines of the checkpoint."""
    return lines("checkpoint", change, slice(4, -1))


def stranger(n=1):
    return "— witness.example/%d ".encode() % n + base64.b64encode(H(b"%d" % n) * 2 + b"four")


def blob(where):
    """One bit of the log's signature line."""
    def change(line):
        dash, name, data = line.split(b" ")
        return b" ".join([dash, name, base64.b64encode(flip(base64.b64decode(data), where))])
    return signatures(put_at(0, change))


def resigned(c):
    note = c.read("checkpoint").decode().split("\n\n")[0] + "\n"
    c.put("checkpoint", forge.Key(note.split("\n")[0]).note(note))


def parts(start, width, change):
    """change(list of parts) of the last file below a folder that is made of parts of one width."""
    def tamper(c):
        found = pieces(c.read(c.last(start)), width)
        change(found)
        c.put(c.last(start), b"".join(found))
    return tamper


def openings(change):
    """change(list of openings) of all records."""
    def tamper(c):
        out, names = [], c.names("record")
        for name in names:
            out += forge.openings(c.read(name))
        change(out)
        for n, name in enumerate(names):
            c.put(name, b"".join(struct.pack(">I", len(o)) + o for o in out[1024 * n:1024 * n + 1024]))
    return tamper


def one(like, change, last=False):
    """change(forge.Record) -> opening, of the first or last opened record that is like that."""
    def among(found):
        order = reversed(range(len(found))) if last else range(len(found))
        for i in order:
            r = forge.Record.parse(found[i]) if found[i] else None
            if r and like(r):
                found[i] = change(r)
                return
        raise NotHere("no such record")
    return openings(among)


def of(kind):
    return lambda r: r.kind == kind


def value_bit(n):
    def change(r):
        r.slots[n - 1].value = flip(r.slots[n - 1].value)
        return r.opening()
    return one(lambda r: r.slots[n - 1].value, change)


def salt_bit(r):
    r.slots[1].salt = flip(r.slots[1].salt)
    return r.opening()


def commitment_bit(r):
    hidden = next(s for s in r.slots if s.value is None)
    hidden.stated = flip(hidden.stated)
    return r.opening()


def releases(r):
    return r.kind == "DECISION" and r.field(2, 3)


def closed(n, kind):
    return one(of(kind), lambda r: r.opening(ALL - {n}))


def left_out(kind):
    return one(of(kind), lambda r: b"", last=True)


def head_between(found):
    """The last PARTY_HEAD but one of a party is left out; the last names it."""
    heads = [i for i, o in enumerate(found) if o and forge.Record.parse(o).kind == "PARTY_HEAD"]
    if len(heads) < 2:
        raise NotHere("two heads")
    found[heads[-2]] = b""


def swap_opened(found):
    opened = [i for i, o in enumerate(found) if o]
    swap(found, *opened[:2])


def report(change, which=-1):
    """change(words) of one line of report/."""
    def on(all_lines):
        words = all_lines[which].split(b" ")
        change(words)
        all_lines[which] = b" ".join(words)
    return lines("report/000000", on, slice(0, -1))


def longest(change):
    """The same of the line with the most heads."""
    def on(all_lines):
        i = max(range(len(all_lines)), key=lambda k: len(all_lines[k]))
        words = all_lines[i].split(b" ")
        if len(words) < 6:
            raise NotHere("a report of two portions")
        change(words)
        all_lines[i] = b" ".join(words)
    return lines("report/000000", on, slice(0, -1))


def stranger_part(folder, word):
    """A part that is in the bundle and that the manifest does not commit to."""
    def tamper(c):
        c.put("%s/%s" % (folder, H(b"stranger").hex()), b"stranger")
        report(put_at(word, H(b"stranger").hex().encode()))(c)
    return tamper


def swap_manifests(all_lines):
    if len(all_lines) < 2:
        raise NotHere("two reports")
    (i, one_, *a), (j, other, *b) = all_lines[0].split(b" "), all_lines[1].split(b" ")
    all_lines[:2] = [b" ".join([i, other, *a]), b" ".join([j, one_, *b])]


def report_lines(change):
    return lines("report/000000", change, slice(0, -1))


def put_other(folder):
    """A content gets another's bytes."""
    def tamper(c):
        names = c.names(folder)
        c.put(names[0], c.read(names[1]) if len(names) > 1 else b"something else")
    return tamper


OTHER_KEY = forge.Key("hub.example/relto/g1").vkey
NONE = H(b"none").hex().encode()

BUNDLE = [
    ("bundle: another size", "hub", 2, text("bundle", b"\nsize ", b"\nsize 1")),
    ("bundle: another origin", "hub", 2, text("bundle", b"\norigin ", b"\norigin x")),
    ("bundle: another version", "hub", 2, text("bundle", b"bundle 1", b"bundle 2")),
    ("bundle: a hub's that says it is a party's", "hub", 7, text("bundle", b"view hub", b"view party NOR")),
    ("bundle: it says that it begins later", "hub", 7, text("bundle", b"first 0", b"first 5")),
    ("bundle: a line more", "hub", 2, lambda c: c.change("bundle", lambda d: d + b"more 1\n")),
    ("bundle: a line less", "hub", 2, text("bundle", b"first 0\n", b"")),
    ("bundle: is missing", "hub", 2, lambda c: c.remove("bundle")),
    ("log.vkey: is missing", "hub", 0, lambda c: c.remove("log.vkey")),
    ("log.vkey: another key", "hub", 0, lambda c: c.put("log.vkey", OTHER_KEY + "\n")),
    ("a file that nobody knows", "hub", 0, lambda c: c.put("later/thing", b"x")),
    ("checkpoint: is missing", "hub", 3, lambda c: c.remove("checkpoint")),
    ("checkpoint: is empty", "hub", 2, lambda c: c.put("checkpoint", b"")),
    ("checkpoint: another size", "hub", 3, head(put_at(1, lambda line: line + b"1"))),
    ("checkpoint: another root", "hub", 3, head(put_at(2, lambda line: base64.b64encode(H(line))))),
    ("checkpoint: another origin", "hub", 3, head(put_at(0, lambda line: b"x" + line))),
    ("checkpoint: a zero before the size", "hub", 3, head(put_at(1, lambda line: b"0" + line))),
    ("checkpoint: a line more", "hub", 3, head(lambda part: part.append(b"more"))),
    ("checkpoint: a bit of the signature", "hub", 3, blob(-1)),
    ("checkpoint: a bit of the key id", "hub", 3, blob(0)),
    ("checkpoint: a line of another that is a key id alone", "hub", 2, signatures(lambda part: part.append("— o AAAAAA==".encode()))),
    ("checkpoint: signed by another of the same name", "hub", 3, resigned),
    ("checkpoint: its signature twice", "hub", 3, signatures(lambda part: part.append(part[0]))),
    ("checkpoint: no signature", "hub", 2, signatures(list.clear)),
    ("checkpoint: only a stranger's signature", "hub", 3, signatures(put_at(0, stranger()))),
    ("checkpoint: a stranger's signature too", "hub", 0, signatures(lambda part: part.append(stranger()))),
    ("checkpoint: a signature that is no base64", "hub", 2, signatures(lambda part: part.append("— a ??".encode()))),
    ("checkpoint: stray bits in base64", "hub", 2, signatures(lambda part: part.append("— a AAAAAAB=".encode()))),
    ("checkpoint: 17 signatures", "hub", 2, signatures(lambda part: part.extend(map(stranger, range(16))))),
    ("checkpoint: more than 64 KiB", "hub", 2, signatures(lambda part: part.append(
        "— a.example ".encode() + base64.b64encode(bytes(66000))))),
    ("checkpoint: no empty line", "hub", 2, text("checkpoint", b"\n\n", b"\n")),
    ("checkpoint: lines end in CR LF", "hub", 2, lambda c: c.change("checkpoint", lambda d: d.replace(b"\n", b"\r\n"))),
    ("checkpoint: the last LF is missing", "hub", 2, lambda c: c.change("checkpoint", lambda d: d[:-1])),
]

TREE = [
    ("tile: a bit", "hub", 4, lambda c: c.change(c.last("tile/0"), flip)),
    ("tile: of level 1, a bit", "hub", 4, lambda c: c.change(c.last("tile/1"), flip)),
    ("tile: of level 1, is missing", "hub", 0, lambda c: c.remove(c.last("tile/1"))),
    ("tile: is missing", "hub", 2, lambda c: c.remove(c.last("tile/0"))),
    ("tile: a hash less", "hub", 2, parts("tile/0", 32, list.pop)),
    ("tile: a hash more", "hub", 2, parts("tile/0", 32, lambda part: part.append(part[0]))),
    ("tile: two hashes swapped", "hub", 4, parts("tile/0", 32, swap)),
    ("tile: under another size's name", "hub", 2, lambda c: c.rename(
        c.last("tile/0"), os.path.join(os.path.dirname(c.last("tile/0")), "1"))),
    ("tile: one that the size does not ask for", "hub", 0, lambda c: c.put("tile/7/000.p/1", bytes(32))),
    ("entries: a bit of leaf data", "hub", 4, lambda c: c.change(c.last("tile/entries"), flip)),
    ("entries: a bit of the length", "hub", 4, lambda c: c.change(c.last("tile/entries"), lambda d: flip(d, 1))),
    ("entries: a bit of the magic", "hub", 4, lambda c: c.change(c.last("tile/entries"), lambda d: flip(d, 3))),
    ("entries: are missing", "hub", 0, lambda c: c.remove(c.last("tile/entries"))),
    ("entries: one less", "hub", 2, parts("tile/entries", 40, list.pop)),
    ("entries: one more", "hub", 2, parts("tile/entries", 40, lambda part: part.append(part[0]))),
    ("entries: two swapped", "hub", 4, parts("tile/entries", 40, swap)),
    ("tile and entries: two leaves swapped in both", "hub", 4, lambda c: (
        parts("tile/entries", 40, swap)(c), parts("tile/0", 32, swap)(c))),
]

RECORDS = [
    ("record: file is missing", "hub", 2, lambda c: c.remove("record/000000")),
    ("record: file is empty", "hub", 2, lambda c: c.put("record/000000", b"")),
    ("record: cut off in the middle", "hub", 2, lambda c: c.change("record/000000", lambda d: d[:-9])),
    ("record: the last one cut off", "hub", 2, openings(list.pop)),
    ("record: bytes after the last", "hub", 2, lambda c: c.change("record/000000", lambda d: d + bytes(4))),
    ("record: one emptied", "hub", 7, openings(put_at(5, b""))),
    ("record: all emptied", "hub", 7, openings(empty_all)),
    ("record: one dropped, all after it moved", "hub", 6, openings(lambda o: (o.pop(5), o.append(b"")))),
    ("record: two swapped", "hub", 6, openings(lambda o: swap(o, 4, 5))),
    ("record: one twice", "hub", 6, openings(lambda o: put_at(5, o[4])(o))),
    ("record: a bit of an opening's magic", "hub", 6, openings(put_at(3, lambda o: flip(o, 0)))),
    ("record: a bit of the number of slots", "hub", 6, openings(put_at(3, lambda o: flip(o, 5)))),
    ("record: a byte more in an opening", "hub", 6, openings(put_at(3, lambda o: o + b"\0"))),
    ("record: a byte less in an opening", "hub", 6, openings(put_at(3, lambda o: o[:-1]))),
    ("record: an opening cut off in a slot's length", "hub", 6, openings(put_at(3, lambda o: o[:25]))),
    ("record: a slot's flag of 3", "hub", 6, openings(put_at(3, lambda o: o[:6] + b"\3" + o[7:]))),
    ("record: a bit of a salt", "hub", 6, one(of("INTAKE"), salt_bit)),
    ("record: slot 7 of an INTAKE closed", "hub", 7, closed(7, "INTAKE")),
    ("record: every slot of a POLICY closed", "hub", 2, one(of("POLICY"), lambda r: r.opening(()))),
] + [
    ("record: a bit of slot %d" % n, "hub", 6, value_bit(n)) for n in range(1, 9)
] + [
    ("record: slot %d of a DECISION closed" % n, "hub", 2 if n == 1 else 7, closed(n, "DECISION")) for n in range(1, 9)
] + [
    ("record: slot %d of a release closed" % n, "hub", 7, one(releases, lambda r, n=n: r.opening(ALL - {n})))
    for n in (2, 3, 4)
] + [
    ("record: slot %d of an INTAKE closed" % n, "hub", 7, closed(n, "INTAKE")) for n in (3, 4)
]

CONTENTS = [
    ("%s: a bit" % m, "hub", 6, lambda c, m=m: c.change(c.first(m), flip)) for m in MEMBERS
] + [
    ("%s: cut off" % m, "hub", 6, lambda c, m=m: c.change(c.first(m), lambda d: d[:-1])) for m in MEMBERS
] + [
    ("%s: another's bytes under its name" % m, "hub", 6, put_other(m)) for m in MEMBERS
] + [
    ("%s: one is missing" % m, "hub", 0, lambda c, m=m: c.remove(c.first(m))) for m in MEMBERS
] + [
    ("a content that nothing names", "hub", 0, lambda c: c.put("seal/" + H(b"x").hex(), b"x")),
    ("a content whose name is no digest", "hub", 0, lambda c: c.put("seal/readme", b"x")),
    ("report: is missing", "hub", 0, lambda c: c.remove("report/000000")),
    ("report: a line less", "hub", 2, report_lines(list.pop)),
    ("report: a line twice", "hub", 2, report_lines(lambda part: part.append(part[-1]))),
    ("report: a line of a record that is no INTAKE too", "hub", 2, report_lines(
        lambda part: part.append(b" ".join([b"%d" % (int(part[-1].split()[0]) + 1)] + part[-1].split()[1:])))),
    ("report: a line of something else", "hub", 2, report_lines(lambda part: part.append(b"hello"))),
    ("report: lines in another order", "hub", 2, report_lines(swap)),
    ("report: the last LF is missing", "hub", 2, lambda c: c.change("report/000000", lambda d: d[:-1])),
    ("report: a line of a record that is no INTAKE", "hub", 2, report(put_at(0, lambda w: b"%d" % (int(w) + 1)))),
    ("report: a line of a record that is not there", "hub", 2, report(put_at(0, b"99999999"))),
    ("report: two heads swapped", "hub", 6, longest(lambda words: swap(words, 4, 5))),
    ("report: a head less", "hub", 6, longest(list.pop)),
    ("report: a head twice", "hub", 6, longest(lambda words: words.append(words[-1]))),
    ("report: a head that is not in the bundle", "hub", 0, report(put_at(4, NONE))),
    ("report: a head that the manifest does not know", "hub", 6, stranger_part("head", 4)),
    ("report: a routing that the manifest does not know", "hub", 6, stranger_part("routing", 2)),
    ("report: a notice that the manifest does not know", "hub", 6, stranger_part("notice", 3)),
    ("report: a manifest that the record does not know", "hub", 6, stranger_part("manifest", 1)),
    ("report: no routing", "hub", 2, report(put_at(2, b"-"))),
    ("report: a head as routing", "hub", 0, report(lambda words: put_at(2, words[4])(words))),
    ("report: a notice that is not in the bundle", "hub", 6, report(put_at(3, NONE))),
    ("report: two manifests swapped", "hub", 6, report_lines(swap_manifests)),
    ("report: a digest in capitals", "hub", 2, report(put_at(1, bytes.upper))),
    ("report: two spaces", "hub", 2, report(put_at(0, lambda word: word + b" "))),
]

PARTY = [
    ("party: one DELIVERY left out", "party", 7, left_out("DELIVERY")),
    ("party: the last ACK left out", "party", 7, left_out("ACK")),
    ("party: the last PARTY_HEAD left out", "party", 0, left_out("PARTY_HEAD")),
    ("party: a PARTY_HEAD between left out", "party", 7, openings(head_between)),
    ("party: slot 7 of a PARTY_HEAD closed", "party", 7, closed(7, "PARTY_HEAD")),
    ("party: an AGREEMENT left out", "party", 7, left_out("AGREEMENT")),
    ("party: what expired left out", "party", 7, left_out("EXPIRE")),
    ("party: all records left out", "party", 0, openings(empty_all)),
    ("party: two records swapped", "party", 6, openings(swap_opened)),
    ("party: a bit of a commitment", "party", 6, one(of("DELIVERY"), commitment_bit)),
    ("party: a bit of a commitment of an EXPIRE", "party", 6, one(of("EXPIRE"), commitment_bit)),
    ("party: says another party", "party", 7, text("bundle", b"view party ", b"view party X")),
    ("party: says hub", "party", 7, lines("bundle", put_at(3, b"view hub"))),
    ("party: says that it begins later", "party", 7, text("bundle", b"first 0", b"first 5")),
] + [
    ("party: a bit of slot %d" % n, "party", 6, value_bit(n)) for n in (1, 2, 7, 8)
] + [
    ("party: slot %d of a DELIVERY closed" % n, "party", 2 if n == 1 else 7, closed(n, "DELIVERY")) for n in (1, 2, 7, 8)
]

TABLE = BUNDLE + TREE + RECORDS + CONTENTS + PARTY
