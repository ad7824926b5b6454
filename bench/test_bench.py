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
    got = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=240, check=False)
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

    def test_sessions_are_opened_and_held(self):
        code, out, err = run(os.path.join(HERE, "run"), "--case", "idle", "--reports", "40")
        self.assertEqual(code, 0, err)
        self.assertEqual(objects(out)[0]["sessions"], 40)

    def test_single_operations_are_timed(self):
        code, out, err = run(os.path.join(BUILD, "bench", "parts"), "100")
        self.assertEqual(code, 0, err)
        self.assertGreaterEqual(len(objects(out)), 6)

    def test_a_record_is_stored(self):
        with tempfile.TemporaryDirectory() as folder:
            code, out, err = run(os.path.join(BUILD, "bench", "bench-store"), os.path.join(folder, "store"), "256")
        self.assertEqual(code, 0, err)
        self.assertIn("a record", out)


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
