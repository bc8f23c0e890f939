"""Reads and writes Statistics artifacts: one TFDV statistics proto per split, with nothing heavier than its protobuf."""

from pathlib import Path

from google.protobuf.message import DecodeError, Message
from tensorflow_metadata.proto.v0 import statistics_pb2

from components._shared.artifacts import STATISTICS_FILE, STATISTICS_ORIGIN_FILE, split_dir
from components._shared.documents import read_object
from components._shared.errors import UserError
from components._shared.outputs import write_bytes, write_json


def read_statistics(statistics: str | Path, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns the statistics of one split: a list with exactly one dataset, as TFDV takes it.

    Raises:
        UserError: If they are not there, or are not the statistics of one dataset.
    """
    path = Path(statistics) / split_dir(split) / STATISTICS_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(f"{path}: {error}") from error
    return parse_statistics(data, str(path))


def parse_statistics(data: bytes, name: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns the statistics that a file of this name holds; raises as `read_statistics` does."""
    try:
        proto = statistics_pb2.DatasetFeatureStatisticsList.FromString(data)
    except DecodeError as error:
        raise _unreadable(f"{name}: {error}") from error
    if len(proto.datasets) != 1:
        raise _unreadable(f"{name} with {len(proto.datasets)} datasets")
    return proto


def write_statistics(statistics: str | Path, split: str, proto: statistics_pb2.DatasetFeatureStatisticsList) -> None:
    """Writes the statistics of one split, whole or not at all."""
    write_bytes(Path(statistics) / split_dir(split) / STATISTICS_FILE, proto.SerializeToString(deterministic=True))


def write_origin(statistics: str | Path, data_version: str) -> None:
    """Writes which data the statistics were computed from."""
    write_json(Path(statistics) / STATISTICS_ORIGIN_FILE, {"data_version": data_version})


def check_origin(statistics: str | Path, data_version: str) -> None:
    """Checks that the statistics were computed from the examples at hand.

    Raises:
        UserError: If they do not say so.
    """
    file = Path(statistics) / STATISTICS_ORIGIN_FILE
    try:
        found = read_object(file).get("data_version")
    except (OSError, ValueError) as error:
        raise _unreadable(f"{file}: {error}") from error
    if found != data_version:
        rule = "The statistics were computed from these examples."
        raise UserError(
            rule, received=f"statistics of {found}, examples {data_version}", remedy="Run generate_statistics again."
        )


def feature_name(item: Message) -> str:
    """Returns the name of a feature from any TFDV proto that has a path, with a dot between the steps."""
    return ".".join(item.path.step)  # type: ignore[attr-defined]


def common_statistics(feature: statistics_pb2.FeatureNameStatistics) -> statistics_pb2.CommonStatistics:
    """Returns what TFDV counts for a feature of any type."""
    return getattr(feature, feature.WhichOneof("stats") or "num_stats").common_stats


def _unreadable(received: str) -> UserError:
    return UserError(
        "Statistics hold one TFDV statistics proto per split.", received=received, remedy="Run generate_statistics again."
    )
