"""The program of resolve_inputs."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags."""
    parser = cli.make_parser("Finds the input files of the requested spans, and what identifies their contents.")
    parser.add_argument("--project_dir", required=True, help="folder of the project; relative patterns start there")
    parser.add_argument(
        "--pattern", required=True, help="path, glob or gs:// URL with {SPAN}, or {YYYY}, {MM} and {DD}, and {VERSION}"
    )
    parser.add_argument("--spans", required=True, help="all, numbers and ranges such as 1-3,7, days, or latest:7")
    parser.add_argument("--files", required=True, help="file to write the list of input files to, as JSON")
    parser.add_argument("--fingerprint", required=True, help="file to write the digest over all contents to")
    parser.add_argument("--resolved_spans", required=True, help="file to write the numbers of the spans to, as JSON")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.resolve_inputs.executor import resolve_inputs

    result = resolve_inputs(project_dir=args.project_dir, pattern=args.pattern, spans=args.spans)
    outputs.write_parameter(args.files, result.files)
    outputs.write_parameter(args.fingerprint, result.fingerprint)
    outputs.write_parameter(args.resolved_spans, result.spans)


if __name__ == "__main__":
    cli.run(build_parser(), main)
