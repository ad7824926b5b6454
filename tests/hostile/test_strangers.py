"""2,000 connections of strangers, from 34 addresses: silent, or a ClientHello at a byte a second.  Each comes again at once
when it is ended.  Partners get in meanwhile, and those who are in notice nothing."""
import json
import statistics
import sys
import time
import unittest

import attack
import measure
import rig
from wire import pb

STRANGERS = 2000
# one handshake may be kept for 5 s, half of it in a crowd (daemon/lobby.h), after 5 s in the lobby; ticks of 250 ms
# by the wall clock of a machine that others share, only that everybody gets in, and ends
LONGEST_S, RUSH_S, IN_S = (5 + 5 + 2, 2.5 + 2, 0.5) if measure.QUIET else (60, 30, 5)
# one that is ended comes again at once; of the 256 places for handshakes 34
# addresses take all but what would leave each of them alone with the rest: none has more than are left (lobby.c)
HELD, HALF_OPEN = STRANGERS - 20, 256 - 256 // 34 - 34
# 256 half-open ones with TLS begun, 64 KiB each at most; the others are a socket and a ticket
MEMORY = 256 * 64 * 1024 + STRANGERS * 1024


class StrangersTest(measure.HostileTest):
    def comes_in(self, seconds):
        begun = time.monotonic()
        with self.lab.client("nor", timeout=30):
            took = time.monotonic() - begun
        self.assertLessEqual(took, seconds, "a partner waited before it was let in")
        return took

    def all_are_there(self):
        """At once; how long they take to come depends on the machine: they run when nobody else does."""
        rig.until(lambda: measure.descriptors(self.lab.pid) - self.before >= HELD, 300, "%d strangers at once" % HELD)

    def half_open(self, hub):
        """Connections that have a worker, less the sessions that the lab has open itself."""
        return json.loads(hub.ask("status", pb.Status()).json)["connections"] - 1

    def siege(self, data):
        with attack.Attack(attack.strangers, self.lab.address, STRANGERS, data) as strangers:
            self.all_are_there()
            took, held, half_open, end = [], [], [], time.monotonic() + 6
            with self.lab.client("hub", "/operator", timeout=30) as hub:
                while time.monotonic() < end:
                    took.append(self.comes_in(RUSH_S))
                    time.sleep(0.1)
                    held.append(measure.descriptors(self.lab.pid) - self.before)
                    half_open.append(self.half_open(hub))
            print("# held %d to %d at once, %d to %d of them half-open" % (
                min(held), max(held), min(half_open), max(half_open)), flush=True)
            self.assertGreaterEqual(max(half_open), HALF_OPEN, "half-open at once")
            self.assertLessEqual(max(half_open), 256)
            self.assertLessEqual(statistics.median(took), IN_S, "the usual wait")
            self.assertMemory(MEMORY, "256 half-open, %d that wait" % STRANGERS)
            strangers.stop()
            self.assertLessEqual(strangers.said.get(), LONGEST_S, "a stranger outlived its deadlines")

    def test_partners_get_in_past_2000_silent_strangers(self):
        self.siege(b"")

    def test_partners_get_in_past_2000_strangers_who_send_a_byte_a_second(self):
        self.siege(attack.client_hello(self.lab.agent("fra")))

    def test_strangers_cost_the_others_nothing(self):
        hello = attack.client_hello(self.lab.agent("fra"))
        attacked = self.cost(lambda: attack.Attack(attack.strangers, self.lab.address, STRANGERS, hello),
                             there=self.all_are_there)
        self.assertCheap(attacked, 0.3)

    def test_an_address_has_64_connections_and_the_others_all_theirs(self):
        self.assertEqual(self.held_of(70), 64)

    def held_of(self, count):
        to, held = attack.address(self.lab.address), []
        for _ in range(count):
            s = attack.socket.create_connection(to, 5, ("127.0.9.9", 0))
            self.addCleanup(s.close)
            held.append(s)
        self.comes_in(RUSH_S)
        for s in held:
            s.setblocking(False)
        return sum(still_open(s) for s in held)


def still_open(s):
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


if __name__ == "__main__":
    sys.exit(unittest.main())
