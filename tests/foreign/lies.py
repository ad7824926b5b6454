"""lies.py - what a log with its key could say that is not so, and what a verifier must say to it.

A row is (name, exit code, what): 'what' changes a forge.Log, and everything above the change is made anew and signed,
so that nothing but the rules of docs/audit-format.md, sections 1, 2 and 9, can find it. Code 0: nothing can.
"""
import base64
import struct

import forge
from forge import H, number, root_of, u64
from tampers import NotHere, flip


def pick(log, kind, which=-1):
    """The last record of a kind; DELIVERED: the decision by which the first DELIVERY went."""
    found = log.all(kind if kind != "DELIVERED" else "DELIVERY")
    if not found:
        raise NotHere(kind)
    if kind == "DELIVERED":
        return log.records[number(log.records[found[0]].field(4, 4))]
    return log.records[found[which]]


def field(kind, n, k, change):
    """One field of the last record of a kind: the new value, or what makes it of the old one."""
    def lie(log):
        r = pick(log, kind)
        r.set(n, k, change(r.field(n, k)) if callable(change) else change)
        log.settle(keep=r)
    return lie


def slot(kind, n, change):
    """The bytes of one slot."""
    def lie(log):
        r = pick(log, kind)
        r.slots[n - 1].value = change(r.slots[n - 1].value) if callable(change) else change
        log.settle(keep=r)
    return lie


def records(change, **how):
    def lie(log):
        change(log)
        log.settle(**how)
    return lie


def without(kind, which=0):
    return lambda log: log.records.remove(pick(log, kind, which))


def twice(kind):
    def change(log):
        r = pick(log, kind)
        log.records.insert(log.records.index(r) + 1, forge.Record.parse(r.opening()))
    return change


def move(kind, by):
    """To another place; times stay in order."""
    def change(log):
        r = pick(log, kind, which=0)
        i = log.records.index(r)
        log.records.remove(r)
        log.records.insert(i + by, r)
        for a, b in zip(log.records, log.records[1:]):
            b.set(1, 1, max(a.field(1, 1), b.field(1, 1)))
    return change


def plus(n):
    return lambda old: u64(number(old) + n)


def text(value):
    return struct.pack(">I", len(value)) + value


def relink(kind, by):
    def lie(log):
        r = pick(log, kind)
        r.set(4, 4, u64(log.records.index(r) + by))
        log.settle(keep=r)
    return lie


def narrowed_link(log):
    for i in log.all("NARROWED"):
        at = number(log.records[i].field(4, 4))
        if log.records[at].kind == "DECISION":
            log.records[i].set(4, 4, log.records[at].field(4, 4))
            return log.settle(keep=log.records[i])
    raise NotHere("a NARROWED after a DECISION")


def widened(log):
    """A NARROWED holds a portion that was withheld; its outcome says so too."""
    for i in log.all("NARROWED"):
        r = log.records[i]
        before = log.records[number(r.field(4, 4))].field(4, 1).splitlines()
        if any(b" withhold " in line for line in before):
            r.set(4, 1, b"".join(b"%d hold review a r\n" % k for k in range(len(before))))
            r.set(4, 0, b"\3")
            for k in (1, 2, 3):
                r.set(2, k, b"")
            return log.settle()
    raise NotHere("a NARROWED after a withheld portion")


def old_link(log):
    """A DELIVERY of what was narrowed goes by the decision before."""
    for i in log.all("NARROWED"):
        for j in log.all("DELIVERY", (4, 4, u64(i))):
            log.records[j].set(4, 4, log.records[i].field(4, 4))
            return log.settle(keep=log.records[j])
    raise NotHere("a DELIVERY of something narrowed")


def withheld_delivery(log):
    """A DELIVERY by a decision that withholds, of the same report id."""
    r = pick(log, "DELIVERY")
    found = log.all("DECISION", (4, 0, b"\4")) + log.all("DECISION", (4, 0, b"\3"))
    before = [i for i in found if i < log.records.index(r)]
    if not before:
        raise NotHere("something withheld")
    r.set(4, 4, u64(before[0]))
    r.set(1, 2, log.records[before[0]].field(1, 2))
    r.set(2, 0, log.records[before[0]].field(2, 0))
    log.settle(keep=r)


