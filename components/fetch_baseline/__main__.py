"""The program of fetch_baseline: `python -m components.fetch_baseline`."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = cli.make_parser("Copies the live version into an artifact, with its statistics and evaluation.")
    parser.add_argument("--serving_dir", required=True, help="base path of the model in the serving directory")
    parser.add_argument("--version", required=True, help="the live version; empty when none is live")
    parser.add_argument("--model_digest", required=True, help="expected digest of the live model as trained")
    parser.add_argument("--pushed_digest", required=True, help="expected digest of the live version's whole folder")
    parser.add_argument("--baseline", required=True, help="folder for the live version and baseline.json")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.fetch_baseline.executor import fetch_baseline

    fetch_baseline(
        serving_dir=args.serving_dir,
        version=args.version,
        model_digest=args.model_digest,
        pushed_digest=args.pushed_digest,
        baseline=args.baseline,
    )
    outputs.write_metadata(args.executor_input, {"baseline": {"version": args.version, "model_digest": args.model_digest}})


if __name__ == "__main__":
    cli.run(build_parser(), main)
