"""What every `python -m components.<stage>` shares: argument types, logging and exit codes."""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from components._shared.documents import parse_json
from components._shared.errors import SluiceError, UserError

logger = logging.getLogger("sluice")

_OWN_LOGGERS = ("components", "sluice")
_FULL_OR_CLOSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_OTHER_THAN_EXPECTED = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_FAILING = (errno.EIO, errno.ESTALE)
_USERS_ERRNOS = _FULL_OR_CLOSED + _OTHER_THAN_EXPECTED + _FAILING


def make_parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser that knows `--executor_input`, which every stage takes."""
    module = sys.modules["__main__"].__spec__  # None where the program is no module, as in an interactive session
    program = f"python -m {module.name.removesuffix('.__main__')}" if module else None
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument(
        "--executor_input", default="", metavar="JSON", help="KFP's executor input; leave it out when running by hand"
    )
    return parser


def run(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace], None]) -> NoReturn:
    """Parses the command line, runs the stage and exits: 0 done, 2 the user must act, 3 refused, 1 a bug with a traceback."""
    args = parser.parse_args()
    _configure_logging()
    prepare_environment()
    try:
        main(args)
    except SluiceError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _USERS_ERRNOS:
            raise
        rule, remedy = (
            "The inputs can be read and the outputs written.",
            "Make room, give permission or mend the path, and run again.",
        )
        logger.error("%s", UserError(rule, received=error, remedy=remedy))
        sys.exit(UserError.exit_code)
    sys.exit(0)


def _configure_logging() -> None:
    """Sends our own messages and everybody's warnings to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.split(".")[0] in _OWN_LOGGERS)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # it has a handler of its own besides


def prepare_environment() -> None:
    """Sets what TensorFlow reads when it is imported: no chatter, and arithmetic that is the same on every CPU."""
    for name, value in (("TF_CPP_MIN_LOG_LEVEL", "2"), ("TF_ENABLE_ONEDNN_OPTS", "0")):
        os.environ.setdefault(name, value)


def integer(text: str) -> int:
    """Parses an integer; Kubeflow sends integral numbers as `5` or `5.0`."""
    value = float(text)
    if not value.is_integer():
        raise argparse.ArgumentTypeError(f"must be a whole number. Received: {text}")
    return int(value)


def boolean(text: str) -> bool:
    """Parses `true` or `false`, in any case."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received: {text}")
    return text.lower() == "true"


def json_object(text: str) -> dict[str, Any]:
    """Parses a JSON object."""
    return _json_of(text, dict, "object")


def json_list(text: str) -> list[Any]:
    """Parses a JSON list."""
    return _json_of(text, list, "list")


def _json_of(text: str, kind: type, name: str) -> Any:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a JSON {name}: {error}. Received: {text[:200]}") from error
    if not isinstance(value, kind):
        raise argparse.ArgumentTypeError(f"must be a JSON {name}. Received: {text[:200]}")
    return value
