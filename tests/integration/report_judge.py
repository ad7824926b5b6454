"""report_judge.py - what `relto audit report --html` must be: held against `relto-verify stats`, and opened in a browser."""
import html.parser
import json
import os
import shutil
import struct
import subprocess
import unittest
import zlib

import rig

LIGHT = {"paper": (255, 255, 255), "good": (0xe7, 0xf4, 0xec)}
MARGIN = 6  # at the right edge nothing may stand


def browser():
    for name in ("chromium", "chromium-browser"):
        if shutil.which(name):
            return shutil.which(name)
    raise unittest.SkipTest("NO chromium: scripts/deps installs it")


class Page(html.parser.HTMLParser):
    """The data attributes of every element, and what a page must not have."""

    def __init__(self, text):
        super().__init__()
        self.root, self.rows, self.text, self.open = {}, [], [], []
        self.tags, self.targets, self.ids = set(), [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.ids.add(attrs.get("id"))
        self.targets += [attrs[a] for a in ("src", "href", "srcset", "action", "xlink:href") if a in attrs]
        data = {k[5:]: v for k, v in attrs.items() if k.startswith("data-")}
        if tag == "html":
            self.root = data
        elif data:
            self.rows.append((tag, attrs.get("id"), data))
        if any(k.startswith("on") or k == "style" for k in attrs):
            self.tags.add("inline " + tag)

    def handle_data(self, text):
        self.text.append(text)

    def table(self, *names):
        """The rows that have just these data attributes, numbers as numbers."""
        return [{k: int(v) if v.isdigit() else v for k, v in data.items()} for _, _, data in self.rows if set(data) == set(names)]

    def of(self, ident):
        return next(data for _, i, data in self.rows if i == ident)


def picture(path):
    """(width, height, rows of RGB bytes) of a PNG of 8 bits."""
    with open(path, "rb") as f:
        data = f.read()
    at, packed, head = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        head = struct.unpack(">IIBB", body[:10]) if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour = head
    size = {2: 3, 6: 4}[colour]
    assert depth == 8
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * size)
    for y in range(height):
        line = raw[y * (width * size + 1):(y + 1) * (width * size + 1)]
        row = bytearray(line[1:])
        unfilter(line[0], row, before, size)
        rows.append(row)
        before = row
    return width, height, [[tuple(r[i:i + 3]) for i in range(0, len(r), size)] for r in rows]