def after_the_end(log):
    """A DELIVERY that stood before its EXPIRE stands after it."""
    for i in log.all("EXPIRE"):
        for j in log.all("DELIVERY", (4, 4, log.records[i].field(7, 1))):
            r = log.records.pop(j)
            log.records.insert(i, r)
            r.set(1, 1, log.records[i - 1].field(1, 1))
            return log.settle()
    raise NotHere("something delivered that expired")


def held_as_withheld(log):
    r = log.records[(log.all("DECISION", (4, 0, b"\3")) or log.all("NARROWED", (4, 0, b"\3")))[0]]
    r.set(4, 0, b"\4")
    log.settle()


def reasons(log):
    for i in log.all("DECISION", (4, 0, b"\1")):
        r = log.records[i]
        r.set(4, 1, r.field(4, 1).replace(b" release ", b" withhold ", 1))
        return log.settle()
    raise NotHere("a release")


def release_other(log):
    """Another released digest, in the decision and in what is delivered by it."""
    i = log.all("DECISION", (4, 0, b"\1"))[0]
    for r in [log.records[i]] + [log.records[j] for j in log.all("DELIVERY", (4, 4, u64(i)))]:
        r.set(2, 3, H(b"another"))
    log.settle()


def early(log):
    """The first report is recorded a second before its facts were judged."""
    r = pick(log, "INTAKE", which=0)
    at, when = log.records.index(r), r.field(1, 1)
    for b in log.records[at:]:
        if b.field(1, 1) == when:
            b.set(1, 1, plus(-1000000)(when))
    for a in log.records[:at]:
        a.set(1, 1, min(a.field(1, 1), plus(-1000000)(when)))
    log.settle()


def facts(number_, when):
    """The facts of the last NARROWED say another time (6 judged, 7 accepted, 8 expiry), counted from the record's."""
    def lie(log):
        r = pick(log, "NARROWED")
        n, out = number(r.field(1, 1)) + when, b""
        while n > 127:
            n, out = n >> 7, out + bytes([n & 127 | 128])
        data = log.content("facts", r.field(4, 3)) + bytes([number_ << 3]) + out + bytes([n])
        r.set(4, 3, log.add_content("facts", data))
        log.settle()
    return lie


def one_more(log):
    """A decision of another report, for somebody else, in the run of an INTAKE; nothing follows it."""
    r = pick(log, "DECISION")
    extra = forge.Record.parse(r.opening())
    extra.set(2, 0, b"XXX")
    extra.set(1, 2, flip(r.field(1, 2)))
    log.records.insert(log.records.index(r) + 1, extra)
    log.settle()


def one_portion_more(log):
    """A line more in the reasons, of a portion that the report has not; outcome and digest fit."""
    r = log.records[log.all("DECISION", (4, 0, b"\1"))[0]]
    r.set(4, 1, r.field(4, 1) + b"%d withhold forbidden a -\n" % r.field(4, 1).count(b"\n"))
    r.set(4, 0, b"\2")
    log.settle()


def attested(size, root, **more):
    """A client of a party attests what the party's last PARTY_HEAD states, or something else; slot=fields adds to it."""
    def lie(log):
        log.settle()
        head = pick(log, "PARTY_HEAD")
        r = forge.Record.parse(head.opening())
        r.set(1, 0, b"\5")
        r.set(1, 1, log.records[-1].field(1, 1))
        r.slots[5].value = b""
        r.set(2, 0, head.field(7, 0))
        for name, value in more.items():
            r.set(int(name[-1]), 0, value)
        r.slots[6].value = b"".join(map(text, (b"", size(head.field(7, 1)), root(head.field(7, 2)), H(b"leaf"), b"sig")))
        log.records.append(r)
        log.settle(keep=r)
    return lie


