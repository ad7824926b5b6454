"""relto_bundle.py - the folder that `relto audit pull` writes: docs/audit-format.md, section 8.

Written from the text alone; shares nothing with the C sources. Python 3, standard library.
"""
import os
import re
import struct

from relto_format import INCLUSION, CONTENT, GAP, MALFORMED, SIGNATURE, Tree, need, read_checkpoint, sha

CLAIMS = rb"relto-bundle 1\norigin (.+)\nsize (\d+)\nview (?:hub|party (.+))\nfirst (\d+)\n"
LINE = re.compile(r"(\d+) ([0-9a-f]{64}) ([0-9a-f]{64}) (-|[0-9a-f]{64})((?: [0-9a-f]{64})*)")


class Bundle:
    """The bundle's folder, section 8, and what is found in it."""

    def __init__(self, folder):
        self.folder, self.findings, self.missing = folder, [], 0
        self.size = self.root = self.party = self.first = None

    def check(self, good, code, at, text):
        if not good:
            self.findings.append({"code": code, "at": at, "text": text})

    def guard(self, at, call, *args):
        """Runs what raises for bytes that are not well-formed; that is a finding."""
        try:
            return call(*args)
        except (ValueError, LookupError, OSError, struct.error) as e:
            text, code = e.args if type(e) is ValueError and len(e.args) == 2 else (str(e), MALFORMED)
            return self.check(False, code, at, text)

    def read(self, name, optional=False):
        """A file's bytes; None, and it is counted, if it is missing and may be."""
        path = os.path.join(self.folder, name)
        if optional and not os.path.exists(path):
            self.missing += 1
            return None
        with open(path, "rb") as file:
            return file.read()

    def content(self, at, folder, digest):
        """The bytes that a digest (hex; empty: none) names, if they are there and are the right ones."""
        if not digest:
            return None
        data = self.read("%s/%s" % (folder, digest), optional=True)
        good = data is None or sha(data).hex() == digest
        self.check(good, CONTENT, at, "%s/%s is not its name" % (folder, digest))
        return data if good else None

    def tile(self, level, first, count, width):
        """The parts of the tile that begins with hash or entry 'first' of 'count'; None if it is missing and may be."""
        part, n = min(256, count - first), first // 256
        name = "%03d" % (n % 1000)
        while n >= 1000:
            n //= 1000
            name = "x%03d/%s" % (n % 1000, name)
        name = "tile/%s/%s%s" % (level, name, "" if part == 256 else ".p/%d" % part)
        data = self.read(name, optional=level != 0)
        need(data is None or len(data) == part * width, name + ": its length")
        return data and [data[i:i + width] for i in range(0, len(data), width)]

    def load(self, vkey):
        """The checkpoint and the claims; True: one can go on."""
        need(os.path.exists(os.path.join(self.folder, "checkpoint")), "there is no checkpoint", SIGNATURE)
        self.size, self.root = read_checkpoint(self.read("checkpoint"), vkey)
        claims = re.fullmatch(CLAIMS, self.read("bundle"))
        need(claims, "bundle: not the five lines of version 1")
        need((claims[1], int(claims[2])) == (vkey[0], self.size), "bundle: of another log or size than the checkpoint")
        self.party, self.first = claims[3] and claims[3].decode(), int(claims[4])
        self.leaves = []
        for first in range(0, self.size, 256):
            self.leaves += self.tile(0, first, self.size, 32)
        self.check(Tree(self.leaves).root() == self.root, INCLUSION, None, "the leaves do not give the root")
        return True

    def other_tiles(self):
        """Entry bundles and the levels above 0 follow from the leaves."""
        for first in range(0, self.size, 256):
            for i, entry in enumerate(self.tile("entries", first, self.size, 40) or (), first):
                good = entry[:2] == b"\0\x26" and sha(b"\0", entry[2:]) == self.leaves[i]
                self.check(good, INCLUSION, i, "its entry is not that of its leaf")
        level, hashes = 0, self.leaves
        while len(hashes) >= 256:
            level, hashes = level + 1, [Tree(hashes[i:i + 256]).root() for i in range(0, len(hashes) - 255, 256)]
            for first in range(0, len(hashes), 256):
                tile = self.tile(level, first, len(hashes), 32)
                self.check(tile in (None, hashes[first:first + 256]), INCLUSION, None, "a tile of level %d" % level)

    def lines(self, first):
        """The lines of report/ for the records from 'first' on, by index; None: the file is missing."""
        name = "report/%06d" % (first // 1024)
        data = None if self.party else self.read(name, optional=True)
        if data is None:
            return None
        *lines, end = data.decode().split("\n")
        matches = [LINE.fullmatch(line) for line in lines]
        need(all(matches) and end == "", name + ": a line")
        indexes = [int(m[1]) for m in matches]
        need(sorted(set(indexes)) == indexes, name + ": its lines do not rise")
        return {int(m[1]): (m[2], m[3], m[4], m[5].split()) for m in matches}

    def openings(self):
        """(index, opening) of all records; empty: not opened."""
        for first in range(0, self.size, 1024):
            name = "record/%06d" % (first // 1024)
            data, at = self.read(name), 0
            self.report_lines = self.guard(name, self.lines, first)
            for index in range(first, min(self.size, first + 1024)):
                size, = struct.unpack_from(">I", data, at)
                at += 4 + size
                need(at <= len(data), name + ": cut off")
                yield index, data[at - size:at]
            need(at == len(data), name + ": bytes after the last record")
