"""inflight_world.py - the lab of test_inflight.py: a policy that changes, its trust files, and a clock that can be set.

The policy is kept as plain choices and written out anew for every reload.  What is in force is not known from here but
from the POLICY records of the log; this module only notes what the files said, and when the broker was told.
"""
import datetime
import os
import re
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import certs
import rig
import wire

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
PARTIES = ("GBR", "NOR", "KEN")
PATHS = ("/fusion-desk", "/watch")
OFFICE = "/release-office"  # decides holds; its certificate is never revoked
RELOAD_SECONDS = 20
FAR = "2031-12-31"

# every choice with its usual value first
LADDER = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"]
MEMBER = {
    "in": [True, False],
    "may": [["originate", "receive"], ["receive"], ["originate"]],
    "at-most": ["FLASH", "ROUTINE", "PRIORITY"],
    "classes": [LADDER, LADDER[:2], LADDER[:1], LADDER[:1] + LADDER[2:], LADDER + ["TOP SECRET"]],
    "own": [True, False],
    "atlas": [True, False],
    "handling": [["ORCON", "FININT"], ["FININT"], [], ["ORCON", "FININT", "HUMINT"]],
    "tlp": [["CLEAR", "GREEN", "AMBER"], ["CLEAR", "GREEN"], ["CLEAR"], ["CLEAR", "GREEN", "AMBER", "RED"]],
}
AGREEMENT = {
    "state": ["in-force", "in-force", "terminated", "draft"],
    "topics": [["maritime.>", "cyber.>"], ["maritime.>"], ["cyber.indicators.*"], [">"], ["maritime.piracy", "cyber.>"]],
    "until": ["far", "far", "today", "tomorrow"],
    "unmarked": [[], ["unmarked-labels"], ["unmarked-portions"]],
    "onward": ["consent within 72h", "prohibited", "members"],
}
RULES = {  # name: (usually there, statements)
    "low": (True, ["label ATLAS at-most CONFIDENTIAL", "release"]),
    "maritime": (True, ["topic maritime.>", "label ATLAS at-most SECRET", "release"]),
    "cyber": (False, ["topic cyber.>", "label ATLAS at-most SECRET", "label ATLAS lacks Handling ORCON", "release"]),
    "amber": (True, ["label TLP at-most AMBER", "release"]),
    "clear": (False, ["label TLP is CLEAR", "release"]),
    "no-finint-to-ken": (True, ["to [ KEN ]", "label ATLAS has Handling FININT", "withhold"]),
    "no-finint": (False, ["label ATLAS has Handling FININT", "withhold"]),
    "nothing-to-nor": (False, ["to [ NOR ]", "label ATLAS at-least RESTRICTED", "withhold"]),
    "no-secret-cyber": (False, ["topic cyber.>", "label ATLAS is SECRET", "withhold"]),
    "no-html": (False, ["content-type text/html", "withhold"]),
    "no-flash": (False, ["precedence at-least FLASH", "withhold"]),
    "review": (True, ["precedence at-least IMMEDIATE", "label ATLAS at-least SECRET",
                       "hold for-approval-of originator within %ds"]),
    "review-orcon": (False, ["label ATLAS has Handling ORCON", "hold for-approval-of recipient within %ds"]),
    "review-gbr": (False, ["from [ GBR ]", "topic cyber.>", "hold for-approval-of GBR within %ds"]),
}
SPIF = "policy/vocab/atlas.spif.xml"
VALUE = re.compile(r'(?s)<spif:tagCategory name="INTERPOL".*?</spif:tagCategory>\s*')  # comes and goes
STATES = ["draft", "in-force", "terminated"]
MODES = {"atlas": "live", "nordic": "live", "drill": "exercise"}
BROKEN = [("policy/agreements.d/atlas.policy", lambda text: text[:len(text) // 2]),
          ("policy/agreements.d/atlas.policy", lambda text: text.replace("member NOR", "member NOBODY")),
          ("policy/agreements.d/nordic.policy", lambda text: text.replace("until ", "until 2020-01-01 # ")),
          ("policy/agreements.d/drill.policy", lambda text: text + text),
          ("policy/relto.policy", lambda text: ""),
          ("policy/relto.policy", lambda text: text.replace("hub HUB", "hub NOBODY")),
          ("policy/vocab/atlas.spif.xml", lambda text: text[:-20])]


def usual(choices):
    return {name: values[0] for name, values in choices.items()}


def choose(r, values, toward_usual):
    return values[0] if r.random() < toward_usual else r.choice(values)


class Agreement:
    def __init__(self, name, world):
        self.name, self.world, self.version, self.suspended, self.written = name, world, 1, False, None
        self.choices = usual(AGREEMENT)
        self.members = {p: usual(MEMBER) for p in PARTIES}
        self.rules = {n: there for n, (there, _) in RULES.items()}
        self.within = dict.fromkeys(RULES, 2)
        self.until = FAR

    def change(self, r, today, toward_usual):
        """One choice of it, narrower or wider."""
        self.suspended = self.suspended and r.random() > toward_usual
        what = r.randrange(10)
        if what < 4:
            member = self.members[r.choice(PARTIES)]
            name = r.choice(list(MEMBER))
            member[name] = choose(r, MEMBER[name], toward_usual)
            if not member["own"] and not member["atlas"]:
                member["own"] = True
        elif what < 7:
            name = r.choice(list(RULES))
            self.rules[name] = choose(r, [RULES[name][0], not RULES[name][0]], toward_usual)
            self.within[name] = r.choice([1, 2, 3, 10, 30])
        elif what < 9:
            name = r.choice(list(AGREEMENT))
            self.choices[name] = choose(r, AGREEMENT[name], toward_usual)
            days = {"far": None, "today": 0, "tomorrow": 1}[self.choices["until"]]
            self.until = FAR if days is None else str(today + datetime.timedelta(days=days))
        else:
            self.suspended = r.random() > toward_usual

    def peace(self):
        """Everything usual; what was agreed under odd terms may end there."""
        version, written = self.version, self.written
        self.__init__(self.name, self.world)
        self.version, self.written = version, written

    def text(self, version):
        parties = [p for p in PARTIES if p != self.world.trust.gone]
        present = [p for p in parties if self.members[p]["in"]] or parties[:1]
        c = self.choices
        out = ["agreement %s {" % self.name, "version %d" % version, "valid from 2026-01-01 until %s" % self.until,
               "state " + c["state"], "mode " + MODES[self.name], "topics [ %s ]" % " ".join(c["topics"]),
               "onward " + c["onward"]] + [u + " releasable-to members" for u in c["unmarked"]]
        for p in present:
            m = self.members[p]
            values = [v for v, there in ((p, m["own"]), ("ATLAS", m["atlas"])) if there]
            out += ["member %s {" % p, "may [ %s ]" % " ".join(m["may"]), "precedence at-most " + m["at-most"],
                    "clearance ATLAS [ %s ] {" % " ".join('"%s"' % x for x in m["classes"]),
                    '"Releasable To" [ %s ]' % " ".join(values)]
            if m["handling"]:
                out.append("Handling [ %s ]" % " ".join(m["handling"]))
            out += ["}", "clearance TLP [ %s ]" % " ".join(m["tlp"]), "}"]
        if self.name != "drill":
            out += ["equivalence GBR-NATIONAL to ATLAS {", "classification OFFICIAL-SENSITIVE RESTRICTED",
                    "classification SECRET SECRET", 'category "Eyes Only" UK "Releasable To" GBR',
                    'category "Eyes Only" UKNOR "Releasable To" NOR', "}"]
        for name, there in self.rules.items():
            lines = [s % self.within[name] if "%d" in s else s for s in RULES[name][1]]
            gone = [p for p in PARTIES if p not in present]
            if there and not any(p in line.replace("]", " ").split() for line in lines for p in gone):
                out += ["rule %s {" % name] + lines + ["}"]
        return "\n".join(out + ["}", ""])

    def write(self, lab, same_version=False):
        """Under a new version if anything is new, unless it is to keep the old one.  True: so it takes back what was agreed."""
        if self.said() != self.written and not same_version:
            self.version += 1
        lab.write("policy/agreements.d/%s.policy" % self.name, self.text(self.version))
        terms, state = self.said()
        if same_version and (terms != self.written[0] or STATES.index(state) < STATES.index(self.written[1])):
            return True
        self.written = terms, state
        return False

    def said(self):
        """What parties agree to, the vocabulary included, without a version; and the state."""
        text, state = self.text(0), self.choices["state"]
        return (text.replace("state " + state, ""), self.world.without), state


class Trust:
    """Which agents are listed, and whose certificates are revoked; which party is gone, or has files that say nothing."""

    def __init__(self, lab):
        self.lab, self.unlisted, self.revoked, self.lists, self.gone, self.spoiled = lab, set(), set(), 0, None, {}
        self.authorities = {p: certs.Authority.of_lab(lab.dir, p) for p in PARTIES}
        self.bundles = {p: lab.read(bundle_file(p)) for p in PARTIES}

    def peace(self):
        self.unlisted.clear()
        self.revoked.clear()
        self.spoiled.clear()
        self.gone = None

    def change(self, r):
        self.spoiled.clear()
        self.gone = None
        if r.random() < 0.15:
            self.gone = r.choice(PARTIES)
        elif r.random() < 0.2:
            self.spoiled[r.choice(PARTIES)] = r.choice((bundle_file, list_file))
        agent = (r.choice(PARTIES), r.choice(PATHS))
        gone = r.choice((self.unlisted, self.revoked))
        gone.discard(agent)
        if r.random() < 0.25:
            gone.add(agent)

    def bad(self):
        """The SPIFFE ids that nothing may come from."""
        out = set(self.spoiled) | {self.gone}
        return {agent_id(*a) for a in self.unlisted | self.revoked} | {agent_id(p, path) for p in PARTIES if p in out
                                                                      for path in PATHS}

    def party(self, party):
        if party == self.gone:
            return []
        agents = ["agent %s { roles [ publish subscribe ] }" % path for path in PATHS
                  if (party, path) not in self.unlisted]
        domain = party.lower()
        agents.append("agent %s { roles [ approve ] }" % OFFICE)
        return ["party %s {" % party, "trust-domain %s.example" % domain, 'trust-bundle "trust/%s-ca.pem"' % domain,
                'crl "trust/%s.crl"' % domain] + agents + ["agent /inspector { roles [ audit ] }", "}"]

    def write(self, party):
        self.lab.write(bundle_file(party), self.bundles[party])
        self.write_list(party)
        if party in self.spoiled:
            self.lab.write(self.spoiled[party](party), "nothing of use\n")

    def write_list(self, party):
        self.lists += 1
        now, authority = datetime.datetime.utcnow(), self.authorities[party]
        b = (x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
             .last_update(now - datetime.timedelta(minutes=5)).next_update(now + datetime.timedelta(days=3650))
             .add_extension(x509.CRLNumber(self.lists), critical=False))
        for _, path in sorted(a for a in self.revoked if a[0] == party):
            (leaf,) = wire.read_certificates(self.lab.path("parties", party, path[1:] + ".pem"))[:1]
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(leaf.serial_number)
                                          .revocation_date(now - datetime.timedelta(minutes=5)).build())
        crl = b.sign(authority.key, hashes.SHA256())
        self.lab.write(list_file(party), crl.public_bytes(serialization.Encoding.PEM).decode())


def bundle_file(party):
    return "policy/trust/%s-ca.pem" % party.lower()


def list_file(party):
    return "policy/trust/%s.crl" % party.lower()


def agent_id(party, path):
    return "spiffe://%s.example%s" % (party.lower(), path)


class Clock:
    """The broker's clock.  Without libfaketime it is the machine's and cannot be set."""

    def __init__(self, lab, can_be_set):
        self.lab, self.can_be_set, self.offset, self.steps = lab, can_be_set, 0, [(0.0, 0)]
        self.path = lab.path("offset")  # where reltod may read
        self.set(0)
        lab.reltod_path = self.wrapped(lab.reltod_path)

    def wrapped(self, program):
        """A program that lives by this clock."""
        if not self.can_be_set:
            return program
        wrapper = os.path.join(self.lab.base, os.path.basename(program) + "-in-other-times")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec env LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=%s FAKETIME_NO_CACHE=1 "
                    "FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0 %s \"$@\"\n"
                    % (FAKETIME, self.path, program))
        os.chmod(wrapper, 0o755)
        return wrapper

    def set(self, offset):
        self.offset = offset
        self.steps.append((time.monotonic(), offset))
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.write("%+d\n" % offset)
        os.replace(self.path + ".new", self.path)

    def now_us(self):
        return int((time.time() + self.offset) * 1e6)

    def at_us(self, mono):
        """What it said at a moment of this process's monotonic clock."""
        offset = next(o for when, o in reversed(self.steps) if when <= mono)
        return int((time.time() - time.monotonic() + mono + offset) * 1e6)

    def least_us(self, since, until=float("inf")):
        """The earliest that it said between two moments: it may have been set back after the first."""
        zero = time.time() - time.monotonic()
        return min([self.at_us(since)] + [int((zero + when + o) * 1e6) for when, o in self.steps if since < when <= until])

    def furthest_us(self, mono):
        """The latest that it had ever said by then: the broker's time never falls."""
        ends = [when for when, _ in self.steps[1:]] + [mono]
        return max(int((time.time() - time.monotonic() + min(end, mono) + offset) * 1e6)
                   for (_, offset), end in zip(self.steps, ends))

    def today(self):
        return datetime.datetime.utcfromtimestamp(self.now_us() / 1e6).date()


