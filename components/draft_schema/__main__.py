"""The program of draft_schema. It is no stage of a pipeline: `sluice init` runs it."""

import argparse

from components._shared import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the program's flags."""
    parser = cli.make_parser("Reads a table that nobody here has seen, decides what each column is for, and drafts its schema.")
    parser.add_argument("--data", required=True, help="the CSV or Parquet file")
    parser.add_argument("--label", required=True, help="the column to predict; with an empty one the likely ones are named")
    parser.add_argument("--kind", default="", help="binary, multiclass or numeric; found by the values when empty")
    parser.add_argument("--draft", required=True, help="folder to write draft.json and schema.pbtxt into")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the program."""
    from components.draft_schema.executor import draft

    draft(data=args.data, label=args.label, kind=args.kind, folder=args.draft)


if __name__ == "__main__":
    cli.run(build_parser(), main)
