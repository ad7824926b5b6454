"""hub.py - a hub that says what a test wants, with the lab's own hub key: what a client must not believe.

Each connection runs in a thread of its own; 'answers' maps a message's name to f(session, message), which sends what it
likes.  What is not there is answered as a plain broker would.  Checkpoints are signed with the lab's log key.
"""
import base64
import hashlib
import os
import secrets
import socket
import ssl
import struct
import threading
import time

from cryptography.hazmat.primitives import serialization

import wire
from wire import H, pb
from witness import TYPES, node

ORIGIN = "hub.example/relto/g1"


class Log:
    """The lab's log key, to sign whatever head a test needs; or another one."""

    def __init__(self, lab, origin=ORIGIN, key=None):
        self.origin, self.key = origin, key
        if key is None:
            with open(lab.path("hub", "log.key"), "rb") as f:
                self.key = serialization.load_pem_private_key(f.read(), None)
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.keyid = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
        self.vkey = "%s+%s+%s" % (origin, self.keyid.hex(), base64.b64encode(b"\x01" + raw).decode())

    def note(self, size, root):
        text = "%s\n%d\n%s\n" % (self.origin, size, base64.b64encode(root).decode())
        blob = base64.b64encode(self.keyid + self.key.sign(text.encode())).decode()
        return ("%s\n\u2014 %s %s\n" % (text, self.origin, blob)).encode()


class Tree:
    """Leaf hashes; roots and proofs as RFC 9162 section 2.1 defines them."""

    def __init__(self, *leaves):
        self.leaves = list(leaves)

    def root(self, first, last):
        if last - first == 1:
            return self.leaves[first]
        middle = first + half(last - first)
        return node(self.root(first, middle), self.root(middle, last))

    def inclusion(self, index, first, last):
        if last - first == 1:
            return []
        middle = first + half(last - first)
        if index < middle:
            return self.inclusion(index, first, middle) + [self.root(middle, last)]
        return self.inclusion(index, middle, last) + [self.root(first, middle)]

    def consistency(self, size, first, last, whole=True):
        if size == last - first:
            return [] if whole else [self.root(first, last)]
        k = half(last - first)
        if size <= k:
            return self.consistency(size, first, first + k, whole) + [self.root(first + k, last)]
        return self.consistency(size - k, first + k, last, False) + [self.root(first, first + k)]

    def proof(self, size, to):
        return self.consistency(size, 0, to) if 0 < size < to else []


def half(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


CLOSED = object()


def opening(*slots):
    """An RLO1 opening; a slot is a list of fields, None for an empty one, or CLOSED."""
    out = b"RLO1\x00\x08"
    for fields in slots:
        if fields is CLOSED:
            out += b"\x00" + secrets.token_bytes(32)
            continue
        value = b"".join(struct.pack(">I", len(f)) + f for f in fields or [])
        out += b"\x01" + secrets.token_bytes(16) + struct.pack(">I", len(value)) + value
    return out


def party_head(party, size, root, previous=None, time=1):
    """A PARTY_HEAD as its party sees it."""
    common = [bytes([1 + TYPES.index("PARTY_HEAD")]), struct.pack(">Q", time), b""]
    body = [party.encode(), struct.pack(">Q", size), root, b"" if previous is None else struct.pack(">Q", previous)]
    return opening(common, None, None, None, None, None, body, None)


class Session:
    """One connection of a client."""

    def __init__(self, hub, tls):
        self.hub, self.tls, self.assembler, self.inbox = hub, tls, wire.Assembler(), []
        self.deliveries, self.signers = 0, set()

    def send(self, request=0, **body):
        m = pb.Message(request=request)
        for name, value in body.items():
            getattr(m, name).SetInParent()
            getattr(m, name).CopyFrom(value)
        self.tls.sendall(wire.frames(m.SerializeToString(deterministic=True)))

    def read(self):
        while not self.inbox:
            data = self.tls.recv(65536)
            if not data:
                return None
            self.inbox += self.assembler.feed(data)
        return pb.Message.FromString(self.inbox.pop(0))

    def deliver(self, agent, publish, number=None, attempt=1, chain=None, agreements=(b"atlas@1",),
                change=lambda d: None):
        """A report as a delivery; 'agent' says whose chain goes before it."""
        chain = chain or agent.chain_der
        digest = H(b"".join(chain))
        if digest not in self.signers:
            self.send(signer=pb.Signer(digest=digest, chain=chain))
            self.signers.add(digest)
        self.deliveries = number or self.deliveries + 1
        d = pb.Deliver(subscription=1, delivery=self.deliveries, attempt=attempt, manifest=publish.manifest,
                       seal=publish.seal, accepted=int(time.time() * 1000000), chain=digest, agreements=agreements,
                       evidence=pb.Evidence(party_index=self.deliveries, leaf_hash=secrets.token_bytes(32)))
        for p in publish.portions:
            d.portions.add(head=p.head, body=p.body)
        change(d)
        self.send(deliver=d)


def welcome(session, m):
    w = pb.Welcome(version=1, party=b"NOR", agent=b"spiffe://nor.example/fusion-desk", hub_party=b"HUB", node=b"hub-1",
                   time=int(time.time() * 1000))
    w.limits.CopyFrom(pb.Limits(message_bytes=17 << 20, report_bytes=16 << 20, portions=256, publish_window=10,
                                publish_window_bytes=16 << 20, credit=session.hub.credit, idle_ms=120000))
    session.hub.shown(session, m.hello, w)
    session.send(m.request, welcome=w)


def subscribed(session, m):
    session.hub.wanted_credit = m.subscribe.credit
    session.send(m.request, subscribed=pb.Subscribed(subscription=1, name=m.subscribe.name, topic=b">",
                                                     mode=m.subscribe.mode, credit=m.subscribe.credit))
    session.hub.after_subscribe(session)


def acknowledged(session, m):
    session.hub.acks += m.ack.deliveries
    session.send(m.request, pong=pb.Pong())


DEFAULT = {
    "hello": welcome,
    "subscribe": subscribed,
    "ack": acknowledged,
    "ping": lambda s, m: s.send(m.request, pong=pb.Pong()),
    "attest": lambda s, m: (s.hub.attests.append(m.attest), s.send(m.request, pong=pb.Pong())),
    "bye": lambda s, m: s.send(m.request, bye=pb.Bye()),
}


class Hub:
    def __init__(self, lab, credit=1024, after_subscribe=lambda session: None,
                 shown=lambda session, hello, welcome: None, **answers):
        self.lab, self.credit, self.after_subscribe, self.shown = lab, credit, after_subscribe, shown
        self.answers, self.acks, self.wanted_credit, self.errors = dict(DEFAULT, **answers), [], 0, []
        self.attests = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(lab.path("hub", "broker.pem"), lab.path("hub", "broker.key"))
        context.set_alpn_protocols(["relto/1"])
        self.context, self.listener, self.sessions = context, socket.create_server(("127.0.0.1", 0)), []
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(raw,), daemon=True)
            self.sessions.append(raw)
            thread.start()

    def serve(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as tls:
                session = Session(self, tls)
                while True:
                    m = session.read()
                    if m is None:
                        return
                    kind = m.WhichOneof("body")
                    self.answers[kind](session, m)
                    if kind == "bye":
                        return
        except (OSError, ssl.SSLError):
            pass  # the client went away: its exit status says why
        except Exception as e:  # a fault of the test's own answers; close() raises it
            self.errors.append(e)

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for raw in self.sessions:
            raw.close()
        if self.errors:
            raise self.errors[0]
