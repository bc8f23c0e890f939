"""A `tensorflow_model_server` that starts at once: a fork of a process that has done the imports of `python -m serving`.

Usage: forking_server.py SOCKET, for that process; forking_server.py SOCKET FLAG..., for the program that tests start. The
program passes on its flags and what it writes to, and ends as the fork ends; the fork ends with it.
"""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path


def main():
    path, *flags = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as local:
        if not flags:
            _host(local, path)
        local.connect(path)
        socket.send_fds(local, [json.dumps(flags).encode()], [1])
        code = local.recv(1)
    sys.exit(code[0] if code else 1)


def _host(listener, path):
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    from serving.server import Server  # noqa: F401  # what takes long; who asks meanwhile waits

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, _ = listener.accept()
        if os.fork() == 0:
            _serve(asked)
        asked.close()


def _serve(asked):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, (output,), _, _ = socket.recv_fds(asked, 1 << 16, 1)
    os.dup2(output, 1)
    os.dup2(output, 2)
    threading.Thread(target=lambda: (asked.recv(1), os._exit(1)), daemon=True).start()
    from serving.__main__ import main as serve

    sys.argv[1:] = json.loads(message)
    code = 1
    try:
        serve()
    except SystemExit as end:
        code = end.code
    finally:
        asked.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    main()
