"""wire.py - a client of the wire in Python; of relto it shares proto/relto.proto and nothing else.

Written from docs/design.md (section 6), docs/PROTOCOL.md and docs/audit-format.md.  It publishes, subscribes, verifies
what it gets by itself, and sends raw bytes where a test wants to be rude.
"""
import atexit
import datetime
import hashlib
import importlib
import os
import secrets
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import witness  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FRAME_BYTES = 65536
DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"


class Bad(witness.Bad):
    """A report, or a message, that a recipient must not believe."""


class Closed(Exception):
    """The broker closed the connection."""


def load_schema():
    """What protoc makes of relto.proto, made anew for this process."""
    folder = tempfile.mkdtemp(prefix="relto-schema.")
    atexit.register(shutil.rmtree, folder, True)
    subprocess.run(["protoc", "-I", os.path.join(ROOT, "proto"), "--python_out", folder, "relto.proto"], check=True)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("relto_pb2")
    finally:
        sys.path.remove(folder)


pb = load_schema()


def H(data):
    return hashlib.sha256(data).digest()


def canonical(kind, data):
    """The message in 'data', which must be its own canonical encoding without unknown fields."""
    m = kind()
    try:
        m.ParseFromString(data)
    except Exception as e:  # the protobuf library has no common error of its own
        raise Bad("%s: %s" % (kind.DESCRIPTOR.name, e))
    again = kind.FromString(data)
    again.DiscardUnknownFields()
    if again.SerializeToString(deterministic=True) != data:
        raise Bad("%s is not canonical" % kind.DESCRIPTOR.name)
    return m


# ---- frames ----

def frames(message, lane=0, size=FRAME_BYTES - 1):
    out = []
    for at in range(0, max(1, len(message)), size):
        piece = message[at:at + size]
        last = 0x80 if at + size >= len(message) else 0
        out.append(struct.pack(">IB", len(piece) + 1, lane | last) + piece)
    return b"".join(out)


class Assembler:
    """Bytes in, whole messages out; a void frame throws its lane's beginning away."""

    def __init__(self):
        self.data, self.lanes, self.voids = b"", {}, 0

    def feed(self, data):
        self.data += data
        out = []
        while len(self.data) >= 4:
            (size,) = struct.unpack(">I", self.data[:4])
            if not 1 <= size <= FRAME_BYTES:
                raise Bad("frame of %d bytes" % size)
            if len(self.data) < 4 + size:
                break
            flags, piece = self.data[4], self.data[5:4 + size]
            self.data = self.data[4 + size:]
            out += self.frame(flags, piece)
        return out

    def frame(self, flags, piece):
        lane = flags & 0x03
        if flags & 0x3C:
            raise Bad("frame flags %02x" % flags)
        if flags & 0x40:
            self.lanes.pop(lane, None)
            self.voids += 1
            return []
        whole = self.lanes.pop(lane, b"") + piece
        if flags & 0x80:
            return [whole]
        self.lanes[lane] = whole
        return []


# ---- certificates and signatures ----

def read_certificates(path):
    with open(path, "rb") as f:
        pem = f.read()
    end = b"-----END CERTIFICATE-----"
    return [x509.load_pem_x509_certificate(part + end) for part in pem.split(end)[:-1]]


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def extension(certificate, kind):
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def spiffe_id(certificate):
    san = extension(certificate, x509.SubjectAlternativeName)
    uris = san.get_values_for_type(x509.UniformResourceIdentifier) if san else []
    if len(uris) != 1:
        raise Bad("%d URI names in a certificate" % len(uris))
    return uris[0]


def sign(key, message):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hash_of_curve(key.curve)))
    return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def hash_of_curve(curve):
    return {"secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384}[curve.name]()


def check_signature(key, signature, message):
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hash_of_curve(key.curve)))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 3072:
            key.verify(signature, message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        else:
            raise Bad("a key that may not sign")
    except InvalidSignature:
        raise Bad("the batch signature is not good")


def issued(issuer, certificate):
    if issuer.subject != certificate.issuer:
        return False
    key, signature = issuer.public_key(), certificate.signature
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, certificate.tbs_certificate_bytes)
        else:
            key.verify(signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(),
                       certificate.signature_hash_algorithm)
    except InvalidSignature:
        return False
    basic = extension(issuer, x509.BasicConstraints)
    return basic is not None and basic.ca


