"""link.py - a slow line between a client and the broker, in a process of its own.

What goes to the client passes at so many bytes a second, by the line's own clock, and never more in all than was allowed.
The line reads only what it passes on, so whatever else the broker wrote is in the kernel's buffers, which are full while
the line stands still.
"""
import multiprocessing
import os
import select
import socket
import struct
import time

PIECE = 4096


class Link:
    def __init__(self, server, rate=16 * 1000 * 1000, received=None):
        """'received': the line's buffer (SO_RCVBUF), else the kernel's default."""
        self.rate, self.received = rate, received
        host, _, port = server.rpartition(":")
        self.server = (host.strip("[]"), int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.orders, self.ours = os.pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.run, daemon=True)
        self.process.start()

    def allow(self, count):
        """So many bytes more."""
        os.write(self.ours, struct.pack("Q", count))

    def close(self):
        self.process.kill()
        self.process.join()
        self.listener.close()
        os.close(self.orders)
        os.close(self.ours)

    # in the process
    def run(self):
        client = self.listener.accept()[0]
        broker = socket.socket()
        if self.received:
            broker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.received)
        broker.connect(self.server)
        for s in (client, broker):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.carry(client, broker)
        except OSError:
            pass
        os._exit(0)

    def carry(self, client, broker):
        allowed, due = 0, time.monotonic()
        while True:
            wait = max(0.0, due - time.monotonic()) if allowed else None
            ready = select.select([client, self.orders] + ([broker] if allowed and not wait else []), [], [], wait or None)[0]
            if self.orders in ready:
                allowed += struct.unpack("Q", os.read(self.orders, 8))[0]
            if client in ready:
                broker.sendall(self.some(client, 65536))
            if broker in ready:
                data = self.some(broker, min(PIECE, allowed))
                client.sendall(data)
                allowed -= len(data)
                due = max(due, time.monotonic() - 0.01) + len(data) / self.rate

    @staticmethod
    def some(from_, count):
        data = from_.recv(count)
        if not data:
            raise ConnectionResetError
        return data
