"""lies_approval.py - what a log with its key could say of approvals that is not so; rows as in lies.py."""
from forge import H, number, u64
from lies import field, pick, records, slot, twice
from tampers import NotHere

REVIEW, SIGNER, APPROVE, REJECT = b"\1", b"\3", b"\1", b"\2"


def answer(which):
    """The last APPROVAL with that answer, of which another follows for the same report and recipient if need be."""
    def find(log):
        found = log.all("APPROVAL", (7, 6, which))
        if not found:
            raise NotHere("an APPROVAL")
        return log.records[found[-1]]
    return find


def turned(which, into):
    """What was rejected was approved, or the reverse; nothing else changes."""
    def lie(log):
        r = answer(which)(log)
        r.set(7, 6, into)
        log.settle(keep=r)
    return lie


def by_nobody(log):
    """A report that a person released leaves by the broker's own act: a NARROWED with the same facts."""
    r = answer(APPROVE)(log)
    r.set(1, 0, b"\6")
    r.slots[6].value = r.slots[7].value = b""
    log.settle()


def by_the_publisher(log):
    r = pick(log, "APPROVAL")
    intake = log.records[log.all("INTAKE", (1, 2, r.field(1, 2)))[0]]
    r.set(5, 2, intake.field(5, 2))
    log.settle(keep=r)


def again(log):
    """Decided twice: the second of two for one report and recipient says what the first one said."""
    for i in log.all("APPROVAL"):
        r = log.records[i]
        before = log.records[number(r.field(4, 4))]
        if before.kind == "APPROVAL":
            r.slots[6].value = before.slots[6].value
            return log.settle(keep=r)
    raise NotHere("two APPROVALs in a row")


def never_was(log):
    """Of two APPROVALs in a row the first is left out; the facts of the second still have it."""
    for i in log.all("APPROVAL"):
        if log.all("APPROVAL", (4, 4, u64(i))):
            log.records.remove(log.records[i])
            return log.settle()
    raise NotHere("two APPROVALs in a row")


def rejected_and_gone(log):
    """What was rejected is released all the same, and the outcome with it; the digest is not looked at before."""
    r = answer(REJECT)(log)
    n = number(r.field(7, 5))
    lines = r.field(4, 1).split(b"\n")
    lines[n] = b"%d release release %s maritime" % (n, r.field(7, 1))
    r.set(4, 1, b"\n".join(lines))
    log.settle(keep=r)


def older_facts(log):
    """The facts of the decision before: in them nobody has answered yet."""
    r = pick(log, "APPROVAL")
    r.set(4, 3, log.records[number(r.field(4, 4))].field(4, 3))
    log.settle(keep=r)


TABLE = [
    ("an approval was a rejection", 6, turned(APPROVE, REJECT)),
    ("a rejection was an approval", 6, turned(REJECT, APPROVE)),
    ("what a person released was released by nobody", 6, by_nobody),
    ("what was rejected is released", 6, rejected_and_gone),
    ("an APPROVAL by facts without it", 6, older_facts),
    ("an APPROVAL by facts that no file has", 0, field("APPROVAL", 4, 3, H)),
    ("an APPROVAL from the session that published", 6, by_the_publisher),
    ("an APPROVAL from no certificate", 2, field("APPROVAL", 5, 2, b"")),
    ("an APPROVAL by no person", 2, slot("APPROVAL", 6, b"")),
    ("an APPROVAL for another recipient", 6, field("APPROVAL", 7, 4, b"XXX")),
    ("an APPROVAL of another rule", 6, field("APPROVAL", 7, 2, b"another")),
    ("an APPROVAL of no rule", 6, field("APPROVAL", 7, 2, b"")),
    ("an APPROVAL of another agreement", 6, field("APPROVAL", 7, 1, b"another")),
    ("an APPROVAL of another kind", 6, field("APPROVAL", 7, 0, SIGNER)),
    ("an APPROVAL of a portion that there is not", 6, field("APPROVAL", 7, 5, u64(200))),
    ("an APPROVAL by another party", 6, field("APPROVAL", 7, 3, b"HUB")),
    ("an APPROVAL without a body", 2, slot("APPROVAL", 7, b"")),
    ("an APPROVAL of what was decided before", 6, again),
    ("an APPROVAL twice", 7, records(twice("APPROVAL"))),
    ("an APPROVAL never was", 6, never_was),
    ("an APPROVAL without a link", 7, field("APPROVAL", 4, 4, b"")),
]
