"""senders.py - the bad inputs of the tables, one function each: (client, arguments of the case's line)."""
import secrets
import struct

import wire
from wire import label, pb

GOOD = [label("ATLAS", "RESTRICTED", Releasable_To=["ATLAS"]), label("TLP", "GREEN")]


def silent(f):
    """No Hello before it."""
    f.hello = False
    return f


def as_party(name):
    def mark(f):
        f.who = name
        return f
    return mark


# ---- bytes ----

def raw(client, *hexes):
    client.send_raw(bytes.fromhex("".join(hexes)))


@silent
def raw_first(client, *hexes):
    client.send_raw(bytes.fromhex("".join(hexes)))


def framed(client, *hexes):
    client.send_raw(wire.frames(bytes.fromhex("".join(hexes))))


@silent
def framed_first(client, *hexes):
    client.send_raw(wire.frames(bytes.fromhex("".join(hexes))))


def half_a_frame(client):
    client.send_raw(struct.pack(">IB", 100, 0x80) + b"x" * 10)
    client.tls.unwrap()


def long_message(client, mebibytes):
    """Frames without end."""
    piece = struct.pack(">IB", 65536, 0) + b"\0" * 65535
    for _ in range(int(mebibytes) * 16 + 1):
        client.send_raw(piece)


@silent
def long_hello(client):
    h = pb.Hello(versions=[1], software=b"x" * 60, signer_chain=[b"c" * 1400] * 3)
    client.send("hello", h)


# ---- messages ----

def a_message(client, name, **fields):
    client.send(name, type(getattr(pb.Message(), name))(**fields))


@silent
def first_message(client, name):
    a_message(client, name)


@silent
def hello_versions(client, *versions):
    client.send("hello", pb.Hello(versions=[int(v) for v in versions], signer_chain=client.agent.chain_der))


@silent
def hello_chain_of_another(client):
    client.send("hello", pb.Hello(versions=[1], signer_chain=[b"no certificate"]))


@silent
def hello_ahead(client):
    client.send("hello", pb.Hello(versions=[1], log_origin=client.agent.log_key.split("+")[0].encode(),
                                  log_size=1 << 40))


def second_hello(client):
    client.send("hello", pb.Hello(versions=[1], signer_chain=client.agent.chain_der))


def from_the_broker(client, name):
    a_message(client, name)


def no_body(client):
    client.send_raw(wire.frames(b"\x08\x09"))


def request_again(client):
    client.send("ping", pb.Ping(), request=client.request)


def request_zero(client):
    client.send("ping", pb.Ping(), request=0)


def unknown_field(client):
    m = pb.Message(request=client.request + 1, ping=pb.Ping()).SerializeToString()
    client.send_raw(wire.frames(m + b"\xc0\x3e\x01"))


def unknown_inner_field(client):
    inner = pb.Explain(report=b"r" * 16).SerializeToString() + b"\x78\x01"
    client.send_raw(wire.frames(b"\x08" + bytes([client.request + 1]) + b"\x72" + bytes([len(inner)]) + inner))


def fields_out_of_order(client):
    client.send_raw(wire.frames(b"\xb2\x01\x00\x08" + bytes([client.request + 1])))


def field_twice(client):
    n = bytes([client.request + 1])
    client.send_raw(wire.frames(b"\x08" + n + b"\x08" + n + b"\xb2\x01\x00"))


def default_written_out(client):
    n = bytes([client.request + 1])
    client.send_raw(wire.frames(b"\x08" + n + b"\x82\x01\x02\x08\x00"))  # AuditList.from = 0


def long_varint(client):
    n = client.request + 1
    client.send_raw(wire.frames(b"\x08" + bytes([n | 0x80, 0]) + b"\xb2\x01\x00"))


def many_elements(client):
    p = pb.Publish(manifest=b"m")
    for _ in range(9000):
        p.portions.add()
    client.send("publish", p)


def subscribe(client, *words):
    values = dict(w.split("=", 1) for w in words)
    client.send("subscribe", pb.Subscribe(
        name=values.get("name", "inbox").encode(), topic=values.get("topic", "").encode(),
        credit=int(values.get("credit", 1)), mode=int(values.get("mode", 1))))


def subscribe_twice_with_other_patterns(client):
    client.subscribe("bad-input", "maritime.>")
    client.send("subscribe", pb.Subscribe(name=b"bad-input", topic=b"cyber.>", credit=1, mode=1))


def ack(client, subscription, *deliveries):
    client.send("ack", pb.Ack(subscription=int(subscription), deliveries=[int(d) for d in deliveries]))


