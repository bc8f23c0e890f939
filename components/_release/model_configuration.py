"""The model configuration of a base path in a bucket: the one object that says which versions servers load, by which labels.

A server that polls a bucket for its latest version takes a prefix for one from its first object on. So servers read this
file instead (`--model_config_file`), which names versions one by one. To replace it under the precondition that nobody did so
meanwhile is the commit of a push, a rollback or a withdrawal.

A comment carries what the protocol needs. `claim` is the number of the ledger's entry that was carried out last: the claim of
a version that was pushed, or the intent of a rollback or withdrawal. `void` are claims without outcome that may not go live
any more. A claim leaves `void` only after the ledger calls it abandoned, so a pusher that reads this file before the ledger
sees in one of them that it has lost. `retired` is the last entry of its kind that was taken note of: what it names cannot be
named here any more.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from components._release import gcs
from components._release.base import BucketPath
from components._release.ledger import ABANDONED, LABELLED, PUSH_INTENT, PUSHED, Entry
from components._release.model_server_config import find_model, new_document, set_versions, to_text
from components._release.places import OUTCOMES, STABLE, places_of
from components._shared.errors import UserError

CONFIGURATION_FILE = "models.config"
FORMAT = "sluice/model-configuration/1"

_ATTEMPTS = 20
_HEADER = re.compile(rf"# {FORMAT} (\{{.*\}})\n".encode())

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """What the model configuration says.

    Attributes:
        version: The live version; 0 if none is.
        claim: Number of the ledger's entry that was carried out last; 0 if none was.
        void: Numbers of claims that cannot go live any more and whose end the ledger may not tell yet.
        beside: Versions that servers have beside the live one and those with a label.
        labels: The version that each label names.
        retired: Number of the last entry about versions that are not kept which was taken note of.
    """

    version: int = 0
    claim: int = 0
    void: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    retired: int = 0

    @property
    def listed(self) -> tuple[int, ...]:
        """All versions that servers have."""
        return tuple(sorted({self.version, *self.beside, *self.labels.values()} - {0}))


def render(base: BucketPath, configuration: Configuration) -> bytes:
    """Returns the file: a tensorflow.serving.ModelServerConfig in text form.

    The model's name is the last part of its base path.
    """
    fields = {
        name: value
        for name, value in dataclasses.asdict(configuration).items()
        if value or name in ("version", "claim", "void")
    }
    state = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    document = new_document(base.name.rpartition("/")[2], str(base))
    set_versions(find_model(document, base.name.rpartition("/")[2]) or [], configuration.listed, configuration.labels)
    header = f"# Each push writes this file anew; one that was edited by hand is refused.\n# {FORMAT} {state}\n"
    return f"{header}{to_text(document if configuration.listed else [('model_config_list', [])])}".encode()


def read_configuration(base: BucketPath) -> tuple[Configuration, int]:
    """Returns what the model configuration says, and its generation; generation 0 if nothing was ever pushed.

    Raises:
        UserError: If it is not as a push wrote it.
    """
    data, generation = gcs.read_object(base / CONFIGURATION_FILE)
    if not generation:
        return Configuration(), 0
    found = _HEADER.search(data)
    try:
        fields = json.loads(found[1]) if found else {}
        lists = {name: tuple(fields[name]) for name in ("void", "beside") if name in fields}
        configuration = Configuration(**{**fields, **lists})
        if render(base, configuration) == data:
            return configuration, generation
        problem = "its text is not what its header says"
    except (ValueError, TypeError, AttributeError):
        problem = f"it has no header of {FORMAT}"
    raise UserError(
        "The model configuration is as a push wrote it.",
        received=f"{base / CONFIGURATION_FILE}: {problem}",
        remedy="Restore its last generation; `sluice releases PROJECT --verify` tells what the ledger knows.",
    )


def replace_configuration(base: BucketPath, new: Configuration, generation: int) -> bool:
    """Writes the model configuration, unless somebody replaced the generation that was read; returns whether it is written."""
    return gcs.write_object(base / CONFIGURATION_FILE, render(base, new), replaces=generation)


def read_with_configuration(base: BucketPath, read: Callable[[BucketPath], T]) -> tuple[T, Configuration, int]:
    """Reads something between two looks at the model configuration that find the same generation.

    Raises:
        UserError: If it is not as a push wrote it, or never stays the same for long enough.
    """
    for _ in range(_ATTEMPTS):
        configuration, generation = read_configuration(base)
        result = read(base)
        if gcs.find_generation(base / CONFIGURATION_FILE) == generation:
            return result, configuration, generation
    raise UserError("The model configuration stays for as long as it takes to read the ledger.", received=str(base))


def check_configuration(base: BucketPath, configuration: Configuration, entries: Sequence[Entry]) -> list[str]:
    """Returns every way in which the model configuration contradicts a checked history, as sentences."""
    name = f"The model configuration {CONFIGURATION_FILE}"
    outcomes = [entry for entry in entries if entry.kind in (PUSHED, *OUTCOMES.values())]
    if not configuration.claim:
        found = configuration.version or (outcomes and outcomes[-1].payload.get("version"))
        return [f"{name} does not say what the ledger says: that version {found} was pushed."] if found or outcomes else []
    found = next((entry for entry in entries if entry.sequence == configuration.claim), None)
    if found is None or found.kind not in (PUSH_INTENT, *OUTCOMES):
        return [f"{name} names version {configuration.version}, which entry {configuration.claim} does not claim."]
    if found.kind == PUSH_INTENT and any(_ends(entry, found) for entry in entries if entry.kind == ABANDONED):
        return [f"{name} names version {found.payload['version']}, which was abandoned."]
    if any(_ends(entry, found) for entry in outcomes) and not _ends(outcomes[-1], found):
        return [f"{name} names version {configuration.version}, but {_tell(outcomes[-1])} last."]
    return _check_versions(name, configuration, entries, base)


def _check_versions(name: str, configuration: Configuration, entries: Sequence[Entry], base: BucketPath) -> list[str]:
    places = places_of(entries, base, configuration.claim)
    live = configuration.labels.get(STABLE) or max(places.in_place, default=0)
    if configuration.version != live:
        return [f"{name} names version {configuration.version}, which entry {configuration.claim} does not claim."]
    # Somebody who retires versions may have died before this file was told.
    if gone := [version for version in configuration.listed if version not in places.in_place | set(places.retired)]:
        return [f"{name} names version {gone[0]}, which is not in place."]
    told = {(entry.payload["label"], entry.payload["version"]) for entry in entries if entry.kind == LABELLED}
    wrong = sorted(set(configuration.labels.items()) - told)
    return [f"{name} gives the label {wrong[0][0]} to version {wrong[0][1]}, which the ledger does not say."] if wrong else []


def _tell(outcome: Entry) -> str:
    if outcome.kind == PUSHED:
        return f"version {outcome.payload['version']} was pushed"
    return f"version {outcome.payload['to'] or 'none'} was made live by entry {outcome.sequence}"


def _ends(outcome: Entry, intent: Entry) -> bool:
    if intent.kind == PUSH_INTENT:
        return bool(outcome.payload.get("version") == intent.payload["version"])
    return bool(outcome.payload.get("intent") == intent.sequence)
