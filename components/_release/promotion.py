"""Versions under labels: a push is the canary, a promotion makes it stable, a rollback lets stable name an earlier one.

The version that is labelled stable is the live one. The first version gets both labels, since there is nothing to protect.

A rollback moves `stable`, then `canary` if it named the same version, then takes that version away. The entry that moves
`stable` says all of it, so whoever comes next completes what was interrupted.
"""

from components._release.base import Base, BucketPath
from components._release.labels import Labels, check_place, drop_labels, drop_version, restore_labels, set_label
from components._release.ledger import UNLABELLED, Entry
from components._release.places import CANARY, STABLE, Places
from components._release.releases import Release, list_releases, live_release, read_places
from components._release.rollback import Change, find_version, move, version_before, withdraw
from components._release.server_waits import check_all_reachable, wait_available
from components._release.turns import append, in_turn
from components._release.verification import PUSHER, is_to_be_verified, verify_version
from components._release.words import read_words
from components._shared.errors import UserError


def begin_labels(base: Base, labels: Labels) -> None:
    """Lets `stable` name the live version where no label did so far, before a push makes another one the highest.

    Raises:
        UserError: If the server does not have it, or what was interrupted cannot be completed.
    """
    settle_labels(base, labels)
    live = live_release(base)
    if live is None or STABLE in live.labels:
        return
    problem = set_label(base, labels, STABLE, live.version, by=PUSHER, reason="It was live before there were labels.")
    _raise_if(problem, "The live version gets the label stable.", "Nothing was pushed.")


def settle_labels(base: Base, labels: Labels) -> Change | None:
    """Completes what an interrupted push, promotion or rollback has left of labels.

    Returns:
        What a rollback that was completed came to; None if there was none.

    Raises:
        UserError: If the servers do not follow.
    """
    if isinstance(base, BucketPath) or base.is_dir():
        in_turn(base, lambda _: None)
    _raise_if(restore_labels(base, labels), "Labels are where the ledger has them.", "Nothing else was changed. Try again.")
    return _finish_rollback(base, labels)


def verify_canary(base: Base, labels: Labels) -> tuple[str, str]:
    """Verifies the newest version and labels it canary, unless that was done; if it fails, it is withdrawn.

    Returns:
        The version that was withdrawn and why, in sentences; two empty texts if all is well.

    Raises:
        UserError: If what was interrupted cannot be completed, or labels do not follow a version that was verified.
    """
    settle_labels(base, labels)
    release = _newest_push(base)
    if release is None or not release.record.get("server"):
        return "", ""
    places = read_places(base)
    if CANARY in release.labels and STABLE in places.labels and not is_to_be_verified(base, release):
        return "", ""
    problem = _set_verified(base, labels, CANARY, release.version, PUSHER, "It was pushed.")
    if not problem and STABLE not in places.labels:
        problem = set_label(base, labels, STABLE, release.version, by=PUSHER, reason="It is the first version.")
    if not problem:
        return "", ""
    if not is_to_be_verified(base, release):  # it serves; only its labels do not follow
        raise UserError("The newest version is labelled canary.", received=problem, remedy="Nothing was withdrawn. Try again.")
    problem = " ".join(filter(None, [problem, drop_version(base, labels, release.version)]))
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
    if CANARY not in read_places(base).labels:
        raise UserError("A version is labelled canary.", received="none is", remedy="Push one.")
    check_all_reachable(labels.servers)
    settle_labels(base, labels)
    places = read_places(base)
    problem = _set_verified(base, labels, STABLE, places.labels[CANARY], by, reason)
    _raise_if(problem, f"The canary, version {places.labels[CANARY]}, serves.", "Nothing was changed.")
    return Change(before=places.live, live=str(places.labels[CANARY]))


