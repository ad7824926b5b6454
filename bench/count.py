"""count.py - reads what bench/libcount.so counts (bench/count.h)."""
import struct

PLAIN = ("mallocs", "malloc_bytes", "frees", "tls_reads", "tls_read_bytes", "tls_writes", "tls_write_bytes", "digests",
         "digest_bytes", "commits")
ROWS = ("gets", "puts", "key_bytes", "value_bytes", "dels")
TABLES, NAME = 24, 16


def read(path):
    """{name: count, "tables": {table: {name: count}}}"""
    with open(path, "rb") as f:
        data = f.read()
    counts = dict(zip(PLAIN, struct.unpack_from("=%dQ" % len(PLAIN), data)))
    at, counts["tables"] = 8 * len(PLAIN), {}
    for _ in range(TABLES):
        name = data[at:at + NAME].rstrip(b"\0").decode()
        row = struct.unpack_from("=%dQ" % len(ROWS), data, at + NAME)
        if name:
            counts["tables"][name] = dict(zip(ROWS, row))
        at += NAME + 8 * len(ROWS)
    return counts


def between(before, after):
    out = {k: after[k] - before[k] for k in PLAIN}
    out["tables"] = {t: {k: v - before["tables"].get(t, {}).get(k, 0) for k, v in row.items()}
                     for t, row in after["tables"].items()}
    return out