class Change:
    """A set of files that the broker was told to take, and when; 'known' in force, and 'until' its successor was."""

    def __init__(self, world, cause):
        self.cause, self.bad, self.since, self.known, self.until = cause, world.trust.bad(), time.monotonic(), None, None
        self.gone = world.trust.gone  # a party that the policy does not name
        self.refused = frozenset(world.refused)  # the agreements that the log must not accept
        self.certain = True  # unless the broker was killed on the way


class World:
    def __init__(self, can_step):
        self.lab = rig.Lab()
        self.clock = Clock(self.lab, can_step)
        self.trust = Trust(self.lab)
        self.spif, self.without = self.lab.read(SPIF), False
        self.agreements = [Agreement(n, self) for n in MODES]
        self.changes = []  # in the order of the POLICY records
        self.heard, self.refused = 0, set()
        self.lab.write("reltod.conf", self.lab.read("reltod.conf") + "limits {\n ack-wait 700ms\n max-deliveries 1000000\n idle 6h\n drain 500ms\n}\n")
        self.write()

    def write(self, same_version=None):
        top = ["hub HUB"] + ["suspend " + a.name for a in self.agreements if a.suspended]
        top += ['vocabulary ATLAS {', 'spif "vocab/atlas.spif.xml"', 'releasability "Releasable To"', "}",
                'vocabulary GBR-NATIONAL {', 'spif "vocab/gbr-national.spif.xml"', 'releasability "Eyes Only"', "}",
                'vocabulary TLP {', 'spif "vocab/tlp-2.0.spif.xml"', "}"]
        for p in PARTIES:
            top += self.trust.party(p)
        top += ["party HUB {", "trust-domain hub.example", 'trust-bundle "trust/hub-ca.pem"', 'crl "trust/hub.crl"',
                "agent /inspector { roles [ audit ] }", "agent /operator { roles [ operate ] }", "}",
                'include-dir "agreements.d"', ""]
        self.lab.write("policy/relto.policy", "\n".join(top))
        self.refused = {a.name for a in self.agreements if a.write(self.lab, same_version is a)}
        self.lab.write(SPIF, VALUE.sub("", self.spif) if self.without else self.spif)
        for p in PARTIES:
            self.trust.write(p)

    # ---- telling the broker ----
    def told(self, cause):
        self.changes.append(Change(self, cause))
        return self.changes[-1]

    def words(self):
        """What the broker's log says since the last time."""
        with open(self.lab.log_path, "rb") as f:
            f.seek(self.heard)
            said = f.read()
            said = said[:said.rfind(b"\n") + 1]
            self.heard += len(said)
        return said

    def in_force(self, change):
        change.known = time.monotonic()
        for before in self.changes[:self.changes.index(change)]:
            before.until = before.until or change.known

    def start(self):
        change = self.told("start")
        self.lab.start()
        self.in_force(change)
