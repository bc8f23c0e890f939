"""The interface of evaluate_model: what Kubeflow sees. The program is `python -m components.evaluate_model`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def evaluate_model(
    model: dsl.Input[dsl.Model],
    baseline: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    schema: dsl.Input[dsl.Artifact],
    eval_config: dict,
    policy: dict,
    policy_hash: str,
    overrides: dict,
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    classification_metrics: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
) -> dsl.ContainerSpec:
    """Evaluates candidate and baseline with TFMA on the same rows of the test split.

    Args:
        model: The candidate.
        baseline: The live version, or an artifact that says that none is live.
        examples: The raw examples; the test split judges.
        schema: The schema.
        eval_config: A tfma.EvalConfig in JSON form.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        overrides: What this run tightens.

    Returns:
        evaluation: TFMA's output, the predictions, a summary and the gates' report.
        metrics: The candidate's metrics over all rows.
        classification_metrics: ROC curve and confusion matrix of the candidate.
        report: Metrics, slices, fairness and calibration as a page.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.evaluate_model"],
        args=[
            "--model",
            model.path,
            "--baseline",
            baseline.path,
            "--examples",
            examples.path,
            "--schema",
            schema.path,
            "--eval_config",
            eval_config,
            "--policy",
            policy,
            "--policy_hash",
            policy_hash,
            "--overrides",
            overrides,
            "--evaluation",
            evaluation.path,
            "--metrics",
            metrics.path,
            "--classification_metrics",
            classification_metrics.path,
            "--report",
            report.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
