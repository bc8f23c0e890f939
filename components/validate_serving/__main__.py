"""Checks that the exported model loads and answers as it was evaluated."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags, which are its inputs and outputs."""
    parser = cli.make_parser("Checks in the target server that the exported model loads and answers as it was evaluated.")
    parser.add_argument("--model", required=True, help="the candidate: a SavedModel in Format-Serving, and training.json")
    parser.add_argument("--baseline", required=True, help="the live version, for the evidence")
    parser.add_argument("--examples", required=True, help="the raw examples; rows of the test split are sent")
    parser.add_argument("--transformed_examples", required=True, help="the eval split as training saw it")
    parser.add_argument("--schema", required=True, help="the schema")
    parser.add_argument("--evaluation", required=True, help="the evaluation with its predictions")
    parser.add_argument("--eval_config", required=True, type=cli.json_object, help="a tfma.EvalConfig in JSON form")
    parser.add_argument("--policy", required=True, type=cli.json_object, help="the gates' bounds")
    parser.add_argument("--policy_hash", required=True, help="hash of the policy")
    parser.add_argument("--overrides", required=True, type=cli.json_object, help="what this run tightens")
    parser.add_argument("--serving_report", required=True, help="folder for the measurements and the gates' report")
    parser.add_argument("--report", required=True, help="file for the page")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its verdicts to the dashboard."""
    from components.validate_serving.executor import validate_serving

    gates = validate_serving(
        model=args.model,
        baseline=args.baseline,
        examples=args.examples,
        transformed_examples=args.transformed_examples,
        schema=args.schema,
        evaluation=args.evaluation,
        eval_config=args.eval_config,
        policy=args.policy,
        policy_hash=args.policy_hash,
        overrides=args.overrides,
        serving_report=args.serving_report,
        report=args.report,
    )
    verdicts = {gate.gate: gate.verdict.value for gate in gates.gates}
    outputs.write_metadata(args.executor_input, {"serving_report": verdicts})


if __name__ == "__main__":
    cli.run(build_parser(), main)
