"""relto_backfill.py - what section 9 of docs/audit-format.md asks of a DECISION of backfill: for a party that was not judged
when the report came.
"""
from relto_format import CONTENT, GAP, TIME

RELEASE, REDACT = 1, 2


class Backfill:
    def backfill(self, r, name, intake):
        """The first decision for 'name', away from its INTAKE."""
        self.must(intake and r.link == intake.at, GAP, "a first decision that links to no INTAKE of its report")
        self.must(r.outcome in (RELEASE, REDACT), GAP, "a backfill of what is not released")
        self.must(name != r.party, GAP, "a backfill for the publisher")
        self.must(r.report_key not in self.withdrawn, GAP, "a backfill of what was recalled or superseded")
        if intake:
            self.must(self.policy_at is None or intake.at < self.policy_at, GAP, "a backfill under the policy it came under")
            self.must(intake.asks is not False, GAP, "a backfill that the routing part does not ask for")
        for export in () if self.party or not intake else (self.export(intake.policy), self.export(r.policy)):
            had = {agreement for _, agreement in r.reasons or ()} <= export.backfill if export else True
            self.must(had, GAP, "a backfill under an agreement without it")
        export = None if self.party else self.export(r.policy)
        may = not export or all(name in export.receivers.get(a, ()) for _, a in r.reasons or () if a in export.backfill)
        self.must(may, GAP, "a backfill for who may not receive")

    def backfill_facts(self, r, intake):
        """Field 19: of a backfill and what follows from it, and of nothing else."""
        first = r.name == "DECISION" and not self.run and intake and r.link == intake.at
        if self.party or r.facts_said is None or not first and not r.facts_said.backfill:
            return
        if not r.facts_said.backfill:
            self.must(False, GAP, "away from its INTAKE by facts that are of no backfill")
            return
        said = r.facts_said.backfill[-1]
        self.must(r.name != "DECISION" or not self.run, CONTENT, "the facts of a backfill stand with its INTAKE")
        good = (said[1], said[2], r.facts_said.later) == ([(r.recipient or "").encode()], [1], True)
        self.must(good, CONTENT, "facts of a backfill for another, or that nobody asked for")
        listed = {agreement.decode() for agreement in said[3]}
        good = not first or {agreement for _, agreement in r.reasons or ()} <= listed
        self.must(good, CONTENT, "a backfill under an agreement that its facts do not list")
        expired = first and 0 < r.facts_said.expires <= r.facts_said.time
        self.must(not expired, TIME, "a backfill of what had expired")
