"""The rows that were set aside: how many there may be, where they are written, and what the manifest says of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from components._shared.artifacts import QUARANTINE_FILE
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.outputs import write_text
from components._shared.source import CSV, QUARANTINE
from components.ingest_examples.bad_rows import BadValue
from components.ingest_examples.failures import find_lines
from components.ingest_examples.rows import Rows


def check_share(rows: Rows) -> None:
    """Checks that not too many rows were set aside.

    Raises:
        UserError: If their share is above `source.max_bad_rows`.
    """
    most = rows.source.max_bad_rows
    if rows.count_bad <= most * rows.count:
        return
    index = next(index for index, bad in enumerate(rows.bad) if bad)
    first = _describe(rows, index)[0]
    shown = ", ".join(f"{key} {first[key]!r}" for key in ("line", "row", "column", "value") if key in first)
    raise UserError(
        f"At most {most:.4%} of the rows are set aside (`source.max_bad_rows`).",
        received=f"{rows.count_bad:,} of {rows.count:,}, the first in {first['file']}, {shown}. {first['rule']}",
        remedy="Mend the rows; where they are right, mend schema.pbtxt or `source` in project.yaml.",
    )


def write_quarantine(examples: str | Path, rows: Rows) -> dict[str, Any] | None:
    """Writes the rows that were set aside, and returns what the manifest says of them; None unless the source sets rows aside.

    Returns:
        Number of rows and by rule, and name and digest of the file if there is one; no values, for the manifest goes where the
        model does.
    """
    if rows.source.bad_rows != QUARANTINE:
        return None
    described = [row for index in range(len(rows.inputs)) for row in _describe(rows, index)]
    counts = Counter((row.get("column", ""), row["rule"]) for row in described)
    by_rule = [{"column": column, "rule": rule, "rows": count} for (column, rule), count in sorted(counts.items())]
    summary: dict[str, Any] = {"rows": rows.count_bad, "of": rows.count, "by_rule": by_rule}
    summary["max_share"] = float(rows.source.max_bad_rows)
    if not described:
        return summary
    path = Path(examples) / QUARANTINE_FILE
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in described))
    return summary | {"file": QUARANTINE_FILE, "sha256": digest_file(path)}


def _describe(rows: Rows, index: int) -> list[dict[str, Any]]:
    """Returns the bad rows of one file, in its order, as JSON objects."""
    bad, file = sorted(rows.bad[index], key=lambda value: value.record), rows.inputs[index]
    if not bad:
        return []
    lines = _find_places(rows, index, bad)
    return [
        {"file": file.file.path, **lines[value.record], "value": value.value, "rule": value.rule}
        | ({"column": value.column} if value.column else {})
        for value in bad
    ]


def _find_places(rows: Rows, index: int, bad: list[BadValue]) -> dict[int, dict[str, int]]:
    if rows.source.format != CSV:
        return {value.record: {"row": value.record + 1} for value in bad}
    lines = find_lines(rows.inputs[index].path, rows.source, [value.record for value in bad])
    return {record: {"line": line} for record, line in lines.items()}
