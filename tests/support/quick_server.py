"""Model servers in this process that look for news twenty times as often as flags can say, and ports for them."""

import dataclasses
import random
import socket

from serving.flags import parse
from serving.server import Server

_WAITS = ("file_system_poll_wait_seconds", "model_config_file_poll_wait_seconds")


def make_server(flags) -> Server:
    """Returns a server, not started yet: what it polls every N seconds by its flags it polls every N / 20 seconds."""
    options = parse(flags)
    return Server(dataclasses.replace(options, **{name: getattr(options, name) / 20 for name in _WAITS}))


def free_port() -> int:
    """Returns a port that nobody has; systems do not give it away by themselves, so that it is free a while later, too."""
    while True:
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", random.randrange(20_000, 32_768)))
            except OSError:
                continue
            return candidate.getsockname()[1]
