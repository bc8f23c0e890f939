"""Verifies a pushed version in a model server: it is AVAILABLE there, and predicts what the evaluation did."""

import dataclasses
import json
import logging
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from components._release import gcs
from components._release.base import Base, BucketPath
from components._release.ledger import PUSHED, VERIFIED, read_ledger
from components._release.releases import Release, list_releases, live_release
from components._release.rollback import Change, rollback, undo, withdraw
from components._release.server_client import Server, ServerError, predict
from components._release.server_waits import check_all_reachable, wait_live
from components._release.turns import append, in_turn
from components._shared.artifacts import ASSETS_EXTRA_DIR, RELEASE_DIR, VERIFICATION_FILE
from components._shared.documents import parse_object
from components._shared.errors import UserError
from components._shared.interface import read_rows

logger = logging.getLogger(__name__)

_FORMAT = "sluice/verification/1"
PUSHER = "push_model"
"""Who withdraws a version that fails."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows that a release carries, and what the evaluation predicted for them.

    Attributes:
        output: Name of the model's output.
        inputs: Values by input, as a request holds them: None stands for NaN, {"b64": …} for bytes.
        predictions: A number per row, or a list of them for a multiclass label.
        tolerance: Greatest difference, absolute for probabilities and relative for numbers; None if the parity gate is off.
        relative: Whether differences are relative.
        logits: Whether the output holds logits.
        kind: The kind of label, where the output may have another form than train_model gives it; else empty.
    """

    output: str
    inputs: dict[str, list[Any]]
    predictions: list[Any]
    tolerance: float | None
    relative: bool
    logits: bool = False
    kind: str = ""

    def to_bytes(self) -> bytes:
        """Returns the file's content."""
        return json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, allow_nan=False).encode()


def read_sample(version: Base) -> Sample | None:
    """Returns the rows that a version carries; None if it was pushed without them."""
    file = version / ASSETS_EXTRA_DIR / RELEASE_DIR / VERIFICATION_FILE
    if isinstance(file, BucketPath):
        data, _ = gcs.read_object(file)
    else:
        data = file.read_bytes() if file.is_file() else b""
    if not data:
        return None
    fields = parse_object(data)
    if fields.pop("format", None) != _FORMAT:
        return None
    return Sample(**fields)


def verify_version(base: Base, version: int, servers: Sequence[Server], wait: Callable[[Server, int], str] = wait_live) -> str:
    """Checks a version that is to be live in every server, and records it if all is well in all of them.

    Args:
        base: The serving directory.
        version: The version.
        servers: The servers.
        wait: Waits for the version in a server, and returns why it did not come.

    Returns:
        What is wrong, as a sentence; empty if nothing is.
    """
    where = ", ".join(server.url for server in servers)
    facts: dict[str, Any] = {"version": version, "server": where, "model_name": servers[0].model_name}
    sample = read_sample(base / str(version))
    for ask in (lambda server: wait(server, version), lambda server: _compare(server, version, sample, facts)):
        for server in servers:
            if problem := ask(server):
                return problem if len(servers) == 1 else f"{server.url}: {problem}"
    in_turn(base, lambda _: append(base, VERIFIED, facts))  # after the push is recorded, which may have died before it was
    logger.info("Version %d is live in %s and was verified", version, where)
    return ""


def _compare(server: Server, version: int, sample: Sample | None, facts: dict[str, Any]) -> str:
    """Returns what is wrong with the predictions of a version in a server; else puts the facts about them to the others."""
    if sample is None:
        return ""
    rows = len(sample.predictions)
    try:
        apart = largest_difference(predict(server, version, sample.inputs), sample)
    except ServerError as error:
        return str(error)
    if not math.isfinite(apart):
        return f"Version {version} does not give a number for each of {rows} rows in the server."
    if sample.tolerance is not None and apart > sample.tolerance:
        return (
            f"Version {version} predicts something else in the server than in the evaluation: "
            f"the largest difference over {rows} rows is {apart:.3g}, allowed is {sample.tolerance:g}."
        )
    largest = max(apart, facts.get("largest_difference", 0.0))
    facts.update(rows=rows, tolerance=sample.tolerance, largest_difference=largest)
    return ""


