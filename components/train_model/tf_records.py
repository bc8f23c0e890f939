"""Writes a split as gzip TFRecord of tf.Example, which is what a run_fn reads."""

from pathlib import Path

import tensorflow as tf
from tfx_bsl.coders import example_coder

from components._data.examples import iterate_split
from components._data.record_batches import to_record_batch
from components._shared.artifacts import split_dir, tfrecord_file

_BATCH_ROWS = 16_384
_COMPRESSION = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)  # read once and removed


def write_records(examples: str, split: str, folder: Path) -> int:
    """Writes one split to one file in `<folder>/Split-<split>/`, in its order.

    Args:
        examples: Folder of raw or transformed examples.
        split: Name of the split.
        folder: Folder to write to.

    Returns:
        The number of rows.
    """
    target = folder / split_dir(split)
    target.mkdir(parents=True)
    encoder, rows = example_coder.RecordBatchToExamplesEncoder(), 0
    with tf.io.TFRecordWriter(str(target / tfrecord_file(0, 1)), _COMPRESSION) as writer:
        for table in iterate_split(examples, split, batch_rows=_BATCH_ROWS):
            for record in encoder.encode(to_record_batch(table)):
                writer.write(record)
            rows += table.num_rows
    return rows
