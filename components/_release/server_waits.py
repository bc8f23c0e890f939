"""Waits for what a model server is to do: have a version, answer for a label, be there at all."""

import time
from collections.abc import Callable, Iterable, Mapping

from components._release.server_client import AVAILABLE, Server, ServerError, VersionStatus, ask_label, read_status
from components._shared.errors import UserError

_POLL_SECONDS = 0.2
_FAILED_SECONDS = 15.0
"""How long a load must be reported as failed: a version that returns is reported as before until the server looks again."""
_KNOWN_SECONDS = 15.0
"""How long a server may take to know of any version of a model that has a live one."""


def check_reachable(server: Server) -> None:
    """Checks that a server answers, before anything is changed that has to be verified there.

    Raises:
        UserError: If it does not.
    """
    try:
        read_status(server)
    except ServerError as error:
        remedy = "Start it, or name another one. Nothing was changed."
        raise UserError("The model server answers.", received=error, remedy=remedy) from error


def check_all_reachable(servers: Iterable[Server]) -> None:
    """Checks that each of several servers answers; raises as `check_reachable` does."""
    for server in servers:
        check_reachable(server)


def check_all_know_model(servers: Iterable[Server]) -> None:
    """Checks that each server has a version of the model, in whatever state; call it where one is live.

    TF Serving answers for a model that it does not have as for one without a version, so before the first version a wrong name
    cannot be told apart.

    Raises:
        UserError: If one does not answer, or has none.
    """
    for server in servers:
        check_reachable(server)
        deadline = time.monotonic() + min(_KNOWN_SECONDS, server.wait_seconds)
        while not _has_versions(server):
            if time.monotonic() >= deadline:
                remedy = "Correct serving.model_name, or the server's base path. Nothing was changed."
                raise UserError("The model server has the live version.", received=_no_version(server), remedy=remedy)
            time.sleep(_POLL_SECONDS)


def wait_live(server: Server, version: int) -> str:
    """Waits until a version is AVAILABLE, and the highest that is: the one that a request without a version gets.

    Returns:
        Why it is not, as a sentence; empty if it is.
    """
    return _wait(server, version, _why_not_live)


def wait_available(server: Server, version: int) -> str:
    """Waits until a version is AVAILABLE, and returns why it is not, as a sentence; empty if it is."""
    return _wait(server, version, _why_not_available)


def wait_label(server: Server, label: str, version: int) -> str:
    """Waits until a server answers for a label with a version, and returns why it does not; empty if it does."""
    deadline = time.monotonic() + server.wait_seconds
    while (found := ask_label(server, label)) != f"version {version}":
        if time.monotonic() >= deadline:
            return f"The server {server.url} answers for the label {label} with {found}, not with version {version}."
        time.sleep(_POLL_SECONDS)
    return ""


def wait_all_available(servers: Iterable[Server], versions: Iterable[int]) -> str:
    """Waits until versions are AVAILABLE in each of several servers; returns as `wait_available` does."""
    waits = (wait_available(server, version) for version in versions for server in servers)
    return next(filter(None, waits), "")


def wait_all_label(servers: Iterable[Server], label: str, version: int) -> str:
    """Waits until each of several servers answers for a label with a version; returns as `wait_label` does."""
    return next(filter(None, (wait_label(server, label, version) for server in servers)), "")


def _wait(server: Server, version: int, why_not: Callable[[Mapping[int, VersionStatus], int], str]) -> str:
    deadline, failed_since, problem = time.monotonic() + server.wait_seconds, None, ""
    while True:
        try:
            status = read_status(server)
        except ServerError as error:  # it may be starting anew
            status, problem = {}, str(error)
        else:
            problem = why_not(status, version) if status else _no_version(server)
        failed = status.get(version, VersionStatus("")).error
        failed_since = (failed_since or time.monotonic()) if failed else None
        now = time.monotonic()
        if not problem or now >= deadline or (failed_since and now - failed_since >= _FAILED_SECONDS):
            return problem
        time.sleep(_POLL_SECONDS)


def _why_not_available(status: Mapping[int, VersionStatus], version: int) -> str:
    own = status.get(version)
    if own is None:
        return f"The server does not know version {version}; it has {_list(status)}."
    if own.state != AVAILABLE:
        return f"Version {version} is {own.state} in the server{f': {own.error}' if own.error else ''}."
    return ""


def _why_not_live(status: Mapping[int, VersionStatus], version: int) -> str:
    if problem := _why_not_available(status, version):
        return problem
    newest = max(number for number, item in status.items() if item.state == AVAILABLE)
    return "" if newest == version else f"The server still answers with version {newest}."


def _list(status: Mapping[int, VersionStatus]) -> str:
    return ", ".join(f"{number} ({item.state})" for number, item in sorted(status.items()))


def _has_versions(server: Server) -> bool:
    try:
        return bool(read_status(server))
    except ServerError:
        return False


def _no_version(server: Server) -> str:
    return f"{server.url} has no version of a model {server.model_name!r}; its name there may be another one, or its base path."
