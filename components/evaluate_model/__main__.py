"""Evaluates candidate and live version with TFMA on the same rows of the test split."""

import argparse
from typing import Any

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags, which are its inputs and outputs."""
    parser = cli.make_parser("Evaluates candidate and live version with TFMA on the same rows and judges them.")
    parser.add_argument("--model", required=True, help="the candidate: a SavedModel in Format-Serving, and training.json")
    parser.add_argument("--baseline", required=True, help="the live version, or an artifact that says that none is live")
    parser.add_argument("--examples", required=True, help="the raw examples; the test split judges")
    parser.add_argument("--schema", required=True, help="the schema")
    parser.add_argument("--eval_config", required=True, type=cli.json_object, help="a tfma.EvalConfig in JSON form")
    parser.add_argument("--policy", required=True, type=cli.json_object, help="the gates' bounds")
    parser.add_argument("--policy_hash", required=True, help="hash of the policy")
    parser.add_argument("--overrides", required=True, type=cli.json_object, help="what this run tightens")
    parser.add_argument("--evaluation", required=True, help="folder for TFMA's output, predictions, summary and gates")
    parser.add_argument("--metrics", required=True, help="file for the candidate's metrics over all rows")
    parser.add_argument("--classification_metrics", required=True, help="file for ROC curve and confusion matrix")
    parser.add_argument("--report", required=True, help="file for the page")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its numbers to the dashboard."""
    from components.evaluate_model.executor import evaluate_model

    result = evaluate_model(
        model=args.model,
        baseline=args.baseline,
        examples=args.examples,
        schema=args.schema,
        eval_config=args.eval_config,
        policy=args.policy,
        policy_hash=args.policy_hash,
        overrides=args.overrides,
        evaluation=args.evaluation,
        report=args.report,
    )
    outputs.write_json(args.metrics, result.metrics)
    outputs.write_json(args.classification_metrics, result.classification)
    metadata: dict[str, dict[str, Any]] = {
        "evaluation": {gate.gate: gate.verdict.value for gate in result.report.gates},
        "metrics": result.metrics,
        "classification_metrics": result.classification,
    }
    outputs.write_metadata(args.executor_input, metadata)


if __name__ == "__main__":
    cli.run(build_parser(), main)
