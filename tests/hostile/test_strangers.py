"""2,000 connections of strangers, from 34 addresses: silent, or a ClientHello at a byte a second.  Each comes again at once
when it is ended.  Partners get in meanwhile, and those who are in notice nothing."""
import statistics
import sys
import time
import unittest

import attack
import measure

STRANGERS = 2000
# one handshake may be kept for 5 s, half of it in a crowd (daemon/lobby.h), after 5 s in the lobby; ticks of 250 ms
LONGEST_S, RUSH_S, IN_S = 5 + 5 + 2, 2.5 + 2, 0.5
# 256 half-open ones with TLS begun, 64 KiB each at most; the others are a socket and a ticket
MEMORY = 256 * 64 * 1024 + STRANGERS * 1024


class StrangersTest(measure.HostileTest):
    def comes_in(self, seconds):
        begun = time.monotonic()
        with self.lab.client("nor", timeout=30):
            took = time.monotonic() - begun
        self.assertLessEqual(took, seconds, "a partner waited before it was let in")
        return took

    def siege(self, data):
        with attack.Attack(attack.strangers, self.lab.address, STRANGERS, data) as strangers:
            took, end = [], time.monotonic() + 6
            while time.monotonic() < end:
                took.append(self.comes_in(RUSH_S))
                time.sleep(0.1)
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
        attacked = self.cost(lambda: attack.Attack(attack.strangers, self.lab.address, STRANGERS, hello))
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
