"""What the ledger tells about where versions are: in place, where servers see them, or withdrawn.

    rollback_intent ──► rolled_back     the newer versions leave, and an older one is live; or one that had left returns
    withdraw_intent ──► withdrawn       one version leaves
    retired                             versions, in place or withdrawn, are not kept any more
    labelled                            a label names another version; in a rollback of stable, `withdraws` leave after it
    unlabelled                          no version has a label any more

A server takes the highest number in place, and so does Sluice: that is the live version. Where a label `stable` names a version
in place, that one is live, whatever its number.

Everything here works on entries that were read before.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from components._release.base import Base, BucketPath
from components._release.ledger import (
    LABELLED,
    PUSH_INTENT,
    PUSHED,
    RETIRED,
    ROLLBACK_INTENT,
    ROLLED_BACK,
    UNLABELLED,
    VERIFIED,
    WITHDRAW_INTENT,
    WITHDRAWN,
    Entry,
)

OUTCOMES = {ROLLBACK_INTENT: ROLLED_BACK, WITHDRAW_INTENT: WITHDRAWN}
"""The kinds of entry that announce a move of versions, and those that say it is done."""
PLACE_KINDS = (*OUTCOMES, *OUTCOMES.values(), VERIFIED, RETIRED, LABELLED, UNLABELLED)
"""Every kind that is about versions after their push."""

STABLE, CANARY = "stable", "canary"

_MOVE = {"from": str, "to": str, "withdraws": list, "restores": list, "by": str, "reason": str, "automatic": bool}
"""What every move holds, and what its outcome repeats."""
_LABEL = {"label": str, "version": int, "previous": str, "by": str, "reason": str}
_UNLABEL = {"labels": dict, "by": str, "reason": str}


@dataclasses.dataclass(kw_only=True)
class Places:
    """Where the versions are after some entries of the ledger.

    Attributes:
        in_place: Versions that servers see.
        withdrawn: Versions that left, each with the entry that says why.
        withdrawn_by: Who last withdrew each version that ever left; empty if it failed its verification in a server. The return
            that is taken back again, and so said nothing, changes nothing of it.
        retired: Versions that are not kept any more, each with the entry that says so. One that was withdrawn before is among
            both.
        restored: Versions that had left and returned.
        labels: The version in place that each label names.
        rollback: The entry that last moved `stable`, if a rollback did.
        moving: The move that has no outcome yet.
    """

    in_place: set[int] = dataclasses.field(default_factory=set)
    withdrawn: dict[int, Entry] = dataclasses.field(default_factory=dict)
    withdrawn_by: dict[int, str] = dataclasses.field(default_factory=dict)
    retired: dict[int, Entry] = dataclasses.field(default_factory=dict)
    restored: set[int] = dataclasses.field(default_factory=set)
    labels: dict[str, int] = dataclasses.field(default_factory=dict)
    rollback: Entry | None = None
    moving: Entry | None = None

    @property
    def live(self) -> str:
        """The live version; empty if none is in place."""
        return self.live_after((), ())

    @property
    def leaving(self) -> list[int]:
        """Versions that the rollback of `stable` takes away, and that are still in place."""
        return [version for version in self.rollback.payload["withdraws"] if version in self.in_place] if self.rollback else []

    def live_after(self, withdraws: Iterable[int], restores: Iterable[int]) -> str:
        """Returns the version that is live when some have left and others returned; empty if none is in place then."""
        left = (self.in_place - set(withdraws)) | set(restores)
        return str(self.labels[STABLE] if self.labels.get(STABLE) in left else max(left, default=""))


def places_of(entries: Sequence[Entry], base: Base, claim: int = 0) -> Places:
    """Returns where the versions are that a checked history tells of.

    Where a move was interrupted, the folders themselves say how far it came: each rename takes effect whole or not at all. In a
    bucket the model configuration says whether it was carried out, and whether a version is live that is not recorded yet.

    Args:
        entries: The history.
        base: The serving directory.
        claim: In a bucket, the number of the entry that the model configuration carries out.
    """
    places = Places()
    for entry in entries:
        advance(places, entry)
        if entry.sequence == claim and entry.kind == PUSH_INTENT:
            # What was withdrawn or retired since is taken away by later entries.
            places.in_place.add(entry.payload["version"])
    if move := places.moving:
        for version in (*move.payload["withdraws"], *move.payload["restores"]):
            _place(places, version, move, in_place=_is_in_place(move, version, base, claim))
    return places


def _is_in_place(move: Entry, version: int, base: Base, claim: int) -> bool:
    if isinstance(base, BucketPath):
        return version in move.payload["restores" if move.sequence == claim else "withdraws"]
    return (base / str(version)).is_dir()


def advance(places: Places, entry: Entry) -> str:
    """Takes an entry into account, and returns why it makes no sense where it stands; empty if it does."""
    if places.moving and entry.kind in (PUSH_INTENT, PUSHED, RETIRED, LABELLED, UNLABELLED, *OUTCOMES):
        return f"comes before the end of what entry {places.moving.sequence} began"
    if entry.kind == PUSHED:
        places.in_place.add(entry.payload["version"])
    step = _STEPS.get(entry.kind)
    return step(places, entry) if step else ""


def _begin(places: Places, entry: Entry) -> str:
    problem = _check_intent(places, entry)
    places.moving = None if problem else entry
    return problem


def _end(places: Places, entry: Entry) -> str:
    if problem := _check_outcome(places.moving, entry):
        return problem
    places.moving = None
    for version in entry.payload["withdraws"]:
        _place(places, version, entry, in_place=False)
    for version in entry.payload["restores"]:
        _place(places, version, entry, in_place=True)
        places.restored.add(version)
    return ""


def _verify(places: Places, entry: Entry) -> str:
    known = (*places.in_place, *places.withdrawn)
    return "" if entry.payload.get("version") in known else "is about a version that was never pushed"


def _retire(places: Places, entry: Entry) -> str:
    versions = entry.payload.get("versions")
    if type(versions) is not list or not versions or any(type(version) is not int for version in versions):
        return "does not say which versions it retires"
    there = (places.in_place | set(places.withdrawn)) - set(places.retired) - set(places.labels.values())
    if wrong := [version for version in versions if version not in there or str(version) == places.live]:
        return f"retires version {wrong[0]}, which is live or not there"
    places.in_place -= set(versions)
    places.retired |= dict.fromkeys(versions, entry)
    return ""


def _label(places: Places, entry: Entry) -> str:
    payload: Mapping[str, object] = entry.payload
    if unsaid := [name for name, kind in _LABEL.items() if type(payload.get(name)) is not kind]:
        return f"does not say {unsaid[0]!r}"
    label, version = entry.payload["label"], entry.payload["version"]
    if version not in places.in_place:
        return f"gives a label to version {version}, which is not in place"
    if payload["previous"] != str(places.labels.get(label, "")):
        return f"says that {label} was version {payload['previous'] or 'none'} before"
    if (leaves := payload.get("withdraws", [])) and not _may_leave(places, leaves, version):
        return "takes versions away that are not in place, or the one that it makes live"
    places.labels[label] = version
    if label == STABLE:
        places.rollback = entry if "withdraws" in payload else None
    return ""


def _unlabel(places: Places, entry: Entry) -> str:
    if unsaid := [name for name, kind in _UNLABEL.items() if type(entry.payload.get(name)) is not kind]:
        return f"does not say {unsaid[0]!r}"
    if not places.labels or entry.payload["labels"] != places.labels:
        return "says something else of the labels than the entries before it"
    if places.leaving:
        return f"comes before the end of what entry {places.rollback.sequence if places.rollback else 0} began"
    if places.live != str(max(places.in_place)):
        return f"takes the label {STABLE} from version {places.live}, and version {max(places.in_place)} would be live"
    places.labels, places.rollback = {}, None
    return ""


def _may_leave(places: Places, leaves: object, stays: int) -> bool:
    versions = leaves if isinstance(leaves, list) else [None]
    return all(type(version) is int and version in places.in_place and version != stays for version in versions)


def _place(places: Places, version: int, entry: Entry, *, in_place: bool) -> None:
    places.in_place.discard(version)
    places.withdrawn.pop(version, None)
    if in_place:
        places.in_place.add(version)
    else:
        places.withdrawn[version] = entry
        if not entry.payload.get("undoes"):
            places.withdrawn_by[version] = "" if entry.payload["automatic"] else entry.payload["by"]
        places.labels = {label: named for label, named in places.labels.items() if named != version}


def _check_intent(places: Places, entry: Entry) -> str:
    payload: Mapping[str, object] = entry.payload
    if unsaid := [name for name, kind in _MOVE.items() if type(payload.get(name)) is not kind]:
        return f"does not say {unsaid[0]!r}"
    withdraws, restores = entry.payload["withdraws"], entry.payload["restores"]
    if any(type(version) is not int for version in (*withdraws, *restores)) or not (withdraws or restores):
        return "does not say which versions it moves"
    if not (entry.payload["by"].strip() and entry.payload["reason"].strip()):
        return "names nobody, or no reason"
    wrong = [version for version in withdraws if version not in places.in_place]
    returns = set(places.withdrawn) - set(places.retired)
    if wrong := wrong or [version for version in restores if version not in returns]:
        return f"moves version {wrong[0]}, which is not there"
    after = places.live_after(withdraws, restores)
    if (payload["from"], payload["to"]) != (places.live, after):
        return f"says that version {payload['from'] or 'none'} is live before and version {payload['to'] or 'none'} after it"
    return ""


def _check_outcome(intent: Entry | None, entry: Entry) -> str:
    if intent is None or OUTCOMES[intent.kind] != entry.kind:
        return "ends what nobody began"
    if entry.payload.get("intent") != intent.sequence or any(
        entry.payload.get(name) != value for name, value in intent.payload.items()
    ):
        return f"is about something else than what entry {intent.sequence} began"
    return ""


_STEPS = {
    LABELLED: _label,
    UNLABELLED: _unlabel,
    RETIRED: _retire,
    VERIFIED: _verify,
    **dict.fromkeys(OUTCOMES, _begin),
    **dict.fromkeys(OUTCOMES.values(), _end),
}
