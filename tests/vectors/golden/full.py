"""full.py - a small whole log, as a hub auditor's bundle and as a party's.

Written from docs/audit-format.md.  The log has the golden wire report: accepted, held for KEN until a source's
originator consents, released to NOR, delivered, acknowledged; the hold runs out and is narrowed.  Unlike the three
records of section 6 it keeps every rule of section 9, so a verifier must accept it whole.
"""
import base64
import hashlib
import struct

START_US = 1780272000000000  # 2026-06-01T00:00:00Z
HUB, FREE = "hub-1", "free"
DAY_US = 86400 * 1000000
NUMBERS = {"INTAKE": 1, "DECISION": 2, "DELIVERY": 4, "ACK": 5, "NARROWED": 6, "POLICY": 13, "AGREEMENT": 14, "KEY": 15,
           "PARTY_HEAD": 17, "START": 21, "STOP": 22, "SUBSCRIPTION": 26}


def u64(n):
    return struct.pack(">Q", n)


def t(s):
    return s.encode()


class Log:
    """Records and trees, as they grow.  'm' is make.py."""

    def __init__(self, m):
        self.m, self.records, self.leaves, self.trees, self.heads = m, [], [], {}, {}

    def place(self, party):
        return u64(len(self.trees.get(party, [])))

    def add(self, kind, time, slots, report=b"", trees=()):
        """'slots': number -> fields; gives the main index."""
        values = [b""] * 8
        for i, fields in dict(slots, **{}).items():
            values[i - 1] = self.m.slot_value(fields)
        values[0] = self.m.slot_value([bytes([NUMBERS[kind]]), u64(time), report])
        salts = [hashlib.sha256(b"relto-test-salt" + struct.pack(">QH", len(self.records), i)).digest()[:16]
                 for i in range(1, 9)]
        commitments = [hashlib.sha256(b"\x02" + struct.pack(">H", i) + s + v).digest()
                       for i, (s, v) in enumerate(zip(salts, values), 1)]
        data = b"RLT1\x00\x08" + hashlib.sha256(b"\x03\x00\x08" + b"".join(commitments)).digest()
        index = len(self.records)
        self.records.append((salts, values, commitments, data))
        self.leaves.append(self.m.leaf_hash(data))
        for party in trees:
            self.trees.setdefault(party, []).append(
                self.m.leaf_hash(b"RLP1" + u64(index) + self.leaves[index]))
        return index

    def root(self):
        return self.m.tree_root(self.leaves)

    def opening(self, index, shown):
        salts, values, commitments, _ = self.records[index]
        out = b"RLO1\x00\x08"
        for i in range(8):
            if i + 1 in shown:
                out += b"\x01" + salts[i] + struct.pack(">I", len(values[i])) + values[i]
            else:
                out += b"\x00" + commitments[i]
        return out

    def party_head(self, party, time):
        tree = self.trees[party]
        previous = u64(self.heads[party]) if party in self.heads else b""
        body = [t(party), u64(len(tree)), self.m.tree_root(tree), previous]
        self.heads[party] = self.add("PARTY_HEAD", time, {5: [t(HUB), b"", b"", t(FREE)], 7: body})


