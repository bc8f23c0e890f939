"""The interface of push_model: what Kubeflow sees. The program is `python -m components.push_model`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def push_model(
    model: dsl.Input[dsl.Model],
    decision: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    statistics: dsl.Input[dsl.Artifact],
    schema: dsl.Input[dsl.Artifact],
    anomalies: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    serving_report: dsl.Input[dsl.Artifact],
    eval_config: dict,
    policy: dict,
    policy_hash: str,
    overrides: dict,
    serving_dir: str,
    server: str,
    server_required: bool,
    model_name: str,
    server_wait_seconds: int,
    labels: str,
    model_config_file: str,
    keep_versions: int,
    strict: bool,
    pushed: dsl.Output[dsl.Artifact],
    pushed_version: dsl.OutputPath(str),
) -> dsl.ContainerSpec:
    """Pushes an approved model into the serving directory and records it in the ledger; never cached.

    Args:
        model: The candidate.
        decision: The decision; nothing is pushed unless it approves this very model.
        examples: The examples, whose manifest goes along with the release.
        statistics: Statistics that go along with the release.
        schema: The schema that goes along with the release.
        anomalies: The data gate's report, which has to be the one that was judged.
        evaluation: The evaluation whose summary goes along with the release, with the report that was judged.
        serving_report: The report of validate_serving, which has to be the one that was judged.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds; a decision that was made under others pushes nothing.
        policy_hash: Hash of the policy.
        overrides: What this run tightens.
        serving_dir: Base path of the model in the serving directory.
        server: Model servers that verify what is pushed, http://flights:8501 or grpc://flights:8500, with commas between; empty
            for none.
        server_required: Whether the project names a server, so that a run may name another one and never none.
        model_name: The model's name in those servers.
        server_wait_seconds: How long a version may take to become AVAILABLE there.
        labels: How servers learn that a version has the label canary: file, reload, or empty for no labels.
        model_config_file: Their model configuration; empty for one in the serving directory, if they are told it.
        keep_versions: How many versions stay in place after a push, the live one and the one before it in any case; 0 for all.
        strict: Whether a "no" exits with 3 instead of ending green without a push.

    Returns:
        pushed: What was pushed where, or why nothing was.
        pushed_version: The pushed version; empty when nothing was pushed.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.push_model"],
        args=[
            "--model",
            model.path,
            "--decision",
            decision.path,
            "--examples",
            examples.path,
            "--statistics",
            statistics.path,
            "--schema",
            schema.path,
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
            "--serving_dir",
            serving_dir,
            "--server",
            server,
            "--server_required",
            server_required,
            "--model_name",
            model_name,
            "--server_wait_seconds",
            server_wait_seconds,
            "--labels",
            labels,
            "--model_config_file",
            model_config_file,
            "--keep_versions",
            keep_versions,
            "--strict",
            strict,
            "--pushed",
            pushed.path,
            "--pushed_version",
            pushed_version,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
