"""The program of draft_project. It is no stage of a pipeline: `sluice init` runs it."""

import argparse

from components._shared import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the program's flags."""
    parser = cli.make_parser("Writes the files of a new project, with bounds from quick models of its train and eval rows.")
    parser.add_argument("--draft", required=True, help="folder with what draft_schema wrote")
    parser.add_argument("--examples", required=True, help="folder of the examples that ingest_examples made by the draft")
    parser.add_argument("--name", required=True, help="name of the project")
    parser.add_argument("--pattern", required=True, help="where the data is, as project.yaml says it")
    parser.add_argument("--project", required=True, help="folder to write the project's files into")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the program."""
    from components.draft_project.executor import draft_project

    draft_project(draft=args.draft, examples=args.examples, name=args.name, pattern=args.pattern, project=args.project)


if __name__ == "__main__":
    cli.run(build_parser(), main)