def unfilter(kind, row, up, size):
    if kind == 0:
        return
    for i in range(len(row)):
        left, above = (row[i - size] if i >= size else 0), up[i]
        if kind == 1:
            row[i] = (row[i] + left) & 255
        elif kind == 2:
            row[i] = (row[i] + above) & 255
        elif kind == 3:
            row[i] = (row[i] + (left + above) // 2) & 255
        else:
            corner = up[i - size] if i >= size else 0
            guess = left + above - corner
            near = min((abs(guess - left), 0, left), (abs(guess - above), 1, above), (abs(guess - corner), 2, corner))[2]
            row[i] = (row[i] + near) & 255


class ReportTests:
    """For a test that has a bundle in 'copy', its key and a lab."""

    def page(self, *more, code=0, out=None):
        path = out or self.copy + ".html"
        said = self.lab.relto("audit", "report", self.copy, "--html", "--out", path, "--key", self.key, *more, code=code)
        with open(path, encoding="utf-8") as f:
            return f.read(), "".join(said)

    def browse(self, path, *more):
        profile = self.copy + ".profile"
        return subprocess.run([browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                               "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + profile,
                               *more, "file://" + path], capture_output=True, timeout=120, check=True,
                              env=dict(os.environ, HOME=self.copy + ".home", TMPDIR=self.lab.base)).stdout.decode()

    def judge_figures(self, page):
        got = subprocess.run([rig.program("relto-verify"), "stats", self.copy, "--key", self.key, "--json"], capture_output=True)
        stats = json.loads(got.stdout)
        self.assertTrue(stats["pairs"] and stats["days"] and stats["reasons"])
        self.assertEqual(page.table(*stats["pairs"][0]), stats["pairs"])
        self.assertEqual(page.table(*stats["days"][0]), stats["days"])
        self.assertEqual(page.table(*stats["reasons"][0]), stats["reasons"])
        self.assertEqual({r["type"]: r["count"] for r in page.table("type", "count")}, stats["types"])
        self.assertEqual([page.root[k] for k in ("exit", "origin", "size", "opened")],
                         [str(stats[k]) for k in ("exit", "origin", "size", "opened")])
        self.assertEqual(sorted(r["released"] for r in page.table("released")),
                         sorted(p["release"] + p["redact"] for p in stats["pairs"]))

    def judge_self_contained(self, text, page):
        self.assertFalse(page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}, page.tags)
        self.assertFalse([t for t in page.tags if t.startswith("inline")])
        self.assertFalse([t for t in page.targets if not t.startswith("#") or t[1:] not in page.ids])
        for word in ("url(", "@import", "http:", "https:", "javascript:"):
            self.assertNotIn(word, text)
        self.assertIn("default-src 'none'", text)

    def test_the_page_has_the_figures_of_relto_verify_and_needs_nothing_else(self):
        text, _ = self.page()
        self.judge_figures(Page(text))
        self.judge_self_contained(text, Page(text))
        page = Page(text)
        self.assertEqual((page.of("verified")["ok"], page.of("replay")["differ"]), ("true", "0"))
        words = " ".join("".join(page.text).split())
        for said in ("the recorded decisions follow the recorded policy", "that nothing else left the machine by another way",
                     "nothing recorded was changed or removed since", "Agreement open version 2, in-force", self.key):
            self.assertIn(said, words)
        with open(os.path.join(self.copy, "checkpoint"), encoding="utf-8") as f:
            self.assertIn(f.read().split("\n\n")[1].split()[-1], words)
        holds = [data for tag, _, data in page.rows if tag == "tr" and set(data) == {"record"}]
        stops = page.table("record", "type")
        self.assertTrue(holds and [s for s in stops if s["type"] == "narrowed"])
        self.assertTrue([s for s in stops if s["type"] == "policy"])

    def test_a_browser_shows_it_in_two_widths_and_its_figures_are_the_same(self):
        self.page()
        path = self.copy + ".html"
        self.judge_figures(Page(self.browse(path, "--dump-dom")))
        for width, height in ((1280, 1600), (420, 1200)):
            shot = "%s.%d.png" % (self.copy, width)
            self.browse(path, "--screenshot=" + shot, "--window-size=%d,%d" % (width, height), "--force-device-scale-factor=1")
            wide, high, rows = picture(shot)
            self.assertEqual((wide, high), (width, height))
            seen = {pixel for row in rows for pixel in row}
            for name, colour in LIGHT.items():
                self.assertIn(colour, seen, "%s at %d: the style is not applied" % (name, width))
            self.assertEqual({p for row in rows for p in row[-MARGIN:]}, {LIGHT["paper"]}, "%d: it is wider than its window" % width)

    def test_a_page_of_a_bundle_that_does_not_verify_says_so_at_its_top(self):
        facts = os.path.join(self.copy, "facts")
        with open(os.path.join(facts, sorted(os.listdir(facts))[0]), "ab") as f:
            f.write(b"x")
        text, _ = self.page(code=65)
        page = Page(text)
        self.assertEqual((page.of("verified")["ok"], page.root["exit"]), ("false", "6"))
        self.assertGreater(int(page.of("replay")["unjudged"]), 0)
        words = " ".join("".join(page.text).split())
        self.assertIn("Not verified (content)", words)
        self.assertIn("nothing: see the findings", words)
        self.assertNotIn("the recorded decisions follow", words)

    def test_the_report_says_what_it_cannot_do(self):
        def call(*args, code):
            return self.lab.relto("audit", "report", *args, code=code)[1]
        self.assertIn("--html is the form that there is", call(self.copy, "--key", self.key, code=64))
        self.assertIn("--json says what was written: to --out FILE", call(self.copy, "--html", "--json", code=64))
        self.assertIn("the report is of one bundle", call("--html", code=64))
        self.assertIn("what is '--pdf'?", call("--pdf", code=64))
        self.assertIn("nowhere/page.html", call(self.copy, "--html", "--key", self.key, "--out", "nowhere/page.html", code=74))
        said = self.lab.relto("audit", "report", self.copy, "--html", "--key", self.key, "--out", self.copy + ".page", "--json")[0]
        self.assertEqual({k: json.loads(said)[k] for k in ("ok", "page")}, {"ok": True, "page": self.copy + ".page"})
        shown = self.lab.relto("audit", "report", self.copy, "--html", "--key", self.key)[0]
        self.assertTrue(shown.startswith("<!DOCTYPE html>") and shown.endswith("</html>\n"))
        shutil.rmtree(os.path.join(self.copy, "tile"))
        self.assertIn("no page was made", call(self.copy, "--html", "--key", self.key, code=65))
