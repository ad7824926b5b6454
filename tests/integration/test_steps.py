#!/usr/bin/python3
"""test_steps.py - a policy that has thousands of things to tell: in steps, all or nothing for decisions, and complete after
a kill between two of them (design 7, Terms; docs/decisions/0006-rules-in-steps.md)."""
import os
import re
import signal
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import certs  # noqa: E402
import witness  # noqa: E402
from test_again import AgainTest, tables  # noqa: E402
from test_path import TEARLINE, canary, publish  # noqa: E402

PARTIES, AGREEMENTS = 40, 60
MANY = "policy/agreements.d/many.policy"
STEP = 1024  # records that a commit takes at most


def write_parties(lab, count):
    """Parties P000.. of the policy with authorities of their own."""
    text = ""
    for i in range(count):
        certificate, _ = certs.issue(None, uris=(), eku=(), ca=True, subject="P%03d" % i)
        lab.write("policy/trust/p%03d.pem" % i, certs.pem(certificate))
        text += 'party P%03d {\n trust-domain p%03d.example\n trust-bundle "../trust/p%03d.pem"\n' % (i, i, i)
        text += " agent /desk { roles [ subscribe ] }\n}\n"
    lab.write("policy/agreements.d/parties.policy", text)


def agreements(count, members, version):
    who = "".join(" member P%03d {\n may [ receive ]\n }\n" % i for i in range(members))
    return "".join("agreement m%04d {\n version %d\n state in-force\n mode live\n"
                   " valid from 2026-01-01 until 2028-12-31\n topics [ x ]\n%s}\n" % (i, version, who)
                   for i in range(count))


class StepsTest(AgainTest):
    version = 0  # of the many agreements: every test takes the next

    @classmethod
    def prepare(cls):
        super().prepare()
        write_parties(cls.lab, PARTIES)

    def restore(self):
        """Nothing: versions only rise."""

    def put(self, version):
        self.lab.write(MANY, agreements(AGREEMENTS, PARTIES, version))

    def next(self):
        type(self).version += 1
        self.put(self.version)
        return self.version

    def size(self):
        """Of the log, as it is stored; the broker stands still meanwhile."""
        self.lab.signal(signal.SIGSTOP)
        os.waitpid(self.lab.process.pid, os.WUNTRACED)
        env = tables(self.lab, lock=False)
        try:
            with env.begin() as t:
                return t.stat(env.open_db(b"entry", t, create=False))["entries"]
        finally:
            env.close()

    def go_on(self):
        self.lab.signal(signal.SIGCONT)

    def begin(self, records):
        """A reload that has written some of its records, stopped before it is in force."""
        before, said = self.size(), len(self.lab.messages())
        self.lab.signal(signal.SIGHUP)

        def told():
            self.go_on()
            time.sleep(0.001)  # all that the broker gets between two looks: a step takes it longer
            return self.size() >= before + records

        rig.until(told, 20, "%d records" % records)
        self.assertNotIn("policy.in-force", self.lab.messages()[said:], "the reload had ended")
        return said

    @staticmethod
    def told(log):
        """What the parties were told of the many, by agreement: [(index, party, version)]."""
        out = {}
        for r in log:
            if r.kind == "AGREEMENT" and r.text(7, 1).startswith("m"):
                out.setdefault(r.text(7, 1), []).append((r.index, r.text(7, 0), witness.uint(r.slots[7][2])))
        return out

    def is_complete(self, version):
        """Each member of each was told of the version once, before the last POLICY record; the log."""
        log = self.log()
        told, policy = self.told(log), [r.index for r in log if r.kind == "POLICY"][-1]
        self.assertEqual(len(told), AGREEMENTS)
        for name, rows in told.items():
            mine = [(i, party) for i, party, v in rows if v == version]
            self.assertEqual(sorted(p for _, p in mine), ["P%03d" % i for i in range(PARTIES)], name)
            self.assertLess(mine[-1][0], policy)
        return log


class Steps(StepsTest):
    def test_thousands_of_records_are_one_reload_and_nobody_waits_for_them(self):
        version, commits, gbr = self.next(), self.commits(), self.client("gbr")
        slowest, done = [], threading.Event()

        def go_on():
            while not done.is_set():
                since = time.monotonic()
                publish(gbr, [(TEARLINE, canary())])
                slowest.append(time.monotonic() - since)

        t = threading.Thread(target=go_on)
        t.start()
        since = time.monotonic()
        self.reload()
        seconds = time.monotonic() - since
        done.set()
        t.join(30)
        print("%d records in %.1f s; %d reports meanwhile, the slowest %.0f ms"
              % (PARTIES * AGREEMENTS, seconds, len(slowest), 1000 * max(slowest)))
        self.assertGreater(self.commits() - commits, PARTIES * AGREEMENTS // STEP)
        log = self.is_complete(version)
        kinds = " ".join(r.kind for r in log if r.kind in ("INTAKE", "AGREEMENT", "POLICY"))
        self.assertRegex(kinds, "AGREEMENT INTAKE .*INTAKE AGREEMENT", "reports went on between the steps")
        self.drain("nor", "ken")
        self.proven()

    def commits(self):
        return int(re.search(r'"commits":(\d+)', self.lab.relto(
            "admin", "status", "--json", context=self.lab.context_name("hub", "/operator"))[0]).group(1))

    def test_the_same_policy_again_tells_nothing(self):
        self.next()
        self.reload()
        told = self.told(self.log())
        self.reload()
        self.assertEqual(self.told(self.log()), told)

    def test_a_stop_does_not_wait_for_a_reload_and_the_next_start_ends_it(self):
        version = self.next()
        said = self.begin(600)
        self.lab.signal(signal.SIGTERM)
        self.go_on()
        self.assertEqual(self.lab.stop(), 0)
        self.assertNotIn("policy.in-force", self.lab.messages()[said:])
        self.lab.start()
        self.is_complete(version)
        self.proven()


class Killed(StepsTest):
    def test_a_start_after_a_kill_between_two_steps_tells_what_is_missing(self):
        for records in (1, 600, 1200):
            version = self.next()
            self.begin(records)
            self.lab.kill()
            policies = self.lab.messages().count("policy.in-force")
            self.lab.start()
            log = self.is_complete(version)
            self.assertEqual(len([r for r in log if r.kind == "POLICY"]), policies + 1)
        self.proven()

    def test_what_a_killed_reload_told_is_not_taken_back(self):
        """Who goes back to the text of before: as docs/audit-format.md finds refused agreements, so the broker does."""
        self.next()
        self.reload()
        self.next()
        self.begin(900)
        self.lab.kill()
        said = len(self.lab.messages())
        self.put(self.version - 1)
        self.lab.start()
        refused = set(re.findall(r'agreement-refused name="(m\d+)"', self.lab.messages()[said:]))
        taken_back = {name for name, rows in self.told(self.log()).items() if max(v for _, _, v in rows) > self.version - 1}
        self.assertEqual(refused, taken_back)
        self.assertGreater(len(refused), 10)
        self.assertLess(len(refused), AGREEMENTS)
        self.next()
        self.reload()
        self.is_complete(self.version)
        self.proven()


if __name__ == "__main__":
    unittest.main(verbosity=2)
