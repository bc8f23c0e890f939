"""The program of import_schema."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags."""
    parser = cli.make_parser("Takes the curated schema of a project into the pipeline.")
    parser.add_argument("--project_dir", required=True, help="folder of the project, which holds schema.pbtxt")
    parser.add_argument("--schema_hash", required=True, help="sha256:<hex> of schema.pbtxt at compile time")
    parser.add_argument("--schema", required=True, help="folder of the schema artifact to write")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.import_schema.executor import import_schema

    result = import_schema(project_dir=args.project_dir, schema_hash=args.schema_hash, schema=args.schema)
    outputs.write_metadata(args.executor_input, {"schema": {"schema_hash": args.schema_hash, "features": result.features}})


if __name__ == "__main__":
    cli.run(build_parser(), main)
