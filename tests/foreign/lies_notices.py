"""lies_notices.py - what a log with its key could say of recalls, of what is superseded and of feedback that is not so; rows as
in lies.py."""
import forge
from forge import H, number, u64
from lies import field, pick, records, slot, twice, without
from tampers import NotHere, flip

WITHDRAWN, NOTIFIED, ANSWERED = b"\1", b"\2", b"\3"


def recall_intake(log):
    """The INTAKE of the last recall: no DECISION follows it."""
    ids = {log.records[i].field(7, 0) for i in log.all("RECALL")}
    found = [i for i in log.all("INTAKE") if log.records[i].field(1, 2) in ids]
    if not found:
        raise NotHere("a recall")
    return log.records[found[-1]]


def act(kind, which):
    found = lambda log: log.all(kind, (7, 1, which))  # noqa: E731

    def last(log):
        if not found(log):
            raise NotHere("%s %d" % (kind, which[0]))
        return log.records[found(log)[-1]]
    return last


def change(find, n, k, into):
    def lie(log):
        r = find(log)
        r.set(n, k, into(r.field(n, k)) if callable(into) else into)
        log.settle(keep=r)
    return lie


def change_slot(find, n, into):
    def lie(log):
        r = find(log)
        r.slots[n - 1].value = into
        log.settle(keep=r)
    return lie


def ordinary_as_recall(log):
    """All DECISIONs of a report were left out; its facts are those of a recall."""
    of = recall_intake(log)
    for i in log.all("INTAKE"):
        r = log.records[i]
        if r.field(1, 2) == log.records[i + 1].field(1, 2) and log.records[i + 1].kind == "DECISION":
            r.set(4, 3, of.field(4, 3))
            log.records[i + 1:] = [x for x in log.records[i + 1:] if x.field(1, 2) != r.field(1, 2) or x.kind in ("RECALL", "REFUSED")]
            return log.settle()
    raise NotHere("a report with a DECISION")


def recall_by_other_facts(log):
    """A recall with the facts of a report, which name agreements and portions."""
    r = recall_intake(log)
    other = next(log.records[i] for i in log.all("INTAKE") if log.records[i] is not r)
    r.set(4, 3, other.field(4, 3))
    log.settle(keep=r)


def delivered_after(log):
    """What was withdrawn leaves all the same."""
    for i in log.all("RECALL", (7, 1, WITHDRAWN)):
        at = number(log.records[i].field(7, 4))
        for j in log.all("DELIVERY", (4, 4, u64(at))):
            if j < i:
                r = log.records.pop(j)
                log.records.insert(i, r)
                r.set(1, 1, log.records[i - 1].field(1, 1))
                return log.settle()
    raise NotHere("something delivered and withdrawn")


TABLE = [
    ("a RECALL of no decision", 7, change(act("RECALL", WITHDRAWN), 7, 4, u64(0))),
    ("a RECALL that notifies by no decision", 7, change(act("RECALL", NOTIFIED), 7, 4, u64(0))),
    ("a RECALL answered by no decision", 7, change(act("RECALL", ANSWERED), 7, 4, u64(0))),
    ("a RECALL for another", 7, change(act("RECALL", NOTIFIED), 2, 0, b"XXX")),
    ("a RECALL of another report", 7, change(act("RECALL", WITHDRAWN), 1, 2, flip)),
    ("a RECALL from another publisher", 7, change(act("RECALL", NOTIFIED), 3, 0, b"XXX")),
    ("a RECALL without its place, of what was delivered", 7, change_slot(act("RECALL", NOTIFIED), 8, b"")),
    ("a RECALL with act 4", 2, change(act("RECALL", NOTIFIED), 7, 1, b"\4")),
    ("a RECALL by no notice", 2, change(act("RECALL", NOTIFIED), 7, 0, b"")),
    ("a RECALL without a decision", 2, change(act("RECALL", NOTIFIED), 7, 4, b"")),
    ("a RECALL whose code is no text", 2, change(act("RECALL", NOTIFIED), 7, 2, b"\xff")),
    ("a RECALL with agreements", 2, change(act("RECALL", NOTIFIED), 2, 1, b"atlas@1")),
    ("a RECALL without a body", 2, slot("RECALL", 7, b"")),
    ("a RECALL that withdrew never was", 0, records(lambda log: log.records.remove(act("RECALL", WITHDRAWN)(log)))),
    ("a DELIVERY after its RECALL", 7, delivered_after),
    ("a recall under the facts of a report", 7, recall_by_other_facts),
    ("a report without a DECISION, as if it were a recall", 7, ordinary_as_recall),
    ("a SUPERSEDE of no decision", 7, change(act("SUPERSEDE", WITHDRAWN), 7, 3, u64(0))),
    ("a SUPERSEDE for another", 7, change(act("SUPERSEDE", NOTIFIED), 2, 0, b"XXX")),
    ("a SUPERSEDE without its place, of what was delivered", 7, change_slot(act("SUPERSEDE", NOTIFIED), 8, b"")),
    ("a SUPERSEDE with act 3", 2, change(act("SUPERSEDE", NOTIFIED), 7, 1, b"\3")),
    ("a SUPERSEDE never was", 0, records(without("SUPERSEDE", -1))),
    ("a FEEDBACK without a code", 2, field("FEEDBACK", 7, 0, b"")),
    ("a FEEDBACK without a place", 7, slot("FEEDBACK", 8, b"")),
    ("a FEEDBACK for nobody", 2, field("FEEDBACK", 2, 0, b"")),
    ("a FEEDBACK without its DELIVERY", 2, field("FEEDBACK", 7, 2, b"")),
    ("a FEEDBACK with half a time", 2, field("FEEDBACK", 7, 1, b"\0\0\0\1")),
    ("a FEEDBACK twice", 0, records(twice("FEEDBACK"))),
    ("a FEEDBACK with another place", 7, field("FEEDBACK", 8, 0, u64(10**6))),
]
