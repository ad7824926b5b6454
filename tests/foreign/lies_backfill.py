"""lies_backfill.py - what a log with its key could say of a DECISION of backfill that is not so; rows as in lies.py."""
import re

import forge
from forge import H, number, u64
from tampers import NotHere

ASKED, WHO, WITHHOLD = b"\x30\x01", b"XXX", b"\4"  # field 6 of a routing part, its last; somebody who was never judged
REASON = rb"(?m)^(\d+) \S+"


def routing(log, intake):
    return log.content("routing", bytes.fromhex(log.lines[intake].split(" ")[1]))


def released(log, asked):
    """A first decision that releases something of a report whose routing part asks for backfill, or does not."""
    for i in reversed(log.all("DECISION")):
        r = log.records[i]
        intake = log.records[number(r.field(4, 4))]
        if r.field(4, 0) in (b"\1", b"\2") and b"-" not in r.field(4, 1).split(b" ")[3::4] \
                and routing(log, intake).endswith(ASKED) == asked:
            return r, intake
    raise NotHere("something released of a report that asks for backfill, or does not")


def wire_part(n, data):
    return bytes([n << 3 & 127 | 130, n >> 4, len(data)]) + data


def field_19(who, asked, agreements, more=b""):
    inner = b"\x0a" + bytes([len(who)]) + who + (b"\x10\1" if asked else b"") + more
    return wire_part(19, inner + b"".join(b"\x1a" + bytes([len(a)]) + a for a in agreements))


def content(log, folder, digest):
    return log.more.get("%s/%s" % (folder, digest.hex())) or log.content(folder, digest)


def another_policy(log, change=lambda text: text):
    """A POLICY record at the end, with a changed export; its digest."""
    last = log.records[log.all("POLICY")[-1]]
    r = forge.Record.parse(last.opening())
    digest = log.add_content("policy", change(content(log, "policy", last.field(7, 0))))
    r.set(7, 1, last.field(7, 0))
    r.set(7, 0, digest)
    r.set(1, 1, log.records[-1].field(1, 1))
    log.records.append(r)
    return digest


def all_policies(log, change):
    """Every export that a record names becomes another."""
    now = {}
    for r in log.records:
        places = [(4, 2)] if r.field(4, 2) else [(7, 0), (7, 1)] if r.kind == "POLICY" else []
        for n, k in places:
            old = r.field(n, k)
            if old and old not in now:
                now[old] = log.add_content("policy", change(log.content("policy", old)))
            if old:
                r.set(n, k, now[old])
    if not now:
        raise NotHere("a policy")


def without(text):
    return text.replace(b"    backfill\n", b"")


def with_it(text):
    return re.sub(rb"(?m)^(agreement .* \{)$", rb"\1\n    backfill", without(text))


def joined(text):
    return re.sub(rb"(?m)^(agreement .* \{)$", rb"\1\n    member XXX {\n        may [ receive ]\n    }", text)


class Backfill:
    """A DECISION for XXX behind a new POLICY; everything that a row changes of it."""

    def __init__(self, asked=True, new_policy=True, policy=lambda text: text, before=None, decision=None, said=None,
                 later=True, who=WHO, more=None, member=True):
        self.__dict__.update(locals())

    def __call__(self, log):
        old, intake = released(log, self.asked)
        if self.before:
            self.before(log, old, intake)
        digest = another_policy(log, lambda text: self.policy(joined(text) if self.member else text)) if self.new_policy else log.records[log.all("POLICY")[-1]].field(7, 0)
        r = forge.Record.parse(old.opening())
        names = {words.split(b" ")[3] for words in old.field(4, 1).splitlines()}
        facts = log.content("facts", intake.field(4, 3)) + (b"\x80\1\1" if self.later else b"")
        facts += self.said(names) if self.said else field_19(WHO, True, names)
        r.set(2, 0, self.who if self.who else r.field(3, 0))
        r.set(4, 2, digest)
        r.set(4, 3, log.add_content("facts", facts))
        r.set(1, 1, log.records[-1].field(1, 1))
        if self.decision:
            self.decision(r, intake, log)
        log.records.append(r)
        if self.more:
            self.more(log, r)
        log.settle()


def withheld(r, *_):
    r.set(4, 0, WITHHOLD)
    r.set(4, 1, re.sub(REASON, rb"\1 withhold", r.field(4, 1)))
    for k in (1, 2, 3):
        r.set(2, k, b"")


def held(r, *_):
    withheld(r)
    r.set(4, 0, b"\3")
    r.set(4, 1, re.sub(REASON, rb"\1 hold", r.field(4, 1)))


def again(log, r):
    log.records.append(forge.Record.parse(r.opening()))


def recalled(log, old, intake, kind=b"\7"):
    """Somebody was told of a recall of the report."""
    r = forge.Record.parse(old.opening())
    r.set(1, 0, kind)
    r.set(1, 1, log.records[-1].field(1, 1))
    for k in (1, 2, 3):
        r.set(2, k, b"")
    for k in (1, 2, 3):
        r.set(3, k, b"")
    r.slots[3].value = r.slots[5].value = b""
    body = (bytes(16), b"\2") + (b"",) * (2 if kind == b"\7" else 1) + (u64(log.records.index(old)),)
    r.slots[6].value = b"".join(len(f).to_bytes(4, "big") + f for f in body)
    if any(d.kind == "DELIVERY" and d.field(4, 4) == u64(log.records.index(old)) for d in log.records):
        r.slots[7].value = (8).to_bytes(4, "big") + u64(0)
    log.records.append(r)


