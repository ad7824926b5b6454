#!/usr/bin/python3
"""test_sessions.py - a connection of librelto that loses its session: what goes again, what comes again, what ends it.

The hubs are ours (tests/lib/hub.py) and do what a test says, session by session; probe_sessions.c is the client and does
what it is told, line by line.
"""
import json
import os
import socket
import subprocess
import sys
import threading
import unittest
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
import hub  # noqa: E402
import wire  # noqa: E402
from test_path import TEARLINE  # noqa: E402
from wire import pb  # noqa: E402

SOON = "20"  # ms: the longest delay between two tries
LONG = "20000"  # ms: longer than anything here takes


class Probe:
    """The client, told line by line."""

    def __init__(self, lab, address, party="NOR"):
        env = dict(os.environ, LAB=lab.dir, ADDRESS=address, PARTY=party)
        self.process = subprocess.Popen([rig.program("sessions_probe")], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def begin(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")

    def end(self):
        return self.process.stdout.readline().rstrip("\n")

    def do(self, *words):
        self.begin(*words)
        return self.end()

    def close(self):
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return self.process.returncode


def cut(*_):
    """The network is gone: no word, no close_notify, whatever is still to be read."""
    raise ConnectionAbortedError


def receipt(session, m, again=False):
    report = pb.Manifest.FromString(m.publish.manifest).id
    session.send(m.request, receipt=pb.Receipt(report=report, index=5, accepted=1, released=1, again=again,
                                               evidence=pb.Evidence(party_index=1, leaf_hash=b"x" * 32)))


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = rig.Lab()
        cls.addClassCleanup(cls.lab.remove)
        cls.gbr = cls.lab.agent("gbr")

    def setUp(self):
        self.hellos = []

    def hub(self, **answers):
        """'hello' and the others are f(session, message, n) with n the number of the session at this hub, from 1."""
        def numbered(f):
            return lambda s, m: f(s, m, s.n)

        def hello(s, m):
            h.count += 1
            s.n = h.count
            self.hellos.append((h, s.n))
            (answers.get("hello") or (lambda s, m, n: hub.welcome(s, m)))(s, m, s.n)

        h = hub.Hub(self.lab, **dict({k: numbered(f) for k, f in answers.items() if k != "hello"}, hello=hello))
        h.count = 0
        self.addCleanup(h.close)
        return h

    def probe(self, *hubs, party="NOR"):
        p = Probe(self.lab, ",".join(h if isinstance(h, str) else h.address for h in hubs), party)
        self.addCleanup(lambda: self.assertEqual(p.close(), 0))
        return p

    def report(self, content):
        return wire.Report(self.gbr, "maritime.piracy", [("atlas", b"t" * 32)]).portion(TEARLINE, content).seal()

    def nobody(self):
        """An address where nothing listens: the port stays ours."""
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        self.addCleanup(s.close)
        return "127.0.0.1:%d" % s.getsockname()[1]


class Publishing(Sessions):
    def test_a_report_that_was_not_answered_goes_again_the_same_bytes(self):
        sent = []

        def publish(s, m, n):
            sent.append(m.publish.SerializeToString(deterministic=True))
            cut(s) if n < 3 else receipt(s, m, again=True)

        h = self.hub(publish=publish)
        p = self.probe(h, party="GBR")
        self.assertEqual(p.do("connect", SOON), "ok")
        self.assertRegex(p.do("publish", "once"), "^receipt .* again=1$")
        self.assertEqual((len(sent), len(set(sent)), h.count), (3, 1, 3))

    def test_of_many_those_without_an_answer_go_again_in_their_order(self):
        """Thirteen: one is answered, ten fit into the window and are cut off, two wait."""
        seen = {1: [], 2: []}

        def publish(s, m, n):
            seen[n].append((pb.PortionBody.FromString(m.publish.portions[0].body).content,
                            m.publish.SerializeToString(deterministic=True)))
            if n == 2 or len(seen[n]) == 1:
                receipt(s, m)
            elif len(seen[n]) == 11:
                cut(s)

        p = self.probe(self.hub(publish=publish), party="GBR")
        p.do("connect", SOON)
        p.do("submit", "a")
        got = [p.do("answer", LONG)]
        for content in "bcdefghijklm":
            self.assertEqual(p.do("submit", content), "ok")
        got += [p.do("answer", LONG) for _ in range(12)]
        self.assertEqual(len({line.split()[1] for line in got if line.startswith("receipt")}), 13, got)
        self.assertEqual(b"".join(content for content, _ in seen[2]), b"bcdefghijklm")
        self.assertEqual(seen[2][:10], seen[1][1:])
        self.assertRegex(p.do("answer", "0"), "^error usage")

    def test_without_reconnecting_a_lost_connection_is_lost(self):
        h = self.hub(publish=lambda s, m, n: cut(s))
        p = self.probe(h, party="GBR")
        p.do("connect", "0")
        self.assertRegex(p.do("publish", "once"), "^error io fatal=1")
        self.assertRegex(p.do("ping"), "^error io fatal=1")
        self.assertEqual(h.count, 1)

    def test_a_question_that_was_lost_fails_and_the_next_one_goes_on(self):
        p = self.probe(self.hub(ping=lambda s, m, n: cut(s) if n == 1 else s.send(m.request, pong=pb.Pong())))
        p.do("connect", SOON)
        self.assertRegex(p.do("ping"), "^error io fatal=0")
        self.assertEqual(p.do("ping"), "ok")


class Servers(Sessions):
    def test_each_server_is_tried_once_and_the_first_that_answers_is_taken(self):
        h = self.hub()
        p = self.probe(self.nobody(), self.nobody(), h)
        self.assertEqual(p.do("connect", "0"), "ok")
        self.assertEqual(p.do("ping"), "ok")
        p = self.probe(self.nobody(), self.nobody())
        self.assertRegex(p.do("connect", SOON), "^error unreachable fatal=1 127.0.0.1:[0-9]*: Connection refused")

    def test_a_lost_session_goes_on_at_the_next_server(self):
        first, second = self.hub(publish=lambda s, m, n: cut(s)), self.hub(publish=lambda s, m, n: receipt(s, m))
        p = self.probe(first, self.nobody(), second, party="GBR")
        p.do("connect", SOON)
        self.assertRegex(p.do("publish", "once"), "^receipt")
        self.assertEqual(self.hellos, [(first, 1), (second, 1)])

    def test_nine_servers_are_too_many(self):
        p = self.probe(*["127.0.0.1:1"] * 8)
        self.assertRegex(p.do("connect", "0"), "^error unreachable")
        self.refused(["127.0.0.1:1"] * 9, "^error limit .* more than 8 servers")

    def test_a_server_in_the_list_that_is_none(self):
        for servers in (["127.0.0.1:1", ""], ["127.0.0.1:1", ":2"], ["127.0.0.1:", "127.0.0.1:1"]):
            self.refused(servers, "^error usage .* not HOST:PORT")

    def refused(self, servers, why):
        p = Probe(self.lab, ",".join(servers))
        self.assertRegex(p.end(), why)
        self.assertEqual(p.close(), 1)


class Judged(Sessions):
    """What a person has to judge ends the connection."""

    def ends(self, code, *hubs):
        p = self.probe(*hubs)
        p.do("connect", SOON)
        p.do("ping")
        self.assertRegex(p.do("ping"), "^error %s fatal=1" % code)
        self.assertRegex(p.do("publish", "no"), "^error %s fatal=1" % code)

    def twice(self, second):
        """A hub whose first session is cut by a Ping, and whose second one begins so."""
        return self.hub(hello=lambda s, m, n: hub.welcome(s, m) if n == 1 else second(s, m), ping=lambda s, m, n: cut(s))

    def test_a_right_that_is_gone(self):
        h = self.twice(lambda s, m: s.send(m.request, error=pb.Error(code=b"shut-out", text=b"no longer allowed")))
        self.ends("shut-out", h)
        self.assertEqual(h.count, 2)

    def test_a_log_that_went_back(self):
        log = hub.Log(self.lab)
        sizes = [9, 4]

        def hello(s, m, n):
            s.hub.shown = lambda s, hello, w: setattr(w, "checkpoint", log.note(sizes[n - 1], b"r" * 32))
            hub.welcome(s, m)

        h = self.hub(hello=hello, ping=lambda s, m, n: cut(s))
        self.ends("fork", h)
        self.assertEqual(h.count, 2)

    def test_another_hub(self):
        first, other = self.hub(ping=lambda s, m, n: cut(s)), self.hub()
        other.context.load_cert_chain(self.lab.path("parties", "GBR", "fusion-desk.pem"),
                                      self.lab.path("parties", "GBR", "fusion-desk.key"))
        self.ends("certificate", first, other)

    def test_a_broken_protocol(self):
        h = self.twice(lambda s, m: s.send(m.request, pong=pb.Pong()))
        self.ends("protocol", h)
        self.assertEqual(h.count, 2)

    def test_a_subscription_that_is_refused_now(self):
        h = self.hub(ping=lambda s, m, n: cut(s), subscribe=lambda s, m, n: hub.subscribed(s, m) if n == 1 else s.send(
            m.request, error=pb.Error(code=b"role", text=b"may not receive")))
        p = self.probe(h)
        p.do("connect", SOON)
        self.assertRegex(p.do("subscribe", "inbox"), "^subscribed 1")
        p.do("ping")
        self.assertRegex(p.do("next", LONG), "^error role fatal=1 may not receive")
        self.assertEqual(h.count, 2)


class Receiving(Sessions):
    """The first session gives one report and is cut as a test says; the next gives another, that one again, and a third:
    whoever has the third has seen what became of the others."""

    def setUp(self):
        super().setUp()
        self.first, self.second, self.third = [self.report(n) for n in (b"first", b"second", b"third")]
        self.wanted, self.acked = [], []

    def give(self, s, report, number):
        leaf = wire.H(report.manifest)
        s.deliver(self.gbr, report, number=number, change=lambda d: (
            setattr(d, "subscription", 6 + s.n), setattr(d.evidence, "leaf_hash", leaf)))

    def subscribe(self, s, m, n):
        """Each session has its own numbers, of subscriptions and of deliveries."""
        self.wanted.append((bytes(m.subscribe.name), bytes(m.subscribe.topic), m.subscribe.credit, m.subscribe.mode))
        s.send(m.request, subscribed=pb.Subscribed(subscription=6 + n, name=m.subscribe.name, topic=m.subscribe.topic,
                                                   mode=m.subscribe.mode, credit=m.subscribe.credit))
        if n == 1:
            self.give(s, self.first, 1)
        else:
            self.give(s, self.second, 1)
            self.give(s, self.first, 2)
            self.give(s, self.third, 3)

    def ack(self, s, m, n):
        self.acked.append((n, m.ack.subscription, list(m.ack.deliveries)))
        s.send(m.request, pong=pb.Pong())

    def begin(self, **answers):
        h = self.hub(**dict({"subscribe": self.subscribe, "ack": self.ack,
                             "ping": lambda s, m, n: cut(s) if n == 1 else s.send(m.request, pong=pb.Pong())}, **answers))
        p = self.probe(h)
        p.do("connect", SOON)
        self.assertEqual(p.do("subscribe", "inbox", "maritime.>", "7"), "subscribed 1 credit=7")
        self.assertRegex(p.do("next", LONG), "^delivery 0 subscription=1 number=1 trust=1 first$")
        return p

    def test_a_subscription_is_there_again_as_it_was_and_what_was_not_acknowledged_comes_again(self):
        p = self.begin()
        self.assertRegex(p.do("ping"), "^error io")
        self.assertRegex(p.do("next", LONG), "^delivery 1 subscription=1 number=1 trust=1 second$")
        self.assertRegex(p.do("next", LONG), "^delivery 2 subscription=1 number=2 trust=1 first$")
        self.assertEqual(p.do("ack", "2"), "ok")
        self.assertEqual(self.wanted, [(b"inbox", b"maritime.>", 7, 1)] * 2)
        self.assertEqual(self.acked, [(2, 8, [2])])

    def test_an_acknowledgement_that_was_lost_is_told_again_and_its_report_not_shown_again(self):
        def ack(s, m, n):
            cut(s) if n == 1 else self.ack(s, m, n)

        for how in ("ack", "ack-later"):
            self.acked, self.wanted = [], []
            p = self.begin(ack=ack)
            self.assertRegex(p.do(how, "0"), "^error io fatal=0" if how == "ack" else "^ok")
            self.assertRegex(p.do("next", LONG), "^delivery 1 subscription=1 number=1 trust=1 second$")
            self.assertRegex(p.do("next", LONG), "^delivery 2 subscription=1 number=3 trust=1 third$")
            self.assertEqual(p.do("ack-later", "1"), "ok")
            self.assertEqual(p.do("settle"), "ok")
            told = [(n, s, d) for n, s, ds in self.acked for d in ds]
            self.assertEqual(sorted(told), [(2, 8, 1), (2, 8, 2)])

    def test_an_acknowledgement_of_a_lost_session_names_nothing_of_the_next(self):
        p = self.begin()
        p.do("ping")
        self.assertRegex(p.do("next", LONG), "number=1 trust=1 second$")
        self.assertRegex(p.do("ack", "0"), "^error io fatal=0")  # number 1 is the other report now
        self.assertEqual(self.acked, [])
        self.assertRegex(p.do("next", LONG), "number=3 trust=1 third$")  # it came again between, and is acknowledged
        self.assertEqual(p.do("settle"), "ok")
        self.assertEqual(self.acked, [(2, 8, [2])])

    def giving_back(self, version=2, **answers):
        """A client whose first delivery came; what it gave back is in self.back."""
        self.back = []

        def hello(s, m, n):
            s.hub.shown = lambda s, h, w: setattr(w, "version", version)
            hub.welcome(s, m)

        def nack(s, m, n):
            self.back.append((n, m.nack.subscription, list(m.nack.deliveries), m.nack.delay_ms))
            s.send(m.request, pong=pb.Pong())

        return self.begin(**dict({"hello": hello, "nack": nack}, **answers))

    def test_a_delivery_is_given_back_with_its_delay_and_at_most_a_day(self):
        p = self.giving_back()
        self.assertRegex(p.do("nack", "86400001"), "^error usage fatal=0.*at most a day")
        self.assertEqual((p.do("nack", "86400000"), p.do("nack", "0")), ("ok", "ok"))
        self.assertEqual(self.back, [(1, 7, [1], 86400000), (1, 7, [1], 0)])

    def test_what_the_broker_refuses_to_take_back_is_told(self):
        p = self.giving_back(nack=lambda s, m, n: s.send(m.request, error=pb.Error(
            code=b"quota", text=b"over your quota", retry_ms=1000)))
        self.assertRegex(p.do("nack", "5"), "^error quota fatal=0")
        self.assertEqual(p.do("ack", "0"), "ok")

    def test_a_broker_of_version_1_is_given_nothing_back(self):
        p = self.giving_back(version=1)
        self.assertRegex(p.do("nack", "5"), "^error version fatal=0.*too old")
        self.assertEqual((p.do("ack", "0"), self.back), ("ok", []))

    def test_what_a_lost_session_gave_is_not_given_back_in_the_next(self):
        p = self.giving_back()
        p.do("ping")
        self.assertRegex(p.do("next", LONG), "number=1 trust=1 second$")
        self.assertRegex(p.do("nack", "5"), "^error io fatal=0")  # number 1 is the other report now
        self.assertRegex(p.do("next", LONG), "number=2 trust=1 first$")  # it comes again by itself
        self.assertEqual(self.back, [])

    def test_what_was_acknowledged_for_certain_is_forgotten(self):
        """The same DELIVERY after its acknowledgement was answered: a broker's fault, and not ours to hide."""
        p = self.begin()
        self.assertEqual(p.do("ack", "0"), "ok")
        p.do("ping")
        got = [p.do("next", LONG) for _ in range(2)]
        self.assertEqual([line.split()[-1] for line in got], ["second", "first"])


class Draining(Sessions):
    def test_a_goodbye_is_a_notice_what_is_owed_is_finished_and_the_next_goes_elsewhere(self):
        told, goodbyes = [], []

        def publish(s, m, n):
            s.send(bye=pb.Bye())
            told.append(m)
            s.send(1 << 40, pong=pb.Pong())  # and some time later..
            receipt(s, m)

        def bye(s, m, n):
            goodbyes.append(s)

        first, second = self.hub(publish=publish, bye=bye), self.hub(publish=lambda s, m, n: receipt(s, m))
        p = self.probe(first, second, party="GBR")
        p.do("connect", SOON)
        self.assertRegex(p.do("publish", "owed"), "^receipt")
        self.assertRegex(p.do("publish", "elsewhere"), "^receipt")
        self.assertEqual((len(told), self.hellos), (1, [(first, 1), (second, 1)]))

    def test_what_a_broker_that_goes_down_does_not_take_goes_elsewhere_the_same_bytes(self):
        sent = []

        def refuse(s, m, n):
            sent.append(m.publish.SerializeToString(deterministic=True))
            s.send(m.request, error=pb.Error(code=b"draining", text=b"the broker is going down", retry_ms=1000))

        def take(s, m, n):
            sent.append(m.publish.SerializeToString(deterministic=True))
            receipt(s, m)

        first, second = self.hub(publish=refuse), self.hub(publish=take)
        p = self.probe(first, second, party="GBR")
        p.do("connect", SOON)
        self.assertRegex(p.do("publish", "once"), "^receipt")
        self.assertEqual((len(sent), len(set(sent))), (2, 1))
        self.assertEqual(self.hellos, [(first, 1), (second, 1)])

    def test_deliveries_that_came_are_acknowledged_where_they_came_from(self):
        acked = []

        def give(s):
            s.deliver(self.gbr, self.report(b"x"))
            s.send(bye=pb.Bye())

        def ack(s, m, n):
            acked.append((s.hub, list(m.ack.deliveries)))
            s.send(m.request, pong=pb.Pong())

        first, second = self.hub(ack=ack), self.hub(ack=ack)
        first.after_subscribe = give
        p = self.probe(first, second)
        p.do("connect", SOON)
        p.do("subscribe", "inbox")
        self.assertRegex(p.do("next", LONG), "^delivery 0")
        self.assertEqual(p.do("ack-later", "0"), "ok")
        self.assertEqual(p.do("settle"), "ok")
        self.assertRegex(p.do("ping"), "^ok")
        self.assertEqual(acked, [(first, [1])])
        self.assertEqual(self.hellos, [(first, 1), (second, 1)])


class Loops(Sessions):
    def test_what_was_read_already_is_not_waited_for(self):
        def publish(s, m, n):
            said = [pb.Message(request=1 << 40, pong=pb.Pong()) for _ in range(9)] + [pb.Message(request=m.request)]
            said[-1].receipt.CopyFrom(pb.Receipt(
                report=pb.Manifest.FromString(m.publish.manifest).id, index=5, accepted=1, released=1,
                evidence=pb.Evidence(party_index=1, leaf_hash=b"x" * 32)))
            for x in said[:-1]:
                x.pong.SetInParent()
            s.tls.sendall(b"".join(wire.frames(x.SerializeToString(deterministic=True)) for x in said))

        p = self.probe(self.hub(publish=publish), party="GBR")
        p.do("connect", "0")
        p.do("submit", "x")
        self.assertEqual(p.do("poll-answer"), "receipt at once")

    def test_two_connections_in_one_loop_lose_their_sessions_and_miss_nothing(self):
        """Each has five reports; the first session of each ends after two of them."""
        reports = [self.report(b"%d" % i) for i in range(5)]
        done, begun, lock = {b"one": set(), b"two": set()}, [], threading.Lock()

        def subscribe(s, m, n):
            s.name = bytes(m.subscribe.name)
            first = s.name not in begun
            begun.append(s.name)
            hub.subscribed(s, m)
            s.numbers = dict(enumerate((i for i in range(5) if i not in done[s.name]), 1))
            for number, i in s.numbers.items():
                if first and number == 3:
                    return cut(s)
                s.deliver(self.gbr, reports[i], number=number,
                          change=lambda d, i=i: setattr(d.evidence, "leaf_hash", bytes([i]) * 32))

        def ack(s, m, n):
            with lock:
                done[s.name].update(s.numbers[d] for d in m.ack.deliveries)
            s.send(m.request, pong=pb.Pong())

        p = self.probe(self.hub(subscribe=subscribe, ack=ack))
        for name in ("one", "two"):
            p.do("connect", SOON)
            p.do("subscribe", name)
        self.assertEqual(p.do("loop"), "ok")
        self.assertEqual(sorted(begun), [b"one", b"one", b"two", b"two"])
        self.assertEqual(done, {b"one": set(range(5)), b"two": set(range(5))})


class Threads(Sessions):
    def test_threads_with_one_context_have_a_connection_each(self):
        """Every third session is cut off at its first report."""
        h = self.hub(publish=lambda s, m, n: cut(s) if n % 3 == 0 else receipt(s, m))
        self.assertEqual(self.probe(h, party="GBR").do("threads"), "32 accepted")


class Commands(Sessions):
    """relto pub and relto sub, whose broker goes away under them."""

    def test_a_publish_that_was_not_answered_is_accepted_once(self):
        os.unlink(self.lab.path("home", "contexts", self.lab.context_name("gbr") + ".terms"))  # this hub shows no agreement
        sent = []

        def publish(s, m, n):
            sent.append(m.publish.SerializeToString(deterministic=True))
            cut(s) if n == 2 else receipt(s, m, again=True)

        h = self.hub(publish=publish, whoami=lambda s, m, n: cut(s) if n == 1 else s.send(m.request, identity=pb.Identity(
            party=b"GBR", agent=b"spiffe://gbr.example/fusion-desk", roles=[b"publish"], hub_party=b"HUB", node=b"hub-1",
            certificate_until=1)), explain=lambda s, m, n: s.send(m.request, error=pb.Error(code=b"role", text=b"no")))
        self.lab.address = "127.0.0.1:1," + h.address
        self.addCleanup(setattr, self.lab, "address", None)
        _, err = self.lab.relto("pub", "maritime.piracy", "-", "--label", "ATLAS SECRET//REL TO GBR, NOR", "--agreement",
                                "atlas", context=self.lab.context_name("gbr"), stdin=b"once")
        self.assertIn("accepted before", err)
        self.assertEqual((len(sent), len(set(sent))), (2, 1))


    def test_a_question_is_not_asked_without_end(self):
        h = self.hub(subscribe=lambda s, m, n: cut(s))
        self.lab.address = h.address
        self.addCleanup(setattr, self.lab, "address", None)
        _, err = self.lab.relto("sub", context=self.lab.context_name("nor"), code=74)
        self.assertIn("relto: io: the connection was cut", err)
        self.assertEqual(h.count, 4)


class Restarts(rig.LabTest):
    """A real broker, stopped and killed in the middle of one `relto sub`."""

    COUNT, TURNS = 60, 4

    def publish(self, count):
        c = self.client("gbr")
        terms = [(a.name.decode(), bytes(a.terms)) for a in c.welcome.agreements]
        for _ in range(count):
            r = wire.Report(c.agent, "maritime.piracy", terms).portion(TEARLINE, b"x")
            self.sent.append(str(uuid.UUID(bytes=c.ask("publish", r.seal()).report)))
        c.close()

    def test_nothing_is_lost_and_nothing_that_was_acknowledged_comes_twice(self):
        self.lab.edit("reltod.conf", r"(?m)^(\s*listen\s+)\S+", r"\g<1>" + self.lab.address)  # the same one again
        self.sent, got = [], []
        env = dict(self.lab.environment(), RELTO_CONTEXT=self.lab.context_name("nor"), RELTO_SERVER=self.lab.address)
        said = open(os.path.join(self.lab.base, "said"), "w+", encoding="utf-8")
        self.addCleanup(said.close)
        sub = subprocess.Popen([self.lab.relto_path, "sub", "--json", "--count", str(self.COUNT)], env=env,
                               stdout=subprocess.PIPE, stderr=said, text=True)
        self.addCleanup(sub.stdout.close)
        self.addCleanup(sub.kill)
        for turn in range(self.TURNS):
            self.publish(self.COUNT // self.TURNS)
            got.append(json.loads(sub.stdout.readline())["report"])  # the others are on their way
            if turn + 1 < self.TURNS:
                self.lab.kill() if turn % 2 else self.lab.stop()
                self.lab.start()
        got += [json.loads(line)["report"] for line in sub.stdout]
        code = sub.wait(60)
        said.seek(0)
        err = said.read()
        self.assertEqual((code, sorted(got)), (0, sorted(self.sent)), err)
        self.assertIn("the connection was lost", err)
        self.assertIn("connected again", err)
        out, _ = self.lab.relto("sub", "--json", "--wait", "1s", context=self.lab.context_name("nor"))
        self.assertEqual(out, "")


if __name__ == "__main__":
    unittest.main()
