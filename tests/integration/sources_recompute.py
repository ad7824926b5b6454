"""sources_recompute.py - what facts say of sources, computed once more from the bundle of an auditor of the hub party,
as docs/audit-format.md (section 8) says; shares nothing with the broker.

Of a report under several agreements all that could release count, as in the tests' own policies: each covers all.
"""
import os

import wire
import witness
from wire import pb


class Report:
    def __init__(self, log, record, line):
        self.index, self.publisher, self.id = record.index, record.field(3, 0).decode(), record.report
        self.facts = log.content("facts", record.field(4, 3), pb.Facts)
        manifest = log.content("manifest", bytes.fromhex(line[1]), pb.Manifest)
        routing = log.content("routing", bytes.fromhex(line[2]), pb.Routing)
        self.mode, self.cites = manifest.mode, list(routing.sources)
        self.agreements = [a.name.decode() for a in routing.agreements]
        self.current = {}  # recipient: the portions that the present decision releases
        self.lately = {}  # recipient: those that the one before it did, and when it was replaced (µs)
        self.went = {}  # recipient: portions of decisions that were delivered

    def decided(self, record):
        lines = record.field(4, 1).decode().splitlines()
        releases = record.field(4, 0)[0] in (1, 2)
        portions = {i for i, line in enumerate(lines) if releases and line.split(" ")[1] == "release"}
        for recipient in record.field(2, 0).decode().split("\n"):
            self.lately[recipient] = (record.time, self.current.get(recipient, set()))
            self.current[recipient] = portions


class Log:
    def __init__(self, folder, mode_of):
        self.folder, self.mode_of, self.reports, self.lines = folder, mode_of, {}, {}
        reports = os.path.join(folder, "report")
        for name in os.listdir(reports) if os.path.isdir(reports) else []:
            with open(os.path.join(reports, name), encoding="utf-8") as f:
                self.lines.update((int(line.split(" ")[0]), line.split()) for line in f)

    def content(self, kind, digest, of):
        with open(os.path.join(self.folder, kind, digest.hex()), "rb") as f:
            return wire.canonical(of, f.read())

    def check(self):
        """Every INTAKE that cites something; how many there were."""
        checked, records = 0, witness.bundle_records(self.folder)
        for _, record in sorted(records.items()):
            key = (record.field(3, 0).decode(), record.report)
            if record.kind == "INTAKE":
                report = Report(self, record, self.lines[record.index])
                if report.cites:
                    checked += 1
                    self.compare(report)
                self.reports[key] = report
            elif record.kind in ("DECISION", "NARROWED", "APPROVAL"):
                self.reports[key].decided(record)
            elif record.kind == "DELIVERY":
                report, recipient = self.reports[key], record.field(2, 0).decode()
                report.went.setdefault(recipient, set()).update(report.current[recipient])
        return checked

    def compare(self, report):
        want = list(self.walk(report))
        got = [(s.id, s.originator.decode(), s.agreement.decode(), s.via) for s in report.facts.sources]
        lists = [[o.decode() for o in s.onward_to] for s in report.facts.sources]
        if got != [entry for entry, _, _ in want] or not all(
                must <= set(names) <= must | may and names == sorted(set(names)) for names, (_, must, may) in zip(lists, want)):
            raise AssertionError("INTAKE %d: the facts say %r %r, the records %r" % (report.index, got, lists, want))

    def walk(self, report):
        """The entries, nearest first, each with whom it must have in onward_to, and whom it may."""
        todo, seen, taken = [(report.publisher, i, b"") for i in report.cites], set(), set()
        while todo:
            party, id, via = todo.pop(0)
            if (party, id) in seen:
                continue
            seen.add((party, id))
            found = [r for r in self.reports.values() if r.id == id and r.mode == report.mode
                     and (r.publisher == party or party in r.went)]
            if not found:
                yield (id, "", "", via), set(), set()
            for r in found:
                if r.publisher != party:
                    yield from self.pairs(r, party, via, report.facts.time)
                if r not in taken:
                    taken.add(r)
                    todo += [(r.publisher, i, r.id) for i in r.cites]

    def pairs(self, r, party, via, time):
        """What was being narrowed at the time of the facts may not have been seen."""
        must = {p for p, has in r.current.items() if r.went[party] <= has}
        may = {p for p, (when, had) in r.lately.items() if r.went[party] <= had and when >= time - 1000000}
        for agreement in r.agreements:
            if self.mode_of(agreement) == pb.Mode.Name(r.mode):
                yield (r.id, r.publisher, agreement, via), must, may
