#!/usr/bin/python3
"""test_settings.py - settings that a reload takes over: with the rules, all or nothing (decision 0032)."""
import glob
import json
import os
import re
import signal
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import wire  # noqa: E402
from signer_lab import SignerLab  # noqa: E402
from test_again import AgainTest  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402
from wire import pb  # noqa: E402

DAEMON = os.path.join(wire.ROOT, "daemon")


def alive(client):
    try:
        client.ask("ping", pb.Ping(), timeout=10)
        return True
    except (wire.Closed, wire.Refused, TimeoutError, OSError):
        return False


class Settings(rig.LabTest):
    def setUp(self):
        self.plain = self.lab.read("reltod.conf")
        self.addCleanup(self.back)

    def back(self):
        self.lab.write("reltod.conf", self.plain)
        self.take()

    def take(self, more="", code=0):
        """Reloads, with these settings beside those of the lab; the log from there on, and what was said."""
        before = len(self.lab.messages())
        self.lab.write("reltod.conf", self.plain + more)
        _, err = self.lab.relto("admin", "reload", context=self.lab.context_name("hub", "/operator"), code=code)
        return self.lab.messages()[before:], err

    def test_limits_of_connections_are_those_of_the_reload_and_sessions_stay(self):
        first = [self.client("nor") for _ in range(2)]
        said, _ = self.take("limits { connections-per-party 1 }\n")
        self.assertIn('config.taken settings="limits connections-per-party"', said)
        with self.assertRaises(wire.Refused) as got:
            self.client("nor")
        self.assertEqual(got.exception.code, "quota")
        self.assertTrue(all(alive(c) for c in first))
        self.take("limits { connections-per-party 3 }\n")
        self.assertTrue(alive(self.client("nor")))

    def test_what_a_session_was_told_holds_for_it_and_who_comes_later_is_told_anew(self):
        old = self.client("nor")
        self.take("limits {\n    idle 1s\n    credit 7\n    publish-window 5\n}\n")
        new = self.client("gbr")
        limits = new.welcome.limits
        self.assertEqual((limits.idle_ms, limits.credit, limits.publish_window), (1000, 7, 5))
        self.assertEqual(old.welcome.limits.idle_ms, 120000)
        self.assertTrue(new.closed(timeout=30), "idle for longer than it was told")
        self.assertTrue(alive(old), "the same for one that was told otherwise")

    def test_a_subscription_has_no_more_credit_than_the_session_was_told(self):
        old = self.client("nor")
        self.take("limits { credit 2 }\n")
        new, gbr = self.client("nor"), self.client("gbr")
        for client, asked, has in ((old, 1024, 1024), (new, 1, 1), (new, 2, 2), (new, 3, 2)):
            name = "credit-%d" % asked
            self.assertEqual(client.subscribe(name=name, credit=asked).credit, has, name)
        ids = [publish(gbr, [(TEARLINE, canary())])[1] for _ in range(3)]
        came = {}
        while (d := new.receive(timeout=2)) is not None:
            came.setdefault(d.raw.subscription, []).append(d)
        self.assertEqual(sorted(len(ds) for ds in came.values()), [1, 2, 2])
        new.ack(*(ds[0] for ds in came.values()))
        self.assertEqual([new.receive(timeout=20).manifest.id in ids for _ in range(3)], [True] * 3)
        inbox = self.client("nor")
        inbox.subscribe()
        while (d := inbox.receive(timeout=1)) is not None:
            inbox.ack(d)

    def test_the_committer_goes_by_them(self):
        nor = self.client("nor")
        nor.subscribe(name="one")
        self.take("limits { subscriptions-per-party 2 }\n")
        with self.assertRaises(wire.Refused) as got:
            nor.subscribe(name="two")
        self.assertEqual(got.exception.code, "quota")
        self.take()
        nor.subscribe(name="two")

    def test_the_time_to_acknowledge_is_that_of_the_reload(self):
        nor = self.client("nor")
        nor.subscribe()
        self.take("limits { ack-wait 100ms }\n")
        publish(self.client("gbr"), [(TEARLINE, canary())])
        first, again = nor.receive(), nor.receive(timeout=60)
        self.assertEqual((first.raw.delivery, first.raw.attempt), (again.raw.delivery, again.raw.attempt - 1))
        nor.ack(again)

    def test_the_age_of_lists_is_judged_by_the_new_setting_and_shuts_out_who_passes_it_alone(self):
        ken, gbr = self.client("ken"), self.client("gbr")
        said, _ = self.take("limits { ack-wait 31s }\n")
        self.assertNotIn("shut-out", said)
        self.old_list_of("ken")
        said, _ = self.take()
        self.assertNotIn("shut-out", said)
        self.plain = re.sub(r"crl-max-age\s+\S+", "crl-max-age 2h", self.plain)
        said, err = self.take(code=1)
        self.assertRegex(said, 'turned-away .*fault=crl-stale agent="spiffe://ken.example/fusion-desk"')
        self.assertIn("a party that is shut out", err)
        self.assertTrue(ken.closed(timeout=30))
        self.assertTrue(alive(gbr))

    def old_list_of(self, party):
        name = "policy/trust/%s.crl" % party
        kept, conf = self.lab.read(name), self.plain
        self.addCleanup(self.lab.write, name, kept)
        self.addCleanup(setattr, self, "plain", conf)
        self.lab.write(name, certs.empty_list(certs.Authority.of_lab(self.lab.dir, party.upper()), hours_ago=3))

    def test_a_file_with_an_error_changes_nothing_whatever_else_is_new(self):
        old = self.status()
        self.lab.edit("policy/agreements.d/atlas.policy", "title .*", 'title "another"')
        self.addCleanup(self.lab.edit, "policy/agreements.d/atlas.policy", "title .*",
                        'title    "Atlas counter-piracy information exchange"')
        said, err = self.take("limits { conections-per-party 1 }\n", code=78)
        self.assertIn("unknown setting", err)
        self.assertRegex(said, "reload.failed .*the old policy and settings stay")
        self.assertIn("did you mean 'connections-per-party'", said)
        self.assertEqual(self.status(), old)

    def test_nor_do_settings_change_if_the_policy_has_one(self):
        good = self.lab.read("policy/relto.policy")
        self.addCleanup(self.lab.write, "policy/relto.policy", good)
        self.lab.write("policy/relto.policy", good + "\nno such thing\n")
        said, _ = self.take("limits { connections-per-party 1 }\n", code=65)
        self.assertNotIn("config.taken", said)
        self.assertTrue(all(alive(c) for c in [self.client("ken") for _ in range(2)]))
        self.lab.write("policy/relto.policy", good)

    def status(self):
        out, _ = self.lab.relto("admin", "status", "--json", context=self.lab.context_name("hub", "/operator"))
        return json.loads(out)["policy"]

    def test_what_takes_a_restart_is_named_and_waits(self):
        said, _ = self.take("observe { port 4999 }\n")
        self.assertRegex(said, 'config.waits settings="observe port" action="they take a restart"')
        self.assertNotIn("config.taken", said)

    def test_messages_have_the_level_and_form_of_the_reload(self):
        self.plain = re.sub(r"(?s)messages \{.*?\}\n", "", self.plain)
        self.take("messages {\n    level error\n    format json\n}\n")
        before = len(self.lab.messages())
        self.assertTrue(alive(self.client("ken")))
        self.assertEqual(self.lab.messages()[before:], "")
        said, _ = self.take("messages {\n    level info\n    format json\n}\n")
        self.assertIn('"event":"policy.in-force"', said)