def nack(client, *words):
    values = dict(w.split("=", 1) for w in words)
    first, _, last = values.get("deliveries", "1").partition("..")
    numbers = range(int(first), int(last) + 1) if last else [int(n) for n in first.split(",") if n]
    client.send("nack", pb.Nack(subscription=int(values.get("subscription", 0)), deliveries=numbers,
                                delay_ms=int(values.get("delay", 0))))


def subscriptions(client, *words):
    values = dict(w.split("=", 1) for w in words)
    client.send("subscriptions", pb.Subscriptions(act=int(values.get("act", 1)), party=values.get("party", "").encode(),
                                                  name=values.get("name", "").encode()))


def dead_letters(client, *words):
    values = dict(w.split("=", 1) for w in words)
    client.send("dead_letters", pb.DeadLetters(**{
        "act": int(values.get("act", 1)), "all": "all" in values, "party": values.get("party", "").encode(),
        "report": bytes.fromhex(values.get("report", "")), "from": int(values.get("from", 0))}))


def explain(client, *hexes):
    client.send("explain", pb.Explain(report=bytes.fromhex("".join(hexes))))


def prove(client, *hexes):
    client.send("prove", pb.Prove(report=bytes.fromhex("".join(hexes))))


def say(client, name, code):
    kind, field = {"recall_answer": (pb.RecallAnswer, "answer"), "feedback": (pb.Feedback, "code")}[name]
    client.send(name, kind(**{"report": b"r" * 16, field: code.encode()}))


def recall_status(client, *hexes):
    client.send("recall_status", pb.RecallStatus(report=bytes.fromhex("".join(hexes))))


def feedback_status(client, report, at=""):
    client.send("feedback_status", pb.FeedbackStatus(report=bytes.fromhex(report), **{"from": bytes.fromhex(at)}))


def feedback_status_from(client, length):
    feedback_status(client, "00" * 16, "61" * int(length))


def officer(sender):
    sender.who = ("gbr", "/release-office")
    return sender


@officer
def holds_with(client, *words):
    values = dict(w.split("=", 1) for w in words)
    client.send("holds", pb.Holds(count=int(values.get("count", 1)), **{"from": bytes.fromhex(values.get("from", ""))}))


@officer
def decide(client, *words):
    values = dict(w.split("=", 1) for w in words)
    portions = [int(n) for n in values.get("portions", "").split(",") if n]
    client.send("decide", pb.Decide(hold=bytes.fromhex(values.get("hold", "00" * 16)), portions=portions,
                                    answer=int(values.get("answer", 1)), because=b"x" * int(values.get("because", 1))))


@officer
def decide_not_text(client):
    client.send("decide", pb.Decide(hold=b"h" * 16, answer=1, because=b"\xff"))


def operator(sender):
    sender.who = ("hub", "/operator")
    return sender


@operator
def say_of_no_subscriber(client, name, code):
    say(client, name, code)


@operator
def recall_status_of_no_publisher(client):
    recall_status(client, "00" * 16)


@operator
def feedback_status_of_no_publisher(client):
    feedback_status(client, "00" * 16)


def backup_of_no_operator(client, name="x"):
    client.send("backup", pb.Backup(name=name.encode()))


def erase_of_no_operator(client, *words):
    values = dict(w.split("=", 1) for w in words)
    first, _, last = values.get("records", "0").partition("..")
    records = range(int(first), int(last) + 1) if last else [int(n) for n in first.split(",") if n]
    client.send("erase", pb.Erase(records=records, because=b"x" * int(values.get("because", 1))))


def sessions_of_no_operator(client, at="0"):
    client.send("sessions", pb.Sessions(**{"from": int(at)}))


def drain_of_no_operator(client):
    client.send("drain", pb.Drain())


@operator
def sessions(client, at):
    sessions_of_no_operator(client, at)


@operator
def backup(client, name=""):
    backup_of_no_operator(client, name)


@operator
def erase(client, *words):
    erase_of_no_operator(client, *words)


def as_version_1(client):
    with wire.Client(client.agent, versions=(1,)) as old:
        client.tls, old.tls = old.tls, client.tls  # the runner looks at the older session
    client.inbox, client.assembler, client.request = old.inbox, old.assembler, old.request


def of_version_1(client, name):
    as_version_1(client)
    a_message(client, name)


def subscribe_proofs_of_version_1(client):
    as_version_1(client)
    client.send("subscribe", pb.Subscribe(name=b"x", mode=1, credit=1, proof=True))


