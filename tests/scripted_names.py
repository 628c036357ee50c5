"""A small name server that says what it is told, for tests against live sockets (UDP and TCP)."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[str, Mapping[str, list[str]]]
"""By name and type: ``{"site.example": {"TXT": ["v=spf1 -all"]}}``."""


@dataclass
class ScriptedNames:
    """What a server says: ``records``; of names in ``failing`` only that it failed.

    ``silent`` says nothing at all, ``truncating`` nothing whole over UDP. ``asked`` holds every
    question.
    """

    records: Records = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    silent: bool = False
    truncating: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def place(self) -> str:
        """What to write into DNS_SERVER."""
        return f"127.0.0.1:{self.port}"

    def answer(self, query: bytes, way: str) -> bytes:
        """The reply to a question, "" for none."""
        asked = dns.message.from_wire(query)
        name, kind = asked.question[0].name, asked.question[0].rdtype
        plain = name.to_text(omit_final_dot=True).lower()
        self.asked.append((way, plain, dns.rdatatype.to_text(kind)))
        if self.silent:
            return b""
        reply = dns.message.make_response(asked)
        if plain in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif self.truncating and way == "udp":
            reply.flags |= dns.flags.TC
        elif plain not in self.records:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif values := self.records[plain].get(dns.rdatatype.to_text(kind), []):
            written = map(_quoted, values) if kind == dns.rdatatype.TXT else values
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *written))
        return reply.to_wire(max_size=65535)


def _quoted(text: str) -> str:
    """A TXT record in pieces of at most 255 bytes."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255) or [0])


@contextmanager
def naming(server: ScriptedNames) -> Iterator[ScriptedNames]:
    """Let ``server`` listen on a free port of the loopback, over UDP and TCP."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if reply := server.answer(data, "udp"):
                sock.sendto(reply, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2))
            if reply := server.answer(self.rfile.read(size), "tcp"):
                self.wfile.write(len(reply).to_bytes(2) + reply)

    with _both(Udp, Tcp) as (udp, tcp):
        server.port = udp.server_address[1]
        threads = [
            threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
            for one in (udp, tcp)
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            for one in (udp, tcp):
                one.shutdown()
            for thread in threads:
                thread.join()


@contextmanager
def _both(
    udp: type[socketserver.BaseRequestHandler], tcp: type[socketserver.BaseRequestHandler]
) -> Iterator[tuple[socketserver.UDPServer, socketserver.TCPServer]]:
    """The two servers on one port, which must be free for both."""
    for _ in range(100):
        first = socketserver.UDPServer(("127.0.0.1", 0), udp)
        try:
            second = socketserver.TCPServer(("127.0.0.1", first.server_address[1]), tcp)
        except OSError:  # somebody else has it
            first.server_close()
            continue
        with first, second:
            yield first, second
        return
    raise AssertionError("no port is free for both")
