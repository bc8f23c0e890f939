"""What was read, and how it differs from what the live version was made of: spans read again, columns, rows set aside.

The comparison stands here and not in ingest_examples: it depends on which version is live, and ingested examples depend on
their files alone, so that they are cached, and the same data has the same version whatever is live.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from components._shared.artifacts import MANIFEST_FILE, QUARANTINE_FILE
from components._shared.documents import parse_object, read_object
from components._shared.spans import format_spans
from components.validate_examples.findings import Finding, Severity

SAMPLE_ROWS = 20
"""Rows set aside that the page shows."""

_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanChange:
    """How the files of a span differ from those that the live version was made of.

    Attributes:
        span: Number of the span.
        before: Rows that the live version read of it; None if it read none of its files.
        after: Rows that this run read; None if it read none of its files.
        added: Files that are new in the span.
        removed: Files that are gone from it.
        changed: Files whose content is another one.
    """

    span: int
    before: int | None
    after: int | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def is_reread(self) -> bool:
        """Whether both have read the span."""
        return self.before is not None and self.after is not None

    @property
    def words(self) -> str:
        """What has changed, in words."""
        if not self.is_reread:
            return "new" if self.before is None else "not read any more"
        files = (("changed", self.changed), ("added", self.added), ("removed", self.removed))
        return "; ".join(f"{what} {_name_some(names)}" for what, names in files if names)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What was read.

    Attributes:
        compared_with: The live version whose files are known; empty when there is none, or it does not say.
        changes: The spans that differ, by number.
        unchanged: Number of spans that do not.
        unused: Columns of the data that the schema does not name, each with the spans that have it.
        quarantine: What the manifest says of rows that were set aside; empty unless the source sets rows aside.
        sample: The first of those rows.
    """

    compared_with: str = ""
    changes: tuple[SpanChange, ...] = ()
    unchanged: int = 0
    unused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    quarantine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as a JSON object."""
        changes = [dataclasses.asdict(change) for change in self.changes]
        return {"compared_with": self.compared_with, "unchanged_spans": self.unchanged, "changed_spans": changes}


def read_inputs(examples: str | Path, manifest: Mapping[str, Any], release: Path, version: str) -> Inputs:
    """Returns what was read, compared with the live version as far as that says what it read.

    Args:
        examples: The examples, for the rows that were set aside.
        manifest: Their manifest.
        release: What the live version carries.
        version: The live version; empty when none is live.
    """
    before = _manifest_of(release) if version else {}
    changes = compare_files(before.get("files") or [], manifest.get("files") or []) if before.get("files") else []
    return Inputs(
        compared_with=version if before.get("files") else "",
        changes=tuple(change for change in changes if change.words),
        unchanged=sum(not change.words for change in changes),
        unused={name: format_spans(spans) for name, spans in (manifest.get("unused_columns") or {}).items()},
        quarantine=manifest.get("quarantine") or {},
        sample=_read_sample(Path(examples) / QUARANTINE_FILE) if manifest.get("quarantine") else (),
    )


def compare_files(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[SpanChange]:
    """Returns a change for each span of either side; one that is the same has no words.

    A file of the same content is the same wherever it lies. Of the others, those of one name have changed.

    Args:
        before: The files of a manifest: path, span, sha256 and rows.
        after: Those of the later one.
    """
    spans = sorted({file["span"] for file in (*before, *after)})
    return [_compare_span(span, _of_span(before, span), _of_span(after, span)) for span in spans]


def check_inputs(manifest: Mapping[str, Any], release: Path, version: str) -> list[Finding]:
    """Returns what is worth knowing of the columns and of the rows that were set aside; none of it fails the gate."""
    before = _manifest_of(release) if version else {}
    return [
        *_new_columns(manifest, before, version),
        *(_partial_column(name, spans) for name, spans in (manifest.get("partial_columns") or {}).items()),
        *(_absent_column(name) for name in manifest.get("absent_columns") or ()),
        *_rows_set_aside(manifest.get("quarantine") or {}),
    ]


def _manifest_of(release: Path) -> Mapping[str, Any]:
    try:
        return read_object(release / MANIFEST_FILE)
    except (OSError, ValueError):
        return {}  # an older version may not have one; then there is nothing to compare with


def _of_span(files: Sequence[Mapping[str, Any]], span: int) -> list[Mapping[str, Any]]:
    return [file for file in files if file["span"] == span]


def _compare_span(span: int, before: list[Mapping[str, Any]], after: list[Mapping[str, Any]]) -> SpanChange:
    same = Counter(file["sha256"] for file in before) & Counter(file["sha256"] for file in after)
    old, new = _without(before, same), _without(after, same)
    changed = sorted(set(old) & set(new))
    return SpanChange(
        span=span,
        before=sum(file["rows"] for file in before) if before else None,
        after=sum(file["rows"] for file in after) if after else None,
        added=tuple(sorted(set(new) - set(old))),
        removed=tuple(sorted(set(old) - set(new))),
        changed=tuple(changed),
    )


def _without(files: list[Mapping[str, Any]], same: Counter[str]) -> list[str]:
    """Returns the names of the files that are not among those of the same content."""
    left, names = Counter(same), []
    for file in files:
        if left[file["sha256"]]:
            left[file["sha256"]] -= 1
        else:
            names.append(PurePosixPath(file["path"]).name)
    return names


def _new_columns(manifest: Mapping[str, Any], before: Mapping[str, Any], version: str) -> list[Finding]:
    """Returns a finding for each column that the live version's data did not have and the schema does not name."""
    unused = manifest.get("unused_columns") or {}
    if "unused_columns" not in before:
        return []
    known = {*before["unused_columns"], *before.get("columns", {}), *before.get("row_key", ())}
    known |= set(before.get("split_rule", {}).get("key", ()))
    return [
        Finding(
            feature=name,
            headline="New column, not used",
            detail=f"The data has it (spans: {format_spans(spans)}); the data of version {version}, which is live, did not.",
            remedy=f"Nothing to do, or add {name!r} to schema.pbtxt and features.py.",
            severity=Severity.WARNING,
        )
        for name, spans in unused.items()
        if name not in known
    ]


def _partial_column(name: str, spans: list[int]) -> Finding:
    return Finding(
        feature=name,
        headline="Column that some files lack",
        detail=f"Some files do not have it (spans: {format_spans(spans)}); its values are missing there.",
        remedy="Nothing to do where that is right: the schema lets it be missing.",
        severity=Severity.WARNING,
    )


def _absent_column(name: str) -> Finding:
    return Finding(
        feature=name,
        headline="Column that no file has",
        detail="Its values are missing in every row: the model learns nothing from it.",
        remedy="Deliver it again, or take it out of schema.pbtxt and features.py; the schema lets it be missing.",
        severity=Severity.WARNING,
    )


def _rows_set_aside(quarantine: Mapping[str, Any]) -> list[Finding]:
    if not quarantine.get("rows"):
        return []
    rows, total, most = quarantine["rows"], quarantine["of"], quarantine["max_share"]
    return [
        Finding(
            headline="Rows were set aside",
            detail=f"{rows:,} of {total:,} rows ({rows / total:.4%}) could not become examples; at most {most:.4%} may be.",
            remedy=f"Mend them in the source; {QUARANTINE_FILE} of the examples lists them all.",
            severity=Severity.WARNING,
        )
    ]


def _read_sample(path: Path) -> list[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            return [parse_object(line) for line, _ in zip(lines, range(SAMPLE_ROWS), strict=False)]
    except (OSError, ValueError, json.JSONDecodeError):
        return []  # the count in the manifest stands


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