def key(purpose, act, what):
    """A KEY (1 log, 2 anchor, 3 signer, 4 broker; 1 added, 2 removed, 3 revoked)."""
    def made(log):
        r = forge.Record.parse(pick(log, "KEY", 0).opening())
        for k, value in ((1, bytes([purpose])), (2, bytes([act])), (3, what)):
            r.set(7, k, value)
        return r
    return made


def told(*keys, late=True):
    """KEY records more, at the end of the log or before its last POLICY."""
    def lie(log):
        for made in keys:
            r = made(log)
            at = len(log.records) if late else log.records.index(pick(log, "POLICY"))
            r.set(1, 1, log.records[at - 1].field(1, 1))
            log.records.insert(at, r)
        log.settle()
    return lie


NEXT = H(b"a key that follows")


def follows(*acts):
    """Another key of the same log, told in these ways."""
    def lie(log):
        vkey = forge.Key(log.origin, NEXT).vkey.encode()
        told(*[key(1, act, vkey) for act in acts])(log)
    return lie


def another_from_the_first(log):
    vkey = forge.Key(log.origin, NEXT).vkey.encode()
    for at in log.all("KEY", (7, 1, b"\1")):
        log.records[at].set(7, 3, vkey)
    log.settle()


def anchor_untold(log):
    found = log.all("KEY", (7, 1, b"\2"))
    if not found:
        raise NotHere("an anchor")
    del log.records[found[0]]
    log.settle()


def other_place(log):
    """A NARROWED has slot 8 though nothing was delivered to its recipient, or has none though something was."""
    r = pick(log, "NARROWED")
    r.slots[7].value = b"" if r.field(8, 0) else text(u64(0))
    log.settle()


def withheld(log):
    """The last DECISION that releases nothing, and the words of its reasons."""
    found = log.all("DECISION", (4, 0, b"\4"))
    if not found:
        raise NotHere("something withheld")
    r = log.records[found[-1]]
    return r, [line.split(b" ") for line in r.field(4, 1).splitlines()]


def one_portion_more_withheld(log):
    r, lines = withheld(log)
    r.set(4, 1, r.field(4, 1) + b" ".join([b"%d" % len(lines)] + lines[-1][1:]) + b"\n")
    log.settle(keep=r)


def agreement(name):
    """The reasons of a decision that releases nothing name another agreement."""
    def lie(log):
        r, lines = withheld(log)
        r.set(4, 1, b"".join(b" ".join(words[:3] + [name] + words[4:]) + b"\n" for words in lines))
        log.settle(keep=r)
    return lie


def same(old):
    return old


def erased(told):
    """Slot 6 of an INTAKE is gone."""
    def lie(log):
        r, e = pick(log, "INTAKE"), None
        if told:
            e = forge.Record.parse(pick(log, "POLICY").opening())
            e.set(1, 0, b"\x12")
            e.set(1, 1, log.records[-1].field(1, 1))
            e.slots[6].value = text(u64(log.records.index(r)))
            log.records.append(e)
        log.settle(keep=e)
        r.slots[5] = forge.Slot(6, commitment=r.slots[5].commitment)
    return lie


def next_year(log):
    log.records[-1].set(1, 1, plus(400 * 86400 * 1000000)(log.records[-1].field(1, 1)))
    log.settle()


def less(old):
    """A line less."""
    return b"".join(line + b"\n" for line in old.splitlines()[:-1])


def older(says_so):
    """A checkpoint of the same log when it was one record smaller, truly signed."""
    def after(folder, log, key):
        leaves = [r.leaf for r in log.records[:-1]]
        forge.put(folder, "checkpoint", key.note("%s\n%d\n%s\n" % (
            key.name, len(leaves), base64.b64encode(root_of(leaves)).decode())))
        if says_so:
            with open(folder + "/bundle", encoding="ascii") as f:
                claims = f.read()
            forge.put(folder, "bundle", claims.replace("size %d" % len(log.records), "size %d" % len(leaves)))
    return after


