"""The interface of decide_release: what Kubeflow sees. The program is `python -m components.decide_release`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def decide_release(
    model: dsl.Input[dsl.Model],
    baseline: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    anomalies: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    serving_report: dsl.Input[dsl.Artifact],
    eval_config: dict,
    policy: dict,
    policy_hash: str,
    overrides: dict,
    decision: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
) -> dsl.ContainerSpec:
    """Merges every report into one fail-closed decision, bound to the model's digest; never cached.

    Args:
        model: The candidate.
        baseline: The live version the candidate was compared with.
        examples: The examples, for data version and lineage.
        anomalies: The data gate's report.
        evaluation: The report of the performance, fairness, regression and calibration gates.
        serving_report: The report of the serving, parity, robustness and business rules gates.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        overrides: What this run tightens.

    Returns:
        decision: The decision, and BLESSED or NOT_BLESSED.
        report: The decision as a page.
        summary: The decision in Markdown.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.decide_release"],
        args=[
            "--model",
            model.path,
            "--baseline",
            baseline.path,
            "--examples",
            examples.path,
            "--anomalies",
            anomalies.path,
            "--evaluation",
            evaluation.path,
            "--serving_report",
            serving_report.path,
            "--eval_config",
            eval_config,
            "--policy",
            policy,
            "--policy_hash",
            policy_hash,
            "--overrides",
            overrides,
            "--decision",
            decision.path,
            "--report",
            report.path,
            "--summary",
            summary.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
