#!/usr/bin/env python3
"""relto_receipt.py - a second verifier of receipts, written from docs/audit-format.md (section 7) alone.

    relto_receipt.py FILE --key VKEY_OR_FILE [--report FOLDER]

It prints one JSON line and has the exit codes of section 9. FOLDER is a report that `relto sub --save` saved.
"""
import argparse
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
import relto_foreign as foreign  # noqa: E402
from relto_format import (  # noqa: E402
    CONTENT, INCLUSION, MALFORMED, TIME, Record, need, read_checkpoint, read_vkey, sha, unbase64, unlock)

USAGE = 1
FILE = re.compile(rb"c2sp\.org/tlog-proof@v1\n(?:extra (.+)\n)?index (0|[1-9]\d{0,19})\n((?:.+\n){0,65})\n([\s\S]+)")


def root_of(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2; None if the path does not fit."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = sha(b"\1", p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\1", r, p)
        fn, sn = fn >> 1, sn >> 1
    return r if index < size and sn == 0 else None


def read_receipt(data, vkey):
    """(size, record) of a file."""
    form = FILE.fullmatch(data)
    need(form and form[1], "not a proof file with an opening")
    opening, path = unbase64(form[1]), [unbase64(line) for line in form[3].splitlines()]
    need(int(form[2]) < 2**64 and all(len(p) == 32 for p in path), "its index or path")
    size, root = read_checkpoint(form[4], vkey)
    try:
        leaf = unlock(opening)[1]
    except (ValueError, IndexError):
        raise ValueError("its opening")
    record = Record(int(form[2]), opening, leaf)
    need(root_of(record.at, size, leaf, path) == root, "the record is not in that tree", INCLUSION)
    return size, record


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def check_report(folder, r):
    """The saved report is the one that the record speaks of; how many portions it has."""
    manifest, heads, n = read(folder, "manifest"), [], 0
    need(r.manifest in (None, sha(b"\0", manifest)), "another manifest", CONTENT)
    while os.path.exists(os.path.join(folder, "%02d.head" % n)):
        heads.append(read(folder, "%02d.head" % n))
        if os.path.exists(os.path.join(folder, "%02d.front" % n)):
            body = read(folder, "%02d.front" % n) + read(folder, "%02d.body" % n)
            said = foreign.proto(heads[-1])
            good = said[6] == [sha(b"\x13", body)] and said[5] == [len(body)]
            need(good, "%02d.body is not what its head commits to" % n, CONTENT)
        n += 1
    if r.name == "INTAKE":
        return n
    if not r.released:
        raise LookupError("the record does not say what was released")
    m = foreign.read_manifest(manifest)
    need(m.id == r.report, "another report", CONTENT)
    commitments = sorted(sha(b"\x11", m.id, head) for head in heads)
    need(set(commitments) <= set(m.head), "a portion that is none of the report's", CONTENT)
    need(sha(b"RLD1", sha(b"\0", manifest), *commitments) == r.released, "another released digest", CONTENT)
    return n


def main(args):
    parser = argparse.ArgumentParser(description="Verifies a receipt that `relto audit receipt` wrote.")
    parser.add_argument("file")
    parser.add_argument("--key", required=True, help="the log's vkey, or a file that has it")
    parser.add_argument("--report", help="the folder of the saved report")
    try:
        ask = parser.parse_args(args)
        data = read(".", ask.file)
        vkey = read_vkey(read(".", ask.key) if os.path.exists(ask.key) else ask.key.encode())
    except (SystemExit, ValueError, OSError) as e:
        return 0 if isinstance(e, SystemExit) and not e.code else USAGE
    said = {"exit": 0}
    try:
        said["size"], r = read_receipt(data, vkey)
        said.update(index=r.at, type=r.name, open=sorted(r.open), report=r.report and r.report.hex())
        said["portions"] = check_report(ask.report, r) if ask.report else None
        need(r.time // 1000000 <= time.time() + 300, "its time is in the future", TIME)
    except ValueError as e:
        said = {"exit": e.args[1] if len(e.args) == 2 and type(e) is ValueError else MALFORMED, "finding": str(e.args[0])}
    except (LookupError, OSError) as e:
        said = {"exit": USAGE if ask.report else MALFORMED, "finding": str(e)}
    print(json.dumps(said))
    return said["exit"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
