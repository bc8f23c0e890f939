"""The program of resolve_baseline: `python -m components.resolve_baseline`."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = cli.make_parser("Finds the live version of the model in a serving directory.")
    parser.add_argument("--serving_dir", required=True, help="base path of the model in the serving directory")
    parser.add_argument("--version", required=True, help="file for the live version; empty text when none is live")
    parser.add_argument("--model_digest", required=True, help="file for the digest of the live model as trained")
    parser.add_argument("--pushed_digest", required=True, help="file for the digest of the live version's whole folder")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.resolve_baseline.executor import resolve_baseline

    live = resolve_baseline(serving_dir=args.serving_dir)
    outputs.write_parameter(args.version, live.version)
    outputs.write_parameter(args.model_digest, live.model_digest)
    outputs.write_parameter(args.pushed_digest, live.pushed_digest)


if __name__ == "__main__":
    cli.run(build_parser(), main)
