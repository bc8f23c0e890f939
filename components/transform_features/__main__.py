"""The command line of transform_features."""

import argparse

from components._shared import cli, outputs


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser; its flags are the parameters of component.py."""
    parser = cli.make_parser("Fits the transform graph on the training split and applies it; refuses data with anomalies.")
    parser.add_argument("--examples", required=True, help="folder of the examples")
    parser.add_argument("--schema", required=True, help="folder of the schema")
    parser.add_argument("--anomalies", required=True, help="folder of the anomalies, with the data gate's report")
    parser.add_argument("--project_dir", required=True, help="folder of the project, which holds features.py")
    parser.add_argument("--features_hash", required=True, help="digest that features.py must have, as sha256:<hex>")
    parser.add_argument("--transform_graph", required=True, help="folder to write the transform graph to")
    parser.add_argument("--transformed_examples", required=True, help="folder to write the transformed splits to")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.transform_features.executor import transform_features

    result = transform_features(
        examples=args.examples,
        schema=args.schema,
        anomalies=args.anomalies,
        project_dir=args.project_dir,
        features_hash=args.features_hash,
        transform_graph=args.transform_graph,
        transformed_examples=args.transformed_examples,
    )
    rows = {f"{split}_rows": count for split, count in result.rows.items()}
    outputs.write_metadata(
        args.executor_input,
        {"transform_graph": {"features": len(result.features)}, "transformed_examples": rows},
    )


if __name__ == "__main__":
    cli.run(build_parser(), main)