def end_labels(base: Base, labels: Labels, *, by: str, reason: str) -> Change:
    """Takes all labels away, so that the highest version is live, which has to be the stable one.

    The servers let go of the labels first, and the ledger says so last. Who dies in between has done nothing yet: the next push
    lets the servers have the labels again, or a retry completes it.

    Raises:
        UserError: If another version than the stable one is the highest, or a server does not let go.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    check_place(base, labels)
    settle_labels(base, labels)
    _check_highest(read_places(base))
    _raise_if(drop_labels(base, labels), "Servers let go of labels.", "Nothing else was changed. Try again.")

    def record(_: Entry | None) -> Change:
        places = read_places(base)
        _check_highest(places)  # a push may have come in between
        told = {"labels": places.labels, "by": by, "reason": reason}
        return Change(before=places.live, live=places.live, entry=append(base, UNLABELLED, told) if places.labels else None)

    return in_turn(base, record)


def roll_back_labels(base: Base, labels: Labels, *, to: str = "", by: str, reason: str) -> Change:
    """Lets `stable` name an earlier version, or one that was withdrawn; the version that it leaves for an earlier one goes.

    Where a rollback was interrupted before, and this is its retry, it is completed and not done a second time.

    Raises:
        UserError: If there is no such version, or it does not serve; stable stays where it is then.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    check_place(base, labels)
    check_all_reachable(labels.servers)
    completed = settle_labels(base, labels)
    if completed and to in ("", completed.live):
        return completed
    releases = list_releases(base)
    live = next((release for release in releases if release.live), None)
    target = find_version(releases, to) if to else version_before(releases, live)
    if target.live:
        return Change(before=str(target.version), live=str(target.version))
    restored = [] if target.state == "pushed" else [target.version]
    returned = move(base, withdraws=[], restores=restored, by=by, reason=reason) if restored else None
    leaves = [live.version] if live and live.version > target.version else []
    problem = _set_verified(base, labels, STABLE, target.version, by, reason, withdraws=leaves)
    if problem and returned:
        move(base, withdraws=restored, restores=[], by=by, reason=f"Taken back: {problem}", undone=returned)
    _raise_if(problem, f"Version {target.version} serves.", f"Version {live.version if live else 'none'} is live as before.")
    finished = _finish_rollback(base, labels)
    before = str(live.version) if live else ""
    return Change(
        before=before,
        live=str(target.version),
        withdrawn=tuple(leaves),
        restored=tuple(restored),
        entry=finished.entry if finished else None,
    )


def _finish_rollback(base: Base, labels: Labels) -> Change | None:
    """Does what is left of a rollback when `stable` has moved; returns None if nothing is."""
    places = read_places(base)
    if places.rollback is None:
        return None
    told = places.rollback.payload
    follows = str(places.labels.get(CANARY, "")) == told["previous"] != ""
    if not (follows or places.leaving):
        return None
    if follows:
        problem = set_label(base, labels, CANARY, told["version"], by=told["by"], reason=told["reason"])
        _raise_if(problem, "The canary goes back as well.", f"Version {told['version']} is live.")
    change = Change(before=told["previous"], live=str(told["version"]))
    if not places.leaving:
        return change
    return move(base, withdraws=places.leaving, restores=[], by=told["by"], reason=told["reason"], told=change)


def _check_highest(places: Places) -> None:
    if places.live != (highest := str(max(places.in_place, default=""))):
        raise UserError(
            "Without labels the highest version is live, so it is the stable one when they go.",
            received=f"version {places.live} is stable, and version {highest} the highest",
            remedy="Promote that one, or move its label by a rollback and withdraw it; then try again.",
        )


def _newest_push(base: Base) -> Release | None:
    """Returns the highest version in place; None if that one returned by a rollback, which is no push."""
    found = [release for release in list_releases(base) if release.state == "pushed"]
    return found[-1] if found and found[-1].version not in read_places(base).restored else None


def _set_verified(base: Base, labels: Labels, label: str, version: int, by: str, reason: str, **details: list[int]) -> str:
    def check() -> str:
        return verify_version(base, version, labels.servers, wait_available)

    return set_label(base, labels, label, version, by=by, reason=reason, check=check, **details)


def _raise_if(problem: str, rule: str, remedy: str) -> None:
    if problem:
        raise UserError(rule, received=problem, remedy=remedy)