class Log(AgainTest):
    """How often heads are given out and party heads written, and to what sizes the log is padded."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.lab.edit("reltod.conf", r"(?m)^log \{", "log {\n    heads-every 45s\n    party-heads-every 60s\n    pad 1")

    def grown(self, client, size):
        """The size of a head after that one."""
        rig.until(lambda: client.read_message(0.1) and client.memory.seen.size > size, 20, "a head")
        return client.memory.seen.size

    def test_heads_come_as_often_and_as_round_as_the_reload_says(self):
        gbr, nor = self.client("gbr"), self.client("nor")
        nor.subscribe()
        publish(gbr, [(TEARLINE, canary())])
        nor.ack(nor.receive())
        self.assertEqual(self.log(kind="PARTY_HEAD"), [])
        self.lab.edit("reltod.conf", "heads-every 45s", "heads-every 100ms")
        self.lab.edit("reltod.conf", "party-heads-every 60s", "party-heads-every 100ms")
        self.lab.edit("reltod.conf", "pad 1", "pad 64")
        before = len(self.lab.messages())
        self.lab.relto("admin", "reload", context=self.lab.context_name("hub", "/operator"))
        self.assertIn('config.taken settings="log heads-every, log party-heads-every, log pad"', self.lab.messages()[before:])
        size = 0
        for _ in range(3):  # two of them were 45 s apart
            publish(gbr, [(TEARLINE, canary())])
            nor.ack(nor.receive())
            size = self.grown(nor, size)
            self.assertEqual(size % 64, 0)
        rig.until(lambda: self.log(kind="PARTY_HEAD"), 20, "a party's head")
        self.drain("ken")
        self.proven()


class PatientLab(SignerLab):
    wait = "10m"


class Signer(rig.LabTest):
    kind, parties = PatientLab, ("--parties", "GBR,NOR")

    def test_the_signer_is_missed_as_soon_as_the_reload_says(self):
        self.lab.edit("reltod.conf", "signer-wait 10m", "signer-wait 200ms")
        self.lab.relto("admin", "reload", context=self.lab.context_name("hub", "/operator"))
        self.assertIn('config.taken settings="log signer-wait"', self.lab.messages())
        self.lab.end_signer(signal.SIGKILL)
        gbr = self.client("gbr")
        gbr.send("publish", wire.Report(gbr.agent, "maritime.piracy", [("atlas", gbr.terms["atlas"])]).portion(
            TEARLINE, canary()).seal())
        self.lab.told("signer.away")
        self.lab.start_signer()
        self.lab.told("signer.back")
        self.assertIsNotNone(gbr.wait(kind="receipt", timeout=30))


class Table(unittest.TestCase):
    """Every setting that a reload takes over: no code reads it where the start left it."""

    def test_nothing_reads_what_a_reload_takes_from_the_settings_of_the_start(self):
        with open(os.path.join(DAEMON, "config.def"), encoding="utf-8") as f:
            table = re.findall(r'(?m)^S\(\w+, *"\w*", *"[\w-]+", *(\w+),.*?, (RELOAD|NEW|RESTART), ', f.read())
        taken = [field for field, takes in table if takes != "RESTART"]
        self.assertGreater(len(table), 50)
        self.assertGreater(len(taken), 20)
        for path in glob.glob(os.path.join(DAEMON, "*.c")):
            if os.path.basename(path) == "restore.c":  # instead of a broker
                continue
            with open(path, encoding="utf-8") as f:
                text = f.read()
            start = [r"->config"] + [r"\b" + n for n in re.findall(r"(\w+) = [\w>()-]*->config;", text)]
            for field in taken:
                for name in start:
                    self.assertIsNone(re.search(name + "->" + field + r"\b", text), (path, field))


if __name__ == "__main__":
    unittest.main(verbosity=2)
