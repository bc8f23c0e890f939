"""Finds the input files of the requested spans, and what identifies their contents."""

import dataclasses
import logging
import os
from pathlib import Path
from typing import Any

from components._cloud.objects import StoredFile
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.input_files import InputFile, fingerprint_of
from components._shared.patterns import Pattern, Place, parse_pattern
from components._shared.spans import SpanChoice, format_spans, parse_spans
from components.resolve_inputs.files import Found, find

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResolvedInputs:
    """The files that a run reads.

    Attributes:
        files: One JSON object per file: path, span, size in bytes, and sha256; for an object of a bucket crc32c and generation
            instead; and the version if the pattern has one. Sorted by span and path.
        fingerprint: `sha256:<hex>` over the contents, whatever the names and the order of the files.
        spans: Numbers of the spans, ascending.
    """

    files: list[dict[str, Any]]
    fingerprint: str
    spans: list[int]


def resolve_inputs(*, project_dir: str, pattern: str, spans: str) -> ResolvedInputs:
    """Finds the input files of the requested spans.

    Args:
        project_dir: Folder of the project; a relative pattern starts there.
        pattern: Path or glob of the files, or of the objects of a bucket, with the placeholders of `_shared.patterns`.
        spans: Which spans, in the notation of `_shared.spans`.

    Raises:
        UserError: If a span or every file is missing, or a file is empty or cannot be read.
    """
    root = Path(project_dir).absolute()
    if not root.is_dir():
        raise UserError("The project is a folder.", received=project_dir)
    checked, choice = parse_pattern(pattern), parse_spans(spans)
    if not checked.has_spans and not choice.is_all:
        raise UserError(
            "Spans can be chosen only when the pattern holds {SPAN} or a date.",
            received=f"spans {spans} with {pattern}",
            remedy="Ask for all spans, or say in `source.pattern` where the number stands.",
        )
    by_span = _select(_latest_versions(find(root, checked)), choice, checked)
    files = [_describe(found) for span in by_span.values() for found in span]
    logger.info("Found %d files of the spans %s", len(files), format_spans(by_span, dated=checked.has_dates))
    return ResolvedInputs(
        files=[file.to_json() for file in files],
        fingerprint=fingerprint_of(files),
        spans=list(by_span),
    )


def _latest_versions(found: list[Found]) -> dict[int, list[Found]]:
    """Returns the files of the latest version of each span, by span; none where that version is an empty folder."""
    by_place: dict[Place, list[Found]] = {}
    for item in found:
        files = by_place.setdefault(item.place, [])
        if item.file is not None:
            files.append(item)
    places = sorted(by_place, key=lambda place: (place.span, place.version or 0))
    return {place.span: by_place[place] for place in places}


def _select(found: dict[int, list[Found]], choice: SpanChoice, pattern: Pattern) -> dict[int, list[Found]]:
    known = [span for span, files in found.items() if files]
    if not known:
        raise UserError(
            "The pattern names at least one file.", received=pattern.text, remedy="See `source.pattern` in project.yaml."
        )
    wanted = choice.among(list(found))
    if not wanted:
        raise UserError(
            "A window leaves out fewer spans than there are.",
            received=f"skip:{choice.skip} with {len(found)} spans of {pattern.text}",
        )
    if len(wanted) < choice.latest:
        logger.warning("The window asks for %d spans, and there are %d", choice.latest, len(wanted))
    if missing := [span for span in wanted if span not in found]:
        raise UserError(
            "Every requested span is there.",
            received=f"no file of span {format_spans(missing, dated=pattern.has_dates)} for {pattern.text}",
            remedy=f"There are the spans {format_spans(known, dated=pattern.has_dates)}.",
        )
    if empty := [span for span in wanted if not found[span]]:
        raise UserError(
            "Every span holds at least one file.",
            received=f"an empty span {format_spans(empty, dated=pattern.has_dates)} for {pattern.text}",
            remedy="Add its files, or ask for other spans.",
        )
    return {span: found[span] for span in wanted}


def _describe(found: Found) -> InputFile:
    span, version, file = found.place.span, found.place.version, found.file
    if isinstance(file, StoredFile):
        stored = {"crc32c": file.crc32c, "generation": str(file.generation)}
        described = InputFile(path=file.url, span=span, version=version, size=file.size, **stored)  # type: ignore[arg-type]
    elif file:
        _check_kind(file)
        try:
            size, digest = file.stat().st_size, digest_file(file)
        except OSError as error:
            remedy = "Give permission, mend the link, or deliver the file again."
            raise UserError("Every input file can be read.", received=f"{file}: {error.strerror}", remedy=remedy) from error
        described = InputFile(path=str(file), span=span, version=version, size=size, sha256=digest)
    if described.size == 0:
        rule = "Every input file holds data."
        raise UserError(rule, received=f"{described.path} with 0 bytes", remedy="Deliver the file again.")
    return described


def _check_kind(file: Path) -> None:
    """Checks that a path can be passed on, and that reading it comes to an end.

    Raises:
        UserError: If its name is no UTF-8, or it is a pipe, a socket or a device.
    """
    shown = os.fsencode(file).decode(errors="backslashreplace")
    if shown != str(file):
        raise UserError("The name of an input file is UTF-8.", received=shown, remedy="Rename the file or its folder.")
    if file.exists() and not file.is_file():
        rule = "An input is a regular file."
        raise UserError(rule, received=f"{file}, a pipe, a socket or a device", remedy="Copy its data to a file.")
