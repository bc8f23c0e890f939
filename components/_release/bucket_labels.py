"""Moves the labels `canary` and `stable` of versions in a bucket, by the model configuration that lies beside them.

A label moves only to a version that is AVAILABLE, and no request by label ever finds none. Without a lock:

1. List the version in the model configuration, with the labels as they are, and wait until the server has it.
2. Append `labelled`. From here on the ledger says where the label is.
3. Let the model configuration give the labels as the ledger does, unless it lists one of their versions no more, since somebody
   else has cleaned up; then list it and wait again. No write lists a version and gives it a label at once.
4. When the server answers for the label with the new version, list only versions with a label, and newer ones.

A process may die anywhere: the next move of a label lets the model configuration follow the ledger.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from components._release.base import BucketPath
from components._release.ledger import LABELLED, Entry
from components._release.model_configuration import CONFIGURATION_FILE, Configuration, replace_configuration
from components._release.places import STABLE, Places, places_of
from components._release.releases import read_bucket, read_places
from components._release.server_client import Server
from components._release.server_waits import wait_all_available, wait_all_label
from components._release.turns import append, in_turn
from components._shared.errors import UserError


def set_bucket_label(
    base: BucketPath, servers: Sequence[Server], label: str, version: int, *, check: Callable[[], str], **details: Any
) -> str:
    """Lets a label name another version, once that is AVAILABLE; see `labels.set_label`."""
    was_listed = _list(base, [version])
    if problem := wait_all_available(servers, [version]) or check():
        if not was_listed:
            _drop(base, lambda listed: listed == version)
        return problem

    def record(_: Entry | None) -> None:
        places = read_places(base)
        _check_in_place(places, version)
        if places.labels.get(label) != version:
            previous = str(places.labels.get(label, ""))
            append(base, LABELLED, {"label": label, "version": version, "previous": previous, **details})

    in_turn(base, record)
    if problem := follow_ledger(base, servers) or wait_all_label(servers, label, version):
        return problem
    _drop(base, lambda listed: listed < max(read_places(base).labels.values()))
    return ""


def follow_ledger(base: BucketPath, servers: Sequence[Server]) -> str:
    """Lets the model configuration give the labels that the ledger gives.

    Returns:
        Why it does not, as a sentence; empty if it does.
    """
    while True:
        places, configuration, generation = _read(base)
        if configuration.labels == places.labels:
            return ""
        missing = sorted(set(places.labels.values()) - {*configuration.listed})
        if missing:
            _list(base, missing)
            if problem := wait_all_available(servers, missing):
                return problem
            continue
        beside = {*configuration.listed} - {*places.labels.values()}
        live = places.labels.get(STABLE) or configuration.version
        labels = dict(places.labels)
        new = dataclasses.replace(configuration, version=live, beside=tuple(sorted(beside)), labels=labels)
        replace_configuration(base, new, generation)


def drop_bucket_labels(base: BucketPath) -> None:
    """Lets servers have the live version alone, under no label."""
    while True:
        _, configuration, generation = _read(base)
        if not (configuration.labels or configuration.beside):
            return
        replace_configuration(base, dataclasses.replace(configuration, labels={}, beside=()), generation)


def check_config_file(base: BucketPath, config_file: object) -> None:
    """Checks that labels are to move in the model configuration that lies beside the versions.

    Raises:
        UserError: If it is another one.
    """
    if config_file != base / CONFIGURATION_FILE:
        raise UserError(
            "Versions in a bucket have their labels in the model configuration beside them.",
            received=config_file,
            remedy=f"Set serving.model_config_file to {base / CONFIGURATION_FILE}.",
        )


def _list(base: BucketPath, versions: Iterable[int]) -> bool:
    """Lets servers have versions, and returns whether they were to have them already."""
    while True:
        places, configuration, generation = _read(base)
        for version in versions:
            _check_in_place(places, version)
        if set(versions) <= {*configuration.listed}:
            return True
        beside = tuple(sorted({*configuration.beside, *versions}))
        if replace_configuration(base, dataclasses.replace(configuration, beside=beside), generation):
            return False


def _drop(base: BucketPath, is_dropped: Callable[[int], bool]) -> None:
    """Lets servers have only versions that are not dropped, or have a label by the model configuration or the ledger."""
    while True:
        places, configuration, generation = _read(base)
        named = {*places.labels.values(), *configuration.labels.values(), configuration.version}
        beside = tuple(version for version in configuration.beside if version in named or not is_dropped(version))
        if beside == configuration.beside:
            return
        if replace_configuration(base, dataclasses.replace(configuration, beside=beside), generation):
            return


def _read(base: BucketPath) -> tuple[Places, Configuration, int]:
    entries, configuration, generation = read_bucket(base)
    return places_of(entries, base, configuration.claim), configuration, generation


def _check_in_place(places: Places, version: int) -> None:
    if version not in places.in_place:
        raise UserError("A label names a version in place.", received=f"version {version}")