class Story:
    """What happened, written to a Log; 'out' has the other golden files."""

    def __init__(self, m, out):
        self.m, self.out, self.log, self.contents = m, out, Log(m), {}
        self.inputs = m.load("wire/inputs.json")
        self.report = bytes.fromhex(self.inputs["manifest"]["id"])
        self.own = [t(HUB), b"", b"", t(FREE)]
        self.session = [t(HUB), u64(7), self.keep("", b"leaf of a session"), t(FREE)]

    def keep(self, folder, data):
        digest = hashlib.sha256(data).digest()
        if folder:
            self.contents["%s/%s" % (folder, digest.hex())] = data
        return digest

    def setting_up(self):
        out, log = self.out, self.log
        log.add("START", START_US, {5: self.own, 7: [t("0.1.0"), t("5d0092c5-5f74-4287-9642-33f4c354e56d"), u64(0),
                                                      hashlib.sha256(b"").digest(), b"\x01"]})
        self.policy = self.keep("policy", out["policy/export.txt"])
        for name in ("atlas", "gbr-national", "tlp-2.0"):
            self.keep("spif", self.m.read("policy/in/vocab/%s.spif.xml" % name))
        log.add("POLICY", START_US + 1, {5: self.own, 7: [self.policy, b"", b"\x01", b"", b""]})
        for name, members, version, state, suspended in (("atlas", ("GBR", "KEN", "NOR"), 3, 2, 1),
                                                         ("nordic-cti", ("GBR", "NOR"), 1, 1, 2)):
            terms = self.keep("policy", out["policy/%s.terms" % name])
            for party in members:
                body = [t(party), t(name), u64(version), terms, bytes([state]), bytes([suspended]), b""]
                log.add("AGREEMENT", START_US + 2, {7: body, 8: [log.place(party)]}, trees=[party])
        log.add("KEY", START_US + 3, {7: [t("HUB"), b"\x01", b"\x01", t(self.vkey)], 8: [log.place("HUB")]},
                trees=["HUB"])
        log.add("SUBSCRIPTION", START_US + 4, {5: self.session, 6: [t("CN=watch"), b""],
                                               7: [t("NOR"), b"\x01", t("inbox"), t(">"), b"\x01"]})

    def publication(self, index):
        return [t("GBR"), t("spiffe://gbr.example/fusion-desk"), self.manifest_leaf,
                t("ATLAS SECRET FININT (originator only)\nTLP AMBER"), index]

    def publishing(self):
        out, log = self.out, self.log
        manifest = out["wire/manifest.bin"]
        self.manifest_leaf = hashlib.sha256(b"\x00" + manifest).digest()
        heads = [out["wire/head-%d.bin" % k] for k in range(3)]
        seal, chain = self.keep("seal", out["wire/seal.bin"]), self.keep("chain", out["wire/chain.der"])
        anchor = self.keep("anchor", self.m.x509.load_pem_x509_certificate(self.m.read("wire/ca.pem")).public_bytes(
            self.m.serialization.Encoding.DER))
        facts = self.keep("facts", out["wire/facts.bin"])
        self.intake_us = START_US + 250200
        self.intake = log.add("INTAKE", self.intake_us, {
            3: self.publication(log.place("GBR")), 4: [b"", b"", self.policy, facts, b""], 5: self.session,
            6: [t("CN=fusion-desk"), b""], 7: [seal, chain, anchor]}, self.report, ["GBR"])
        self.report_line = " ".join(
            [str(self.intake), self.keep("manifest", manifest).hex(),
             self.keep("routing", out["wire/routing.bin"]).hex(), "-"] + [self.keep("head", h).hex() for h in heads])
        released = sorted(hashlib.sha256(b"\x11" + self.report + h).digest() for h in heads)
        self.released = hashlib.sha256(b"RLD1" + self.manifest_leaf + b"".join(released)).digest()
        self.held = log.add("DECISION", self.intake_us, {
            2: [t("KEN"), b"", b"", b""], 3: self.publication(log.place("GBR")),
            4: [b"\x03", t("0 withhold classification atlas -\n1 withhold classification atlas -\n"
                           "2 hold consent atlas -\n"), self.policy, facts, u64(self.intake)],
            5: self.session}, self.report, ["GBR"])
        self.decision = log.add("DECISION", self.intake_us, {
            2: self.release_slot(), 3: self.publication(log.place("GBR")),
            4: [b"\x01", t("".join("%d release release atlas maritime\n" % k for k in range(3))), self.policy, facts,
                u64(self.intake)], 5: self.session}, self.report, ["GBR"])

    def release_slot(self):
        return [t("NOR"), t("atlas@3"), t("ATLAS SECRET FININT (originator only)\nTLP AMBER"), self.released]

    def delivering(self):
        log = self.log
        delivery = log.add("DELIVERY", self.intake_us + 900, {
            2: self.release_slot(), 3: [t("GBR"), b"", b"", b"", log.place("GBR")], 4: [b"", b"", b"", b"",
                                                                                       u64(self.decision)],
            5: self.session, 7: [u64(self.intake_us)], 8: [log.place("NOR")]}, self.report, ["GBR", "NOR"])
        log.add("ACK", self.intake_us + 5000, {
            2: [t("NOR"), b"", b"", b""], 3: [t("GBR"), b"", b"", b"", log.place("GBR")], 5: self.session,
            7: [u64(delivery), b"", b"", b"", b""], 8: [log.place("NOR")]}, trees=["GBR", "NOR"])
        for party in sorted(log.trees):
            log.party_head(party, START_US + 60 * 1000000)

    def narrowing(self):
        log = self.log
        when = self.intake_us + 3 * DAY_US
        facts = self.keep("facts", self.later_facts(when - 10))
        log.add("NARROWED", when, {
            2: [t("KEN"), b"", b"", b""], 3: self.publication(log.place("GBR")),
            4: [b"\x04", t("0 withhold not-released-before - -\n1 withhold not-released-before - -\n"
                           "2 withhold timed-out atlas -\n"), self.policy, facts, u64(self.held)],
            5: self.own}, self.report, ["GBR"])
        log.party_head("GBR", when + 10)
        log.add("STOP", when + 20, {5: self.own, 7: [t("signal"), u64(len(log.leaves)), log.root()]})

    def later_facts(self, when):
        m, f = self.m, dict(self.inputs["facts"])
        what = m.f_always(1, m.f_uint(1, 2) + m.f_bytes(2, b"atlas")
                          + m.f_bytes(3, bytes.fromhex(f["sources"][0]["id"])) + m.f_bytes(4, b"NOR"))
        opened = m.f_always(15, what + m.f_bytes(2, b"KEN") + m.f_uint(3, 2) + m.f_uint(4, f["time"]))
        before = m.f_always(17, m.f_bytes(1, b"KEN") + m.f_uint(2, 2) + m.f_each(3, [b"atlas"]))
        f.update(time=when, salt=hashlib.sha256(b"relto-test-salt later").hexdigest()[:32])
        whole = m.encode_facts(f, self.inputs["portions"])
        head = m.encode_facts(f, [])
        return head + opened + m.f_uint(16, 1) + before + whole[len(head):]

    def tell(self):
        name = "hub.example/relto/g1"
        self.key, self.keyid, self.vkey = self.m.signer(name, "relto test log of the hub", b"\x01")
        self.setting_up()
        self.publishing()
        self.delivering()
        self.narrowing()
        text = "%s\n%d\n%s\n" % (name, len(self.log.leaves), base64.b64encode(self.log.root()).decode())
        self.checkpoint = text + "\n" + self.m.signature_line(name, self.keyid + self.key.sign(text.encode()))
        return name


