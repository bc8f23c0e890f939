"""The program of validate_examples: judges the examples by their statistics, and only reports."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this stage's command line."""
    parser = cli.make_parser(
        "Validates the statistics against the schema, and against the baseline's for drift. It ends with 0 whatever it finds; "
        "transform_features refuses data that this stage failed."
    )
    parser.add_argument("--examples", required=True, metavar="DIR", help="the examples, for their manifest")
    parser.add_argument("--statistics", required=True, metavar="DIR", help="one statistics proto per split")
    parser.add_argument("--schema", required=True, metavar="DIR", help="the schema")
    parser.add_argument("--baseline", required=True, metavar="DIR", help="the live version with its training statistics")
    parser.add_argument(
        "--eval_config", required=True, type=cli.json_object, metavar="JSON", help="a tfma.EvalConfig in JSON form"
    )
    parser.add_argument("--policy", required=True, type=cli.json_object, metavar="JSON", help="the gates' bounds")
    parser.add_argument("--policy_hash", required=True, metavar="HASH", help="hash of the policy")
    parser.add_argument("--overrides", required=True, type=cli.json_object, metavar="JSON", help="what this run tightens")
    parser.add_argument("--anomalies", required=True, metavar="DIR", help="output: anomalies by split and the gate's report")
    parser.add_argument("--report", required=True, metavar="FILE", help="output: the anomalies as an HTML page")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its metadata to Kubeflow."""
    from components.validate_examples import executor

    result = executor.validate_examples(
        examples=args.examples,
        statistics=args.statistics,
        schema=args.schema,
        baseline=args.baseline,
        eval_config=args.eval_config,
        policy=args.policy,
        policy_hash=args.policy_hash,
        overrides=args.overrides,
        anomalies=args.anomalies,
        report=args.report,
    )
    metadata = {
        "verdict": result.verdict.value,
        "anomalous_splits": len(result.anomalous_splits),
        "errors": result.errors,
        "warnings": result.warnings,
        "data_version": result.data_version,
    }
    outputs.write_metadata(args.executor_input, {"anomalies": metadata})


if __name__ == "__main__":
    cli.run(build_parser(), main)
