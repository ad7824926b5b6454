"""sources_world.py - four parties that may all send and receive, under agreements that differ in what may go on.

GBR originates; NOR, KEN and SWE derive from it and from one another.  Every body is a canary: at the end of a test no
stream has one that its party was not to have.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import sources_recompute  # noqa: E402
import wire  # noqa: E402
from test_path import canary  # noqa: E402
from wire import label, pb  # noqa: E402

GREEN = [label("TLP", "GREEN")]
AMBER = [label("TLP", "AMBER")]
PARTIES = ("GBR", "NOR", "KEN", "SWE")
MODES = {"drill": "exercise", "drill-open": "exercise"}
# agreement -> (members, what may go on)
AGREEMENTS = {
    "ask": (PARTIES, "consent within 72h"),
    "open": (PARTIES, "members"),
    "shut": (PARTIES, "prohibited"),
    "duo": (("GBR", "NOR"), "members"),
    "drill": (PARTIES, "consent within 72h"),
    "drill-open": (PARTIES, "members"),
}


def agreement(name, version=1, mode=None, onward=None, members=None, rules="", until="2099-12-31"):
    who, then = AGREEMENTS[name]
    text = ['agreement %s {' % name, '    title "%s"' % name, '    version %d' % version,
            '    valid from 2026-01-01 until %s' % until, '    state in-force',
            '    mode %s' % (mode or MODES.get(name, "live")), '    topics [ maritime.> ]',
            '    onward %s' % (onward or then), '    unmarked-portions releasable-to members']
    for m in members or who:
        green = "[ CLEAR GREEN ]" if m == "SWE" else "[ CLEAR GREEN AMBER ]"
        text += ['    member %s {' % m, '        may [ originate receive ]', '        precedence at-most FLASH',
                 '        clearance TLP %s' % green, '    }']
    return "\n".join(text + ['    rule all {', '        label TLP at-most AMBER', '        release', '    }', rules, '}', ''])


class SourcesTest(rig.LabTest):
    parties = ("--parties", ",".join(PARTIES))
    others = {}  # agreements of a test class, changed: name -> keywords of agreement()

    @classmethod
    def prepare(cls):
        os.unlink(cls.lab.path("policy", "agreements.d", "atlas.policy"))
        cls.versions = {}
        for name in AGREEMENTS:
            cls.write(name, **cls.others.get(name, {}))

    @classmethod
    def write(cls, name, **how):
        """The next version of an agreement, into its file; a reload brings it into force."""
        version = cls.versions[name] = cls.versions.get(name, 0) + 1
        cls.lab.write("policy/agreements.d/%s.policy" % name, agreement(name, version, **how))

    @classmethod
    def reload(cls):
        before = cls.lab.messages().count("policy.in-force")
        cls.lab.signal(1)
        rig.until(lambda: cls.lab.messages().count("policy.in-force") > before, 10, "the reload")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.taps, cls.secrets = {p: [] for p in PARTIES}, []
        cls.addClassCleanup(cls.the_facts_are_what_the_records_say)
        cls.addClassCleanup(cls.nobody_had_what_was_not_for_him)

    @classmethod
    def the_facts_are_what_the_records_say(cls):
        folder = os.path.join(cls.lab.base, "again")
        cls.lab.relto("audit", "pull", folder, context=cls.lab.context_name("hub"))
        log = sources_recompute.Log(folder, lambda name: MODES.get(name, "live").upper())
        if log.check() < cls.citing:
            raise AssertionError("hardly any report of this class cites another")

    citing = 3  # reports at least that cite others

    def setUp(self):
        self.clients = {p: self.reader(p) for p in PARTIES}

    def reader(self, party, mode="LIVE"):
        c = self.client(party.lower(), tap=self.taps[party])
        c.subscribe(mode=mode)
        return c

    @classmethod
    def nobody_had_what_was_not_for_him(cls):
        """All that still waits is fetched; then no stream has a body that its party was not to have."""
        for party in PARTIES:
            for mode in ("LIVE", "EXERCISE"):
                with cls.lab.client(party.lower(), tap=cls.taps[party]) as c:
                    c.subscribe(mode=mode)
                    d = c.receive(timeout=0.5)
                    while d is not None:
                        c.ack(d)
                        d = c.receive(timeout=0.5)
        for party, body in cls.secrets:
            if body in b"".join(cls.taps[party]):
                raise AssertionError("%s has %s" % (party, body.decode()))

    def again(self):
        """New sessions, after a reload: terms are told at the start of one."""
        for p, c in self.clients.items():
            c.close()
            self.clients[p] = self.reader(p)

    def terms(self, party):
        return self.clients[party].terms

    def accept(self, party):
        """The party's context accepts the terms that it is told of today."""
        context = self.lab.context_name(party.lower())
        for agreement in self.clients[party].terms:
            self.lab.relto("agreement", "accept", agreement, context=context)

    def report(self, party, agreements, portions=1, sources=(), labels=GREEN, mode="LIVE", change=None):
        """A report that is not sent yet, and its bodies."""
        c = self.clients[party]
        names = [agreements] if isinstance(agreements, str) else agreements
        report = wire.Report(c.agent, "maritime.piracy", [(n, c.terms[n]) for n in names], mode=mode)
        bodies = [canary() for _ in range(portions)]
        for body in bodies:
            report.portion(labels, body)
        report.routing.sources.extend(sources)
        if change:
            change(report)
        return report, bodies

    def publish(self, party, agreements, portions=1, sources=(), **how):
        report, bodies = self.report(party, agreements, portions, sources, **how)
        self.clients[party].publish(report.seal())
        return report.id, bodies

    def why(self, party, report):
        """recipient -> the reasons of its portions, as the originator reads them."""
        said = self.clients[party].ask("explain", pb.Explain(report=report))
        return {d.recipient.decode(): [p.reason.decode() for p in d.portions] for d in said.decisions}

    def dry(self, party, agreements, sources, **how):
        """The Explanation of what would become of it."""
        report, _ = self.report(party, agreements, 1, sources, **how)
        sealed = report.seal()
        sealed.dry_run = True
        return self.clients[party].publish(sealed)

    def reasons(self, party, agreements, sources, **how):
        """recipient -> why, of a report of one portion that cites 'sources'; said before and after it is published."""
        said = self.dry(party, agreements, sources, **how)
        first = {d.recipient.decode(): d.portions[0].reason.decode() for d in said.decisions}
        report, (body,) = self.publish(party, agreements, sources=sources, **how)
        self.secrets += [(p, body) for p, reason in first.items() if reason != "release"]
        self.assertEqual({p: why[0] for p, why in self.why(party, report).items()}, first)
        return first

    def give(self, party, report, client=None):
        """Waits until the party has it, and acknowledges; the delivery."""
        c = client or self.clients[party]
        while True:
            d = c.receive(timeout=10)
            self.assertIsNotNone(d, "%s never got it" % party)
            c.ack(d)
            if d.manifest.id == report:
                return d

    def given(self, originator, to, agreements="ask", **how):
        """A fresh report of 'originator' that the parties 'to' have received."""
        report, _ = self.publish(originator, agreements, **how)
        for p in to:
            self.give(p, report)
        return report



def text_of(id):
    return re.sub(r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", r"\1-\2-\3-\4-\5", id.hex())