def tree_files(out, folder, story, name, view):
    log = story.log
    size = len(log.leaves)
    out[folder + "/bundle"] = t("relto-bundle 1\norigin %s\nsize %d\nview %s\nfirst 0\n" % (name, size, view))
    out[folder + "/log.vkey"] = t(story.vkey + "\n")
    out[folder + "/checkpoint"] = t(story.checkpoint)
    out[folder + "/tile/0/000.p/%d" % size] = b"".join(log.leaves)
    out[folder + "/tile/entries/000.p/%d" % size] = b"".join(
        struct.pack(">H", len(r[3])) + r[3] for r in log.records)


def records_file(log, shown_of):
    out = b""
    for index in range(len(log.records)):
        shown = shown_of(index)
        opening = log.opening(index, shown) if shown else b""
        out += struct.pack(">I", len(opening)) + opening
    return out


def seen_by_nor(log):
    """Slots that NOR opens (section 4); every record with slot 8 that concerns NOR."""
    def shown(index):
        _, values, _, _ = log.records[index]
        kind = values[0][4]
        if kind in (NUMBERS["AGREEMENT"], NUMBERS["PARTY_HEAD"]) and values[6][4:7] == b"NOR":
            return (1, 7, 8) if kind == NUMBERS["AGREEMENT"] else (1, 7)
        if kind in (NUMBERS["DELIVERY"], NUMBERS["ACK"]) and values[1][4:7] == b"NOR":
            return (1, 2, 7, 8)
        return ()
    return shown


def make_full(m, out):
    story = Story(m, out)
    name = story.tell()
    tree_files(out, "bundle-hub", story, name, "hub")
    out["bundle-hub/record/000000"] = records_file(story.log, lambda i: range(1, 9))
    out["bundle-hub/report/000000"] = t(story.report_line + "\n")
    for path, data in story.contents.items():
        out["bundle-hub/" + path] = data
    tree_files(out, "bundle-nor", story, name, "party NOR")
    out["bundle-nor/record/000000"] = records_file(story.log, seen_by_nor(story.log))
