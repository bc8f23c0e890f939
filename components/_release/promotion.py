"""Versions under labels: a push is the canary, a promotion makes it stable, a rollback lets stable name an earlier one.

The version that is labelled stable is the live one. The first version gets both labels, since there is nothing to protect.
"""

from components._release.base import Base, BucketPath
from components._release.bucket_labels import follow_ledger
from components._release.labels import Labels, check_place, drop_version, set_label
from components._release.places import CANARY, STABLE
from components._release.releases import list_releases, live_release, read_places
from components._release.rollback import Change, find_version, move, version_before, withdraw
from components._release.server_client import check_reachable, wait_available
from components._release.verification import PUSHER, is_to_be_verified, verify_version
from components._release.words import read_words
from components._shared.errors import UserError


def begin_labels(base: Base, labels: Labels) -> None:
    """Lets `stable` name the live version where no label did so far, before a push makes another one the highest.

    Raises:
        UserError: If the server does not have it.
    """
    if isinstance(base, BucketPath):
        _raise_if(follow_ledger(base, labels.server), "The server has the versions with a label.", "Nothing was pushed.")
    live = live_release(base)
    if live is None or STABLE in live.labels:
        return
    problem = set_label(base, labels, STABLE, live.version, by=PUSHER, reason="It was live before there were labels.")
    _raise_if(problem, "The live version gets the label stable.", "Nothing was pushed.")


def verify_canary(base: Base, labels: Labels) -> tuple[str, str]:
    """Verifies the newest version and labels it canary, unless that was done; if it fails, it is withdrawn.

    Returns:
        The version that was withdrawn and why, in sentences; two empty texts if all is well.
    """
    found = [release for release in list_releases(base) if release.state == "pushed"]
    release = found[-1] if found else None
    if release is None or not release.record.get("server"):
        return "", ""
    if CANARY in release.labels and not is_to_be_verified(base, release):
        return "", ""
    problem = _set_verified(base, labels, CANARY, release.version, PUSHER, "It was pushed.")
    if not problem and STABLE not in read_places(base).labels:
        problem = set_label(base, labels, STABLE, release.version, by=PUSHER, reason="It is the first version.")
    if not problem:
        return "", ""
    drop_version(base, labels, release.version)
    withdraw(base, version=str(release.version), by=PUSHER, reason=problem, allow_none=True, automatic=True)
    live = live_release(base)
    after = f"Version {live.version} is live" if live else "No version is live"
    return str(release.version), f"Version {release.version} was withdrawn. {problem} {after}."


def promote(base: Base, labels: Labels, *, by: str, reason: str) -> Change:
    """Makes the canary stable.

    Raises:
        UserError: If there is no canary, or it does not serve.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    places = read_places(base)
    if CANARY not in places.labels:
        raise UserError("A version is labelled canary.", received="none is", remedy="Push one.")
    check_reachable(labels.server)
    problem = _set_verified(base, labels, STABLE, places.labels[CANARY], by, reason)
    _raise_if(problem, f"The canary, version {places.labels[CANARY]}, serves.", "Nothing was changed.")
    return Change(before=places.live, live=str(places.labels[CANARY]))


def roll_back_labels(base: Base, labels: Labels, *, to: str = "", by: str, reason: str) -> Change:
    """Lets `stable` name an earlier version, or one that was withdrawn; the version that it leaves for an earlier one goes.

    Raises:
        UserError: If there is no such version, or it does not serve; stable stays where it is then.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    check_place(base, labels)
    check_reachable(labels.server)
    releases, places = list_releases(base), read_places(base)
    live = next((release for release in releases if release.live), None)
    target = find_version(releases, to) if to else version_before(releases, live)
    restored = [] if target.state == "pushed" else [target.version]
    if restored:
        move(base, withdraws=[], restores=restored, by=by, reason=reason)
    problem = _set_verified(base, labels, STABLE, target.version, by, reason)
    _raise_if(problem, f"Version {target.version} serves.", f"Version {places.live} is live as before.")
    if live and places.labels.get(CANARY) == live.version:
        problem = set_label(base, labels, CANARY, target.version, by=by, reason=reason)
        _raise_if(problem, "The canary goes back as well.", f"Version {target.version} is live.")
    leaves = [live.version] if live and live.version > target.version else []
    change = Change(before=places.live, live=str(target.version), restored=tuple(restored))
    return move(base, withdraws=leaves, restores=[], by=by, reason=reason, told=change) if leaves else change


def _set_verified(base: Base, labels: Labels, label: str, version: int, by: str, reason: str) -> str:
    def check() -> str:
        return verify_version(base, version, labels.server, wait_available)

    return set_label(base, labels, label, version, by=by, reason=reason, check=check)


def _raise_if(problem: str, rule: str, remedy: str) -> None:
    if problem:
        raise UserError(rule, received=problem, remedy=remedy)