def check_chain(chain, anchors, when):
    """Leaf first; from it to one of 'anchors', all valid at 'when' (naive UTC)."""
    at, rest = chain[0], chain[1:]
    for _ in range(4):
        if not at.not_valid_before <= when <= at.not_valid_after:
            raise Bad("certificate %s is not valid at %s" % (at.subject.rfc4514_string(), when))
        if any(der(at) == der(a) or issued(a, at) for a in anchors):
            return
        at = next((c for c in rest if issued(c, at)), None)
        if at is None:
            break
    raise Bad("the chain ends in no anchor that is pinned")


# ---- reports ----

def batch_root(manifest, place, path):
    r = H(b"\x00" + manifest)
    for level, sibling in enumerate(path):
        r = H(b"\x01" + sibling + r) if place >> level & 1 else H(b"\x01" + r + sibling)
    return r


def signed_message(root):
    return b" " * 64 + b"relto/1 batch\x00" + root


def uuid7(now_ms):
    r = bytearray(secrets.token_bytes(16))
    r[:6] = now_ms.to_bytes(6, "big")
    r[6], r[8] = r[6] & 0x0F | 0x70, r[8] & 0x3F | 0x80
    return bytes(r)


def label(vocabulary, classification, **categories):
    """label("ATLAS", "SECRET", Releasable_To=["NOR"])"""
    return (vocabulary, classification, {k.replace("_", " "): v for k, v in categories.items()})


class Report:
    """A report of our own, in its parts; a test changes what it likes before seal()."""

    def __init__(self, agent, topic, agreements, precedence="ROUTINE", mode="LIVE", now_ms=None):
        now = int(time.time() * 1000) if now_ms is None else now_ms
        self.agent, self.heads, self.bodies = agent, [], []
        self.manifest = pb.Manifest(version=1, id=uuid7(now), hub=agent.hub_id.encode(), topic=topic.encode(),
                                    originator=agent.id.encode(), signer=H(agent.chain_der[0]),
                                    precedence=pb.Precedence.Value(precedence), mode=pb.Mode.Value(mode), created=now)
        self.notice, self.routing = b"", pb.Routing(salt=secrets.token_bytes(16))
        for name, terms in agreements:
            self.routing.agreements.add(name=name.encode(), terms=terms)

    @property
    def id(self):
        return self.manifest.id

    def portion(self, labels, content, content_type="text/plain", title=""):
        body = pb.PortionBody(salt=secrets.token_bytes(16), title=title.encode(), content=content)
        body = body.SerializeToString(deterministic=True)
        head = pb.PortionHead(salt=secrets.token_bytes(16), content_type=content_type.encode(), body_length=len(body),
                              body_digest=H(b"\x13" + body))
        for vocabulary, classification, categories in labels:
            l = head.labels.add(vocabulary=vocabulary.encode(), classification=classification.encode())
            for name, values in categories.items():
                l.categories.add(name=name.encode(), values=[v.encode() for v in values])
        self.heads.append(head)
        self.bodies.append(body)
        return self

    def about(self, act, report, reason=""):
        notice = pb.Notice(salt=secrets.token_bytes(16), act=pb.Act.Value(act), report=report, reason=reason.encode())
        self.notice = notice.SerializeToString(deterministic=True)
        return self

    def seal(self, batch=True):
        """The Publish message; commits, pads and signs."""
        orders = sorted(secrets.randbits(63) for _ in self.heads)
        for head, order in zip(self.heads, orders):
            head.order = order
        heads = [h.SerializeToString(deterministic=True) for h in self.heads]
        routing = self.routing.SerializeToString(deterministic=True)
        self.manifest.routing = H(b"\x10" + self.id + routing)
        self.manifest.notice = H(b"\x12" + self.id + self.notice) if self.notice else secrets.token_bytes(32)
        size = next(n for n in (4, 16, 64, 256) if n >= len(heads))
        del self.manifest.commitments[:]
        self.manifest.commitments.extend(sorted(
            [H(b"\x11" + self.id + h) for h in heads]
            + [secrets.token_bytes(32) for _ in range(size - len(heads))]))
        out = pb.Publish(routing=routing, notice=self.notice)
        for head, body in zip(heads, self.bodies):
            out.portions.add(head=head, body=body)
        return self.sign(out, batch)

    def sign(self, publish, batch=True):
        """Signs the manifest as it is now."""
        publish.manifest = self.manifest.SerializeToString(deterministic=True)
        path = [secrets.token_bytes(32) for _ in range(6)] if batch else []
        place = secrets.randbelow(64) if batch else 0
        signature = sign(self.agent.key, signed_message(batch_root(publish.manifest, place, path)))
        publish.seal = pb.Seal(place=place, path=path, signature=signature).SerializeToString(deterministic=True)
        return publish


