#!/usr/bin/python3
"""test_service.py - reltod under a service manager (sd_notify, watchdog, sockets), and /metrics, /healthz, /readyz."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from test_path import SECRET, TEARLINE, canary, publish  # noqa: E402


class ManagedLab(rig.Lab):
    """A lab whose broker has a manager: what it is told, one message after the other."""

    def __init__(self, *more):
        super().__init__(*more)
        self.told, self.variables = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), {}
        self.manager = os.path.join(self.base, "notify")
        self.told.bind(self.manager)
        self.told.settimeout(rig.START_SECONDS)
        self.write("reltod.conf", self.read("reltod.conf") + "observe { socket \"run/observe\" }\n")

    def daemon_environment(self):
        return dict(os.environ, NOTIFY_SOCKET=self.manager, **self.variables)

    def listens(self, *sockets):
        """The broker is given these sockets as a manager does."""
        self.given = tuple(sorted(s.fileno() for s in sockets))  # so none is lost when they move to 3 and on
        moves = " ".join("%d<&%d" % (at, fd) for at, fd in enumerate(self.given, 3))
        # bash: others know descriptors of one digit
        self.before = ("bash", "-c", 'exec %s; LISTEN_FDS=%d LISTEN_PID=$$ exec "$@"' % (moves, len(sockets)),
                       "bash") if sockets else ()

    def next(self):
        return self.told.recv(4096).decode()

    def until_told(self, what):
        while what not in (said := self.next()):
            pass
        return said

    def remove(self):
        self.told.close()
        super().remove()


class Managed(rig.LabTest):
    kind = ManagedLab

    def setUp(self):
        if self.lab.process is None:
            self.lab.start()
        self.lab.told.settimeout(rig.START_SECONDS)

    def stop(self):
        self.assertEqual(self.lab.stop(), 0)

    def test_ready_is_told_when_partners_are_let_in_and_stopping_when_they_are_not(self):
        self.stop()
        while True:
            try:
                self.lab.told.settimeout(0.0)
                self.lab.next()
            except BlockingIOError:
                break
        self.lab.told.settimeout(rig.START_SECONDS)
        self.lab.start()
        self.assertEqual(self.lab.next(), "READY=1\nSTATUS=serving")
        with self.lab.client("gbr"):
            pass
        self.lab.signal(signal.SIGTERM)
        self.assertEqual(self.lab.next(), "STOPPING=1\nSTATUS=stopping")
        self.lab.process.wait(rig.STOP_SECONDS)
        self.stop()

    def test_a_reload_is_told_and_so_is_that_it_failed(self):
        self.lab.signal(signal.SIGHUP)
        self.assertRegex(self.lab.until_told("RELOADING=1"), r"\ARELOADING=1\nMONOTONIC_USEC=\d+\Z")
        self.assertEqual(self.lab.next(), "READY=1\nSTATUS=serving")
        path = "policy/relto.policy"
        whole = self.lab.read(path)
        self.lab.write(path, whole + "nonsense\n")
        self.lab.signal(signal.SIGHUP)
        self.assertIn("RELOADING=1", self.lab.next())
        self.assertEqual(self.lab.next(), "READY=1\nSTATUS=serving; the last reload failed")
        self.assertEqual(self.metric("relto_reload_failed"), 1)
        self.lab.write(path, whole)
        self.lab.signal(signal.SIGHUP)
        self.assertEqual(self.lab.until_told("READY=1"), "READY=1\nSTATUS=serving")
        self.assertEqual(self.metric("relto_reload_failed"), 0)

    def test_the_watchdog_hears_of_a_broker_that_is_well(self):
        self.stop()
        self.lab.variables = {"WATCHDOG_USEC": "200000"}
        self.lab.start()
        for _ in range(3):
            self.lab.until_told("WATCHDOG=1")
        self.stop()
        self.lab.variables = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
        self.lab.start()
        self.stop()
        self.lab.told.setblocking(False)
        said = []
        while True:
            try:
                said.append(self.lab.next())
            except BlockingIOError:
                break
        self.assertEqual([s for s in said[said.index("READY=1\nSTATUS=serving", 1):] if "WATCHDOG" in s], [],
                         "the watchdog of another process")
        self.lab.variables = {}

    def test_sockets_of_the_manager_are_listened_on_instead(self):
        """As those of dist/reltod.socket: one of each family; who comes before the broker waits for it."""
        self.stop()
        with socket.create_server(("127.0.0.1", 0)) as four, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
            self.lab.listens(four, six)
            self.addCleanup(self.lab.listens)
            with socket.create_connection(four.getsockname()) as early:
                self.lab.start()
                early.settimeout(30)
                early.sendall(b"no TLS\r\n")
                early.recv(1)
            addresses = ["%s:%d" % (host, s.getsockname()[1]) for host, s in (("127.0.0.1", four), ("[::1]", six))]
            self.assertCountEqual(self.lab.read("run/addresses").split(), addresses)
            for self.lab.address in addresses:
                self.lab.relto("whoami", context=self.lab.context_name("gbr"))
            self.stop()

    def refused(self, **variables):
        got = subprocess.run([self.lab.reltod_path, "-c", self.lab.path("reltod.conf")], capture_output=True, timeout=60,
                             env=dict(os.environ, **variables))
        return got.returncode, got.stderr.decode()

    def test_variables_that_are_not_right_are_refused(self):
        self.stop()
        for variables, code, words in (({"NOTIFY_SOCKET": "relative"}, 78, "NOTIFY_SOCKET='relative' is no socket's name"),
                                       ({"NOTIFY_SOCKET": "/none/there"}, 74, "NOTIFY_SOCKET '/none/there': No such file"),
                                       ({"NOTIFY_SOCKET": "/" + "x" * 200}, 78, "is no socket's name"),
                                       ({"LISTEN_FDS": "x"}, 78, "LISTEN_FDS='x' is no number"),
                                       ({"LISTEN_FDS": "65"}, 78, "LISTEN_FDS='65' is no number from 0 to 64"),
                                       ({"LISTEN_FDS": "1"}, 78, "descriptor 3 is no socket that listens"),
                                       ({"WATCHDOG_USEC": "-1"}, 78, "WATCHDOG_USEC='-1' is no number")):
            with self.subTest(variables):
                got, said = self.refused(**variables)
                self.assertEqual(got, code, said)
                self.assertIn(words, said)

    # what a supervisor asks
    def ask(self, request, path="run/observe"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.lab.path(path))
            s.sendall(request)
            answer = b""
            while more := s.recv(65536):
                answer += more
        return answer.decode()

    def get(self, path):
        head, body = self.ask(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()).split("\r\n\r\n", 1)
        self.assertIn("Content-Length: %d\r\n" % len(body), head + "\r\n")
        return int(head.split()[1]), body

    def metric(self, name):
        return float(re.search(r"(?m)^%s (\S+)$" % re.escape(name), self.get("/metrics")[1])[1])

    def test_metrics_are_sums_and_name_no_party(self):
        with self.lab.client("gbr") as gbr:
            publish(gbr, [(SECRET, canary()), (TEARLINE, canary())])
        status, body = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertGreater(self.metric("relto_messages_in_total"), 0)
        self.assertGreater(self.metric("relto_log_signed_records"), 3)
        self.assertEqual(self.metric("relto_ready"), 1)
        for what in ("broker", "ca", "list"):
            self.assertGreater(self.metric('relto_trust_ends_timestamp_seconds{what="%s"}' % what), time.time())
        for word in ("GBR", "NOR", "KEN", "atlas", "spiffe", "maritime"):
            self.assertNotIn(word, body)
        names = re.findall(r"(?m)^# TYPE (\S+) (counter|gauge)$", body)
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(all(n.endswith("_total") == (kind == "counter") for n, kind in names), names)

    def test_promtool_finds_nothing_to_say(self):
        if not shutil.which("promtool"):
            self.skipTest("NO promtool: Debian's prometheus has it")
        got = subprocess.run(["promtool", "check", "metrics"], input=self.get("/metrics")[1].encode(), capture_output=True)
        self.assertEqual((got.returncode, got.stdout + got.stderr), (0, b""))

    def test_health_and_readiness(self):
        self.assertEqual(self.get("/healthz"), (200, "well\n"))
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))

    def test_nothing_else_is_answered(self):
        self.assertEqual(self.get("/")[0], 404)
        self.assertEqual(self.get("/metricsx")[0], 404)
        self.assertTrue(self.ask(b"POST /metrics HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 404 "))

    def test_a_request_may_have_4096_bytes_and_not_one_more(self):
        begin = b"GET /healthz HTTP/1.1\r\nX: "
        for more, answered in ((0, True), (1, False)):
            request = begin + b"x" * (4096 + more - len(begin) - 4) + b"\r\n\r\n"
            try:
                self.assertEqual(self.ask(request).startswith("HTTP/1.1 200 "), answered)
            except ConnectionResetError:
                self.assertFalse(answered)
        self.assertEqual(self.ask(b"GET /healthz\0 HTTP/1.1\r\n\r\n"), "")

    def test_eight_may_ask_at_once_and_whoever_dawdles_is_ended(self):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(9)]
        for s in idle:
            s.settimeout(30)
            s.connect(self.lab.path("run/observe"))
        self.assertEqual(idle[8].recv(1), b"", "the ninth is closed at once")
        with self.lab.client("gbr"):
            pass
        self.assertEqual(idle[0].recv(1), b"", "after five seconds")
        for s in idle:
            s.close()
        self.assertEqual(self.get("/healthz"), (200, "well\n"))

    def test_the_socket_is_for_owner_and_group_and_goes_with_the_broker(self):
        path = self.lab.path("run/observe")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        self.stop()
        self.assertFalse(os.path.exists(path))
        self.lab.start()
        self.lab.kill()
        self.assertTrue(os.path.exists(path))
        self.lab.start()  # in its place
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))

    def test_a_socket_that_another_process_has_is_not_taken(self):
        self.stop()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.lab.path("run/observe"))
            other.listen()
            code, said = self.refused()
            self.assertEqual(code, 74, said)
            self.assertIn("Address already in use", said)
        os.unlink(self.lab.path("run/observe"))

    def test_the_port_is_on_loopback_alone(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        self.stop()
        whole = self.lab.read("reltod.conf")
        self.lab.edit("reltod.conf", r'observe \{ socket "run/observe" \}', "observe { port %d }" % port)
        self.lab.start()
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            self.assertIn(b"ready", s.makefile("rb").read())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))
        self.stop()
        self.lab.write("reltod.conf", whole)


if __name__ == "__main__":
    unittest.main()
