"""scene.py - a lab in which much happens, for readers of its log: some hundred reports, redacted, withheld, held until a
deadline or a person decides, narrowed by a reload, expired, delivered, acknowledged; refusals, a restart, PARTY_HEADs where time can jump."""
import collections
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import rig  # noqa: E402
import forge  # noqa: E402
import wire  # noqa: E402
from test_path import FININT, GBR_ONLY, SECRET, TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

ATLAS = "policy/agreements.d/atlas.policy"
MIXES = ([SECRET], [FININT, TEARLINE], [TEARLINE], [GBR_ONLY], [SECRET, FININT, TEARLINE, GBR_ONLY], [GBR_ONLY, TEARLINE])


class Scene:
    """'lab' has run when play() returns, and runs.  LATER names the library that lets a minute pass at once (later.c);
    without it there are no PARTY_HEADs."""

    def __init__(self, *parties):
        self.lab, self.ahead, self.listed, self.counts = rig.Lab(*parties), 0, 0, collections.Counter()
        self.later = os.environ.get("LATER")
        if self.later:
            self.pass_seconds(0)
            wrapper = os.path.join(self.lab.base, "reltod-later")
            with open(wrapper, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\nAHEAD=%s LD_PRELOAD=%s exec %s \"$@\"\n"
                        % (os.path.join(self.lab.base, "ahead"), self.later, self.lab.reltod_path))
            os.chmod(wrapper, 0o755)
            self.lab.reltod_path = wrapper

    def pass_seconds(self, n):
        self.ahead += n
        with open(os.path.join(self.lab.base, "ahead"), "r+b" if self.ahead else "wb") as f:
            f.write(struct.pack("=q", self.ahead))

    def count(self, kind):
        """Records of a kind, by what the hub's auditor is told."""
        with self.lab.client("hub") as auditor:
            while True:
                got = auditor.ask("audit_list", pb.AuditList(**{"from": self.listed, "count": 1000}))
                for r in got.records:
                    self.counts[forge.Record.parse(r.opening).kind] += 1
                    self.listed = r.index + 1
                if not got.next:
                    return self.counts[kind]

    def until(self, kind, count):
        rig.until(lambda: self.count(kind) >= count, 15, "%d records %s" % (count, kind))

    def heads(self):
        """A minute and more passes for the broker."""
        if self.later:
            before = self.count("PARTY_HEAD")
            self.pass_seconds(70)
            self.until("PARTY_HEAD", before + 3)

    def publish_some(self, client, count):
        for n in range(count):
            publish(client, [(labels, canary()) for labels in MIXES[n % len(MIXES)]],
                    precedence=("ROUTINE", "PRIORITY")[n % 2])

    def expiring(self, after_ms):
        return lambda report: setattr(report.manifest, "expires",
                                      int((time.time() + self.ahead) * 1000) + after_ms)

    def read_all(self, client, keep=0):
        """Reads what waits and acknowledges it in lots; the last 'keep' reports are not."""
        got = []
        while True:
            d = client.receive(timeout=0.5)
            if d is None:
                break
            got.append(d)
            if len(got) > 20:
                client.ack(*got[:20])
                del got[:20]
        if got[:len(got) - keep]:
            client.ack(*got[:len(got) - keep])

    def reload(self):
        before = self.lab.messages().count("policy.in-force")
        self.lab.reload()
        rig.until(lambda: self.lab.messages().count("policy.in-force") > before, 10, "the reload")

    def expire(self, client, *readers):
        """Three reports, read and not acknowledged or not read at all, that expire."""
        before = self.count("EXPIRE")
        for _ in range(3):
            publish(client, [(TEARLINE, canary())], change=self.expiring(1500))
        for reader in readers:
            for _ in range(3):
                reader.receive()
        self.until("EXPIRE", before + 6)

    def before(self, count):
        """Live partners: holds that end, expiries, deliveries and acknowledgements, refusals."""
        with self.lab.client("gbr") as gbr, self.lab.client("nor") as nor, self.lab.client("ken") as ken:
            for c in (nor, ken):
                c.subscribe()
            self.expire(gbr, nor, ken)
            publish(gbr, [(TEARLINE, canary())], change=self.expiring(-1000))
            for n in range(6):
                publish(gbr, [(SECRET, canary()), (TEARLINE, canary())][:1 + n % 2], precedence="IMMEDIATE")  # held
            self.decided()
            self.publish_some(gbr, count)
            self.read_all(nor)
            self.read_all(ken, keep=2)
            for _ in range(3):
                try:
                    publish(gbr, [(TEARLINE, canary())], mode="EXERCISE")
                except wire.Refused:
                    pass

    def named(self, gbr, act, report, portions=(), reason=""):
        """A report that says something of an earlier one."""
        r = wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])] if portions else [])
        for labels in portions:
            r.portion(labels, canary())
        gbr.publish(r.about(act, report, reason).seal())
        return r.id

    def taken_back(self, gbr, nor):
        """Reports that are recalled and superseded: had, had and not acknowledged, waiting, of nobody; answers and feedback.
        KEN reads nothing of it.  A log of its own (test_notice_readers.py): play() has enough."""
        self.read_all(nor)
        for act, reason in (("RECALL", "wrong-label"), ("SUPERSEDE", "corrected")):
            _, had = publish(gbr, [(TEARLINE, canary())])
            got = nor.receive()
            nor.ack(got)
            nor.ask("feedback", pb.Feedback(report=had, code=b"useful"))
            nor.ask("feedback", pb.Feedback(report=had, code=b"sighted", sighted=1780315200000000))
            _, open_ = publish(gbr, [(TEARLINE, canary())])
            nor.receive()
            for report in (had, open_):
                self.named(gbr, act, report, (TEARLINE,) if act == "SUPERSEDE" else (), reason)
            if act == "RECALL":
                nor.ask("recall_answer", pb.RecallAnswer(report=had, answer=b"destroyed"))
        _, nobodys = publish(gbr, [(GBR_ONLY, canary())])
        self.named(gbr, "RECALL", nobodys)

    def decided(self):
        """Holds that persons end: approved, rejected, portion by portion, by the originator's party and by another."""
        with self.lab.client("gbr") as gbr, self.lab.client("ken", "/release-office") as ken:
            for n in range(4):
                publish(gbr, [(SECRET, canary()), (TEARLINE, canary()), (SECRET, canary())][:1 + n], topic="maritime.review")
            for n, hold in enumerate(ken.holds()):
                for portion in hold.portions:
                    ken.decide(hold.hold, ("APPROVE", "REJECT")[n == 1 or portion.portion == 1], portions=[portion.portion])
            with self.lab.client("gbr", "/release-office") as office:
                publish(gbr, [(SECRET, canary())], topic="maritime.office")
                for hold in [h for h in office.holds() if h.rule == b"office"]:  # those before run out by themselves
                    office.decide(hold.hold)

    def away(self, count):
        """Nobody reads; then the policy gets narrower, then they read."""
        with self.lab.client("gbr") as gbr:
            self.expire(gbr)
            self.publish_some(gbr, count)
        self.lab.edit(ATLAS, r"rule never-finint-to-ken", "rule nothing-to-ken {\n to [ KEN ]\n withhold\n }\n"
                             "    rule never-finint-to-ken")
        self.lab.edit(ATLAS, r"version  \d+", "version 9")
        self.lab.edit(ATLAS, r"(?m)^ *expect release.*\n", "")
        self.reload()
        for who in ("nor", "ken"):
            with self.lab.client(who) as c:
                c.subscribe()
                self.read_all(c, keep=1)

    def play(self, count=300):
        self.lab.edit(ATLAS, r"within 2h", "within 2s")
        self.lab.edit(ATLAS, r"(?m)^    rule maritime \{", "    rule review {\n        to  [ NOR ]\n        topic  maritime.review\n"
                      "        hold  for-approval-of KEN within 1h\n    }\n    rule office {\n        to  [ NOR ]\n"
                      "        topic  maritime.office\n        hold  for-approval-of originator within 1h\n    }\n"
                      "    rule maritime {")
        self.lab.edit("reltod.conf", r"(?m)^log \{$", "log {\n    heads-every 100ms")
        self.lab.start()
        self.before(count // 2)
        self.heads()
        self.away(count // 2)
        self.heads()
        self.lab.stop()
        self.lab.start()
        with self.lab.client("gbr") as gbr:
            self.publish_some(gbr, 12)
        self.published()
        return self

    def published(self):
        """Waits for a checkpoint over all that has happened."""
        self.count("INTAKE")

        def there():
            with self.lab.client("hub") as auditor:
                return int(auditor.welcome.checkpoint.split(b"\n")[1]) >= self.listed
        rig.until(there, 15, "a checkpoint of %d records" % self.listed)

    def pull(self, party, *options):
        """The bundle of a party's inspector: its folder and the log's key."""
        folder = os.path.join(self.lab.base, "bundle-%s%s" % (party, "".join(options)))
        self.lab.relto("audit", "pull", folder, *options, context=self.lab.context_name(party, "/inspector"))
        return folder, self.lab.agent(party).log_key
