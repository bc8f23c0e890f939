"""TFDV's statistics of Arrow tables, without a Beam pipeline."""

from collections.abc import Iterable

import pyarrow as pa
from tensorflow_data_validation import StatsOptions
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components._data.record_batches import to_record_batch


def compute_statistics(
    tables: Iterable[pa.Table], schema: schema_pb2.Schema | None, name: str
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns the TFDV statistics of a sequence of tables, seen as one data set.

    TFDV's own combiners run here without a Beam pipeline around them, so values, histograms and top values are TFDV's. Its
    in-memory combiners count unique and most frequent values with sketches: exact up to 16,384 distinct values for the
    first, up to 1,024 for the second.

    Args:
        tables: Rows with the same columns throughout; only one table is held at a time.
        schema: The curated schema, where there is one.
        name: Name of the data set, such as the split's.
    """
    generators = stats_impl.get_generators(StatsOptions(schema=schema), in_memory=True)
    accumulators = [generator.create_accumulator() for generator in generators]
    for table in tables:
        batch = to_record_batch(table)
        accumulators = [
            generator.add_input(accumulator, batch) for generator, accumulator in zip(generators, accumulators, strict=True)
        ]
    proto = stats_impl.extract_statistics_output(accumulators, generators)
    proto.datasets[0].name = name
    return proto
