"""A delivery in another language: Python's standard library and shared/wire/PROTOCOL.md, nothing else.

    python3 python_delivery.py SOCKET NAME [CREDITS]

Serves HTTP on the connections that the head hands over: GET /whoami answers JSON, any other request its own body.
Prints one line of JSON when the head has welcomed it, and one when it has drained after SIGTERM.
"""

import array
import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler

CONTROL_MAX = 16384
LANE_MAX = 64
LANES_MAX = 128
FDS_MAX = 253
CONNECTIONS, TAKEN, RETURNED, ENDED = 1, 2, 3, 4


# --- MessagePack: what the protocol needs of https://github.com/msgpack/msgpack/blob/master/spec.md ---


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return bytes([value]) if value < 0x80 else struct.pack(">BI", 0xCE, value)
    if isinstance(value, str):
        data = value.encode()
        return struct.pack(">BH", 0xDA, len(data)) + data
    if isinstance(value, (list, tuple)):
        return bytes([0x90 | len(value)]) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(pack(key) + pack(item) for key, item in value.items())
    raise TypeError(type(value))


# Type byte -> the struct format of a number, or of the length before a string, an array or a map.
NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
NUMBERS.update({0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"})
STRINGS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
ARRAYS = {0xDC: ">H", 0xDD: ">I"}
MAPS = {0xDE: ">H", 0xDF: ">I"}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("a message that breaks off")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        kind = self.take(1)[0]
        if kind < 0x80:
            return kind
        if kind >= 0xE0:
            return kind - 0x100
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        if kind in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[kind]
        if 0xA0 <= kind < 0xC0 or kind in STRINGS:
            length = kind - 0xA0 if kind < 0xC0 else self.number(STRINGS[kind])
            return self.take(length).decode()
        if 0x90 <= kind < 0xA0 or kind in ARRAYS:
            length = kind - 0x90 if kind < 0xA0 else self.number(ARRAYS[kind])
            return [self.value() for _ in range(length)]
        if kind < 0x90 or kind in MAPS:
            length = kind - 0x80 if kind < 0x90 else self.number(MAPS[kind])
            return {self.value(): self.value() for _ in range(length)}
        raise ValueError("a type that the protocol does not use: 0x%02x" % kind)


def unpack(data):
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise ValueError("bytes after a message")
    return value


# --- sockets ---


def receive(sock, size, fds_max):
    """One packet and the fds that came with it. No bytes: the peer has closed."""
    fds = array.array("i")
    room = socket.CMSG_SPACE(fds_max * fds.itemsize)
    try:
        data, ancillary, _, _ = sock.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return data, list(fds)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The delivery, and the connection's name in /whoami: set for each connection.
    delivery, name = None, ""

    def handle(self):
        self.close_connection = True
        self.handle_one_request()
        while not self.close_connection:
            # Only between two requests may a drain cut it off; the first one is in the socket already.
            with self.delivery.between_requests(self.connection):
                more = self.rfile.peek(1)
            if not more:
                return
            self.handle_one_request()

    def parse_request(self):
        good = super().parse_request()
        self.close_connection = self.close_connection or self.delivery.draining
        return good

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kind = "application/octet-stream"
        if self.path == "/whoami":
            kind = "application/json"
            about = {"delivery": self.delivery.name, "id": self.name, "pid": os.getpid()}
            body = json.dumps({**about, "client": self.client_address[0]}).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def log_message(self, *_):
        pass


class Lane:
    """One lane. `say` is called from the threads that serve as well: a packet is sent whole or not at all."""

    def __init__(self, sock, name):
        self.sock, self.name = sock, name
        # *Taken* may have to wait for room (rule 1), so the socket blocks when it is written to.
        sock.setblocking(True)

    def say(self, *message):
        """False: the head has dropped this delivery."""
        try:
            self.sock.send(pack(message))
            return True
        except OSError:
            return False

    def read(self, delivery):
        """Takes what was offered. False: the lane has ended."""
        data, fds = receive(self.sock, LANE_MAX + 1, FDS_MAX)
        if not data:
            return False
        kind, first, count = unpack(data)
        if kind != CONNECTIONS or len(fds) > count:
            raise ValueError("not a lane message")
        if fds and not self.say(TAKEN, first, len(fds)):
            # They may be another's by now: not a byte, no shutdown (rule 1).
            for fd in fds:
                os.close(fd)
            return False
        for offset, fd in enumerate(fds):
            name = "%s-%d" % (self.name, (first + offset) % 2**32)
            threading.Thread(target=delivery.serve, args=(self, fd, name)).start()
        # The kernel could not open the others here (rule 4).
        if len(fds) < count:
            self.say(RETURNED, (first + len(fds)) % 2**32, count - len(fds))
        return True


class Delivery:
    def __init__(self, path, name, credits):
        self.name = name
        self.idle = set()
        self.lock = threading.Lock()
        self.draining = False
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.connect(path)
        hello = {"type": "hello", "version": 1, "name": name, "pid": os.getpid()}
        hello.update({"credits": credits, "weight": 1, "direct": None, "active": 0})
        self.tell(**hello)
        data, fds = receive(self.control, CONTROL_MAX + 1, LANES_MAX)
        answer = unpack(data) if data else {"type": "nothing"}
        if answer["type"] != "welcome" or len(fds) != answer["lanes"]:
            sys.exit("not welcomed: %s" % answer.get("reason", answer["type"]))
        self.lanes = [
            Lane(socket.socket(fileno=fd), "%s-%d" % (answer["session"], index)) for index, fd in enumerate(fds)
        ]

    def tell(self, **message):
        try:
            self.control.send(pack(message))
        except OSError:
            # The head has gone, which is found when the channel is read.
            pass

    def serve(self, lane, fd, name):
        """Serves one connection to its end, in a thread of its own."""
        connection = socket.socket(fileno=fd)
        # It comes non-blocking (rule 6).
        connection.setblocking(True)
        try:
            type("Named", (Handler,), {"delivery": self, "name": name})(connection, connection.getpeername(), None)
        except OSError:
            # The client has gone.
            pass
        connection.close()
        lane.say(ENDED, 1)

    @contextlib.contextmanager
    def between_requests(self, connection):
        with self.lock:
            if self.draining:
                connection.shutdown(socket.SHUT_RD)
            self.idle.add(connection)
        try:
            yield
        finally:
            with self.lock:
                self.idle.discard(connection)

    def run(self, stop):
        """Until the head ends it, or it has drained after a signal at `stop`."""
        poll = select.poll()
        sources = {stop: None, self.control.fileno(): self.control}
        sources.update({lane.sock.fileno(): lane for lane in self.lanes})
        for fd in sources:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                source = sources[fd]
                if fd == stop:
                    os.read(stop, 64)
                    if not self.draining:
                        self.draining = True
                        self.tell(type="draining")
                elif isinstance(source, Lane):
                    if not source.read(self):
                        poll.unregister(fd)
                elif not self.obey():
                    return

    def obey(self):
        """Does what the head says. False: this registration is over."""
        data, _ = receive(self.control, CONTROL_MAX + 1, 0)
        if not data:
            return False
        message = unpack(data)
        if message["type"] == "ping":
            self.tell(type="pong", direct=0)
        return message["type"] not in ("drained", "dismissed")

    def finish(self):
        """Leaves the head and finishes what was taken: requests are answered, idle connections end."""
        self.control.close()
        for lane in self.lanes:
            lane.sock.close()
        with self.lock:
            for connection in self.idle:
                connection.shutdown(socket.SHUT_RD)
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()


def main():
    path, name = sys.argv[1:3]
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGTERM, lambda *_: None)
    delivery = Delivery(path, name, int(sys.argv[3]) if len(sys.argv) > 3 else 100)
    print(json.dumps({"ready": "delivery", "name": name, "pid": os.getpid()}), flush=True)
    delivery.run(wake)
    delivery.finish()
    print(json.dumps({"drained": delivery.draining}), flush=True)


if __name__ == "__main__":
    main()