def check_manifest(data, hub_id=None):
    m = canonical(pb.Manifest, data)
    if m.version != 1 or len(m.id) != 16 or len(m.routing) != 32 or len(m.notice) != 32 or not m.precedence or not m.mode:
        raise Bad("manifest fields")
    if hub_id is not None and m.hub.decode() != hub_id:
        raise Bad("a report for the hub %s" % m.hub.decode())
    c = list(m.commitments)
    if len(c) not in (4, 16, 64, 256) or any(a >= b for a, b in zip(c, c[1:])) or any(len(x) != 32 for x in c):
        raise Bad("the list of commitments")
    return m


def check_seal(manifest, seal, chain):
    """The signature over the manifest, by the leaf of 'chain' (DER, leaf first)."""
    s = canonical(pb.Seal, seal)
    leaf = x509.load_der_x509_certificate(chain[0])
    m = pb.Manifest.FromString(manifest)
    if m.signer != H(chain[0]):
        raise Bad("the manifest names another signer")
    if len(s.path) not in (0, 6) or any(len(p) != 32 for p in s.path) or s.place >= 64 or (s.place and not s.path):
        raise Bad("the path of the seal")
    if spiffe_id(leaf) != m.originator.decode():
        raise Bad("signed by %s for %s" % (spiffe_id(leaf), m.originator.decode()))
    usage, extended = extension(leaf, x509.KeyUsage), extension(leaf, x509.ExtendedKeyUsage)
    if usage is None or not usage.digital_signature or extended is None \
            or DOCUMENT_SIGNING not in [u.dotted_string for u in extended]:
        raise Bad("a certificate that may not sign documents")
    check_signature(leaf.public_key(), s.signature, signed_message(batch_root(manifest, s.place, s.path)))


def check_portions(m, portions):
    """(PortionHead, PortionBody) of each; every one must be committed to, once, in reading order."""
    out, seen, order = [], set(), -1
    for p in portions:
        commitment = H(b"\x11" + m.id + p.head)
        head, body = canonical(pb.PortionHead, p.head), canonical(pb.PortionBody, p.body)
        if commitment not in m.commitments or commitment in seen:
            raise Bad("a portion that the manifest does not commit to")
        if head.body_length != len(p.body) or head.body_digest != H(b"\x13" + p.body):
            raise Bad("a body that is not the portion's")
        if head.order <= order:
            raise Bad("portions out of order")
        seen.add(commitment)
        order = head.order
        out.append((head, body))
    return out


class Delivered:
    """A Deliver message that verified."""

    def __init__(self, message, signer_chains, trust, hub_id, now_ms=None):
        d = self.raw = message
        now = int(time.time() * 1000) if now_ms is None else now_ms
        if d.chain not in signer_chains:
            raise Bad("no Signer message for the chain of this delivery")
        chain = signer_chains[d.chain]
        self.manifest = check_manifest(d.manifest, hub_id)
        check_seal(d.manifest, d.seal, chain)
        domain = self.manifest.originator.decode().split("/")[2]
        if domain not in trust:
            raise Bad("no bundle pinned for %s" % domain)
        accepted_ms = d.accepted // 1000
        check_chain([x509.load_der_x509_certificate(c) for c in chain], trust[domain],
                    datetime.datetime.utcfromtimestamp(accepted_ms / 1000))
        if accepted_ms < self.manifest.created - 300000 or accepted_ms > now + 300000:
            raise Bad("accepted at %d, created at %d" % (accepted_ms, self.manifest.created))
        self.portions = check_portions(self.manifest, d.portions)
        self.notice = canonical(pb.Notice, d.notice) if d.notice else None
        if self.notice and H(b"\x12" + self.manifest.id + d.notice) != self.manifest.notice:
            raise Bad("a notice that the manifest does not commit to")
        if bool(self.portions) == bool(self.notice and self.notice.act == pb.RECALL):
            raise Bad("a delivery of nothing, or a recall that brings something")
        self.contents = [body.content for _, body in self.portions]


