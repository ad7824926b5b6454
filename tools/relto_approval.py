"""relto_approval.py - what section 9 of docs/audit-format.md asks of APPROVAL records and of the approvals in facts.

An answer is known by (kind, agreement, subject, approver, recipient, portion); 1 approves, 2 rejects.
"""
from relto_format import CONTENT, GAP

SIGNER, APPROVE = 3, 1


class Approvals:
    def answers(self, r, name, old, intake):
        """All that was decided of a report for one recipient, 'r' included; its facts must say the same."""
        out = dict(old.answers) if old else {}
        if r.name == "APPROVAL" and 7 in r.open:
            self.approval(r, old, intake, out)
        mine = sorted(tuple(a) for a in r.approvals or () if a[4] == name)
        good = r.approvals is None or self.first or mine == sorted(what + (answer,) for what, answer in out.items())
        self.must(good, CONTENT, "its facts have other approvals than APPROVAL records say")
        return out

    def approval(self, r, old, intake, answers):
        b, reasons, n = r.body, r.reasons or (), r.body["portion"]
        what = b["kind"], b["agreement"], b.get("subject", ""), b["approver"], b["recipient"], n
        self.must(b["recipient"] == r.recipient, CONTENT, "approves for another recipient")
        good = not what[2] and b["approver"] == r.party if b["kind"] == SIGNER else what[2]
        self.must(good, CONTENT, "decides what is no obligation")
        self.must(n < len(reasons), CONTENT, "decides a portion without a reason")
        verdict, agreement = reasons[n] if n < len(reasons) else ("withhold", "")
        good = b["answer"] == APPROVE or verdict == "withhold" or agreement != b["agreement"]
        self.must(good, CONTENT, "what it rejects is released or held by that agreement")
        same = intake and r.certificate is not None and r.certificate == intake.certificate
        self.must(not same, CONTENT, "came from the agent that published the report")
        was = dict(enumerate(old.r.reasons or ())).get(n, ()) if old else ("hold",)
        self.must("hold" in was[:1], GAP, "decides what was not held")
        self.must(what not in answers, GAP, "decides what was decided before")
        answers[what] = b["answer"]
