#!/usr/bin/python3
"""fmt.py - `relto policy fmt` never changes what a policy means: for every policy text of the tree, the lab's own and
those of tests/model/gen.py, export and terms are byte for byte what they were, words and comments too, and a second
run finds nothing to do.

usage: fmt.py RELTO
"""
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/model"))
import gen  # noqa: E402
import text  # noqa: E402

PIECE = re.compile(rb'"(?:[^"\\\n]|\\.)*"|#[^\n]*|[{}\[\]]|[^\s"#{}\[\]]+')
PARTIES = ["GBR", "NOR", "KEN", "USA", "SWE", "DNK", "ITA"]
GENERATED = 40


def relto(*args, status=0):
    got = subprocess.run([sys.argv[1], "policy", *map(str, args)], capture_output=True, check=False)
    if got.returncode != status:
        sys.exit("policy %s: %d\n%s" % (" ".join(map(str, args)), got.returncode, got.stderr.decode()))
    return got.stdout


def texts(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix in (".policy", ".txt")}


def pieces(source):
    return [p.rstrip() for p in PIECE.findall(source)]


def changed_by_fmt(folder):
    """Lays a policy out; how many files that changed."""
    before, export, terms = texts(folder), relto("export", folder), relto("terms", folder)
    would = subprocess.run([sys.argv[1], "policy", "fmt", "--check", folder], capture_output=True, check=False)
    assert texts(folder) == before, "--check wrote"
    named = relto("fmt", folder)
    after = texts(folder)
    moved = [p for p in after if after[p] != before[p]]
    assert would.stdout == named and would.returncode == (1 if moved else 0), (would, named)
    assert sorted(named.decode().split("\n")[:-1]) == sorted(map(str, moved)), named
    assert list(after) == list(before), "files came or went"
    assert all(pieces(after[p]) == pieces(before[p]) for p in after), "words or comments changed"
    assert relto("export", folder) == export and relto("terms", folder) == terms, "the meaning changed"
    assert relto("fmt", "--check", folder) == b"" and relto("fmt", folder) == b"", "it was not done"
    return len(moved)


def give_trust(folder, trust):
    """A policy without trust files gets some: its parties in the order in which they stand."""
    (folder / "trust").mkdir(exist_ok=True)
    root = folder / "relto.policy"
    source = root.read_text()
    if "trust-bundle" not in source:
        source = re.sub(r"(trust-domain\s+(\w+)\.example)", r'\1\n    trust-bundle "trust/\2.pem"', source)
        source += 'hub HUB\nparty HUB {\n    trust-domain hub.example\n    trust-bundle "trust/hub.pem"\n}\n'
        root.write_text(source)
    for wanted, have in zip(re.findall(r'"(trust/[^"]+\.pem)"', source), trust):
        shutil.copy(have, folder / wanted)


def policies(top, trust):
    """Folder by folder, each complete."""
    yield "lab", top / "lab/policy"
    shutil.copytree(ROOT / "tests/policy-sample", top / "sample")
    yield "tests/policy-sample", top / "sample"
    shutil.copytree(ROOT / "tests/vectors/policy/cases", top / "cases")
    give_trust(top / "cases", trust)
    yield "tests/vectors/policy/cases", top / "cases"
    shutil.copytree(ROOT / "tests/policy-sample", top / "doc")
    (top / "doc/agreements.d/nordic-cti.policy").unlink()
    for name, body in re.findall(r"^```policy (\S+)\n(.*?)^```$", (ROOT / "docs/policy.md").read_text(), re.M | re.S):
        (top / "doc" / name).write_text(body)
    yield "docs/policy.md", top / "doc"
    for path in sorted((ROOT / "tests/policy-lint").glob("*/*/relto.policy")):
        folder = top / "tests" / path.parent.relative_to(ROOT / "tests")
        shutil.copytree(path.parent, folder)
        yield str(path.parent.relative_to(ROOT)), folder
    for n in range(GENERATED):
        folder = top / ("model-%d" % n)
        r = random.Random("fmt:%d" % n)
        text.write_policy(r, gen.gen_policy(r), str(folder))
        give_trust(folder, trust)
        yield "model %d" % n, folder


def main():
    with tempfile.TemporaryDirectory(prefix="relto-fmt.") as name:
        top = pathlib.Path(name)
        subprocess.run([sys.argv[1], "lab", "init", str(top / "lab"), "--parties", ",".join(PARTIES)],
                       capture_output=True, check=True)
        for shared in ("policy", "tests/policy-sample", "tests/policy-lint/base.policy"):
            (top / shared).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / shared).is_dir() else shutil.copy)(ROOT / shared, top / shared)
        trust = sorted((top / "lab/policy/trust").glob("*.pem"))
        count = changed = 0
        for what, folder in policies(top, trust):
            print(what, flush=True)
            changed += changed_by_fmt(folder)
            count += 1
    print("%d policies, %d files laid out anew" % (count, changed))
    return 0 if count == GENERATED + 4 + 2 * len(list((ROOT / "tests/policy-lint").glob("*/shows"))) and changed > GENERATED else 1


if __name__ == "__main__":
    sys.exit(main())
