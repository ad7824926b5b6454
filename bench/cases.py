"""cases.py - what the benchmarks send: who publishes, who receives, how many, of what size."""
import tempfile

import lab

WARM = 2000
TOUCH_BYTES = 256 << 20
CROWD = ("--topic", "crowd.load", "--agreement", "crowd", "--releasable", "ATLAS")


def names(first, last):
    return ",".join(lab.member(i) for i in range(first, last + 1))


class Case:
    """reports: how many a run sends; options: of bench/load; crowd: (senders, receivers) of the lab; enrol: its
    receivers each open a subscription before, and go."""

    def __init__(self, what, reports, options=(), crowd=(0, 0), enrol=False, signer=False):
        self.what, self.reports, self.options, self.crowd, self.enrol = what, reports, tuple(options), crowd, enrol
        self.signer = signer  # relto-signer has the log's key

    def receivers(self):
        return [lab.member(self.crowd[0] + i + 1) for i in range(self.crowd[1])]


CASES = {
    "1:1": Case("1 publisher, 1 recipient, 1 KiB", 20000, ("--subscribers", "NOR")),
    "1:16": Case("1 publisher, 16 recipients", 1500, CROWD + ("--subscribers", names(1, 16)), (0, 16)),
    "16:4": Case("16 publishers, 4 recipients", 6400, CROWD + (
        "--window", 256, "--publishers", names(1, 16), "--subscribers", names(17, 20)), (16, 4)),
    "16KiB": Case("1:1, bodies of 16 KiB", 6000, ("--subscribers", "NOR", "--bytes", 16384)),
    "paced": Case("1:1, 500 reports/s, each signed alone", 5000, ("--subscribers", "NOR", "--rate", 500)),
    "paced-signer": Case("as paced, with relto-signer", 5000, ("--subscribers", "NOR", "--rate", 500), signer=True),
    "idle": Case("sessions that do nothing", 2000, (), (0, 20)),
    "only-to": Case("for 2 of 1,000 members", 2000, CROWD + ("--subscribers", names(1, 2), "--only-to", names(1, 2)),
                    (0, 1000)),
    "1:1000": Case("1 publisher, 1,000 recipients, offline", 150, CROWD + ("--window", 64), (0, 1000), enrol=True),
}


def touch(folder):
    """A virtual machine gets memory from its host when it first writes there, for some 3 us a page. That is no cost of
    ours: the page cache of a run is to be memory that was used before."""
    with tempfile.TemporaryFile(dir=folder) as f:
        for _ in range(TOUCH_BYTES >> 20):
            f.write(bytes(1 << 20))


def prepare(it, case, reports):
    """Before what is measured: memory, subscriptions, and some reports so that the broker is warm."""
    touch(it.base)
    if case.enrol:
        it.run("bench/sessions", case.crowd[1], 0, *case.receivers())
    if "--rate" not in case.options:
        it.run("bench/load", "--reports", max(16, min(WARM, reports // 4)), *case.options)
