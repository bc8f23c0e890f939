"""The program of push_model: `python -m components.push_model`."""

import argparse
import os

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = cli.make_parser(
        "Pushes an approved model into the serving directory and records it in the ledger, or lets it wait for a person."
    )
    parser.add_argument("--model", required=True, help="folder of the candidate")
    parser.add_argument("--decision", required=True, help="folder of the decision; only its yes to this very model pushes")
    parser.add_argument("--examples", required=True, help="folder of the examples, whose manifest goes along")
    parser.add_argument("--statistics", required=True, help="folder of the statistics, which go along")
    parser.add_argument("--schema", required=True, help="folder of the schema, which goes along")
    parser.add_argument("--anomalies", required=True, help="folder with the data gate's report, as it was judged")
    parser.add_argument("--evaluation", required=True, help="folder of the evaluation, whose summary goes along")
    parser.add_argument("--serving_report", required=True, help="folder with the report of validate_serving, as it was judged")
    parser.add_argument("--eval_config", required=True, type=cli.json_object, help="a tfma.EvalConfig in JSON form")
    parser.add_argument("--policy", required=True, type=cli.json_object, help="the gates' bounds, which the decision must hold")
    parser.add_argument("--policy_hash", required=True, help="hash of the policy")
    parser.add_argument("--overrides", required=True, type=cli.json_object, help="what this run tightens")
    parser.add_argument("--serving_dir", required=True, help="base path of the model in the serving directory")
    parser.add_argument("--server", required=True, help="model servers that verify, with commas between; empty for none")
    parser.add_argument("--server_required", required=True, type=cli.boolean, help="true: a server must be named")
    parser.add_argument("--model_name", required=True, help="the model's name in that server")
    parser.add_argument(
        "--server_wait_seconds", required=True, type=cli.integer, help="how long a version may take to be AVAILABLE there"
    )
    parser.add_argument("--labels", required=True, help="how servers learn of labels: file, reload, or empty for no labels")
    parser.add_argument("--model_config_file", required=True, help="model configuration in which labels move; may be empty")
    parser.add_argument("--keep_versions", required=True, type=cli.integer, help="how many versions stay in place; 0 for all")
    parser.add_argument("--strict", required=True, type=cli.boolean, help='true: a "no" exits with 3; false: it exits with 0')
    parser.add_argument("--pushed", required=True, help="folder for pushed.json: what was pushed where, or why nothing was")
    parser.add_argument("--pushed_version", required=True, help="file for the pushed version; empty text when none was")
    parser.epilog = "environment: SLUICE_IMAGE and SLUICE_RUN_ID, if set, are recorded in the ledger as image and run"
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.push_model.executor import push_model

    result = push_model(
        model=args.model,
        decision=args.decision,
        examples=args.examples,
        statistics=args.statistics,
        schema=args.schema,
        anomalies=args.anomalies,
        evaluation=args.evaluation,
        serving_report=args.serving_report,
        eval_config=args.eval_config,
        policy=args.policy,
        policy_hash=args.policy_hash,
        overrides=args.overrides,
        serving_dir=args.serving_dir,
        server=args.server,
        server_required=args.server_required,
        model_name=args.model_name,
        server_wait_seconds=args.server_wait_seconds,
        labels=args.labels,
        model_config_file=args.model_config_file,
        keep_versions=args.keep_versions,
        strict=args.strict,
        pushed=args.pushed,
        image=os.environ.get("SLUICE_IMAGE", ""),
        run_id=os.environ.get("SLUICE_RUN_ID", ""),
    )
    outputs.write_parameter(args.pushed_version, result.version)
    metadata = {
        "pushed": int(result.pushed),
        "pushed_destination": result.destination,
        "pushed_version": result.version,
        "reason": result.reason,
        "waits_until": result.deadline,
    }
    outputs.write_metadata(args.executor_input, {"pushed": metadata})


if __name__ == "__main__":
    cli.run(build_parser(), main)
