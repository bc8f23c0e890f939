"""The command line of train_model."""

import argparse

from components._shared import cli, outputs
from components._shared.artifacts import RESUMED_AT_EPOCH, ROWS_PER_SECOND


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser; its flags are the parameters of component.py."""
    parser = cli.make_parser("Trains the model and exports it with its transform graph.")
    parser.add_argument("--examples", required=True, help="folder of the raw examples")
    parser.add_argument("--transformed_examples", required=True, help="folder of the transformed train and eval splits")
    parser.add_argument("--transform_graph", required=True, help="folder of the transform graph")
    parser.add_argument("--schema", required=True, help="folder of the schema of the raw examples")
    parser.add_argument("--project_dir", required=True, help="folder of the project, which holds model.py")
    parser.add_argument("--model_hash", required=True, help="digest that model.py must have, as sha256:<hex>")
    parser.add_argument("--epochs", required=True, type=cli.integer, help="greatest number of passes over the training split")
    parser.add_argument("--batch_size", required=True, type=cli.integer, help="rows per training step")
    parser.add_argument("--patience", required=True, type=cli.integer, help="epochs without a better eval loss before it stops")
    parser.add_argument("--seed", required=True, type=cli.integer, help="seed of weights and row order")
    parser.add_argument("--hyperparameters", required=True, type=cli.json_object, help="JSON object passed on to the function")
    parser.add_argument("--fn_args", required=True, type=cli.json_object, help="JSON object with the settings of a run_fn")
    parser.add_argument("--checkpoint_dir", required=True, help="folder for a checkpoint after each epoch; empty for none")
    parser.add_argument("--model", required=True, help="folder to write the SavedModel and training.json to")
    parser.add_argument("--metrics", required=True, help="file to write the metrics of the best epoch to")
    parser.add_argument("--report", required=True, help="file to write the training curves to")
    return parser


def main(args: argparse.Namespace) -> None:
    """Runs the stage."""
    from components.train_model.executor import train_model

    result = train_model(
        examples=args.examples,
        transformed_examples=args.transformed_examples,
        transform_graph=args.transform_graph,
        schema=args.schema,
        project_dir=args.project_dir,
        model_hash=args.model_hash,
        epochs=args.epochs,
        batch_size=args.batch_size,
        patience=args.patience,
        seed=args.seed,
        hyperparameters=args.hyperparameters,
        fn_args=args.fn_args,
        model=args.model,
        metrics=args.metrics,
        report=args.report,
        checkpoint_dir=args.checkpoint_dir,
    )
    speed = None if result.rows_per_second is None else round(result.rows_per_second)
    progress = {"best_epoch": result.best_epoch, "epochs_run": result.epochs_run, ROWS_PER_SECOND: speed}
    progress |= {RESUMED_AT_EPOCH: result.resumed_at or None}
    outputs.write_metadata(
        args.executor_input,
        {
            "model": {"model_digest": result.model_digest, "data_version": result.data_version},
            "metrics": {**result.metrics, **{name: value for name, value in progress.items() if value is not None}},
        },
    )


if __name__ == "__main__":
    cli.run(build_parser(), main)
