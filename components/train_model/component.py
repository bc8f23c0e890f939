"""The interface of train_model: what Kubeflow sees. The program is `python -m components.train_model`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def train_model(
    examples: dsl.Input[dsl.Dataset],
    transformed_examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    schema: dsl.Input[dsl.Artifact],
    project_dir: str,
    model_hash: str,
    epochs: int,
    batch_size: int,
    patience: int,
    seed: int,
    hyperparameters: dict,
    fn_args: dict,
    checkpoint_dir: str,
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> dsl.ContainerSpec:
    """Trains the model and exports it with its transform graph, by the project's build_model or run_fn.

    Args:
        examples: The raw examples, for the warm-up requests and the data version.
        transformed_examples: Transformed train and eval splits.
        transform_graph: The transform graph.
        schema: The schema of the raw examples.
        project_dir: Folder of the project, which holds `model.py`.
        model_hash: Digest of `model.py` and of what it may import, at compile time; changed code is refused.
        epochs: Greatest number of passes over the training split.
        batch_size: Rows per training step.
        patience: Epochs without a better eval loss before training stops.
        seed: Seed of weights and row order.
        hyperparameters: Passed on to build_model or run_fn.
        fn_args: Settings of a run_fn: `train_steps`, `eval_steps`, `examples` (transformed or raw) and `custom_config`.
        checkpoint_dir: Folder for a checkpoint after each epoch, which a training that was killed goes on from; empty for none.

    Returns:
        model: The SavedModel in `Format-Serving/`, and `training.json`.
        metrics: Loss and metrics of the best epoch.
        report: The training curves.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.train_model"],
        args=[
            "--examples",
            examples.path,
            "--transformed_examples",
            transformed_examples.path,
            "--transform_graph",
            transform_graph.path,
            "--schema",
            schema.path,
            "--project_dir",
            project_dir,
            "--model_hash",
            model_hash,
            "--epochs",
            epochs,
            "--batch_size",
            batch_size,
            "--patience",
            patience,
            "--seed",
            seed,
            "--hyperparameters",
            hyperparameters,
            "--fn_args",
            fn_args,
            "--checkpoint_dir",
            checkpoint_dir,
            "--model",
            model.path,
            "--metrics",
            metrics.path,
            "--report",
            report.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
