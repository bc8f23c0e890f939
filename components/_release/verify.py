"""Checks a ledger against itself, and against the versions that it tells of."""

from collections.abc import Sequence

from components._release.approvals import requests_of
from components._release.base import Base, BucketPath, to_base
from components._release.bucket_versions import digest_version
from components._release.copies import has_copy
from components._release.ledger import PUSHED, RETIRED, WITHDRAWN, Entry, foreign_files, read_chain
from components._release.model_configuration import Configuration, check_configuration, read_with_configuration
from components._release.releases import Release, check_history, releases_of, untrusted_versions
from components._release.store import is_whole, version_folders, withdrawn_folder, withdrawn_names
from components._shared.digest import digest_model
from components._shared.errors import UserError


def verify_ledger(base: str | Base, head: str = "") -> list[str]:
    """Returns every problem of a ledger and of the versions it tells of, as sentences; none if all is well.

    Edits, gaps, swaps and torn entries show in the chain; a version that is missing, changed or that nobody pushed shows
    against its digest, for which versions in a bucket are downloaded. Entries cut off at the end, and a chain written anew,
    show only against a head noted elsewhere.

    Args:
        base: The serving directory.
        head: Hash of an entry that is known to have been the last one once; empty for none.
    """
    base = to_base(base)
    entries, problems, configuration = _read_all(base)
    if head and head not in {entry.hash for entry in entries}:
        problems.append(f"No entry has the hash {head}: the ledger was cut off or written anew since that was its head.")
    problems += [f"The file {name} does not belong in the ledger's folder." for name in foreign_files(base)]
    if history := check_history(entries):
        return problems + history
    if configuration and isinstance(base, BucketPath):
        problems += check_configuration(base, configuration, entries)
    releases = releases_of(entries, base, configuration.claim if configuration else 0)
    for release in releases:
        problems += _check_version(base, release)
    return (
        problems
        + _check_withdrawn(base, releases)
        + _check_copies(base, entries, releases)
        + [
            f"{base / name} looks like a version to TF Serving, and the ledger does not say that it was pushed."
            for name in untrusted_versions(base, releases)
        ]
    )


def _check_withdrawn(base: Base, releases: Sequence[Release]) -> list[str]:
    if isinstance(base, BucketPath):
        return []
    known = {withdrawn_folder(base, release.version).name for release in releases if release.state in (WITHDRAWN, RETIRED)}
    return [
        f"{base / name} looks like a withdrawn version, and the ledger does not say that it was withdrawn."
        for name in withdrawn_names(base)
        if name not in known
    ]


def _read_all(base: Base) -> tuple[list[Entry], list[str], Configuration | None]:
    """Returns what can be read of the ledger, every problem of it, and the model configuration of a bucket."""
    if not isinstance(base, BucketPath):
        return *read_chain(base), None
    try:
        (entries, problems), configuration, _ = read_with_configuration(base, read_chain)
    except UserError as error:
        entries, problems = read_chain(base)
        return entries, [*problems, str(error)], None
    return entries, problems, configuration


def _check_copies(base: Base, entries: Sequence[Entry], releases: Sequence[Release]) -> list[str]:
    pushed = [(release.version, release.record) for release in releases if release.state == PUSHED]
    return [
        f"The candidate {request.short_digest}, which is {request.state}, is not what was asked about: its copy was changed."
        for request in requests_of(entries, pushed)
        if request.open and not has_copy(base, request)
    ]


def _check_version(base: Base, release: Release) -> list[str]:
    if release.state not in (PUSHED, WITHDRAWN):
        return []
    if isinstance(base, BucketPath):
        is_there = str(release.version) in version_folders(base)
        whole, model = digest_version(base / str(release.version)) if is_there else ("", "")
        same, is_model = whole == release.pushed_digest, model == release.model_digest
    else:
        folder = withdrawn_folder(base, release.version) if release.state == WITHDRAWN else base / str(release.version)
        is_there, same = folder.is_dir(), is_whole(folder, release.pushed_digest)
        is_model = same and digest_model(folder) == release.model_digest
    if not is_there:
        return [f"Version {release.version} was {release.state}, and its folder is missing."]
    if not same:
        return [f"Version {release.version} is not what was pushed: its folder has another digest."]
    return [] if is_model else [f"Version {release.version} is not the model that was approved."]
