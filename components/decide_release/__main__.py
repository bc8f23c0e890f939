"""Merges every report into one fail-closed decision."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the stage's flags, which are its inputs and outputs."""
    parser = cli.make_parser("Merges every report into one fail-closed decision, bound to the model's digest.")
    parser.add_argument("--model", required=True, help="the candidate: a SavedModel in Format-Serving, and training.json")
    parser.add_argument("--baseline", required=True, help="the live version the candidate was compared with")
    parser.add_argument("--examples", required=True, help="the examples, for data version and lineage")
    parser.add_argument("--anomalies", required=True, help="the data gate's report")
    parser.add_argument(
        "--evaluation", required=True, help="the report of the performance, fairness, regression and calibration gates"
    )
    parser.add_argument(
        "--serving_report", required=True, help="the report of the serving, parity, robustness and business rules gates"
    )
    parser.add_argument("--eval_config", required=True, type=cli.json_object, help="a tfma.EvalConfig in JSON form")
    parser.add_argument("--policy", required=True, type=cli.json_object, help="the gates' bounds")
    parser.add_argument("--policy_hash", required=True, help="hash of the policy")
    parser.add_argument("--overrides", required=True, type=cli.json_object, help="what this run tightens")
    parser.add_argument("--decision", required=True, help="folder for the decision, and BLESSED or NOT_BLESSED")
    parser.add_argument("--report", required=True, help="file for the page")
    parser.add_argument("--summary", required=True, help="file for the decision in Markdown")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage and hands its verdict to the dashboard; a "no" is no failure of the stage."""
    from components.decide_release.executor import decide_release

    decision = decide_release(
        model=args.model,
        baseline=args.baseline,
        examples=args.examples,
        anomalies=args.anomalies,
        evaluation=args.evaluation,
        serving_report=args.serving_report,
        eval_config=args.eval_config,
        policy=args.policy,
        policy_hash=args.policy_hash,
        overrides=args.overrides,
        decision=args.decision,
        report=args.report,
        summary=args.summary,
    )
    metadata = {name: decision[name] for name in ("approved", "status", "deadline", "reason")}
    outputs.write_metadata(args.executor_input, {"decision": {**metadata, "blessed": int(decision["approved"])}})


if __name__ == "__main__":
    cli.run(build_parser(), main)