# ---- contexts and connections ----

class Agent:
    """Who connects: what a context file of `relto` says, or what a test gives."""

    def __init__(self, server, hub_id, hub_ca, certificate, key, trust=None, log_key=None):
        self.server, self.hub_id, self.hub_ca = server, hub_id, hub_ca
        self.certificate_file, self.key_file = certificate, key
        self.chain_der = [der(c) for c in read_certificates(certificate)]
        self.id = spiffe_id(x509.load_der_x509_certificate(self.chain_der[0]))
        with open(key, "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)
        self.trust = read_trust(trust) if trust else {}
        self.log_key = log_key

    @classmethod
    def from_context(cls, path, server=None):
        said, here = {}, os.path.dirname(os.path.abspath(path))
        with open(path, encoding="utf-8") as f:
            for line in f:
                words = line.split("#")[0].split(None, 1)
                if len(words) == 2:
                    said[words[0]] = words[1].strip().strip('"')

        def place(name):
            return os.path.join(here, said[name]) if name in said else None

        return cls(server or said["server"], said["hub-id"], place("hub-ca"), place("certificate"), place("key"),
                   place("trust"), read_text(place("log-key")))


def read_text(path):
    if path is None or not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def read_trust(folder):
    """trust/PARTY.pem by the trust domain in the URI name of its anchors, or of the file's name."""
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".pem"):
            anchors = read_certificates(os.path.join(folder, name))
            domains = {u.split("/")[2] for a in anchors for u in uris(a)} or {name[:-4].lower() + ".example"}
            for d in domains:
                out.setdefault(d, []).extend(anchors)
    return out


def uris(certificate):
    san = extension(certificate, x509.SubjectAlternativeName)
    return san.get_values_for_type(x509.UniformResourceIdentifier) if san else []


class Refused(Exception):
    """An Error message."""

    def __init__(self, error):
        self.error = error
        self.code, self.text = error.code.decode(), error.text.decode()
        self.field, self.nearest = error.field.decode(), error.nearest.decode()
        super().__init__("%s: %s %s %s" % (self.code, self.text, self.field, error.detail.decode(errors="replace")))


def tls_context(agent, certificate=True):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.minimum_version = ssl.TLSVersion.TLSv1_3
    c.check_hostname = False  # the SPIFFE id is what is pinned
    c.load_verify_locations(agent.hub_ca)
    if certificate:
        c.load_cert_chain(agent.certificate_file, agent.key_file)
    c.set_alpn_protocols(["relto/1"])
    return c