TIMES = [
    ("nothing; all is made anew", 0, forge.Log.settle),
    ("time falls", 9, field("ACK", 1, 1, plus(-10**9))),
    ("the last record is of next year", 9, next_year),
    ("recorded before it was judged", 9, early),
    ("a NARROWED recorded before it was judged", 9, facts(6, 1)),
    ("a NARROWED judged before its report was accepted", 9, facts(7, 0)),
    ("a NARROWED judged before its report expired, recorded then", 9, facts(8, 0)),
    ("a NARROWED recorded just before its report expired", 0, facts(8, 1)),
    ("a DELIVERY with another time of acceptance", 9, field("DELIVERY", 7, 0, plus(1))),
    ("an EXPIRE with another expiry", 9, field("EXPIRE", 7, 0, plus(-1000))),
    ("an EXPIRE before its expiry", 9, field("EXPIRE", 7, 0, plus(10**9))),
]

LEFT_OUT = [
    ("a DELIVERY never was", 7, records(without("DELIVERY"))),
    ("a DECISION never was", 7, records(without("DECISION"))),
    ("an INTAKE never was", 7, records(without("INTAKE"))),
    ("a POLICY never was", 7, records(without("POLICY"))),
    ("a NARROWED never was", 0, records(without("NARROWED", -1))),
    ("an ACK never was", 0, records(without("ACK", -1))),
    ("a PARTY_HEAD never was", 0, records(without("PARTY_HEAD", -1))),
    ("the last record never was", 0, records(lambda log: log.records.pop())),
    ("a record is gone, the places are as before", 7, records(without("AGREEMENT"), places=False)),
    ("a DELIVERY twice", 7, records(twice("DELIVERY"))),
    ("a DECISION twice", 7, records(twice("DECISION"))),
    ("an INTAKE twice", 2, records(twice("INTAKE"))),
    ("slot 6 erased, as an ERASE says", 0, erased(True)),
    ("slot 6 erased, and no ERASE says so", 7, erased(False)),
    ("the last DECISION of a report never was", 7, records(without("DECISION", -1))),
]

LINKS = [
    ("a first DECISION away from its INTAKE", 7, records(move("DECISION", 2))),
    ("a DECISION before its INTAKE", 7, records(move("DECISION", -2))),
    ("a DECISION links to itself", 7, relink("DECISION", 0)),
    ("a DECISION links to the record after it", 7, relink("DECISION", 1)),
    ("a DECISION links to record 0", 7, field("DECISION", 4, 4, u64(0))),
    ("a DECISION without a link", 7, field("DECISION", 4, 4, b"")),
    ("a DECISION of another report", 7, field("DECISION", 1, 2, flip)),
    ("a DECISION more, of another report", 7, one_more),
    ("a DECISION for another recipient", 7, field("DELIVERED", 2, 0, b"XXX")),
    ("a DECISION under another policy", 7, field("DECISION", 4, 2, H)),
    ("an INTAKE under another policy", 7, field("INTAKE", 4, 2, H)),
    ("a DECISION without a policy", 7, field("DECISION", 4, 2, b"")),
    ("a POLICY with another one before it", 7, field("POLICY", 7, 1, H(b"x"))),
    ("a NARROWED links to its INTAKE", 7, narrowed_link),
    ("a NARROWED holds what was withheld", 7, widened),
    ("a DELIVERY by the decision before", 7, old_link),
    ("a DELIVERY by a decision that withholds", 7, withheld_delivery),
    ("a DELIVERY after the EXPIRE", 7, after_the_end),
    ("a DELIVERY without a link", 7, field("DELIVERY", 4, 4, b"")),
    ("a DELIVERY of something else", 7, field("DELIVERY", 2, 3, H)),
    ("a DELIVERY of nothing", 2, field("DELIVERY", 2, 3, b"")),
    ("a DELIVERY to another", 7, field("DELIVERY", 2, 0, b"XXX")),
    ("a DELIVERY of another report", 7, field("DELIVERY", 1, 2, flip)),
    ("a DELIVERY with other agreements", 7, field("DELIVERY", 2, 1, b"none@1")),
    ("a DELIVERY with another marking", 7, field("DELIVERY", 2, 2, b"NONE")),
    ("a DELIVERY from another publisher", 7, field("DELIVERY", 3, 0, b"XXX")),
    ("a DELIVERY from nobody", 7, slot("DELIVERY", 3, b"")),
    ("a DELIVERY without a place", 7, slot("DELIVERY", 8, b"")),
    ("an ACK of what is no DELIVERY", 7, field("ACK", 7, 0, u64(0))),
    ("an ACK of a later record", 7, field("ACK", 7, 0, u64(10**6))),
    ("an ACK by another", 7, field("ACK", 2, 0, b"XXX")),
    ("an ACK to another publisher", 7, field("ACK", 3, 0, b"XXX")),
    ("an EXPIRE of no decision", 7, field("EXPIRE", 7, 1, u64(0))),
    ("an EXPIRE for another", 7, field("EXPIRE", 2, 0, b"XXX")),
    ("a NARROWED with another slot 8 than was delivered", 7, other_place),
    ("a DECISION under no agreement", 7, agreement(b"-")),
    ("a DECISION under an agreement that the export has not", 6, agreement(b"nowhere")),
]

