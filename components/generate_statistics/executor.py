"""Computes TFDV statistics of every split, batch by batch in one process."""

import dataclasses
import logging
import time
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components._data.examples import iterate_split, read_manifest
from components._data.integrity import check_splits
from components._data.schema import read_schema
from components._data.statistics import write_origin, write_statistics
from components._report.page import render_page
from components._shared.artifacts import SPLITS, TRAIN
from components._shared.folders import whole_folder
from components._shared.outputs import write_text
from components._tf.statistics import compute_statistics
from components.generate_statistics.summary import summarize_split

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StatisticsResult:
    """What was computed.

    Attributes:
        rows: Number of rows, by split.
        features: Number of features in the training split.
        data_version: Data version of the examples.
    """

    rows: dict[str, int]
    features: int
    data_version: str


def generate_statistics(*, examples: str, schema: str, statistics: str, report: str) -> StatisticsResult:
    """Computes the statistics of the train, eval and test split, and a page that shows them.

    Args:
        examples: Folder of the examples.
        schema: Folder of the schema; it tells categorical integers from numbers.
        statistics: Folder to write `Split-<split>/FeatureStats.pb` into.
        report: File to write the page to.

    Raises:
        UserError: If a split has no shard, or is not that of the manifest, a shard cannot be read, or the schema is none.
    """
    with whole_folder(statistics) as folder:
        curated = read_schema(schema)
        manifest = read_manifest(examples)
        check_splits(examples, manifest, SPLITS)
        data_version = manifest["data_version"]
        computed = {split: _compute_split(examples, split, curated) for split in SPLITS}
        write_text(report, _render(computed, curated, data_version))
        for split, proto in computed.items():
            write_statistics(folder, split, proto)
        write_origin(folder, data_version)
    rows = {split: proto.datasets[0].num_examples for split, proto in computed.items()}
    return StatisticsResult(rows=rows, features=len(computed[TRAIN].datasets[0].features), data_version=data_version)


def _compute_split(examples: str, split: str, schema: schema_pb2.Schema) -> statistics_pb2.DatasetFeatureStatisticsList:
    start = time.perf_counter()
    proto = compute_statistics(iterate_split(examples, split), schema, split)
    rows, seconds = proto.datasets[0].num_examples, time.perf_counter() - start
    logger.info("Split %s: %d rows, %d features, %.2f s.", split, rows, len(proto.datasets[0].features), seconds)
    return proto


def _render(
    computed: dict[str, statistics_pb2.DatasetFeatureStatisticsList], schema: schema_pb2.Schema, data_version: str
) -> str:
    summaries = [summarize_split(proto.datasets[0]) for proto in computed.values()]
    present = {name for summary in summaries for name in summary.names}
    return render_page(
        Path(__file__).parent / "report.html.j2",
        title="Statistics of the examples",
        data_version=data_version,
        splits=summaries,
        absent=[feature.name for feature in schema.feature if feature.name not in present],
    )