class Client:
    def __init__(self, agent, timeout=10.0, hello=True, memory=None, certificate=True, tap=None, versions=(1, 2)):
        self.versions = versions
        self.agent, self.timeout, self.tap = agent, timeout, tap
        self.inbox, self.assembler, self.request, self.signers = [], Assembler(), 0, {}
        self.memory = memory or (witness.Memory(witness.Key(agent.log_key)) if agent.log_key else None)
        host, _, port = agent.server.rpartition(":")
        raw = self.connect((host.strip("[]"), int(port)), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Hello waits for no ACK of the handshake
        self.tls = raw
        try:
            self.begin(tls_context(agent, certificate), hello)
        except Exception:
            self.close()
            raise

    def begin(self, context, hello):
        self.tls = self.secure(self.tls, context)
        if self.tls.selected_alpn_protocol() not in ("relto/1", None):
            raise Bad("ALPN %s" % self.tls.selected_alpn_protocol())
        if ("URI", self.agent.hub_id) not in self.tls.getpeercert().get("subjectAltName", ()):
            raise Bad("the broker is not %s" % self.agent.hub_id)
        self.welcome = self.hello() if hello else None

    def connect(self, to, timeout):
        """The socket; a test may want it to come from elsewhere."""
        return socket.create_connection(to, timeout)

    def secure(self, raw, context):
        """TLS on the socket; a test may want its own."""
        return context.wrap_socket(raw)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        try:
            self.tls.close()
        except OSError:
            pass

    # bytes and messages
    def send_raw(self, data):
        self.tls.sendall(data)

    def send(self, body_name, body, request=None, lane=0):
        if request is None:
            self.request += 1
            request = self.request
        m = pb.Message(request=request)
        getattr(m, body_name).CopyFrom(body)
        self.send_raw(frames(m.SerializeToString(deterministic=True), lane))
        return request

    def read_message(self, timeout=None):
        """The next message, whoever it is for; None when the time is up."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.inbox:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.tls.settimeout(left)
            try:
                data = self.tls.recv(65536)
            except socket.timeout:
                return None
            except (ssl.SSLError, OSError) as e:
                raise Closed(str(e))
            if not data:
                raise Closed("end of stream")
            if self.tap is not None:
                self.tap.append(data)
            self.inbox += self.assembler.feed(data)
        m = canonical(pb.Message, self.inbox.pop(0))
        kind = m.WhichOneof("body")
        if kind == "signer":
            chain = list(m.signer.chain)
            if H(b"".join(chain)) != m.signer.digest:
                raise Bad("digest of a Signer message")
            self.signers[m.signer.digest] = chain
        elif kind == "heads" and self.memory:
            self.memory.take(m.heads.checkpoint, list(m.heads.consistency))
        return m

    def wait(self, request=None, kind=None, timeout=None):
        """The answer to 'request', or the next message of 'kind'; an Error is raised as Refused."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        aside = []
        try:
            while True:
                m = self.read_message(max(0, end - time.monotonic()))
                if m is None:
                    return None
                what = m.WhichOneof("body")
                if what == "error" and m.request in (0, request):
                    raise Refused(m.error)
                if (request is not None and m.request == request) or (kind is not None and what == kind):
                    return m
                if what in ("deliver", "receipt"):
                    aside.append(m.SerializeToString(deterministic=True))
        finally:
            self.inbox = aside + self.inbox

    def ask(self, body_name, body, timeout=None):
        request = self.send(body_name, body)
        m = self.wait(request, timeout=timeout)
        if m is None:
            raise TimeoutError("no answer to %s" % body_name)
        return getattr(m, m.WhichOneof("body"))

    # the conversation
    def hello(self):
        seen = self.memory.seen if self.memory else None
        h = pb.Hello(versions=self.versions, software=b"tests/lib/wire.py", signer_chain=self.agent.chain_der,
                     log_origin=seen.origin.encode() if seen else b"", log_size=seen.size if seen else 0)
        w = self.ask("hello", h)
        if w.checkpoint and self.memory:
            self.memory.take(w.checkpoint, list(w.consistency))
        self.terms = {a.name.decode(): a.terms for a in w.agreements}
        return w

    def publish(self, publish, timeout=None):
        return self.ask("publish", publish, timeout)

    def subscribe(self, name="inbox", topic="", mode="LIVE", credit=64, from_start=False):
        return self.ask("subscribe", pb.Subscribe(name=name.encode(), topic=topic.encode(), credit=credit,
                                                   mode=pb.Mode.Value(mode), from_start=from_start))

    def receive(self, timeout=None):
        """The next report, verified; None when the time is up."""
        m = self.wait(kind="deliver", timeout=timeout)
        if m is None:
            return None
        return Delivered(m.deliver, self.signers, self.agent.trust, self.agent.hub_id)

    def ack(self, *delivered):
        by_subscription = {}
        for d in delivered:
            by_subscription.setdefault(d.raw.subscription, []).append(d.raw.delivery)
        for subscription, numbers in by_subscription.items():
            self.ask("ack", pb.Ack(subscription=subscription, deliveries=sorted(numbers)))

    def nack(self, delivered, delay_ms=0):
        return self.ask("nack", pb.Nack(subscription=delivered.raw.subscription, deliveries=[delivered.raw.delivery],
                                        delay_ms=delay_ms))

    def holds(self, count=100, pages=None):
        """What waits for the party of this session; the answers go to 'pages'."""
        out, at = [], b""
        while True:
            got = self.ask("holds", pb.Holds(**{"from": at, "count": count}))
            out += got.holds
            at = got.next
            if pages is not None:
                pages.append(got)
            if not at:
                return out

    def decide(self, hold, answer="APPROVE", because="a test", portions=()):
        return self.ask("decide", pb.Decide(hold=hold, portions=portions, answer=pb.Answer.Value(answer),
                                            because=because.encode()))

    def closed(self, timeout=5.0):
        """Whether the broker closes within the time; messages before that go to 'last'."""
        self.last = []
        try:
            while True:
                m = self.read_message(timeout)
                if m is None:
                    return False
                self.last.append(m)
        except Closed:
            return True

    def bye(self):
        self.send("bye", pb.Bye(), request=0)
        self.close()