TREES = [
    ("START states another size", 5, field("START", 7, 2, plus(1))),
    ("START states another root", 5, field("START", 7, 3, flip)),
    ("STOP states another size", 5, field("STOP", 7, 1, plus(1))),
    ("STOP states another root", 5, field("STOP", 7, 2, flip)),
    ("a PARTY_HEAD of another size", 7, field("PARTY_HEAD", 7, 1, plus(-1))),
    ("a PARTY_HEAD of another root", 7, field("PARTY_HEAD", 7, 2, flip)),
    ("a PARTY_HEAD after another head", 7, field("PARTY_HEAD", 7, 3, lambda old: b"" if old else u64(1))),
    ("a PARTY_HEAD of an unknown party", 7, field("PARTY_HEAD", 7, 0, b"XXX")),
    ("a place too high", 7, field("DECISION", 3, 4, plus(1))),
    ("a place twice", 7, field("DELIVERY", 8, 0, plus(-1))),
    ("an AGREEMENT without a place", 7, slot("AGREEMENT", 8, b"")),
    ("a DECISION without slot 3", 2, slot("DECISION", 3, b"")),
    ("an attestation of the last PARTY_HEAD", 0, attested(same, same)),
    ("an attestation of another root", 5, attested(same, flip)),
    ("an attestation of a size that no PARTY_HEAD states", 7, attested(plus(1000), same)),
    ("an older checkpoint over the same files", 2, forge.Log.settle, older(False)),
    ("an older checkpoint, and `bundle` says so", 2, forge.Log.settle, older(True)),
]

