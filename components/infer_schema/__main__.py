"""The program of infer_schema: infers a first schema from the statistics of the training split."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this stage's command line."""
    parser = cli.make_parser("Infers a schema from the statistics of the training split.")
    parser.add_argument("--statistics", required=True, metavar="DIR", help="one statistics proto per split")
    parser.add_argument("--schema", required=True, metavar="DIR", help="output: the inferred schema")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its metadata to Kubeflow."""
    from components.infer_schema import executor

    features = executor.infer_schema(statistics=args.statistics, schema=args.schema)
    outputs.write_metadata(args.executor_input, {"schema": {"features": features}})


if __name__ == "__main__":
    cli.run(build_parser(), main)
