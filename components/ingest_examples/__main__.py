"""The program of ingest_examples."""

import argparse
import os
import time

from components._shared import cli, outputs
from components._shared.artifacts import ROWS_PER_SECOND


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags."""
    parser = cli.make_parser(
        "Reads the input files, types, deduplicates, orders and splits the rows, and writes Parquet examples."
    )
    parser.add_argument("--schema", required=True, help="folder of the schema artifact")
    parser.add_argument("--files", required=True, type=cli.json_list, help="input files, as resolve_inputs lists them")
    parser.add_argument("--fingerprint", required=True, help="digest over the contents of the files")
    parser.add_argument("--spans", required=True, type=cli.json_list, help="numbers of the spans, for the manifest")
    parser.add_argument("--source", required=True, type=cli.json_object, help="format, null values, row key, label, bad rows")
    parser.add_argument("--splits", required=True, type=cli.json_object, help="key, salt and the share of each split")
    parser.add_argument(
        "--also_tfrecord",
        type=cli.boolean,
        required=True,
        help="whether to write gzip TFRecord of tf.Example, too: true or false",
    )
    parser.add_argument("--examples", required=True, help="folder of the examples to write")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    # Arrow's own allocators keep what is freed for a while, in the end as much again as the rows take.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from components.ingest_examples.executor import ingest_examples

    begin = time.monotonic()
    result = ingest_examples(
        schema=args.schema,
        files=args.files,
        fingerprint=args.fingerprint,
        spans=args.spans,
        source=args.source,
        splits=args.splits,
        examples=args.examples,
        also_tfrecord=args.also_tfrecord,
    )
    rows = {f"rows_{split}": count for split, count in result.rows.items()}
    speed = round(result.rows_read / (time.monotonic() - begin))
    metadata = {"data_version": result.data_version, "spans": result.spans, ROWS_PER_SECOND: speed, **rows}
    if result.rows_quarantined is not None:
        metadata["rows_quarantined"] = result.rows_quarantined
    outputs.write_metadata(args.executor_input, {"examples": metadata})


if __name__ == "__main__":
    cli.run(build_parser(), main)