FORM = [
    ("type 27", 2, field("PARTY_HEAD", 1, 0, b"\x1b")),
    ("type 0", 2, field("DECISION", 1, 0, b"\0")),
    ("no time", 2, field("DECISION", 1, 1, b"")),
    ("a time of 7 bytes", 2, field("DECISION", 1, 1, lambda old: old[1:])),
    ("a report id of 15 bytes", 2, field("DECISION", 1, 2, lambda old: old[1:])),
    ("an INTAKE of no report", 2, field("INTAKE", 1, 2, b"")),
    ("NUL in a text", 2, field("DECISION", 3, 3, b"a\0b")),
    ("a text that is no UTF-8", 2, field("DECISION", 3, 3, b"a\xffb")),
    ("UTF-8 of a surrogate", 2, field("DECISION", 3, 3, b"\xed\xa0\x80")),
    ("a digest of 31 bytes", 2, field("DECISION", 3, 2, lambda old: old[1:])),
    ("outcome 5", 2, field("DECISION", 4, 0, b"\5")),
    ("outcome 0", 2, field("DECISION", 4, 0, b"\0")),
    ("SUBSCRIPTION with mode 3", 2, field("SUBSCRIPTION", 7, 1, b"\3")),
    ("POLICY without a cause", 2, field("POLICY", 7, 2, b"")),
    ("an empty slot in the other spelling", 2, slot("DECISION", 8, bytes(4))),
    ("bytes after a slot's last field", 2, slot("DECISION", 3, lambda v: v + b"\0")),
    ("a field after the last of a body", 2, slot("INTAKE", 7, lambda v: v + text(b"new"))),
    ("a slot that ends in a field", 2, slot("DECISION", 3, lambda v: v[:-1])),
    ("a slot that the type has not", 2, slot("DECISION", 7, text(b"x"))),
    ("slot 8 in a DECISION", 2, slot("DECISION", 8, text(u64(0)))),
    ("a DELIVERY with a person", 2, slot("DELIVERY", 6, text(b"CN=x") + text(b""))),
    ("a DELIVERY with a whole publication", 2, field("DELIVERY", 3, 1, b"spiffe://x/y")),
    ("a DELIVERY with an outcome", 2, field("DELIVERY", 4, 0, b"\1")),
    ("an INTAKE with an outcome", 2, field("INTAKE", 4, 0, b"\1")),
    ("an INTAKE without a body", 2, slot("INTAKE", 7, b"")),
    ("an INTAKE without slot 3", 2, slot("INTAKE", 3, b"")),
    ("an INTAKE without slot 4", 2, slot("INTAKE", 4, b"")),
    ("an INTAKE without slot 5", 2, slot("INTAKE", 5, b"")),
    ("a DECISION without slot 2", 2, slot("DECISION", 2, b"")),
    ("a DECISION without slot 4", 2, slot("DECISION", 4, b"")),
    ("a DELIVERY without slot 2", 2, slot("DELIVERY", 2, b"")),
    ("a DELIVERY without slot 4", 7, slot("DELIVERY", 4, b"")),
    ("an INTAKE without a manifest digest", 2, field("INTAKE", 3, 2, b"")),
    ("a DECISION without facts", 2, field("DECISION", 4, 3, b"")),
    ("a DECISION without an outcome", 2, field("DECISION", 4, 0, b"")),
    ("a DECISION for nobody", 2, field("DECISION", 2, 0, b"")),
    ("two recipients of a release", 2, field("DELIVERED", 2, 0, lambda old: old + b"\nZZZ")),
    ("recipients in another order", 2, field("DECISION", 2, 0, b"ZZZ\nAAA")),
    ("an attestation with a publisher", 2, attested(same, same, slot3=b"GBR")),
    ("an ACK without slot 3", 7, slot("ACK", 3, b"")),
    ("an ACK with agreements", 2, field("ACK", 2, 1, b"atlas@1")),
    ("a POLICY of a report", 2, field("POLICY", 1, 2, bytes(16))),
    ("a POLICY of no node", 2, field("POLICY", 5, 0, b"")),
    ("a POLICY of no clock", 2, field("POLICY", 5, 3, b"")),
    ("a DELIVERY without a marking", 2, field("DELIVERY", 2, 2, b"")),
    ("a DELIVERY with facts", 2, field("DELIVERY", 4, 3, H(b"x"))),
    ("a DECISION without an agent", 2, field("DECISION", 3, 1, b"")),
    ("an ACK of nothing", 2, slot("ACK", 7, b"")),
    ("an ACK with half an attestation", 2, field("ACK", 7, 1, u64(1))),
    ("an ACK whose indexes fall", 2, field("ACK", 7, 0, lambda old: old + old)),
    ("no anchors", 2, field("INTAKE", 7, 2, b"")),
]

