"""The model configuration of a base path in a bucket: the one object that says which version servers load.

A server that polls a bucket for its latest version takes a prefix for one from its first object on. So servers read this
file instead (`--model_config_file`), which names one version. To replace it under the precondition that nobody did so
meanwhile is the commit of a push.

Two comments carry what the protocol needs. `claim` is the number of the ledger's entry that claimed the live version;
`void` are claims without outcome that may not go live any more. A claim leaves `void` only after the ledger calls it
abandoned, so a pusher that reads this file before the ledger sees in one of them that it has lost.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from components._release import gcs
from components._release.base import BucketPath
from components._release.ledger import ABANDONED, PUSH_INTENT, PUSHED, Entry
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
        claim: Number of the ledger's entry that claimed it; 0 if none is live.
        void: Numbers of claims that cannot go live any more and whose end the ledger may not tell yet.
    """

    version: int = 0
    claim: int = 0
    void: tuple[int, ...] = ()


def render(base: BucketPath, configuration: Configuration) -> bytes:
    """Returns the file: a tensorflow.serving.ModelServerConfig in text form.

    The model's name is the last part of its base path.
    """
    state = json.dumps(dataclasses.asdict(configuration), sort_keys=True, separators=(",", ":"))
    model = f"""  config {{
    name: "{base.name.rpartition("/")[2]}"
    base_path: "{base}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: {configuration.version} }} }}
  }}
"""
    header = f"# Each push writes this file anew; one that was edited by hand is refused.\n# {FORMAT} {state}\n"
    return f"{header}model_config_list {{\n{model if configuration.version else ''}}}\n".encode()


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
        configuration = Configuration(**{**fields, "void": tuple(fields["void"])})
        if render(base, configuration) == data:
            return configuration, generation
        problem = "its text is not what its header says"
    except (ValueError, TypeError, KeyError):
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


def check_configuration(configuration: Configuration, entries: Sequence[Entry]) -> list[str]:
    """Returns every way in which the model configuration contradicts a checked history, as sentences."""
    name = f"The model configuration {CONFIGURATION_FILE}"
    outcomes = [entry for entry in entries if entry.kind == PUSHED]
    if not configuration.claim:
        found = configuration.version or (outcomes and outcomes[-1].payload["version"])
        return [f"{name} does not say what the ledger says: that version {found} was pushed."] if found else []
    claim = next((entry for entry in entries if entry.sequence == configuration.claim and entry.kind == PUSH_INTENT), None)
    if claim is None or claim.payload["version"] != configuration.version:
        return [f"{name} names version {configuration.version}, which entry {configuration.claim} does not claim."]
    ends = {entry.kind for entry in entries if entry.kind in (PUSHED, ABANDONED) and _same_version(entry, claim)}
    if ABANDONED in ends:
        return [f"{name} names version {configuration.version}, which was abandoned."]
    if PUSHED in ends and not _same_version(outcomes[-1], claim):
        last = outcomes[-1].payload["version"]
        return [f"{name} names version {configuration.version}, but version {last} was pushed last."]
    return []


def _same_version(entry: Entry, other: Entry) -> bool:
    return bool(entry.payload["version"] == other.payload["version"])
