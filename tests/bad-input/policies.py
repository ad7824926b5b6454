#!/usr/bin/python3
"""policies.py - what a wrong policy gets: every line of policy.case against `relto policy check`.

A line is:   name | file | change | message
  file      of the golden policy (tests/vectors/golden/policy/in), copied for each case
  change    s/REGEX/INTO/ (once, must match), append TEXT, replace TEXT (the whole file), remove, hex BYTES (appended);
            \\n in a TEXT is a newline; several changes are joined by ' && ', each 'FILE: change' after the first
  message   what stands after 'error: ', exactly

usage: policies.py PROGRAM [ARG..]    PROGRAM ARG.. FOLDER must exit 65 and say it (default: $RELTO policy check)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "vectors", "golden", "policy", "in")


def read_cases():
    with open(os.path.join(HERE, "policy.case"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.strip() and not line.startswith("#"):
                parts = [p.strip() for p in line.rstrip("\n").split(" | ")]
                if len(parts) != 4:
                    raise SystemExit("policy.case:%d: %d columns" % (number, len(parts)))
                yield parts


def plain(text):
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda m: chr(int(m.group(1), 16)), text.replace("\\n", "\n"))


def change_file(folder, name, change):
    path = os.path.join(folder, name)
    verb, _, rest = change.partition(" ")
    if change.startswith("s/"):
        _, pattern, into, _ = re.split(r"(?<!\\)/", change)
        with open(path, encoding="utf-8") as f:
            text, n = re.subn(pattern, lambda m: m.expand(plain(into.replace("\\/", "/"))), f.read(), count=1, flags=re.M)
        if not n:
            raise SystemExit("nothing like %s in %s" % (pattern, name))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    elif verb == "remove":
        os.unlink(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if verb == "replace" else "ab") as f:
            f.write(bytes.fromhex(rest) if verb == "hex" else
                    plain(rest).encode() * (int(1.1e6) if verb == "append-a-million" else 1))


def run_case(program, name, file, change, message):
    with tempfile.TemporaryDirectory(prefix="relto-policy.") as d:
        folder = os.path.join(d, "policy")
        shutil.copytree(GOLDEN, folder)
        for i, part in enumerate(change.split(" && ")):
            if i:
                file, _, part = part.partition(": ")
            change_file(folder, file, part)
        for at, _, names in os.walk(folder):
            for n in names:
                os.chmod(os.path.join(at, n), 0o644)
        got = subprocess.run(program + [folder], capture_output=True, timeout=60)
        said = (got.stdout + got.stderr).decode(errors="replace").replace(folder + "/", "")
        lines = re.findall(r"error: (.*)", said)
        if got.returncode != 65:
            return "exit %d: %s" % (got.returncode, "; ".join(lines) or said[-300:])
        if message not in lines:
            return "; ".join(lines) or said[-300:]
    return ""


def main():
    program = sys.argv[1:] or [os.environ.get("RELTO", "relto"), "policy", "check"]
    bad = total = 0
    for name, file, change, message in read_cases():
        wrong = run_case(program, name, file, change, message)
        total, bad = total + 1, bad + bool(wrong)
        print("%-4s policy.case: %s%s" % ("FAIL" if wrong else "ok", name, " - got: " + wrong if wrong else ""),
              flush=True)
    print("%d cases, %d wrong" % (total, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
