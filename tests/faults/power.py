"""power.py - what is recorded of a run for power cuts: the operations on its files (power_record.c), and the ledger of
what left on its sockets, each with its place in that record.

A client reads one TLS record at a time and counts: so it knows after how many bytes of its connection a message was
whole.  The record knows before which entry those bytes left.  From there on the message is owed.
"""
import bisect
import os
import shutil
import ssl
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from wire import H, pb  # noqa: E402

SUBTREES = ("spool", "run", "archive", "home/state", "home/saved")
HEAD = struct.Struct("<QIHHQQ")
SYNC, ACCEPT, SEND, SENT = 10, 13, 14, 15  # enum power_kind
SAVER = ("KEN", "saved")  # the subscription that the recorded `relto sub --save` reads


class Tap:
    """TLS over a socket, one record at a time; 'offset' counts the bytes that came."""

    def __init__(self, raw, context):
        self.raw, self.offset, self.ahead = raw, 0, b""
        self.bio_in, self.bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.bio_in, self.bio_out)
        self.port = raw.getsockname()[1]
        while True:
            try:
                self.object.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                if not self.feed():
                    raise wire.Closed("end of stream in the handshake")

    def __getattr__(self, name):
        return getattr(self.object, name)  # getpeercert and the like

    def flush(self):
        self.raw.sendall(self.bio_out.read())

    def feed(self):
        """One record more; False at the end of the stream."""
        while len(self.ahead) < 5 or len(self.ahead) < 5 + int.from_bytes(self.ahead[3:5], "big"):
            data = self.raw.recv(65536)
            if not data:
                return False
            self.ahead += data
        size = 5 + int.from_bytes(self.ahead[3:5], "big")
        self.bio_in.write(self.ahead[:size])
        self.ahead = self.ahead[size:]
        self.offset += size
        return True

    def recv(self, size):
        while True:
            try:
                return self.object.read(size)
            except ssl.SSLWantReadError:
                if not self.feed():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data):
        self.object.write(data)
        self.flush()

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def close(self):
        self.raw.close()


class Client(wire.Client):
    """Writes into the ledger what it is told, once, at its offset."""

    def __init__(self, ledger, agent, **more):
        self.ledger, self.told, self.asked = ledger, set(), {}
        self.begun = ledger.now()
        super().__init__(agent, **more)

    def secure(self, raw, context):
        return Tap(raw, context)

    def read_message(self, timeout=None):
        m = super().read_message(timeout)
        if m is not None:
            self.note(m, m.WhichOneof("body"))
        return m

    def owe(self, *what):
        if what not in self.told:
            self.told.add(what)
            self.ledger.add(self.begun, self.tls.port, self.tls.offset, what)

    def note(self, m, kind):
        if kind == "receipt":
            self.owe("receipt", self.asked[m.request], m.receipt.index, m.receipt.evidence.leaf_hash.hex())
        elif kind == "deliver":
            d = m.deliver
            report = pb.Manifest.FromString(d.manifest).id
            self.owe("deliver", self.party, report, d.evidence.leaf_hash.hex())
        elif kind in ("welcome", "heads"):
            if kind == "welcome":
                self.party = m.welcome.party.decode()
            note = getattr(m, kind).checkpoint
            if note:
                head = witness.Checkpoint(note, self.memory.key)
                self.ledger.heads[head.size] = note
                self.owe("head", head.size, head.root.hex())
        elif m.request in self.asked and kind in ("pong", "subscribed", "status_reply"):
            for what in self.asked[m.request]:
                self.owe(*what)

    def publish_soon(self, report, sealed, expect):
        """Sends a report; 'expect' are the parties that it is released to or held for, with what they are to get."""
        known = Published(report.id, self.party, expect, sealed)
        self.ledger.published[report.id] = known
        self.asked[self.request + 1] = known
        return self.send("publish", sealed)

    def ask_for(self, name, body, *what):
        """Asks; the answer owes 'what'."""
        self.asked[self.request + 1] = what
        return self.ask(name, body)

    def subscribe_as(self, name, credit=64):
        answer = self.ask_for("subscribe", pb.Subscribe(name=name.encode(), topic=b"", credit=credit, mode=pb.LIVE),
                              ("subscription", self.party, name))
        if isinstance(answer, pb.Error):
            raise wire.Refused(answer)
        self.subscription = name

    def ack_many(self, delivered):
        what = [("ack", self.party, self.subscription, d.manifest.id, d.raw.evidence.leaf_hash.hex()) for d in delivered]
        numbers = sorted(d.raw.delivery for d in delivered)
        self.ask_for("ack", pb.Ack(subscription=delivered[0].raw.subscription, deliveries=numbers), *what)


