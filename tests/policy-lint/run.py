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
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TODAY = "2026-06-01T00:00:00Z"


def check(folder, *more):
    got = subprocess.run([sys.argv[1], "policy", "check", "--json", "--at", TODAY, *more, "."], cwd=folder,
                         capture_output=True, check=False)
    return got.returncode, json.loads(got.stdout)


def undecided():
    """A rule with more conditions than the search looks at: nothing but that is said of it and of those beside it."""
    source = (HERE / "never-changes/not/relto.policy").read_text()
    many = source.replace("        label ATLAS at-most RESTRICTED\n", "        label ATLAS at-most RESTRICTED\n" * 65, 1)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "relto.policy").write_text(many.replace("../../base.policy", str(HERE / "base.policy")))
        code, said = check(folder, "--strict")
    told = [(w["name"], w["text"].split("'")[1]) for w in said["undecided"]]
    return code == 0 and said["warnings"] == [] and told == [
        ("never-matches", "main"), ("never-changes", "main"), ("never-changes", "more"), ("never-changes", "narrower")]


def wrong_calls():
    return all(subprocess.run([sys.argv[1], "policy", *args], capture_output=True, check=False).returncode == 64
               for args in (["check", "--at", "today", HERE], ["check", "--at"], ["check", "--strict"],
                            ["export", "--strict", HERE], ["terms", "--at", TODAY, HERE]))


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
    for what in (undecided, wrong_calls):
        good = what()
        print("%s: %s" % (what.__name__, "ok" if good else "BAD"))
        bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
