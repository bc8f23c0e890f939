"""The program of generate_statistics: computes TFDV statistics of every split."""

import argparse
import time

from components._shared import cli, outputs
from components._shared.artifacts import ROWS_PER_SECOND


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this stage's command line."""
    parser = cli.make_parser("Computes TFDV statistics of every split.")
    parser.add_argument("--examples", required=True, metavar="DIR", help="the examples: Parquet shards and manifest")
    parser.add_argument("--schema", required=True, metavar="DIR", help="the schema")
    parser.add_argument("--statistics", required=True, metavar="DIR", help="output: one statistics proto per split")
    parser.add_argument("--report", required=True, metavar="FILE", help="output: the statistics as an HTML page")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its metadata to Kubeflow."""
    from components.generate_statistics import executor

    begin = time.monotonic()
    result = executor.generate_statistics(
        examples=args.examples, schema=args.schema, statistics=args.statistics, report=args.report
    )
    rows = {f"rows_{split}": count for split, count in result.rows.items()}
    speed = round(sum(result.rows.values()) / (time.monotonic() - begin))
    metadata = {"data_version": result.data_version, "features": result.features, ROWS_PER_SECOND: speed, **rows}
    outputs.write_metadata(args.executor_input, {"statistics": metadata})


if __name__ == "__main__":
    cli.run(build_parser(), main)