class Published:
    def __init__(self, report, party, expect, sealed):
        self.report, self.party, self.expect, self.sealed = report, party, expect, sealed.SerializeToString()
        self.expires = pb.Manifest.FromString(sealed.manifest).expires
        parts = [sealed.manifest, sealed.routing, sealed.notice, sealed.seal] + [p.head for p in sealed.portions]
        self.digest, self.bodies = (H(b"".join(p)).hex() for p in (parts, [p.body for p in sealed.portions]))


class Ledger:
    """What clients were told, and where in the record it left."""

    def __init__(self, recording):
        self.recording, self.events, self.lock = recording, [], threading.Lock()
        self.published, self.heads, self.policies = {}, {}, []

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def now(self):
        return self.recording.size() if self.recording else 0

    def add(self, begun, port, offset, what):
        with self.lock:
            self.events.append((begun, port, offset, what))

    def at_once(self, *what):
        """Owed from here on, whatever left where."""
        self.add(self.now(), 0, 0, what)

    def settle(self, before=()):
        """Sorts what is owed by the entry before which it left; what an earlier record owes comes first."""
        at, streams, self.flushes = self.recording.read()
        self.entries = len(at)
        owed = [(0, what) for what in before]
        for begun, port, offset, what in self.events:
            first = bisect.bisect_left(at, begun)
            if port == 0:
                owed.append((first, what))
                continue
            ends, sends = next(s for accepted, s in streams[port] if accepted >= first)
            owed.append((sends[bisect.bisect_left(ends, offset)] + 1, what))  # the last one may have no end: it died
        self.owed = sorted(owed, key=lambda o: o[0])
        self.first_accept = min([accepted for s in streams.values() for accepted, _ in s], default=len(at))
        self.policies = [(bisect.bisect_left(at, size), name) for size, name in self.policies]
        return self

    def too_early(self):
        """As if every answer had left before its flush: a control.  (The last flushes before it may be of others.)"""
        self.owed = [(self.flushes[max(0, bisect.bisect_left(self.flushes, at) - 3)], what) for at, what in self.owed]
        return self

    def before(self, cut):
        return [what for at, what in self.owed if at <= cut]

    def policy(self, cut):
        name = [name for at, name in self.policies if at <= cut][-1]
        return os.path.join(self.recording.folder, name)

    def memory(self, cut, vkey):
        """What a client knows that saw the largest head."""
        memory = witness.Memory(witness.Key(vkey))
        sizes = [what[1] for what in self.before(cut) if what[0] == "head"]
        if sizes:
            memory.seen = witness.Checkpoint(self.heads[max(sizes)], memory.key)
        return memory


class Recording:
    """The files of one recorded run: the folder as it was, and the record of what followed."""

    def __init__(self, folder, lab):
        self.folder, self.root = folder, os.path.realpath(lab.dir)
        shutil.copytree(lab.dir, self.base)
        open(self.file, "wb").close()

    @property
    def base(self):
        return os.path.join(self.folder, "base")

    @property
    def file(self):
        return os.path.join(self.folder, "record")

    def size(self):
        return os.path.getsize(self.file)

    def mend(self):
        """Whoever is killed may die in the middle of writing an entry: as if it had died before."""
        size = self.size()
        with open(self.file, "r+b") as f:
            here = 0
            while here + HEAD.size <= size:
                f.seek(here)
                here, begun = here + HEAD.unpack(f.read(HEAD.size))[0], here
                if here > size:
                    here = begun
                    break
            f.truncate(here)

    def read(self):
        """Where each entry begins; by port, of each connection the entry that accepted it and its pieces; flushes."""
        with open(self.file, "rb") as f:
            data = f.read()
        at, streams, flushes, here = [], {}, [], 0
        while here < len(data):
            size, kind, _, _, where, count = HEAD.unpack_from(data, here)
            if kind == ACCEPT:
                streams.setdefault(where, []).append((len(at), ([], [])))
            elif kind == SYNC:
                flushes.append(len(at))
            elif kind == SEND and where in streams:
                streams[where][-1][1][1].append(len(at))
            elif kind == SENT and where in streams:
                ends, sends = streams[where][-1][1]
                ends.append((ends[-1] if ends else 0) + count)
            at.append(here)
            here += size
        return at, streams, flushes


def environment(recording, **more):
    """What a program is started with to be recorded, and whatever else power_record.c is to do."""
    if recording is not None:
        more.update(root=recording.root, record=recording.file)
    add = {"RELTO_POWER_" + name.upper(): str(value) for name, value in more.items()}
    return dict(os.environ, LD_PRELOAD=rig.program("power-record"), **add)


