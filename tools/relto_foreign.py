"""relto_foreign.py - what docs/audit-format.md takes from elsewhere, as far as a bundle needs it: signatures (RFC 8032,
FIPS 186-5, RFC 8017), certificates (RFC 5280), protobuf, the lines of a policy's canonical export, and the Seal of
docs/PROTOCOL.md. What is not as it should be raises ValueError; what this reader does not know raises Unknown.
"""
import calendar
import collections
import functools
import hashlib
import re
import time
import uuid
from types import SimpleNamespace


class Unknown(Exception):
    """Nothing can be said of it here."""


def need(good, text, *code):
    if not good:
        raise ValueError(text, *code)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def big(data):
    return int.from_bytes(data, "big")


# ---- curves ----
def times(n, p, add, zero):
    out = zero
    for bit in bin(n)[2:]:
        out = add(out, out)
        out = add(out, p) if bit == "1" else out
    return out


Q, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, Q) % Q


def edwards(p, q):
    (x, y), (u, v) = p, q
    t = D * x * u * y * v
    return (x * v + u * y) * pow(1 + t, -1, Q) % Q, (y * v + x * u) * pow(1 - t, -1, Q) % Q


def edwards_point(number):
    """y, and x by its last bit: a root of (y^2 - 1) / (d y^2 + 1), if there is one."""
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, Q) % Q
    x = pow(square, (Q + 3) // 8, Q)
    x = x if x * x % Q == square else x * pow(2, (Q - 1) // 4, Q) % Q
    if y >= Q or x * x % Q != square or sign > x:
        return None
    return x if x & 1 == sign else Q - x, y


@functools.lru_cache(maxsize=65536)
def ed25519_good(key, signature, message):
    """Is S B - k A written as the bytes R?"""
    s, k = (int.from_bytes(data, "little") for data in (
        signature[32:], hashlib.sha512(signature[:32] + key + message).digest()))
    b, a = edwards_point(4 * pow(5, -1, Q) % Q), edwards_point(int.from_bytes(key, "little"))
    if a is None:
        return False
    x, y = edwards(times(s % ORDER, b, edwards, (0, 1)), times(ORDER - k % ORDER, a, edwards, (0, 1)))
    return s < ORDER and signature == (y | (x & 1) << 255).to_bytes(32, "little") + s.to_bytes(32, "little")


P256, P384 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2b81040022")  # object identifiers
CURVES = {  # p, b, order, generator; a is -3
    P256: (2**256 - 2**224 + 2**192 + 2**96 - 1, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
           0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
           (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)),
    P384: (2**384 - 2**128 - 2**96 + 2**32 - 1,
           0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
           0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
           (0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F))}


def weierstrass(prime):
    """Adds two points given as X, Y, Z with x = X / Z^2 and y = Y / Z^3: no division; Z of the neutral one is 0."""
    def add(p, q):
        (x, y, z), (u, v, w) = p, q
        if z == 0 or w == 0:
            return q if z == 0 else p
        zz, ww = z * z % prime, w * w % prime
        x1, y1, x2, y2 = x * ww % prime, y * w * ww % prime, u * zz % prime, v * z * zz % prime
        if x1 == x2 and y1 == y2:
            m, s = 3 * (x - zz) * (x + zz) % prime, 4 * x * y * y % prime
            r = (m * m - 2 * s) % prime
            return r, (m * (s - r) - 8 * pow(y, 4, prime)) % prime, 2 * y * z % prime
        h, m = x2 - x1, y2 - y1  # of opposite points h is 0, and so is the new Z
        s, hhh = x1 * h * h % prime, h * h * h % prime
        r = (m * m - hhh - 2 * s) % prime
        return r, (m * (s - r) - y1 * hhh) % prime, z * w * h % prime
    return add


def ecdsa_good(curve, point, signature, digest):
    prime, b, order, generator = CURVES[curve]
    width = (prime.bit_length() + 7) // 8
    x, y = big(point[1:1 + width]), big(point[1 + width:])
    need(len(point) == 1 + 2 * width and point[0] == 4 and max(x, y) < prime, "not an uncompressed point")
    need((x * x * x - 3 * x + b - y * y) % prime == 0, "not a point of the curve")
    (_, r, _), (_, s, _) = inside(signature)
    need(signature == b"0%c\2%c%s\2%c%s" % (len(r + s) + 4, len(r), r, len(s), s), "not two numbers in DER")
    need(all(n and n[0] < 128 and (n[0] or n[1:2] >= b"\x80") for n in (r, s)), "not the shortest numbers")
    r, s = big(r), big(s)
    if not (0 < r < order and 0 < s < order):
        return False
    e, w, add = big(digest[:width]), pow(s, -1, order), weierstrass(prime)
    x, _, z = add(times(e * w % order, (*generator, 1), add, (1, 1, 0)), times(r * w % order, (x, y, 1), add, (1, 1, 0)))
    return z != 0 and x * pow(z * z, -1, prime) % prime % order == r


def rsa_good(key, signature, digest, pss):
    """PKCS #1 v1.5; of reports PSS with SHA-256 and a salt of 32 bytes."""
    (_, n, _), (_, e, _) = inside(key)
    n, size, length = big(n), len(n.lstrip(b"\0")), len(digest)
    need(n.bit_length() >= (3072 if pss else 2048) and n.bit_length() % 8 == 0, "an RSA key of %d bits" % n.bit_length())
    need(len(signature) == size and big(signature) < n, "not a signature of this key")
    got = pow(big(signature), big(e), n).to_bytes(size, "big")
    if not pss:
        head = "30%02x300d060960864801650304020%d050004%02x" % (17 + length, length // 16 - 1, length)
        info = bytes.fromhex(head) + digest
        return got == b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
    masked, h = got[:-33], got[-33:-1]
    mask = b"".join(sha(h, i.to_bytes(4, "big")) for i in range(size // 32 + 1))
    plain = bytes(a ^ b for a, b in zip(masked, mask))
    plain, salt = bytes([plain[0] & 127]) + plain[1:-32], plain[-32:]  # the message is a bit shorter than the modulus
    good = got[-1] == 0xBC and masked[0] < 128 and plain == bytes(len(plain) - 1) + b"\1"
    return good and h == sha(bytes(8), digest, salt)


ED25519, ECDSA, RSA = map(bytes.fromhex, ("2b6570", "2a8648ce3d0201", "2a864886f70d010101"))  # kinds of keys
HASHES = {ED25519: "sha512"}  # of kinds of signatures: ECDSA and PKCS #1 with SHA-256 and SHA-384
for name_ in ("2a8648ce3d040302", "2a8648ce3d040303", "2a864886f70d01010b", "2a864886f70d01010c"):
    HASHES[bytes.fromhex(name_)] = "sha256" if name_[-1] in "2b" else "sha384"


def read_key(data):
    """(kind, curve, key) of a SubjectPublicKeyInfo."""
    (_, algorithm, _), (_, bits, _) = inside(data)
    (_, kind, _), *parameter = der(algorithm)
    curve = parameter[0][1] if kind == ECDSA and parameter else None
    if kind not in (ED25519, RSA) and curve not in CURVES:
        raise Unknown("a key of kind %s %s" % (kind.hex(), curve and curve.hex()))
    return kind, curve, bits[1:]


@functools.lru_cache(maxsize=65536)
def signature_good(key, hash_, signature, message, pss=False):
    """'hash_' is the name of a hash."""
    kind, curve, bits = read_key(key)
    digest = hashlib.new(hash_, message).digest()
    try:
        if kind == ED25519:
            return ed25519_good(bits, signature, message)
        return rsa_good(bits, signature, digest, pss) if kind == RSA else ecdsa_good(curve, bits, signature, digest)
    except (ValueError, LookupError):
        return False  # not even the bytes of a signature


# ---- DER and certificates ----
def der(data):
    """(tag, content, whole) of values that stand one after the other."""
    out, at = [], 0
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size > 127:
            start += size - 128
            size = big(data[at + 2:start])
            need(size > 127 and data[at + 2], "a length that is not the shortest")
        need(start + size <= len(data), "DER that is cut off")
        out.append((data[at], data[start:start + size], data[at:start + size]))
        at = start + size
    return out


def inside(data):
    """The values in a value that stands alone."""
    (_, content, _), = der(data)
    return der(content)


def moment(tag, data):
    """Seconds since 1970 of a UTCTime or GeneralizedTime."""
    text = data.decode("ascii")
    text = text if tag == 0x18 else ("19" if text >= "5" else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


CONSTRAINTS, KEY_USAGE, USES, NAMES = map(bytes.fromhex, ("551d13", "551d0f", "551d25", "551d11"))  # extensions
SIGN_DOCUMENTS, SIGN_MAIL, BE_CLIENT = map(bytes.fromhex, ("2b06010505070324", "2b06010505070304", "2b06010505070302"))
ANY_USE = b"\x55\x1d\x25\0"
DIGITAL_SIGNATURE, SIGN_CERTIFICATES, SIGN_LISTS = 0x80, 0x04, 0x02


class Certificate:
    def __init__(self, data):
        (_, fields, self.signed), (_, algorithm, _), (_, bits, _) = inside(data)
        version, serial, inner, issuer, validity, subject, key, *more = der(fields)
        need(version[0] == 0xA0 and inner[1] == algorithm, "not a certificate of version 3")
        self.digest, self.algorithm, self.signature = sha(data), der(algorithm)[0][1], bits[1:]
        self.issuer, self.subject, self.key, self.serial = issuer[1], subject[1], key[2], serial[1]
        self.begin, self.end = (moment(tag, text) for tag, text, _ in der(validity[1]))
        self.extensions, self.strange = {}, None
        for _, extension, _ in inside(more[-1][1]) if more and more[-1][0] == 0xA3 else ():
            (_, name, _), *critical, (_, value, _) = der(extension)
            need(name not in self.extensions, "an extension twice")
            self.extensions[name] = value
            if critical and name not in (CONSTRAINTS, KEY_USAGE, USES, NAMES):
                self.strange = name.hex()
        constraints = self.extension(CONSTRAINTS)
        self.is_authority = any(tag == 1 and value != b"\0" for tag, value, _ in constraints)
        self.most = [big(value) for tag, value, _ in constraints if tag == 2]  # authorities below
        self.usage = der(self.extensions[KEY_USAGE])[0][1][1] if KEY_USAGE in self.extensions else None
        self.uses = {value for _, value, _ in self.extension(USES)}

    def extension(self, name):
        """What is in a sequence."""
        return inside(self.extensions.get(name, b"0\0"))

    def agents(self):
        return [value for tag, value, _ in self.extension(NAMES) if tag == 0x86]

    def check_leaf(self, agent, uses):
        """May it sign as this agent?"""
        need(not self.is_authority and (self.usage or 0) & DIGITAL_SIGNATURE, "the leaf may not sign")
        need(not self.usage & (SIGN_CERTIFICATES | SIGN_LISTS), "the leaf may sign for others")
        need(self.uses & uses, "the leaf may not sign documents")
        need(self.agents() == [agent.encode()], "the leaf is that of another agent")

    def check_issuer(self, below, uses):
        """May it issue certificates of signers, with so many authorities between?"""
        need(self.is_authority and (not self.most or below <= self.most[0]), "an issuer is no authority for such paths")
        need(self.usage is None or self.usage & SIGN_CERTIFICATES, "an issuer may not sign certificates")
        need(USES not in self.extensions or self.uses & (uses | {ANY_USE}), "an issuer may not sign for signers")

    def issued(self, other):
        if self.subject != other.issuer:
            return False
        if other.algorithm not in HASHES:
            raise Unknown("a signature of kind " + other.algorithm.hex())
        return signature_good(self.key, HASHES[other.algorithm], other.signature, other.signed)


def check_chain(chain, anchors, agent, when, uses=frozenset([SIGN_DOCUMENTS])):
    """The leaf (first of the DER certificates in 'chain', joined), if it leads to one of the anchors at that time."""
    leaf, *others = [Certificate(whole) for _, _, whole in der(chain)]
    leaf.check_leaf(agent, uses)
    anchors, path = [Certificate(a) for a in anchors], [leaf]
    while path[-1] not in anchors:
        issuers = [c for c in anchors + others if c not in path and c.issued(path[-1])]
        need(issuers and len(path) < 5, "the chain does not lead to an anchor")
        path.append(issuers[0])
    need(all(c.begin <= when <= c.end for c in path), "a certificate of the chain was not valid then")
    for below, c in enumerate(path[1:]):
        c.check_issuer(below, leaf.uses & uses)
    for c in path:
        if c.strange:
            raise Unknown("the critical extension " + c.strange)
    return leaf


def check_seal(seal, leaf_hash, signer):
    """The batch signature over the leaf hash of a manifest: docs/PROTOCOL.md, section 4."""
    seal = proto(seal)
    place, path, signature = (seal[1] or [0])[-1], seal[2], (seal[3] or [b""])[-1]
    need(len(path) in (0, 6) and place < 64 and (path or not place) and set(seal) <= {1, 2, 3}, "the seal's path")
    for level, other in enumerate(path):
        need(len(other) == 32, "the seal's path")
        leaf_hash = sha(b"\1", other, leaf_hash) if place >> level & 1 else sha(b"\1", leaf_hash, other)
    hash_ = "sha384" if read_key(signer.key)[1] == P384 else "sha256"
    good = signature_good(signer.key, hash_, signature, b" " * 64 + b"relto/1 batch\0" + leaf_hash, pss=True)
    need(good, "the signature of the seal does not hold")


def check_attestation(chain, anchors, r, origin, block):
    """What an ACK says that an agent of the party signed: audit format, section 2."""
    agent = Certificate(der(chain)[0][2]).agents()[0].decode()
    need("trust-domain " + agent.split("/")[2] in block, "the trust domain of another party")
    leaf = check_chain(chain, anchors, agent, r.time // 1000000, frozenset([BE_CLIENT]))
    need(leaf.digest == r.certificate, "another certificate than that of its session")
    texts = [len(text).to_bytes(4, "big") + text for text in (origin, r.recipient.encode())]
    text = b" " * 64 + b"relto/1 attest\0" + b"".join(texts) + r.body["size"].to_bytes(8, "big") + r.body["root"]
    hash_ = "sha384" if read_key(leaf.key)[1] == P384 else "sha256"
    need(signature_good(leaf.key, hash_, r.body["signature"], text, pss=True), "the attestation is not signed so")


# ---- a detached CMS signature over terms (RFC 5652) ----
DATA, SIGNED_DATA, CONTENT_TYPE, DIGEST = (bytes.fromhex("2a864886f70d01" + n) for n in ("0701", "0702", "0903", "0904"))
SHA2 = {bytes.fromhex("6086480165030402%02x" % n): name for n, name in enumerate(("sha256", "sha384", "sha512"), 1)}
PSS = bytes.fromhex("2a864886f70d01010a")
SIGNS = {bytes.fromhex(n): name for n, name in (  # kinds of signatures -> the hash; PKCS #1 without one takes the signer's
    ("2a8648ce3d040302", "sha256"), ("2a8648ce3d040303", "sha384"), ("2a8648ce3d040304", "sha512"),
    ("2a864886f70d01010b", "sha256"), ("2a864886f70d01010c", "sha384"), ("2a864886f70d01010d", "sha512"),
    ("2a864886f70d010101", None), ("2a864886f70d01010a", "sha256"))}


def check_terms(data, terms, domain, anchors, when):
    """One signature of a party over the terms of an agreement, by an agent of that trust domain."""
    (_, kind, _), (_, wrapped, _) = inside(data)
    need(kind == SIGNED_DATA, "not a CMS signature")
    (_, fields, _), = der(wrapped)
    _, _, (_, content, _), *more, (_, signers, _) = der(fields)
    need([value for _, value, _ in der(content)] == [DATA], "the text is attached, or is no data")
    certificates = [der(body) for tag, body, _ in more if tag == 0xA0]
    (_, signer, _), = der(signers)
    _, (_, who, _), (_, hash_, _), (tag, attributes, whole), (_, algorithm, _), (_, signature, _), *_ = der(signer)
    need(tag == 0xA0 and len(certificates) == 1 and len(certificates[0]) <= 4, "no signed attributes, or no certificates")
    said = {der(attribute)[0][1]: der(der(attribute)[1][1]) for _, attribute, _ in der(attributes)}
    hash_, algorithm = SHA2[der(hash_)[0][1]], der(algorithm)[0][1]
    need([v for _, v, _ in said[CONTENT_TYPE]] == [DATA], "it signs another type")
    need([v for _, v, _ in said[DIGEST]] == [hashlib.new(hash_, terms).digest()], "it signs another text")
    need(SIGNS[algorithm] in (None, hash_), "signed with another hash")
    issuer, serial = (value for _, value, _ in der(who))
    leaf = [c for _, _, c in certificates[0] if (Certificate(c).issuer, Certificate(c).serial) == (issuer, serial)][0]
    key, agent = Certificate(leaf).key, Certificate(leaf).agents()[0].decode()
    need(agent.split("/")[:3] == ["spiffe:", "", domain], "the certificate is of another trust domain")
    need(read_key(key)[0] != RSA or big(inside(read_key(key)[2])[0][1]).bit_length() >= 3072, "a weak key")
    need(signature_good(key, hash_, signature, b"\x31" + whole[1:], algorithm == PSS), "the signature does not hold")
    chain = leaf + b"".join(whole for _, _, whole in certificates[0] if whole != leaf)
    check_chain(chain, anchors, agent, when, frozenset([SIGN_DOCUMENTS, SIGN_MAIL]))


# ---- protobuf ----
CONSENT, APPROVE, REJECT = 2, 1, 2  # kind of an obligation; answers
VARINT = re.compile(rb"[\x80-\xff]{0,9}[\0-\x7f]")


def varint(data, at):
    digits = VARINT.match(data, at)
    need(digits, "not a protobuf message")
    return sum((byte & 127) << 7 * i for i, byte in enumerate(digits[0])), digits.end()


def proto(data):
    """The values of each field number: numbers, or bytes."""
    out, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = varint(data, at)
        need(key & 7 in (0, 1, 2, 5), "not a protobuf message")
        value, at = varint(data, at) if key & 7 in (0, 2) else ({1: 8, 5: 4}[key & 7], at)
        if key & 7:
            need(at + value <= len(data), "not a protobuf message")
            value, at = data[at:at + value], at + value
        out[key >> 3].append(int.from_bytes(value, "little") if key & 7 in (1, 5) else value)
    return out


def read_manifest(data):
    """Of a Manifest, what a bundle is held against."""
    m = proto(data)
    need(all(len(m[n]) == 1 for n in (2, 4, 5, 12, 13)), "not a manifest")
    return SimpleNamespace(id=m[2][0], originator=m[4][0], signer=m[5][0], routing=m[12], notice=m[13], head=m[14])


def read_approval(a):
    """(kind, agreement, subject, approver, recipient, portion, answer); a source's id as text."""
    o = proto(a[1][0])
    kind, (agreement, subject, approver) = (o[1] or [0])[-1], ((o[n] or [b""])[-1] for n in (2, 3, 4))
    subject = str(uuid.UUID(bytes=subject)) if kind == CONSENT else subject.decode()
    return (kind, agreement.decode(), subject, approver.decode(), a[2][0].decode(), (a[3] or [0])[-1],
            APPROVE if a[4] else REJECT)


def read_facts(data):
    """Of Facts: times in µs, the names of the agreements, and what was approved or rejected."""
    f = proto(data)
    need(len(f[19]) <= 1, "facts of two backfills")
    judged, accepted, expires = ((f[n] or [0])[-1] for n in (6, 7, 8))
    return SimpleNamespace(time=judged, accepted=accepted, expires=expires,
                           recall=bool(data) and not f[10] and not f[18], agreements=[proto(a)[1][0].decode() for a in f[10]],
                           approvals=[read_approval(proto(a)) for a in f[14]],
                           later=f[16] == [1], backfill=[proto(b) for b in f[19]])


# ---- the canonical export of a policy: a statement is a line, four spaces a level ----
def read_export(data):
    """Of each agreement who may receive, and its version; of each party the statements of its block; the SPIFs."""
    text, receivers, versions, parties, backfill = data.decode(), {}, {}, {}, set()
    for kind, name, block in re.findall(r"^(agreement|party) (.*) \{\n((?: .*\n)*)\}$", text, re.M):
        if kind == "party":
            parties[name] = {line.strip() for line in block.split("\n")}
        else:
            members = re.findall(r"^    member (.*) \{\n((?:     .*\n)*)    \}$", block, re.M)
            receivers[name] = {m for m, said in members if re.search(r"^        may \[.*receive \]$", said, re.M)}
            versions.update((name, version) for version in re.findall(r"^    version (.*)$", block, re.M))
            backfill.update([name] if re.search("^    backfill$", block, re.M) else [])
    spifs = [bytes.fromhex(digest) for digest in re.findall("spif SHA256 ([0-9a-f]{64})", text)]
    return SimpleNamespace(receivers=receivers, versions=versions, parties=parties, spifs=spifs, backfill=backfill)