def verify_pushed(base: Base, servers: Sequence[Server]) -> tuple[str, str]:
    """Verifies the live version if its push wanted that and it has not happened yet; if it fails, the version is withdrawn.

    Returns:
        The version that was withdrawn and why, in sentences; two empty texts if all is well.
    """
    release = live_release(base)
    if release is None or not is_to_be_verified(base, release):
        return "", ""
    problem = verify_version(base, release.version, servers)
    if not problem:
        return "", ""
    change = withdraw(base, version=str(release.version), by=PUSHER, reason=problem, allow_none=True, automatic=True)
    logger.error("Version %d was withdrawn: %s", release.version, problem)
    after = f"Version {change.live} is live" if change.live else "No version is live"
    worse = next(filter(None, (wait_live(server, int(change.live)) for server in servers)), "") if change.live else ""
    if worse:
        logger.error("%s", worse)
        after += f", but not in the server: {worse.rstrip('.')}"
    return str(release.version), f"Version {release.version} was withdrawn. {problem} {after}."


def roll_back_verified(base: Base, servers: Sequence[Server], *, to: str = "", by: str, reason: str) -> Change:
    """Rolls back, makes sure that the version is live in every server, and takes the rollback back if it is not.

    Args:
        base: The serving directory.
        servers: The servers.
        to: The version; empty for the one before the live one.
        by: Who wants it.
        reason: Why.

    Raises:
        UserError: As `rollback`, or if the server does not answer or the version does not serve there.
    """
    check_all_reachable(servers)
    change = rollback(base, to=to, by=by, reason=reason)
    if problem := verify_version(base, int(change.live), servers):
        undone = undo(base, change, by=by, reason=f"Taken back: {problem}") if change.entry else change
        remedy = f"Version {undone.live} is live. Name another version, or roll back without a server: --server none."
        raise UserError(f"Version {change.live} is live in the server.", received=problem, remedy=remedy)
    return change


def largest_difference(outputs: Any, sample: Sample) -> float:
    """Returns how far predictions are from those of the sample: infinite if one is missing or not finite.

    Differences are absolute, or |found - wanted| / max(|wanted|, s) with s the standard deviation of `wanted` over the rows.
    """
    found = outputs.get(sample.output) if isinstance(outputs, dict) else outputs
    if sample.kind and isinstance(found, list):
        found = _read(found, sample)
    found, wanted = _numbers(found), _numbers(sample.predictions)
    if len(found) != len(wanted) or not all(map(math.isfinite, found)):
        return math.inf
    spread = statistics.pstdev(wanted) if sample.relative else 0.0
    return max((_apart(one, other, spread, sample.relative) for one, other in zip(found, wanted, strict=True)), default=0.0)


def _read(found: list[Any], sample: Sample) -> list[Any]:
    rows = len(sample.predictions)
    if len(found) > rows and len(found) % rows == 0:  # gRPC gives all numbers in one list
        width = len(found) // rows
        found = [found[start : start + width] for start in range(0, len(found), width)]
    if not all(math.isfinite(number) for number in _numbers(found)):
        return []
    return read_rows(found, sample.kind, logits=sample.logits)


def _apart(found: float, wanted: float, spread: float, relative: bool) -> float:
    apart, scale = abs(found - wanted), max(abs(wanted), spread)
    if not relative or not apart:
        return apart
    return apart / scale if scale else math.inf


def _numbers(values: Any) -> list[float]:
    if isinstance(values, list):
        return [number for value in values for number in _numbers(value)]
    return [float(values)] if isinstance(values, int | float) and not isinstance(values, bool) else [math.nan]


def was_interrupted(base: Base) -> bool:
    """Returns whether the newest version was to be verified, which has not happened yet, and is not the only one in place."""
    in_place = [release for release in list_releases(base) if release.state == PUSHED]
    return len(in_place) > 1 and is_to_be_verified(base, in_place[-1])


def is_to_be_verified(base: Base, release: Release) -> bool:
    """Returns whether the push of a version wanted it to be verified, and that has not happened yet."""
    later = [entry for entry in read_ledger(base) if entry.sequence > release.sequence]
    done = any(entry.kind == VERIFIED and entry.payload["version"] == release.version for entry in later)
    return bool(release.record.get("server")) and not done
