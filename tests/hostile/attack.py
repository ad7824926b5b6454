"""attack.py - peers that mean harm, many in one process of their own, so that what they cost is the broker's time.

What they send is made before it is sent, and one loop of epoll hands it out.  Loopback only: the sources are addresses of
127.0.0.0/8, since the broker allows each of them 64 connections.
"""
import errno
import multiprocessing
import os
import resource
import select
import socket
import ssl
import struct
import sys
import tempfile
import time
import warnings

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import records  # noqa: E402
import rig  # noqa: E402,F401
import wire  # noqa: E402
from wire import pb  # noqa: E402

PER_SOURCE = 60


def source(number, per=PER_SOURCE):
    """An address for the number-th attacker; 127.0.0.1 is left to the honest."""
    at = number // per + 2
    return "127.0.%d.%d" % (at >> 8, at & 255)


def address(server):
    host, _, port = server.rpartition(":")
    return host, int(port)


def many_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def message(request, lane=0, **body):
    """The frames of one message, e.g. message(1, ping=pb.Ping())."""
    (name, what), = body.items()
    m = pb.Message(request=request)
    getattr(m, name).CopyFrom(what)
    return wire.frames(m.SerializeToString(deterministic=True), lane)


class Session(wire.Client):
    """A partner's session whose sending half is ours: write() encrypts nothing, it takes records."""

    def __init__(self, agent, number=0, **more):
        self.number = number
        super().__init__(agent, **more)

    def begin(self, context, hello):
        log = tempfile.NamedTemporaryFile(prefix="relto-keys.", delete=False)
        log.close()
        try:
            context.keylog_filename = log.name
            super().begin(context, False)
            if self.tls.cipher()[0] != records.SUITE:
                raise AssertionError("another suite: %s" % (self.tls.cipher(),))
            self.records = records.Writer(records.logged_secret(log.name))
        finally:
            os.unlink(log.name)
        self.raw = socket.socket(fileno=os.dup(self.tls.fileno()))
        if hello:
            self.welcome = self.hello()

    def connect(self, to, timeout):
        return socket.create_connection(to, timeout, (source(self.number), 0))

    def send_raw(self, data):
        self.send_records(self.records.records(data))

    def send_records(self, data, seconds=10):
        """All of it; False if the broker takes no more for so long."""
        left = memoryview(data)
        while left:
            if not select.select([], [self.raw], [], seconds)[1]:
                return False
            try:
                left = left[self.raw.send(left):]
            except BlockingIOError:
                pass
        return True

    def close(self):
        if hasattr(self, "raw"):
            self.raw.close()
        super().close()


class Attack:
    """A process that runs 'what' (a function of this Attack) until stop(); ready() waits for its word."""

    def __init__(self, what, *args):
        context = multiprocessing.get_context("fork")
        self.is_ready, self.over, self.said = context.Event(), context.Event(), context.SimpleQueue()
        self.process = context.Process(target=self.run, args=(what, args), daemon=True)
        self.process.start()

    def run(self, what, args):
        many_descriptors()
        warnings.simplefilter("ignore")
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:
            what(self, *args)
        except (KeyboardInterrupt, BrokenPipeError):
            pass
        os._exit(0)

    def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while not self.is_ready.wait(0.1):
            if not self.process.is_alive() or time.monotonic() > end:
                raise AssertionError("the attackers did not get ready")
        return self

    def stop(self):
        self.over.set()
        self.process.join(2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def __enter__(self):
        return self.ready()

    def __exit__(self, *why):
        self.stop()


# ---- before the handshake ----

def client_hello(agent):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = wire.tls_context(agent).wrap_bio(into, out)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def strangers(attack, server, count, data=b""):
    """So many connections, each sending a byte of 'data' a second, or nothing; one that is ended comes again at once."""
    poll, at, to, longest = select.epoll(), {}, address(server), 0

    def come(number):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT
        s.bind((source(number), 0))
        try:
            s.connect(to)
        except BlockingIOError:
            pass
        poll.register(s, select.EPOLLIN | select.EPOLLRDHUP)
        at[s.fileno()] = [s, number, 0, time.monotonic()]

    for number in range(count):
        come(number)
    beat, due, turn = 0.05, time.monotonic(), 0
    attack.is_ready.set()
    while not attack.over.is_set():
        for fd, _ in poll.poll(max(0, due - time.monotonic())):
            s, number, _, since = at.pop(fd)
            longest = max(longest, time.monotonic() - since)
            s.close()
            come(number)
        if time.monotonic() < due:
            continue
        due, turn = due + beat, turn + 1
        if not data:
            continue
        for peer in [p for p in at.values() if p[1] % 20 == turn % 20]:
            try:
                peer[0].send(data[peer[2]:peer[2] + 1])
                peer[2] += 1
            except OSError as e:
                if e.errno not in (errno.EAGAIN, errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET):
                    raise
    attack.said.put(longest)


# ---- partners ----

def sessions(agents, count, **more):
    """'count' sessions, the agents in turn."""
    return [Session(agents[n % len(agents)], number=n, **more) for n in range(count)]


def pour(attack, loads, read=False):
    """[(session, bytes)]: all sent as fast as the broker takes it, for ever from what 'bytes' gives next if it is a
    generator; nothing is read, or all is and is thrown away."""
    poll, open_ = select.epoll(), {}
    for s, data in loads:
        s.raw.setblocking(False)
        more = iter([data]) if isinstance(data, bytes) else data
        open_[s.raw.fileno()] = [s.raw, memoryview(b""), more]
        poll.register(s.raw.fileno(), select.EPOLLOUT | (select.EPOLLIN if read else 0))
    attack.is_ready.set()
    while not attack.over.is_set():
        for fd, what in poll.poll(0.1):
            pour_one(poll, open_, fd, what)
        if not open_:
            attack.over.wait()


def pour_one(poll, open_, fd, what):
    raw, left, more = peer = open_[fd]
    try:
        if what & select.EPOLLIN:
            if not raw.recv(1 << 20):
                raise ConnectionResetError
        if what & select.EPOLLOUT:
            if not left:
                peer[1] = left = memoryview(next(more, b""))
            if not left:
                poll.modify(fd, select.EPOLLIN)
                return
            peer[1] = left[raw.send(left):]
        elif what & (select.EPOLLHUP | select.EPOLLERR):
            raise ConnectionResetError
    except BlockingIOError:
        pass
    except OSError:
        poll.unregister(fd)
        del open_[fd]
