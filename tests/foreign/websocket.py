"""Does a WebSocket client that knows nothing of filch get along with the chat of net/examples/ws_chat.rs?

    websocket.py PORT SCENARIO

By Python's standard library alone. An error is an exception, and ends the program with it.
"""

import base64
import hashlib
import os
import socket
import struct
import sys

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MESSAGE_MAX = 64 * 1024


def head_of(path, key):
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Client:
    def __init__(self, port, name):
        self.name = name
        self.stream = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall(head_of("/" + name, key))
        self.reader = self.stream.makefile("rb")
        status = self.reader.readline()
        assert status.startswith(b"HTTP/1.1 101 "), status
        fields = {}
        while (line := self.reader.readline()) != b"\r\n":
            field, value = line.decode().split(":", 1)
            fields[field.strip().lower()] = value.strip()
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert fields["sec-websocket-accept"] == base64.b64encode(proof).decode(), fields
        self.pings = 0

    def send(self, kind, payload, is_last=True, is_masked=True):
        head = bytes([(0x80 if is_last else 0) | kind])
        mask_bit = 0x80 if is_masked else 0
        if len(payload) < 126:
            head += bytes([mask_bit | len(payload)])
        elif len(payload) < 65536:
            head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
        if is_masked:
            mask = os.urandom(4)
            head += mask
            payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
        self.stream.sendall(head + payload)

    def frame(self):
        """The next frame, or None at the end of the connection."""
        head = self.reader.read(2)
        if not head:
            return None
        assert head[0] & 0x80, "the server does not fragment"
        assert not head[1] & 0x80, "a server does not mask"
        length = head[1]
        if length == 126:
            (length,) = struct.unpack(">H", self.reader.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.reader.read(8))
        payload = self.reader.read(length)
        assert len(payload) == length, "a frame is whole"
        return head[0] & 0x0F, payload

    def hear(self, kind=TEXT):
        """The next frame of this kind; pings are answered on the way."""
        while True:
            frame = self.frame()
            assert frame, f"{self.name}: the connection has ended"
            if frame[0] == PING and kind != PING:
                if kind != CLOSE:  # after which nothing may be said
                    self.send(PONG, frame[1])
            else:
                assert frame[0] == kind, f"{self.name}: {frame}"
                return frame[1].decode() if kind == TEXT else frame[1]

    def says(self, text):
        self.send(TEXT, text.encode())

    def is_told(self, *texts):
        for text in texts:
            heard = self.hear()
            assert heard == text, f"{self.name}: {heard[:100]!r} instead of {text[:100]!r}"

    def is_closed(self, code):
        """The server says good-bye, we answer, and it ends the connection."""
        payload = self.hear(CLOSE)
        assert struct.unpack(">H", payload[:2]) == (code,), payload
        try:
            self.send(CLOSE, payload[:2])
        except OSError:
            pass  # it need not wait for that
        assert self.frame() is None
        self.stream.close()

    def closes(self):
        self.send(CLOSE, struct.pack(">H", 1000) + b"bye")
        payload = self.hear(CLOSE)
        assert struct.unpack(">H", payload[:2]) == (1000,), payload
        assert self.frame() is None, "the server ends the connection"
        self.stream.close()


def talk(port):
    ada, ben = Client(port, "Ada"), Client(port, "Ben")
    ada.is_told("Ben is here")
    cyd = Client(port, "Cyd")
    for other in (ada, ben):
        other.is_told("Cyd is here")

    # What one says, each of the others hears, in order, and nobody else.
    for n in range(50):
        ada.says(f"message {n}")
    for other in (ben, cyd):
        other.is_told(*(f"Ada: message {n}" for n in range(50)))
    ben.says("é€😀")
    for other in (ada, cyd):
        other.is_told("Ben: é€😀")

    # A ping is answered with what it says, also between the pieces of a message.
    cyd.send(PING, b"are you there?")
    assert cyd.hear(PONG) == b"are you there?"
    cyd.send(TEXT, b"one ", is_last=False)
    cyd.send(PING, b"still?")
    cyd.send(0, b"two ", is_last=False)
    cyd.send(0, b"three")
    assert cyd.hear(PONG) == b"still?"
    for other in (ada, ben):
        other.is_told("Cyd: one two three")

    # Lengths that are told in one byte, three, and nine.
    for length in (0, 125, 126, 65535, MESSAGE_MAX):
        ada.says("x" * length)
        for other in (ben, cyd):
            other.is_told("Ada: " + "x" * length)

    # An ordinary farewell, and none at all.
    ben.closes()
    for other in (ada, cyd):
        other.is_told("Ben has left")
    cyd.reader.close()
    cyd.stream.close()
    ada.is_told("Cyd has left")
    ada.closes()


def break_rules(port):
    ada = Client(port, "Ada")
    for name, code, breaks in (
        ("unmasked", 1002, lambda client: client.send(TEXT, b"hello", is_masked=False)),
        ("reserved", 1002, lambda client: client.send(3, b"hello")),
        ("not-begun", 1002, lambda client: client.send(0, b"hello")),
        ("no-text", 1007, lambda client: client.send(TEXT, b"\xff\xfe")),
        ("too-long", 1009, lambda client: client.send(TEXT, b"x" * (MESSAGE_MAX + 1))),
        ("too-many", 1009, lambda client: [client.send(0 if n else TEXT, b"x" * 40000, n == 1) for n in range(2)]),
    ):
        other = Client(port, name)
        ada.is_told(f"{name} is here")
        breaks(other)
        other.is_closed(code)
        ada.is_told(f"{name} has left")

    # No name, and no WebSocket.
    for head, status in (
        (head_of("/", "AAAAAAAAAAAAAAAAAAAAAA=="), b"HTTP/1.1 400 "),
        (b"GET /Ben HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
        (b"\x16\x03\x01", b""),
        (b"", b""),
    ):
        with socket.create_connection(("127.0.0.1", port)) as stream:
            stream.sendall(head)
            stream.shutdown(socket.SHUT_WR)
            try:
                answer = stream.makefile("rb").read()
            except ConnectionResetError:
                answer = b""
            assert answer.startswith(status), answer
    ada.says("nobody has noticed")
    ada.closes()


def heartbeat(port):
    """The server pings often, and has patience."""
    ada = Client(port, "Ada")
    while ada.pings < 20:
        assert ada.hear(PING) == b"are you there?"
        ada.pings += 1
        ada.send(PONG, b"are you there?")
    ada.closes()


def silence(port):
    """The server pings often, and has no patience."""
    ada = Client(port, "Ada")
    while (frame := ada.frame())[0] == PING:
        pass
    assert frame[0] == CLOSE and struct.unpack(">H", frame[1][:2]) == (1008,), frame
    ada.stream.close()


def until_the_end(port):
    ada, ben = Client(port, "Ada"), Client(port, "Ben")
    ada.is_told("Ben is here")
    print("ready for the end", flush=True)
    farewell = (CLOSE, struct.pack(">H", 1001) + b"good night")
    for client in (ben, ada):
        frame = client.frame()
        while frame[0] in (PING, TEXT):  # they may be told that the other has left
            frame = client.frame()
        assert frame == farewell, frame
    # The server waits for the answer; what comes before is still read.
    ben.says("good night")
    ben.send(*farewell)
    assert ben.frame() is None
    ada.stream.close()  # without an answer


if __name__ == "__main__":
    socket.setdefaulttimeout(60)  # a hang is an error
    scenarios = (talk, break_rules, heartbeat, silence, until_the_end)
    {scenario.__name__: scenario for scenario in scenarios}[sys.argv[2]](int(sys.argv[1]))
