"""Every kind of message in every state that a client can bring its session into, on a real broker; test_conn.c has the same
table for the states of the code, DRAINING too.  Bodies are empty: what is out of turn is so whatever it holds."""
import sys
import unittest

import measure
import wire
from wire import pb

KINDS = [f.name for f in pb.Message.DESCRIPTOR.oneofs_by_name["body"].fields]
HELLO = {"hello": False, "bye": True}  # an empty Hello lacks its versions: no session that could go on
CLIENTS = ("publish", "subscribe", "ack", "explain", "whoami", "audit_list", "audit_pull", "attest", "status", "reload",
           "accept_clock", "ping", "bye", "holds", "decide", "prove", "backup", "erase",
           "sessions", "drain", "recall_answer", "nack", "subscriptions", "dead_letters", "feedback", "recall_status",
           "feedback_status")


class StatesTest(measure.HostileTest):
    def say(self, session, kind, request):
        try:
            session.send(kind, type(getattr(pb.Message(), kind))(), request)
        except OSError:
            pass

    def codes(self, session):
        """The errors up to the end; the session must end."""
        self.assertTrue(session.closed(5), "it stays open")
        return [m.error.code.decode() for m in session.last if m.WhichOneof("body") == "error"]

    def test_before_hello_there_is_hello_and_bye(self):
        for kind in KINDS:
            with self.subTest(kind), self.lab.client("fra", hello=False) as s:
                self.say(s, kind, 0 if kind == "bye" else 1)
                want = [] if kind == "bye" else ["malformed" if kind == "hello" else "out-of-turn"]
                self.assertEqual(self.codes(s), want)

    def test_in_a_session_a_client_says_what_is_a_clients(self):
        for kind in KINDS:
            with self.subTest(kind), self.lab.client("fra") as s:
                self.say(s, kind, 0 if kind == "bye" else 2)
                if kind in CLIENTS and kind != "bye":
                    s.request = 2
                    s.send("ping", pb.Ping())
                    self.assertIsNotNone(s.wait(3, timeout=5) if kind == "ping" else self.pong(s), "it ended")
                else:
                    self.assertEqual(self.codes(s), [] if kind == "bye" else ["out-of-turn"])

    @staticmethod
    def pong(s):
        """The answer to request 3, past whatever was said to the one before."""
        while True:
            m = s.read_message(5)
            if m is None or m.request == 3:
                return m

    def test_after_bye_there_is_nothing(self):
        for kind in KINDS:
            with self.subTest(kind), self.lab.client("fra") as s:
                bye = wire.frames(pb.Message(bye=pb.Bye()).SerializeToString(deterministic=True))
                m = pb.Message(request=2)
                getattr(m, kind).SetInParent()
                s.send_raw(bye + wire.frames(m.SerializeToString(deterministic=True)))
                self.assertIn(self.codes(s), (["out-of-turn"], []))

    def test_a_request_that_does_not_rise_ends_it_whatever_it_is(self):
        for kind in ("ping", "whoami", "status"):
            with self.subTest(kind), self.lab.client("fra") as s:
                self.say(s, kind, 1)
                self.assertEqual(self.codes(s), ["protocol"])


if __name__ == "__main__":
    sys.exit(unittest.main())
