#!/usr/bin/python3
"""fmt_files.py - what `relto policy fmt` does to files: all or none, mode and links kept, the exit statuses.

usage: fmt_files.py RELTO
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

RELTO = str(pathlib.Path(sys.argv.pop(1)).resolve())
UGLY, FINE = "a   {   b\nc }\n", "a {\n    b\n    c\n}\n"


class Files(unittest.TestCase):
    def setUp(self):
        top = tempfile.TemporaryDirectory(prefix="relto-fmt.")
        self.addCleanup(top.cleanup)
        self.top = pathlib.Path(top.name)

    def put(self, name, text):
        path = self.top / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def fmt(self, *args):
        got = subprocess.run([RELTO, "policy", "fmt", *map(str, args)], capture_output=True, check=False, cwd=self.top)
        return got.returncode, got.stdout.decode(), got.stderr.decode()

    def test_check_names_what_would_change_and_writes_nothing(self):
        ugly, fine = self.put("ugly", UGLY), self.put("fine", FINE)
        self.assertEqual(self.fmt("--check", "ugly", "fine"), (1, "ugly\n", ""))
        self.assertEqual((ugly.read_text(), fine.read_text()), (UGLY, FINE))
        self.assertEqual(self.fmt("--check", "fine"), (0, "", ""))

    def test_a_file_that_changes_is_named_and_one_that_does_not_is_not_touched(self):
        ugly, fine = self.put("ugly", UGLY), self.put("fine", FINE)
        before = fine.stat()
        self.assertEqual(self.fmt("ugly", "fine"), (0, "ugly\n", ""))
        self.assertEqual(ugly.read_text(), FINE)
        self.assertEqual((fine.stat().st_ino, fine.stat().st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.assertEqual(sorted(p.name for p in self.top.iterdir()), ["fine", "ugly"])

    def test_a_folder_is_its_root_file_with_all_that_it_includes(self):
        self.put("relto.policy", 'include-dir "d"\ninclude "e.txt"\n')
        inside = [self.put(name, UGLY) for name in ("d/x.policy", "d/y.policy", "e.txt")]
        outside = [self.put(name, UGLY) for name in ("d/z.txt", "other.policy")]
        self.assertEqual(self.fmt(".")[0], 0)
        self.assertEqual({p.read_text() for p in inside}, {FINE})
        self.assertEqual({p.read_text() for p in outside}, {UGLY})

    def test_one_file_that_does_not_parse_leaves_all_as_they_were(self):
        ugly = self.put("ugly", UGLY)
        self.put("bad", "a {\n")
        code, out, err = self.fmt("ugly", "bad")
        self.assertEqual((code, out), (65, ""))
        self.assertIn("bad:1:3: error: the block is not closed", err)
        self.assertEqual(ugly.read_text(), UGLY)

    def test_the_mode_stays(self):
        ugly = self.put("ugly", UGLY)
        for mode in (0o600, 0o640, 0o444):
            ugly.chmod(0o600)
            ugly.write_text(UGLY)
            ugly.chmod(mode)
            self.assertEqual(self.fmt("ugly")[0], 0)
            self.assertEqual((ugly.stat().st_mode & 0o7777, ugly.read_text()), (mode, FINE))

    @unittest.skipIf(os.geteuid() != 0, "only root can give files away")
    def test_the_owner_stays(self):
        ugly = self.put("ugly", UGLY)
        os.chown(ugly, 1234, 2345)
        self.assertEqual(self.fmt("ugly")[0], 0)
        self.assertEqual((ugly.stat().st_uid, ugly.stat().st_gid, ugly.read_text()), (1234, 2345, FINE))

    def test_a_link_stays_a_link(self):
        target = self.put("real", UGLY)
        (self.top / "link").symlink_to("real")
        self.assertEqual(self.fmt("link")[0], 0)
        self.assertTrue((self.top / "link").is_symlink())
        self.assertEqual(target.read_text(), FINE)

    def test_what_cannot_be_written_stays_and_is_told(self):
        ugly = self.put("ugly", UGLY)
        name = self.top / ("x" * 250)  # the file beside it would have too long a name
        ugly.rename(name)
        code, _, err = self.fmt(name.name)
        self.assertEqual((code, name.read_text()), (74, UGLY), err)

    def test_json_tells_of_each_file(self):
        self.put("ugly", UGLY)
        self.put("fine", FINE)
        code, out, _ = self.fmt("--json", "--check", "ugly", "fine")
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(out), {"files": [{"file": "ugly", "changed": True},
                                                     {"file": "fine", "changed": False}], "errors": []})
        self.put("ugly", "{")
        code, out, _ = self.fmt("--json", "ugly")
        self.assertEqual((code, json.loads(out)["errors"][0]["line"]), (65, 1))

    def test_wrong_calls(self):
        self.assertEqual(self.fmt()[0], 64)
        self.assertEqual(self.fmt("--chek", "x")[0], 64)
        self.assertEqual(self.fmt("missing")[0], 66)


if __name__ == "__main__":
    unittest.main()