def superseded(log, old, intake):
    recalled(log, old, intake, b"\x08")


def facts_of(log, intake, more):
    """The facts of the INTAKE and its DECISIONs have one field more."""
    data = log.add_content("facts", log.content("facts", intake.field(4, 3)) + more)
    for r in log.records:
        if r is intake or r.kind == "DECISION" and number(r.field(4, 4)) == log.records.index(intake):
            r.set(4, 3, data)


def in_the_run(log):
    old, intake = released(log, True)
    facts_of(log, intake, b"\x80\1\1" + field_19(old.field(2, 0), True, [b"atlas"]))
    log.settle()




def expired(r, intake, log):
    """Its facts say the time of the last record, and an expiry before."""
    time = number(log.records[-1].field(1, 1))

    def varint(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    data = log.more["facts/" + r.field(4, 3).hex()]
    r.set(4, 3, log.add_content("facts", data + b"\x30" + varint(time) + b"\x40" + varint(time)))


def part(behind=0):
    """The bundle begins with the INTAKE of the backfill, or so many records behind it."""
    def begins(folder, log, key):
        first = number(log.records[-1].field(4, 4)) + behind
        log.write(folder, key, first=first)
        return "--from", str(first)
    return begins


TABLE = [
    ("a backfill", 0, Backfill()),
    ("a backfill of what is withheld", 7, Backfill(decision=withheld)),
    ("a backfill of what is held", 7, Backfill(decision=held)),
    ("a backfill twice", 7, Backfill(more=again)),
    ("a backfill for a party that was judged", 7, Backfill(who=b"KEN", said=lambda names: field_19(b"KEN", True, names))),
    ("a backfill for the publisher", 7, Backfill(who=b"", said=lambda names: field_19(b"GBR", True, names))),
    ("a backfill under the policy that the report came under", 7, Backfill(new_policy=False)),
    ("a backfill under an agreement that has it no more", 7, Backfill(policy=without)),
    ("a backfill under an agreement that had it not", 7, Backfill(
        before=lambda log, *_: all_policies(log, without), policy=with_it)),
    ("a backfill that the routing part does not ask for", 7, Backfill(
        asked=False, before=lambda log, *_: all_policies(log, with_it), policy=with_it)),
    ("a backfill of another report", 7, Backfill(decision=lambda r, *_: r.set(1, 2, H(b"x")[:16]))),
    ("a backfill that links to something else", 7, Backfill(
        decision=lambda r, intake, log: r.set(4, 4, u64(log.records.index(intake) + 1)))),
    ("a backfill of what was recalled", 7, Backfill(before=recalled)),
    ("a backfill of what was superseded", 7, Backfill(before=superseded)),
    ("a backfill for who may not receive", 7, Backfill(member=False)),
    ("a backfill by facts of two", 2, Backfill(said=lambda names: field_19(WHO, True, names) * 2)),
    ("a backfill by facts that ask twice", 6, Backfill(said=lambda names: field_19(WHO, True, names, b"\x10\1"))),
    ("a backfill by facts that ask otherwise", 6, Backfill(said=lambda names: field_19(WHO, False, names, b"\x10\2"))),
    ("a backfill by facts for two", 6, Backfill(said=lambda names: field_19(WHO, True, names, b"\x0a\3XXX"))),
    ("a backfill by the facts of the INTAKE", 7, Backfill(said=lambda names: b"")),
    ("a backfill by facts of nobody's asking", 6, Backfill(said=lambda names: field_19(WHO, False, names))),
    ("a backfill by facts for another", 6, Backfill(said=lambda names: field_19(b"YYY", True, names))),
    ("a backfill by facts of no agreement", 6, Backfill(said=lambda names: field_19(WHO, True, []))),
    ("a backfill by facts of a first decision", 6, Backfill(later=False)),
    ("a backfill by facts that no file has", 0, Backfill(decision=lambda r, *_: r.set(4, 3, H(b"none")))),
    ("a backfill of what had expired", 9, Backfill(decision=expired)),
    ("the facts of a backfill with an INTAKE", 6, in_the_run),
    ("a backfill in a part of the log", 0, Backfill(), part()),
    ("a backfill of what is withheld in a part of the log", 7, Backfill(decision=withheld), part()),
    ("a backfill twice in a part of the log", 7, Backfill(more=again), part()),
    ("a backfill of what was recalled in a part of the log", 7, Backfill(before=recalled), part()),
    ("a backfill under an agreement that has it no more in a part of the log", 7, Backfill(policy=without), part()),
    ("a backfill for who may not receive in a part of the log", 7, Backfill(member=False), part()),
    ("a backfill by facts for another in a part of the log", 6,
     Backfill(said=lambda names: field_19(b"YYY", True, names)), part()),
    ("a backfill of what is withheld behind its INTAKE in a part of the log", 0, Backfill(decision=withheld), part(1)),
]
