"""Runs TFMA over a table of label, slicing features and predictions."""

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.runners.portability import fn_api_runner
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.api.types import EvalSharedModel
from tensorflow_model_analysis.proto import config_pb2

from components._data.record_batches import to_record_batch
from components.evaluate_model import fast_accumulation
from components.evaluate_model.slice_rows import slicing_features

logger = logging.getLogger(__name__)

STOCK_ROWS = 10_000
"""Stock TFMA takes about 6 ms per row with some ten metrics and four slicing specs: a minute for this many."""
_BATCH_ROWS = 1000


@dataclasses.dataclass(frozen=True)
class Run:
    """How TFMA ran.

    Attributes:
        rows: Number of rows it saw.
        note: What a reader has to know about it; empty for the usual way over all rows.
    """

    rows: int
    note: str = ""


def run_tfma(table: pa.Table, config: config_pb2.EvalConfig, folder: str | Path, *, stock_rows: int = STOCK_ROWS) -> Run:
    """Writes TFMA's metrics, plots, validation and configuration into a folder.

    Args:
        table: Features, label, and one column of predictions per model under its prediction key.
        config: The configuration with its defaults applied.
        folder: Where TFMA's files go.
        stock_rows: Greatest number of rows for stock TFMA, which runs where the vectorised accumulation cannot.

    Returns:
        How many rows were evaluated and whether that was the usual way.
    """
    reason = fast_accumulation.unsupported_reason(config, table)
    if reason:
        sampled = table.num_rows > stock_rows
        part = f"on {stock_rows:,} evenly spaced of {table.num_rows:,} rows" if sampled else "on all rows"
        note = f"Stock TFMA ran {part}, since {reason}."
        logger.warning("%s", note)
        rows = _evenly(table, stock_rows) if sampled else table
        _run_stock(rows, config, Path(folder))
        return Run(rows.num_rows, note)
    wanted = [model.prediction_key for model in config.model_specs]
    columns = dict.fromkeys([config.model_specs[0].label_key, *slicing_features(config), *wanted])  # the label may slice too
    _run_fast(table.select(list(columns)), config, Path(folder))
    return Run(table.num_rows)


def _evenly(table: pa.Table, rows: int) -> pa.Table:
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, rows).astype(np.int64)))


def _run_fast(table: pa.Table, config: config_pb2.EvalConfig, folder: Path) -> None:
    parts = {"extractors": fast_accumulation.extractors(), "evaluators": fast_accumulation.evaluators(config)}
    with _pipeline(table) as (pipeline, path):
        # A dict is taken for extracts as they are, so TFMA does not try to read the path as examples.
        _ = pipeline | beam.Create([{constants.INPUT_KEY: path}]) | _write(config, folder, **parts)


def _run_stock(table: pa.Table, config: config_pb2.EvalConfig, folder: Path) -> None:
    with _pipeline(table) as (pipeline, path):
        batches = beam.FlatMap(_read_batches).with_output_types(pa.RecordBatch)
        _ = pipeline | beam.Create([path]) | batches | beam.Reshuffle() | _write(config, folder)


@contextlib.contextmanager
def _pipeline(table: pa.Table) -> Iterator[tuple[beam.Pipeline, str]]:
    """Yields a pipeline that runs when the block ends, and the path of a file with the table."""
    with (
        tempfile.TemporaryDirectory(prefix="sluice-evaluate-") as scratch,
        beam.Pipeline(runner=fn_api_runner.FnApiRunner()) as pipeline,
    ):
        path = Path(scratch) / "rows.parquet"
        pq.write_table(table, path)
        yield pipeline, str(path)


def _write(config: config_pb2.EvalConfig, folder: Path, **parts: Any) -> beam.PTransform:
    return model_eval_lib.ExtractEvaluateAndWriteResults(
        eval_config=config, output_path=str(folder), eval_shared_model=_materialized(config), **parts
    )


def _read_batches(path: str) -> Iterator[pa.RecordBatch]:
    table = pq.read_table(path)
    for start in range(0, table.num_rows, _BATCH_ROWS):
        yield to_record_batch(table.slice(start, _BATCH_ROWS))


def _materialized(config: config_pb2.EvalConfig) -> list[EvalSharedModel]:
    """Names the models whose predictions are columns of the data; without it TFMA refuses change thresholds."""
    return [
        EvalSharedModel(
            model_name=model.name,
            model_type=constants.MATERIALIZED_PREDICTION,
            is_baseline=model.is_baseline,
            rubber_stamp=len(config.model_specs) == 1,
        )
        for model in config.model_specs
    ]
