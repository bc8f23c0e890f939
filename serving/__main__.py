"""`python -m serving`: starts the server and ends it on SIGTERM or SIGINT."""

import gc
import logging
import signal
import sys
import threading
from typing import Any, NoReturn

from components._shared.cli import prepare_environment
from serving.flags import Options, parse

logger = logging.getLogger("serving")


class _Stop(BaseException):
    """A signal asks the server to end."""


def main() -> NoReturn:
    """Parses the command line and serves; exits with 0 when told to end, with 2 if the user must act."""
    options = parse()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for notice in options.ignored:
        logger.warning("%s.", notice)
    prepare_environment()
    sys.exit(_serve(options))


def _serve(options: Options) -> int:
    from serving.errors import ServingError
    from serving.server import Server

    gc.freeze()  # the collection after each unload then passes over what the imports made, and stops nobody for long
    logger.warning("This server is for development and tests. In production run the image tensorflow/serving.")
    server = None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        server = Server(options)
        server.start()
        threading.Event().wait()
    except ServingError as error:
        logger.error("Failed to start server. Error: %s", error)
        return 2
    except _Stop:
        logger.info("Stopping: requests that are under way are answered.")
    if server:
        server.close()
    return 0


def _stop(number: int, frame: Any) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)  # whoever asks a second time does not want to wait
    raise _Stop


if __name__ == "__main__":
    main()