def not_my_role(client, name):
    a_message(client, name)


def holds_of_no_approver(client):
    client.send("holds", pb.Holds(count=1))


def decide_of_no_approver(client):
    client.send("decide", pb.Decide(hold=b"h" * 16, answer=1, because=b"x"))


# ---- reports ----

def fresh(client, labels=GOOD, topic="maritime.piracy", precedence="ROUTINE", mode="LIVE", portions=1):
    r = wire.Report(client.agent, topic, [("atlas", client.terms["atlas"])], precedence, mode)
    for n in range(portions):
        r.portion(labels, b"bad input %d" % n)
    return r


def publish(client, sealed):
    client.send("publish", sealed)


def change_manifest(client, name, value):
    """A manifest with one field changed before it is signed."""
    r = fresh(client)
    sealed = r.seal()
    now = getattr(r.manifest, name)
    setattr(r.manifest, name, bytes.fromhex(value[4:]) if value.startswith("hex:")
            else value.encode() if isinstance(now, bytes) else int(value))
    publish(client, r.sign(sealed))


def report_of_another_agent(client):
    change_manifest(client, "originator", "spiffe://nor.example/watch")


def report_for_another_hub(client):
    change_manifest(client, "hub", "spiffe://elsewhere.example/broker")


def topic(client, kind):
    wanted = {"wildcard": "maritime.*", "empty-token": "maritime..x", "seventeen-tokens": ".".join(["maritime"] * 17),
              "256-bytes": "maritime." + "x" * 247, "empty": "", "not-ascii": "maritime.p\u00eache",
              "outside": "weather.storm"}[kind]
    publish(client, fresh(client, topic=wanted).seal())


def commitments(client, kind):
    r = fresh(client)
    sealed = r.seal()
    c = list(r.manifest.commitments)
    c = {"five": sorted(c + [secrets.token_bytes(32)]), "descending": c[::-1], "twice": [c[0], c[0]] + c[2:],
         "short": [x[:31] for x in c], "none": [], "other": sorted(secrets.token_bytes(32) for _ in c)}[kind]
    del r.manifest.commitments[:]
    r.manifest.commitments.extend(c)
    publish(client, r.sign(sealed))


def portion_of_another_report(client):
    one, other = fresh(client).seal(), fresh(client).seal()
    one.portions[0].CopyFrom(other.portions[0])
    publish(client, one)


def portion_twice(client):
    one = fresh(client).seal()
    one.portions.add().CopyFrom(one.portions[0])
    publish(client, one)


def portions_in_another_order(client):
    one = fresh(client, portions=2).seal()
    heads = [(p.head, p.body) for p in one.portions]
    for p, (head, body) in zip(one.portions, heads[::-1]):
        p.head, p.body = head, body
    publish(client, one)


def no_portion(client):
    one = fresh(client).seal()
    del one.portions[:]
    publish(client, one)


def body_of_another(client):
    one = fresh(client, portions=2).seal()
    one.portions[0].body = one.portions[1].body
    publish(client, one)


def routing_of_another(client):
    one, other = fresh(client).seal(), fresh(client).seal()
    one.routing = other.routing
    publish(client, one)


def seal(client, kind):
    r = fresh(client)
    one = r.seal()
    s = pb.Seal.FromString(one.seal)
    if kind == "flipped":
        s.signature = s.signature[:-1] + bytes([s.signature[-1] ^ 1])
    elif kind == "empty":
        s.signature = b""
    elif kind == "other-place":
        s.place ^= 1
    elif kind == "place-64":
        s.place = 64
    elif kind == "path-of-five":
        del s.path[5:]
    elif kind == "short-hash":
        s.path[0] = s.path[0][:31]
    one.seal = s.SerializeToString(deterministic=True)
    publish(client, one)


def part(client, name, kind):
    """One part of the report in another form than its canonical one; commitment and signature are of that form."""
    r = fresh(client)
    if name == "manifest":
        sealed = r.seal()
        sealed.manifest = spoil(sealed.manifest, kind)
        sealed.seal = pb.Seal(signature=wire.sign(client.agent.key, wire.signed_message(
            wire.batch_root(sealed.manifest, 0, [])))).SerializeToString()
        return publish(client, sealed)
    sealed = r.seal(batch=False)
    if name == "routing":
        sealed.routing = spoil(sealed.routing, kind)
        r.manifest.routing = wire.H(b"\x10" + r.id + sealed.routing)
    elif name == "head":
        head = sealed.portions[0].head = spoil(sealed.portions[0].head, kind)
        c = sorted([wire.H(b"\x11" + r.id + head)] + [secrets.token_bytes(32) for _ in range(3)])
        del r.manifest.commitments[:]
        r.manifest.commitments.extend(c)
    elif name == "seal":
        sealed.seal = spoil(sealed.seal, kind)
        return publish(client, sealed)
    return publish(client, r.sign(sealed))


