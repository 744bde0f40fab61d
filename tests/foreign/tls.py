"""Does a TLS client that knows nothing of filch, that of Python's `ssl`, get along with the server of net/examples/tls_echo.rs?

    tls.py PORT AUTHORITY

An error is an exception, and ends the program with it.
"""

import socket
import ssl
import sys


def connect(port, authority, protocols=(), version=None):
    context = ssl.create_default_context(cafile=authority)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if version:
        context.minimum_version = context.maximum_version = version
    stream = socket.create_connection(("127.0.0.1", port))
    return context.wrap_socket(stream, server_hostname="localhost")


def read_exactly(stream, count):
    heard = b""
    while len(heard) < count:
        piece = stream.recv(count - len(heard))
        assert piece, "it ends too early"
        heard += piece
    return heard


port, authority = int(sys.argv[1]), sys.argv[2]
socket.setdefaulttimeout(60)  # a hang is an error

for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    for protocols, agreed in (
        ((), None),
        (("echo",), "echo"),
        (("other", "echo"), "echo"),
        (("http/1.1", "echo"), "echo"),  # the server's order counts
    ):
        stream = connect(port, authority, protocols, version)
        assert stream.selected_alpn_protocol() == agreed, (version, protocols)
        for size in (1, 16384, 16385, 50000):
            text = bytes(n % 251 for n in range(size))
            stream.sendall(text)
            assert read_exactly(stream, size) == text
        # We say that we have done, and so does the server: otherwise this is an error.
        stream.unwrap().close()

# HTTP, since that is agreed on.
stream = connect(port, authority, ("http/1.1",))
head = b"GET /path HTTP/1.1\r\nHost: localhost\r\n\r\n"
stream.sendall(head)
answer = b""
while piece := stream.recv(4096):
    answer += piece
assert answer.endswith(b"\r\n\r\n" + head), answer
stream.close()

# Nothing in common.
try:
    connect(port, authority, ("other",))
except ssl.SSLError as error:
    assert "application protocol" in str(error).lower().replace("_", " "), error
else:
    raise AssertionError("they agree on nothing")

# An authority that nobody knows.
try:
    stream = socket.create_connection(("127.0.0.1", port))
    ssl.create_default_context().wrap_socket(stream, server_hostname="localhost")
except ssl.SSLCertVerificationError:
    pass
else:
    raise AssertionError("who vouches for it?")
