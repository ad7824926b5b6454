"""text.py - writes a policy of gen.py as policy files and SPIFs, in a random order and hand."""
import os
import re
from xml.sax.saxutils import escape, quoteattr

WORD = re.compile(r"[A-Za-z0-9_.:/+@*%=<>~|-]+\Z")


def duration(r, seconds):
    fit = [(unit, n) for unit, n in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % n == 0]
    unit, n = r.choice(fit)
    return "%d%s" % (seconds // n, unit)


class Writer:
    def __init__(self, r):
        self.r, self.lines = r, []

    def word(self, s):
        if WORD.match(s) and self.r.random() > 0.05:
            return s
        return '"%s"' % s.replace("\\", "\\\\").replace('"', '\\"')

    def name(self, s):
        """A name of a vocabulary or of something in it: case and white space do not count."""
        if self.r.random() < 0.1:
            s = "".join(c.swapcase() if c.isascii() else c for c in s)
        if self.r.random() < 0.05:
            s = " " + s.replace(" ", "  ")
        return self.word(s)

    def list(self, items):
        items = list(items)
        self.r.shuffle(items)
        gap = self.r.choice([" ", " ", "  ", "\n        "])
        return "[ " + gap.join(items) + " ]"

    def names(self, items):
        return self.list(self.name(x) for x in items)

    def words(self, items):
        return self.list(self.word(x) for x in items)

    def block(self, head, statements, depth=0):
        """A statement with a block, as lines; statements are strings or lists of lines."""
        statements = list(statements)
        self.r.shuffle(statements)
        pad = "    " * (depth + 1)
        out = ["    " * depth + head + " {"]
        for s in statements:
            if self.r.random() < 0.05:
                out.append(self.r.choice(["", pad + "# a comment { [ \"", "\t"]))
            out += [pad + s] if isinstance(s, str) else s
        return out + ["    " * depth + "}"]


def write_rule(w, rule):
    out = [side + " " + ("any" if c == "any" else w.words(c)) for side in ("from", "to") for c in rule[side]]
    out += ["topic " + p for p in rule["topics"]]
    out += ["content-type " + w.word(p) for p in rule["content"]]
    out += ["precedence %s %s" % tuple(p) for p in rule["precedence"]]
    for c in rule["labels"]:
        head = "label %s %s " % (w.name(c["vocabulary"]), c["op"])
        if c["op"] in ("has", "lacks"):
            out.append(head + w.name(c["category"]) + (" " + w.name(c["value"]) if c["value"] is not None else ""))
        else:
            out.append(head + w.name(c["class"]))
    if rule["action"] == "hold":
        out.append("hold for-approval-of %s within %s" % (rule["approver"], duration(w.r, rule["within"])))
    else:
        out.append(rule["action"])
    return w.block("rule " + rule["name"], out, 1)


def write_clearance(w, c):
    which = "up-to " + w.name(c["up_to"]) if c["up_to"] is not None else w.names(c["classes"])
    head = "clearance %s %s" % (w.name(c["vocabulary"]), which)
    if not c["categories"]:
        return head
    return w.block(head, [w.name(s) + " " + w.names(v) for s, v in c["categories"]], 2)


def write_agreement(w, a):
    out = ["title " + w.word(a["title"]), "version %d" % a["version"],
           "valid from %s until %s" % (a["from"], a["until"]), "state " + a["state"], "mode " + a["mode"],
           "topics " + w.words(a["topics"])]
    for key, line in (("unmarked_labels", "unmarked-labels releasable-to members"),
                      ("unmarked_portions", "unmarked-portions releasable-to members"), ("backfill", "backfill"),
                      ("require_cosign", "require-cosign")):
        if a[key]:
            out.append(line)
    if a["onward"]:
        within = a["onward"]["within"]
        out.append("onward " + a["onward"]["kind"] + (" within " + duration(w.r, within) if within else ""))
    for m in a["members"]:
        rights = [x for x in ("originate", "receive") if m[x]]
        body = ["may " + w.words(rights)] + [write_clearance(w, c) for c in m["clearances"]]
        if m["at_most"]:
            body.append("precedence at-most " + m["at_most"])
        out.append(w.block("member " + m["party"], body, 1))
    for e in a["equivalences"]:
        body = ["classification %s %s" % (w.name(x), w.name(y)) for x, y in e["classes"]]
        body += ["category " + " ".join(w.name(x) for x in v) for v in e["values"]]
        out.append(w.block("equivalence %s to %s" % (w.name(e["from"]), w.name(e["to"])), body, 1))
    out += [write_rule(w, rule) for rule in a["rules"]]
    return w.block("agreement " + a["name"], out)


# ---- SPIF ----

KIND = {"restrictive": "restrictive", "permissive": "permissive", "informative": "tagType7"}


def ref_attributes(ref):
    out = " tagSetRef=%s" % quoteattr(ref["set"])
    if ref["enumerated"]:
        out += ' tagType="enumerated" enumType="%s"' % ref["kind"]
    else:
        out += ' tagType="%s"' % KIND[ref["kind"]]
    if ref["lacv"] is not None:
        out += ' lacv="%d"' % ref["lacv"]
    return out + (' all="true"' if ref["all"] else "")


def required_xml(rule):
    groups = "".join("<spif:categoryGroup%s/>" % ref_attributes(ref) for ref in rule["refs"])
    return '<spif:requiredCategory operation="%s">%s</spif:requiredCategory>' % (rule["op"], groups)


def value_xml(v):
    out = '<spif:tagCategory name=%s lacv="%d"' % (quoteattr(v["name"]), v["lacv"])
    if v["obsolete"]:
        out += ' obsolete="true"'
    for key, attribute in (("not_before", "notBefore"), ("not_after", "notAfter"),
                           ("required_class", "requiredClass")):
        if v[key]:
            out += " %s=%s" % (attribute, quoteattr(v[key]))
    inner = "".join("<spif:excludedClass>%s</spif:excludedClass>" % escape(c) for c in v["excluded_classes"])
    inner += "".join(required_xml(rule) for rule in v["required"])
    inner += "".join("<spif:excludedCategory%s/>" % ref_attributes(ref) for ref in v["excluded"])
    return out + (">%s</spif:tagCategory>" % inner if inner else "/>")


def tag_xml(t):
    out = "<spif:securityCategoryTag name=%s" % quoteattr(t["name"])
    if t["enumerated"]:
        out += ' tagType="enumerated" enumType="%s"' % t["kind"]
    else:
        out += ' tagType="%s"' % KIND[t["kind"]]
    if t["kind"] == "informative":
        out += ' tag7Encoding="bitSetAttributes"'
    for key, attribute in (("min", "minSelection"), ("max", "maxSelection")):
        if t[key] is not None:
            out += ' %s="%d"' % (attribute, t[key])
    out += ' singleSelection="%s">' % ("true" if t["single"] else "false")
    return out + "\n".join(value_xml(v) for v in t["values"]) + "</spif:securityCategoryTag>"


def spif_xml(v, number):
    out = ['<?xml version="1.0" encoding="UTF-8"?>',
           '<spif:SPIF xmlns:spif="http://www.xmlspif.org/spif" schemaVersion="2.1" version="1"'
           ' creationDate="20260101000000Z" originatorDN="CN=model" keyIdentifier="00" privilegeId="2.25.1"'
           ' rbacId="2.25.1">',
           '<spif:securityPolicyId name=%s id="2.25.%d"/>' % (quoteattr(v["name"]), number),
           "<spif:securityClassifications>"]
    for c in v["classes"]:
        head = '<spif:securityClassification name=%s lacv="%d" hierarchy="%d"' % (
            quoteattr(c["name"]), c["lacv"], c["rank"])
        head += ' obsolete="true"' if c["obsolete"] else ""
        inner = "".join(required_xml(rule) for rule in c["required"])
        out.append(head + (">%s</spif:securityClassification>" % inner if inner else "/>"))
    out.append("</spif:securityClassifications>")
    if v["sets"]:
        out.append("<spif:securityCategoryTagSets>")
        for i, s in enumerate(v["sets"]):
            out.append('<spif:securityCategoryTagSet name=%s id="2.25.%d.%d">' % (quoteattr(s["name"]), number, i + 1))
            out += [tag_xml(t) for t in s["tags"]]
            out.append("</spif:securityCategoryTagSet>")
        out.append("</spif:securityCategoryTagSets>")
    return "\n".join(out + ["</spif:SPIF>", ""])


# ---- the directory ----

def write_file(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content)


def write_policy(r, policy, folder):
    """The policy as a directory that `relto policy eval` reads."""
    w = Writer(r)
    top = ["hub HUB"]
    for n, v in enumerate(policy["vocabularies"]):
        write_file(folder, "vocab/%d.spif.xml" % n, spif_xml(v, n + 1))
        body = ['spif "vocab/%d.spif.xml"' % n]
        if v["releasability"]:
            body.append("releasability " + w.name(v["releasability"]))
        top.append(w.block("vocabulary " + w.name(v["name"]), body))
    for p in policy["parties"]:
        domain = p.lower().replace("_", "-") + ".example"
        top.append(w.block("party " + p, ['name "Party %s"' % p, "trust-domain " + domain,
                                          'trust-bundle "trust/%s.pem"' % p.lower(),
                                          "agent /desk { roles [ publish subscribe ] }"]))
    top += ["suspend " + n for n in policy["suspended"]]
    for a in policy["agreements"]:
        text = "\n".join(write_agreement(w, a)) + "\n"
        where = r.choice(["here", "dir", "file"])
        if where == "here":
            top.append(text.splitlines())
        elif where == "dir":
            write_file(folder, "agreements.d/%s.policy" % a["name"], text)
        else:
            write_file(folder, "more/%s.txt" % a["name"], text)
            top.append('include "more/%s.txt"' % a["name"])
    if os.path.isdir(os.path.join(folder, "agreements.d")):
        top.append('include-dir "agreements.d"')
    r.shuffle(top)
    lines = []
    for s in top:
        lines += [s] if isinstance(s, str) else s
    write_file(folder, "relto.policy", "\n".join(lines) + "\n")
