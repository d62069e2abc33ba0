"""An HTTP server on loopback whose answers go wrong as told."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import SilentHandler, listening

CONTENT = bytes(range(256)) * 1200
"""300 kB: several chunks."""
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Handler = BaseHTTPRequestHandler
Behaviour = Callable[[Handler], None]


@dataclass
class Server:
    """Answers each path with its behaviours in turn; the last one is repeated."""

    base: str
    behaviours: dict[str, list[Behaviour]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def on(self, path: str, *behaviours: Behaviour) -> str:
        self.behaviours[path] = list(behaviours)
        return f"{self.base}{path}"


def send(content: bytes, announced: int | None = None, pause: float = 0.0) -> Behaviour:
    """Sends ``content`` in eight parts; ``announced`` is the length that the header tells."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if announced is None else announced))
        handler.end_headers()
        size = -(-len(content) // 8)
        for at in range(0, len(content), size):
            handler.wfile.write(content[at : at + size])
            handler.wfile.flush()
            time.sleep(pause)

    return behave


def status(code: int) -> Behaviour:
    return lambda handler: handler.send_error(code)


def stall(seconds: float) -> Behaviour:
    """Sends half of the file and then nothing."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[: len(CONTENT) // 2])
        handler.wfile.flush()
        time.sleep(seconds)

    return behave


good = send(CONTENT)
wrong = send(CONTENT[:-1] + b"!")
truncated = send(CONTENT[:-1000], announced=len(CONTENT))


@contextmanager
def serving() -> Iterator[Server]:
    """A server on loopback."""

    class Answer(SilentHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.headers.append(dict(self.headers))
            queue = found.behaviours.get(self.path, [status(404)])
            behaviour = queue.pop(0) if len(queue) > 1 else queue[0]
            behaviour(self)

    with listening(Answer) as url:
        found = Server(url)
        yield found


def dead_url() -> str:
    """A URL on a port where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/f"