def spoil(data, kind):
    return {"unknown-field": data + b"\xc0\x3e\x01", "trailing": data + b"\x00", "truncated": data[:-1],
            "empty": b""}[kind]


def routing(client, kind):
    r = fresh(client)
    g = r.routing
    if kind == "stale-terms":
        g.agreements[0].terms = secrets.token_bytes(32)
    elif kind == "short-terms":
        g.agreements[0].terms = b"t" * 31
    elif kind == "unknown-agreement":
        g.agreements[0].name = b"no-such-agreement"
    elif kind == "no-agreement":
        del g.agreements[:]
    elif kind == "nine-agreements":
        for _ in range(8):
            g.agreements.add().CopyFrom(g.agreements[0])
    elif kind == "bad-name":
        g.agreements[0].name = b"at las"
    elif kind == "only-to-stranger":
        g.only_to.name.append(b"XXX")
    elif kind == "not-to-stranger":
        g.not_to.append(b"XXX")
    elif kind == "not-to-257":
        g.not_to.extend([b"P%d" % n for n in range(257)])
    elif kind == "source-of-15-bytes":
        g.sources.append(b"s" * 15)
    elif kind == "33-sources":
        g.sources.extend(secrets.token_bytes(16) for _ in range(33))
    elif kind == "no-salt":
        g.salt = b""
    publish(client, r.seal())


def labelled(client, kind):
    labels = {
        "nothing": [], "unknown-vocabulary": [label("NOWHERE", "SECRET")],
        "unknown-classification": [label("ATLAS", "SECRETISH", Releasable_To=["ATLAS"])],
        "unknown-category": [label("ATLAS", "SECRET", No_Such=["x"])],
        "unknown-value": [label("ATLAS", "SECRET", Releasable_To=["ATLAS", "XXX"])],
        "empty-category": [label("ATLAS", "SECRET", Releasable_To=[])],
        "two-of-one-vocabulary": [label("TLP", "RED"), label("tlp", "CLEAR")],
        "category-twice": [("ATLAS", "SECRET", {"Releasable To": ["NOR"], "releasable to": ["ATLAS"]})],
        "five": [label("TLP", "RED")] * 5,
        "33-categories": [("ATLAS", "SECRET", {"c%d" % n: ["v"] for n in range(33)})],
        "257-values": [label("ATLAS", "SECRET", Releasable_To=["v%d" % n for n in range(257)])],
        "nul": [label("ATLAS", "SEC\0RET")],
    }[kind]
    publish(client, fresh(client, labels=labels).seal())


def latin_1_label(client):
    r = fresh(client)
    r.heads[0].labels[0].classification = b"SECR\xc9T"
    publish(client, r.seal())


def precedence(client, which):
    publish(client, fresh(client, precedence=which).seal())


def mode(client, which):
    publish(client, fresh(client, mode=which).seal())


def notice(client):
    r = fresh(client)
    sealed = r.seal()
    sealed.notice = pb.Notice(salt=b"s" * 16, act=1, report=secrets.token_bytes(16)).SerializeToString()
    r.manifest.notice = wire.H(b"\x12" + r.id + sealed.notice)
    publish(client, r.sign(sealed))


def title(client, size):
    r = wire.Report(client.agent, "maritime.piracy", [("atlas", client.terms["atlas"])])
    publish(client, r.portion(GOOD, b"x", title="t" * int(size)).seal())


def same_id_other_report(client):
    first, second = fresh(client), fresh(client)
    client.publish(first.seal())
    second.manifest.id = first.id
    publish(client, second.seal())


def portions_257(client):
    r = fresh(client, portions=256)
    one = r.seal()
    extra = pb.PortionBody(salt=b"s" * 16).SerializeToString()
    head = pb.PortionHead(salt=b"s" * 16, order=1 << 62, content_type=b"text/plain", body_length=len(extra),
                          body_digest=wire.H(b"\x13" + extra)).SerializeToString()
    one.portions.add(head=head, body=extra)
    publish(client, one)


@as_party("ken")
def by_who_may_not_originate(client):
    publish(client, fresh(client).seal())
