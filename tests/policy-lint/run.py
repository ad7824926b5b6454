#!/usr/bin/python3
"""run.py - each warning of policy/lint.def has a directory here: 'shows' is a policy with cases of it, each line of
'expected' one warning (and no other is given); 'not' is the same policy when each is just not a case any more.

usage: run.py RELTO
"""
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TODAY = "2026-06-01T00:00:00Z"


def check(folder, *more):
    got = subprocess.run([sys.argv[1], "policy", "check", "--json", "--at", TODAY, *more, "."], cwd=folder,
                         capture_output=True, check=False)
    return got.returncode, json.loads(got.stdout)


def main():
    sys.argv[1] = str(pathlib.Path(sys.argv[1]).resolve())
    names = re.findall(r'^L\(\w+, "([a-z-]+)"', (HERE.parent.parent / "policy/lint.def").read_text(), re.M)
    bad = 0 if sorted(names) == sorted(p.name for p in HERE.iterdir() if p.is_dir()) else 1
    for name in sorted(names):
        expected = (HERE / name / "expected").read_text().splitlines()
        code, said = check(HERE / name / "shows")
        warnings = ["%s:%d: %s [%s]" % (w["file"], w["line"], w["text"], w.get("name")) for w in said["warnings"]]
        good = warnings == expected and expected and all(w.endswith("[%s]" % name) for w in expected)
        good = good and all(w["help"] for w in said["warnings"]) and said["warning_count"] == len(expected)
        good = good and code == 0 and check(HERE / name / "shows", "--strict")[0] == 65 and said["undecided"] == []
        code, said = check(HERE / name / "not", "--strict")
        good = good and code == 0 and said["good"] and said["warnings"] == [] and said["undecided"] == []
        print("%s: %s" % (name, "ok" if good else "BAD"), *([] if good else warnings + [said]), sep="\n    ")
        bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