SAYING = [
    ("reasons of another form", 2, field("DECISION", 4, 1, b"because\n")),
    ("reasons without the last LF", 2, field("DECISION", 4, 1, lambda old: old[:-1])),
    ("a verdict of another word", 2, field("DECISION", 4, 1, lambda old: b"0 free" + old[old.index(b" ", 2):])),
    ("lines of reasons that all have number 0", 2, field("DECISION", 4, 1, lambda old: old + old)),
    ("something held is said to be withheld", 6, held_as_withheld),
    ("another outcome than the reasons'", 6, field("DECISION", 4, 0, lambda old: b"\4" if old == b"\3" else b"\3")),
    ("a DECISION without reasons", 2, field("DECISION", 4, 1, lambda old: b"")),
    ("more is released than the reasons say", 6, reasons),
    ("another released digest, and delivered so", 6, release_other),
    ("a portion more in the reasons", 6, one_portion_more),
    ("outcome release, and no digest", 6, field("DECISION", 2, 3, lambda old: b"" if old else H(b"x"))),
    ("a digest of what is withheld", 6, field("NARROWED", 2, 3, H(b"x"))),
    ("a DECISION released by an agreement that its reasons do not name", 6, field("DELIVERED", 2, 1, b"none@1")),
    ("a DECISION released by its agreement twice", 6, field("DELIVERED", 2, 1, lambda old: old + b"\n" + old)),
    ("a DECISION that withholds a portion more than there is", 6, one_portion_more_withheld),
    ("a DECISION released by another version of its agreement", 6, field("DELIVERED", 2, 1, flip)),
    ("a portion less in the reasons", 6, field("DECISION", 4, 1, less)),
    ("another manifest digest in an INTAKE", 6, field("INTAKE", 3, 2, H)),
    ("another manifest digest in a DECISION", 6, field("DECISION", 3, 2, H)),
    ("another banner in a DECISION", 6, field("DECISION", 3, 3, b"NONE")),
    ("a facts digest that no file has", 0, field("DECISION", 4, 3, H)),
    ("a seal digest that no file has", 0, field("INTAKE", 7, 0, H)),
]

CERT, OTHER = H(b"x").hex().encode(), b"hub.example/relto/g2+00000000+AQ=="
KEYS = [
    ("a key of the log that is no vkey", 2, told(key(1, 1, OTHER))),
    ("a key of the log that is another log's", 2, told(key(1, 1, forge.Key("hub.example/relto/g2").vkey.encode()))),
    ("a key of the log that follows the one that signed", 0, follows(1)),
    ("a key of the log that followed and is gone", 0, follows(1, 2)),
    ("a key of the log that followed and is revoked", 6, follows(1, 3)),
    ("the log's key is another from the first", 6, another_from_the_first),
    ("the log's key is told twice", 7, lambda log: told(key(1, 1, pick(log, "KEY", 0).field(7, 3)))(log)),
    ("the log's key is removed", 6, lambda log: told(key(1, 2, pick(log, "KEY", 0).field(7, 3)))(log)),
    ("an anchor in capitals", 2, told(key(2, 1, CERT.upper()))),
    ("an anchor that no policy has", 7, told(key(2, 1, CERT), late=False)),
    ("an anchor that was never told", 7, anchor_untold),
    ("an anchor told, and its POLICY never came", 0, told(key(2, 1, CERT))),
    ("an anchor told twice", 7, told(key(2, 1, CERT), key(2, 1, CERT))),
    ("an anchor removed that was never told", 7, told(key(2, 2, CERT))),
    ("an anchor revoked", 7, told(key(2, 1, CERT), key(2, 3, CERT))),
    ("a broker's certificate told, removed and told again", 0, told(*(key(4, act, CERT) for act in (1, 2, 1)))),
    ("a broker's certificate told twice", 7, told(key(4, 1, CERT), key(4, 1, CERT))),
    ("a signer revoked, and believed again", 0, told(key(3, 3, CERT), key(3, 1, CERT))),
    ("a signer added whom nobody took away", 7, told(key(3, 1, CERT))),
    ("a signer removed twice", 7, told(key(3, 2, CERT), key(3, 2, CERT))),
]

TABLE = KEYS + TIMES + LEFT_OUT + LINKS + TREES + FORM + SAYING
