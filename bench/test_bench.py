"""Each program of bench/ works: a few reports, no thresholds.  meson names the build folder in BUILD."""
import json
import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.environ["BUILD"]
ELSEWHERE = {"epoll_wait", "event_active", "event_base_loop", "main"}
SAMPLE = """ 101
\t 1 crc32c
\t 2 store_row_put.part.0
\t 3 committer_run

 102
\tffff tcp_sendmsg
\t 4 SSL_write_ex
\t 5 pump_write
\t 6 event_base_loop

 102
\t 7 [unknown]
"""


def run(*command):
    env = dict(os.environ, BENCH_BUILT="1")
    got = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=ROOT, timeout=240,
                         check=False)
    return got.returncode, got.stdout.decode(), got.stderr.decode()


def objects(text):
    return [json.loads(one) for one in text.splitlines() if one.startswith("{")]


class Bench(unittest.TestCase):
    def test_a_run_measures_broker_and_floor(self):
        code, out, err = run(os.path.join(HERE, "run"), "--case", "1:1", "--case", "16:4", "--reports", "128")
        self.assertEqual(code, 0, err)
        size, one, many = objects(out)
        self.assertGreater(size["publish"], 1024)
        self.assertGreater(size["deliver"], 1024)
        self.assertIn(size["acks"], (0, 1))  # messages, rounded: one may acknowledge many
        self.assertGreater(size["ack"], 0)
        self.assertGreaterEqual(size["tables"]["entry"]["puts"], 3)
        self.assertEqual(one["reports"], one["floor"]["reports"])
        self.assertGreater(one["server_cpu_us"], one["floor"]["server_cpu_us"])
        self.assertEqual(many["deliveries"], 4 * many["reports"])

    def test_a_recipient_more_is_measured_beside_the_floor(self):
        code, out, err = run(os.path.join(HERE, "run"), "--case", "1:16", "--reports", "64")
        self.assertEqual(code, 0, err)
        one, size, run16 = objects(out)
        self.assertEqual((one["of"], size["of"]), ("1:1", "1:16"))
        self.assertGreater(size["deliver"], 16 * 1024)
        self.assertGreater(run16["each_more_us"], run16["floor_each_more_us"])

    def test_sessions_are_opened_and_held(self):
        code, out, err = run(os.path.join(HERE, "run"), "--case", "idle", "--reports", "40")
        self.assertEqual(code, 0, err)
        self.assertEqual(objects(out)[0]["sessions"], 40)

    def test_single_operations_are_timed(self):
        code, out, err = run(os.path.join(BUILD, "bench", "parts"), "100")
        self.assertEqual(code, 0, err)
        self.assertGreaterEqual(len(objects(out)), 6)

    def test_verifying_is_measured_with_contents_and_signatures_and_without(self):
        code, out, err = run(os.path.join(HERE, "verify"), "--json", "--records", "600", "--repeat", "1")
        self.assertEqual(code, 0, err)
        got = {x["case"]: x for x in objects(out)}
        self.assertEqual(set(got), {"reports", "unsealed", "alone", "records", "one-to-one"})
        for one in got.values():
            self.assertGreater(one["records_per_s"], 0)
        reports = got["reports"]["reports"]
        self.assertEqual((got["reports"]["signatures"], got["alone"]["signatures"]), (-(-reports // 64), reports))
        self.assertEqual((got["unsealed"]["signatures"], got["records"]["signatures"]), (0, 0))
        self.assertGreater(got["reports"]["contents"], got["unsealed"]["contents"])
        self.assertGreater(got["unsealed"]["contents"], got["records"]["contents"])

    def test_a_bundle_is_the_same_in_every_run(self):
        with tempfile.TemporaryDirectory() as folder:
            notes = []
            for name in ("one", "two"):
                where = os.path.join(folder, name)
                code, _, err = run(os.path.join(BUILD, "bench", "bundle"), where, "--records", "300", "--recipients", "5")
                self.assertEqual(code, 0, err)
                with open(os.path.join(where, "checkpoint"), "rb") as f:
                    notes.append(f.read())
            self.assertEqual(*notes)
            self.assertEqual(run(os.path.join(BUILD, "bench", "bundle"), where)[0], 1)
        for wrong in ([], ["a", "b"], ["a", "--recipients", "0"], ["a", "--recipients", "17"], ["a", "--what"]):
            code, _, err = run(os.path.join(BUILD, "bench", "bundle"), *wrong)
            self.assertEqual((code, "usage: bundle" in err), (64, True), wrong)

    def test_a_decision_is_timed_by_members_and_other_agreements(self):
        code, out, err = run(os.path.join(BUILD, "bench", "decide"), "--json", "--rounds", "2")
        self.assertEqual(code, 0, err)
        self.assertEqual({(x["members"], x["agreements"], x["clearances"]) for x in objects(out)},
                         {(m, a, c) for m in (4, 64, 1000) for a in (11, 4096) for c in ("alike", "own")})
        code, _, err = run(os.path.join(BUILD, "bench", "decide"), "--case", "none")
        self.assertEqual((code, err), (64, "decide: no case 'none'\n"))

    def test_every_budget_is_of_a_case(self):
        with open(os.path.join(ROOT, "tests", "budgets"), encoding="utf-8") as f:
            cases = [line.split()[0] for line in f if "-" in line and not line.startswith("#")]
        with open(os.path.join(HERE, "decide.c"), encoding="utf-8") as f:
            there = re.findall(r'\{ "([a-z]+-\d+-\d+)",', f.read())
        self.assertEqual(len(there), 12)
        there += [what + "-" + part for what in ("log-128", "verify-4") for part in ("own", "hashing")]
        self.assertEqual([c for c in cases if c not in there], [])

    def test_a_record_is_stored(self):
        with tempfile.TemporaryDirectory() as folder:
            code, out, err = run(os.path.join(BUILD, "bench", "bench-store"), os.path.join(folder, "store"), "256")
        self.assertEqual(code, 0, err)
        self.assertIn("a record", out)

    def test_the_log_is_measured_beside_its_hashing_and_a_bare_loop(self):
        with tempfile.TemporaryDirectory() as folder:
            code, out, err = run(os.path.join(BUILD, "bench", "audit"), "--json", "--records", "1024", folder)
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual(code, 0, err)
        self.assertEqual([(x["batch"], x["records"]) for x in objects(out)], [(1, 32), (16, 256), (128, 1024), (1024, 1024)])
        for one in objects(out):  # what is said of CPU holds on any machine: it hashes all that the others do, and more
            self.assertGreater(one["cpu_us"], one["hash_us"])
            self.assertGreater(one["written"], 0)
            self.assertAlmostEqual(one["rate_of_bare"], one["rate"] / one["bare_rate"], delta=0.1)
        for wrong in (["--batch", "1025"], ["--records", "0"], ["--what"], ["a", "b"]):
            code, _, err = run(os.path.join(BUILD, "bench", "audit"), *wrong)
            self.assertEqual((code, "usage: audit" in err), (64, True), wrong)


class Stages(unittest.TestCase):
    def attribute(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            f.write(text)
            f.flush()
            code, out, _ = run(os.path.join(HERE, "stages"), "--script", f.name)
        return code, objects(out)[0]

    def test_a_sample_belongs_to_the_innermost_function_that_is_known(self):
        code, got = self.attribute(SAMPLE)
        self.assertEqual((code, got["samples"]), (1, 3))
        self.assertAlmostEqual(got["stages"]["lmdb"], 33.33)
        self.assertAlmostEqual(got["stages"]["tls-out"], 33.33)
        self.assertAlmostEqual(got["stages"]["in no stage"], 33.33)

    def test_a_tenth_may_be_in_no_stage(self):
        known = "\n".join([SAMPLE.split("\n\n", 1)[0], ""]) + "\n"
        self.assertEqual(self.attribute(known * 17 + SAMPLE)[0], 0)

    def test_the_map_names_functions_that_exist(self):
        with open(os.path.join(HERE, "stages.map"), encoding="utf-8") as f:
            names = [text.split()[0] for text in f if not text.startswith("#")]
        source = ""
        for folder in ("audit", "daemon", "policy", "proto"):
            for name in sorted(os.listdir(os.path.join(ROOT, folder))):
                if name.endswith(".c"):
                    with open(os.path.join(ROOT, folder, name), encoding="utf-8") as f:
                        source += f.read()
        there = set(re.findall(r"^(\w+)\(", source, re.M)) | ELSEWHERE
        self.assertEqual([n for n in names if n not in there], [])
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
