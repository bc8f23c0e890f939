"""Finds the input files of the requested spans, and digests their contents."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from components._shared.digest import digest_contents, digest_file
from components._shared.errors import UserError
from components.resolve_inputs.patterns import PLACEHOLDER, check_pattern, find_files, find_files_by_span
from components.resolve_inputs.spans import format_spans, parse_spans

logger = logging.getLogger(__name__)

WHOLE = 0
"""The span of files whose pattern has no {SPAN}, as in TFX."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResolvedInputs:
    """The files that a run reads.

    Attributes:
        files: One JSON object per file: path, span, size in bytes, sha256. Sorted by span and path.
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
        pattern: Path or glob of the files; `{SPAN}` stands for the number of the span.
        spans: `all`, or numbers and ranges such as `1-9` and `1-3,7`.

    Raises:
        UserError: If a span or every file is missing, or a file is empty or cannot be read.
    """
    root = Path(project_dir).absolute()
    if not root.is_dir():
        raise UserError("The project is a folder.", received=project_dir)
    check_pattern(pattern)
    requested = parse_spans(spans)
    if PLACEHOLDER in pattern:
        by_span = _select(find_files_by_span(root, pattern), requested, pattern)
    else:
        by_span = _select_whole(find_files(root, pattern), requested, pattern, spans)
    files = [_describe(path, span) for span, paths in by_span.items() for path in paths]
    logger.info("Found %d files of the spans %s", len(files), format_spans(by_span))
    return ResolvedInputs(files=files, fingerprint=digest_contents(file["sha256"] for file in files), spans=list(by_span))


def _select(found: dict[int, list[Path]], requested: list[int] | None, pattern: str) -> dict[int, list[Path]]:
    wanted = list(found) if requested is None else requested
    known = format_spans(span for span, paths in found.items() if paths)
    if not known:
        raise UserError(
            "The pattern names at least one file.", received=pattern, remedy="See `source.pattern` in project.yaml."
        )
    if missing := [span for span in wanted if span not in found]:
        raise UserError(
            "Every requested span is there.",
            received=f"no file of span {format_spans(missing)} for {pattern}",
            remedy=f"There are the spans {known}.",
        )
    if empty := [span for span in wanted if not found[span]]:
        raise UserError(
            "Every span holds at least one file.",
            received=f"an empty span {format_spans(empty)} for {pattern}",
            remedy="Add its files, or ask for other spans.",
        )
    return {span: found[span] for span in wanted}


def _select_whole(found: list[Path], requested: list[int] | None, pattern: str, spans: str) -> dict[int, list[Path]]:
    if requested is not None:
        raise UserError(
            f"Spans can be chosen only when the pattern holds {PLACEHOLDER}.",
            received=f"spans {spans} with {pattern}",
            remedy="Ask for all spans, or say in `source.pattern` where the number stands.",
        )
    if not found:
        raise UserError(
            "The pattern names at least one file.", received=pattern, remedy="See `source.pattern` in project.yaml."
        )
    return {WHOLE: found}


def _describe(path: Path, span: int) -> dict[str, Any]:
    try:
        size, digest = path.stat().st_size, digest_file(path)
    except OSError as error:
        raise UserError("Every input file can be read.", received=f"{path}: {error.strerror}") from error
    if size == 0:
        raise UserError("Every input file holds data.", received=f"{path} with 0 bytes", remedy="Deliver the file again.")
    return {"path": str(path), "span": span, "size": size, "sha256": digest}