class Lab(rig.Lab):
    """A lab whose programs are recorded, if it has a recording."""

    recording, ledger, more = None, None, {}

    def start(self, **more):
        """'more' is for power_record.c."""
        self.more = more
        return super().start()

    @property
    def mortal(self):
        return "die_at" in self.more or "fail_at" in self.more

    def daemon_environment(self):
        return environment(self.recording, **self.more)

    def kill(self):
        super().kill()
        if self.recording is not None:
            self.recording.mend()

    def record(self, folder):
        self.recording = Recording(folder, self)
        self.ledger = Ledger(self.recording)
        return self.recording

    def client(self, domain, path=None, **more):
        return Client(self.ledger, self.agent(domain, path), **more)

    def begin(self, context, *args):
        """The command, recorded."""
        env = environment(self.recording)
        env.update(RELTO_HOME=self.path("home"), RELTO_CONTEXT=context, RELTO_SERVER=self.address)
        return subprocess.Popen([self.relto_path] + list(args), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, process):
        """What its state folder keeps when it has ended is owed.  One whose broker died would try again for ever."""
        rig.until(lambda: process.poll() is not None or self.process.poll() is not None, 60, "the command")
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
        _, said = process.communicate(timeout=60)
        if process.returncode:
            raise AssertionError("%s: %d %s" % (process.args, process.returncode, said.decode()))
        for name, size in kept(self.path("home", "state"), self.vkey()):
            self.ledger.at_once("kept", name, size)

    def vkey(self):
        return self.read("hub/log.vkey").strip()


class Copy(Lab):
    """A lab that is there already."""

    def __init__(self, folder):
        self.reltod_path, self.relto_path = rig.program("reltod"), rig.program("relto")
        self.base, self.dir = os.path.dirname(folder), folder
        self.log_path = os.path.join(self.base, "reltod.log")
        self.process, self.address, self.auditor = None, None, None


def kept(state, vkey):
    """(context/file, size) of every checkpoint that a state folder keeps; Bad if one is no checkpoint."""
    out = []
    for folder, _, names in os.walk(state):
        for name in names:
            if name.startswith("checkpoint-") and not name.endswith(".new"):
                with open(os.path.join(folder, name), "rb") as f:
                    head = witness.Checkpoint(f.read(), witness.Key(vkey))
                out.append((os.path.relpath(os.path.join(folder, name), state), head.size))
    return out


class Record:
    def __init__(self, index, words):
        self.index, (self.type, report, parties, self.leaf, self.root, more) = index, words
        self.report = b"" if report == "-" else bytes.fromhex(report)
        self.parties = parties.split("+")
        self.more = more


class Image:
    """What power_replay says of one disk."""

    def __init__(self, number, cut):
        self.number, self.cut = number, cut
        self.none, self.broken, self.size, self.clean = False, None, 0, False
        self.records, self.reports, self.subscriptions, self.queued, self.held = [], {}, set(), {}, set()
        self.kept, self.saved, self.erased = {}, {}, set()

    def take(self, line):
        kind, _, rest = line.partition(" ")
        if kind == "none":
            self.none = True
        elif kind in ("broken", "died"):
            self.broken = line
        elif kind == "log":
            self.size, self.clean = int(rest.split()[0]), rest.split()[2] == "1"
        elif kind == "record":
            self.records.append(Record(len(self.records), rest.split()))
        elif kind == "erased":
            self.erased.add(int(rest))
        elif kind == "report":
            party, report, intake, decisions, digest, bodies = rest.split()
            self.reports[(party, bytes.fromhex(report))] = (int(intake), int(decisions), digest, bodies)
        elif kind == "subscription":
            self.subscriptions.add(tuple(rest.split()))
        elif kind == "queued":
            party, name, report = rest.split()
            self.queued.setdefault((party, name), []).append(bytes.fromhex(report))
        elif kind == "held":
            party, report = rest.split()
            self.held.add((party, bytes.fromhex(report)))
        elif kind == "kept":
            name, size, root = rest.split()
            self.kept[name] = (int(size), root)
        elif kind == "saved":
            name, digest = rest.split()  # PARTY.ID
            self.saved[bytes.fromhex(name.rpartition(".")[2].replace("-", ""))] = digest
        elif kind:
            raise AssertionError("power_replay says %r" % line)

    # ---- the ledger against it ----
    def faults(self, ledger):
        """Every promise that this disk breaks."""
        if self.broken:
            return [self.broken]
        owed = ledger.before(self.cut)
        if self.none:
            return ["there is no store, though a connection was accepted"] if self.cut > ledger.first_accept else \
                ["%s is lost with the store" % w[0] for w in owed]
        self.by_leaf = {r.leaf: r for r in self.records}
        self.acked, self.over = set(), set()  # DELIVERY records; (party, report) of what will not come any more
        for r in self.records:
            pairs = [(party, r.report) for party in r.parties]
            if r.type == "ack":
                self.acked.update(int(i) for i in r.more.split(",") if i not in ("", "-"))
            elif r.type == "expire" or (r.type == "narrowed" and r.more == "withhold"):
                self.over.update(pairs)
        self.done = {(r.parties[0], r.report) for r in self.records if r.type == "delivery" and r.index in self.acked}
        promised = owed + [("head",) + head for head in self.kept.values()] + self.owed_by_saver(ledger)
        answers = [(what[0], getattr(self, "owed_" + what[0])(*what[1:])) for what in promised]
        return ["%s: %s" % answer for answer in answers if answer[1]]

    def owed_receipt(self, known, index, leaf):
        row = self.reports.get((known.party, known.report))
        if row is None:
            return "report %s is gone" % known.report.hex()
        if row[0] != index or row[2] != known.digest:
            return "report %s is not the one that was accepted" % known.report.hex()
        group = self.records[index:index + 1 + row[1]]
        if not group or group[0].leaf != leaf or [r.type for r in group] != ["intake"] + ["decision"] * row[1] \
                or any(r.report != known.report for r in group):
            return "report %s has not its records" % known.report.hex()
        waits = [self.waits(party, known.report) for party in known.expect]
        if row[3] != known.bodies and (any(waits) or not known.expires):
            return "report %s has not its bodies" % known.report.hex()
        for party, still in zip(known.expect, waits):
            if not still and (party, known.report) not in self.over | self.done:
                return "report %s: lost for %s" % (known.report.hex(), party)
        return None

    def waits(self, party, report):
        return (party, report) in self.held or any(
            report in reports for (who, _), reports in self.queued.items() if who == party)

    def owed_deliver(self, party, report, leaf):
        r = self.by_leaf.get(leaf)
        if r is None or (r.type, r.report, r.parties) != ("delivery", report, [party]):
            return "%s got %s without a DELIVERY record" % (party, report.hex())
        return None

    def owed_ack(self, party, subscription, report, leaf):
        r = self.by_leaf.get(leaf)
        if report in self.queued.get((party, subscription), ()):
            return "%s waits for %s again" % (report.hex(), party)
        return "no ACK record of %s by %s" % (report.hex(), party) if r is None or r.index not in self.acked else None

    def owed_head(self, size, root):
        if size > len(self.records):
            return "size %d was shown, the log has %d" % (size, len(self.records))
        return "another root than was shown for size %d" % size if size and self.records[size - 1].root != root else None

    def owed_by_saver(self, ledger):
        """What `relto sub --save` had acknowledged is saved, and what is saved is whole."""
        due = set(self.saved)
        begun = [r.index for r in self.records if r.type == "subscription" and r.more == SAVER[1]]
        for (_, report), row in self.reports.items():
            known = ledger.published[report]
            if begun and row[0] > begun[0] and SAVER[0] in known.expect and (SAVER[0], report) not in self.over \
                    and report not in self.queued.get(SAVER, ()):
                due.add(report)
        return [("saved", ledger.published[report]) for report in sorted(due)]

    def owed_saved(self, known):
        if known.report not in self.saved:
            return "%s was acknowledged and is not there" % known.report.hex()
        return None if self.saved[known.report] == known.expect[SAVER[0]] else "%s is not whole" % known.report.hex()

    def owed_erased(self, *indices):
        back = [i for i in indices if i not in self.erased]
        return "the person is back in %s" % back if back else None

    def owed_kept(self, name, size):
        return None if self.kept.get(name, (0,))[0] >= size else "%s has not the checkpoint of %d" % (name, size)

    def owed_subscription(self, party, name):
        return None if (party, name) in self.subscriptions else "%s of %s is gone" % (name, party)

    def owed_reload(self, digest):
        return None if any(r.type == "policy" and r.more == digest for r in self.records) else "its POLICY record is gone"


def images(process):
    """The images that a power_replay process prints, each when it is complete."""
    image = None
    for line in process.stdout:
        line = line.rstrip("\n")
        if line.startswith("image "):
            image = Image(*(int(w) for w in line.split()[1:3]))
        elif line == "end":
            yield image
        elif image is not None:
            image.take(line)
