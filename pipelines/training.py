"""The training pipeline: wiring only. It reads from top to bottom as the data flows.

    resolve_inputs ─┐                         resolve_baseline ── fetch_baseline
    import_schema ──┴─ ingest_examples                                  │
                            │                                           │
                     generate_statistics ── validate_examples ──────────┤
                            │                      │                    │
                            └────── transform_features ── train_model   │
                                                               │        │
                                     evaluate_model ───────────┴────────┤
                                           │                            │
                                     validate_serving ──────────────────┤
                                           │                            │
                                     decide_release ────────────────────┘
                                           │
                                       push_model

The graph has no conditions. A stage that judges only reports; the next consumer reads the report and refuses.
"""

from pathlib import PurePosixPath
from typing import Any

from kfp import dsl

from components._release.base import is_url
from components._shared.artifacts import FEATURES_FILE, MODEL_FILE, SCHEMA_FILE
from components._shared.images import PROJECT_DIR
from components._shared.policy_documents import hash_policy
from components.decide_release.component import decide_release
from components.evaluate_model.component import evaluate_model
from components.fetch_baseline.component import fetch_baseline
from components.generate_statistics.component import generate_statistics
from components.import_schema.component import import_schema
from components.ingest_examples.component import ingest_examples
from components.push_model.component import push_model
from components.resolve_baseline.component import resolve_baseline
from components.resolve_inputs.component import resolve_inputs
from components.train_model.component import train_model
from components.transform_features.component import transform_features
from components.validate_examples.component import validate_examples
from components.validate_serving.component import validate_serving
from pipelines.config import Project
from pipelines.tasks import configure_tasks


def build_training_pipeline(project: Project) -> Any:
    """Returns the training pipeline of a project, ready to compile.

    What a run may change is a pipeline parameter, with its default from project.yaml. What decides about a release, and
    what the data version rests on, is fixed when the pipeline is compiled; a run may tighten bounds by `overrides`.

    Args:
        project: The project.
    """
    source, splits, training = project.source_json, project.splits_json, project.training
    policy, eval_config = project.policy_json, project.evaluation
    policy_hash = hash_policy(policy, eval_config)

    @dsl.pipeline(name=pipeline_name(project), description=project.description)
    def training_pipeline(  # noqa: PLR0913, PLR0917  # the parameters of the run form
        project_dir: str = PROJECT_DIR,
        serving_dir: str = _in_project(project.serving.directory),
        server: str = project.serving.server,
        model_config_file: str = _in_project(project.serving.model_config_file),
        pattern: str = project.source.pattern,
        spans: str = project.source.spans,
        epochs: int = training.epochs,
        batch_size: int = training.batch_size,
        patience: int = training.patience,
        seed: int = training.seed,
        hyperparameters: dict = training.hyperparameters,  # type: ignore[type-arg]  # read by the compiler
        fn_args: dict = training.fn_args.json_object,  # type: ignore[type-arg]  # read by the compiler
        checkpoint_dir: str = _in_project(training.checkpoint_dir),
        strict: bool = project.strict,
        overrides: dict = {},  # type: ignore[type-arg]  # noqa: B006  # read by the compiler
    ) -> None:
        inputs = resolve_inputs(project_dir=project_dir, pattern=pattern, spans=spans)
        live = resolve_baseline(serving_dir=serving_dir)
        baseline = fetch_baseline(
            serving_dir=serving_dir,
            version=live.outputs["version"],
            model_digest=live.outputs["model_digest"],
            pushed_digest=live.outputs["pushed_digest"],
        ).outputs["baseline"]
        schema = import_schema(project_dir=project_dir, schema_hash=project.digests[SCHEMA_FILE]).outputs["schema"]
        examples = ingest_examples(
            schema=schema,
            files=inputs.outputs["files"],
            fingerprint=inputs.outputs["fingerprint"],
            spans=inputs.outputs["resolved_spans"],
            source=source,
            splits=splits,
            also_tfrecord=project.splits.also_tfrecord,
        ).outputs["examples"]
        statistics = generate_statistics(examples=examples, schema=schema).outputs["statistics"]
        anomalies = validate_examples(
            examples=examples,
            statistics=statistics,
            schema=schema,
            baseline=baseline,
            eval_config=eval_config,
            policy=policy,
            policy_hash=policy_hash,
            overrides=overrides,
        ).outputs["anomalies"]
        transformed = transform_features(
            examples=examples,
            schema=schema,
            anomalies=anomalies,
            project_dir=project_dir,
            features_hash=project.digests[FEATURES_FILE],
        )
        model = train_model(
            examples=examples,
            transformed_examples=transformed.outputs["transformed_examples"],
            transform_graph=transformed.outputs["transform_graph"],
            schema=schema,
            project_dir=project_dir,
            model_hash=project.digests[MODEL_FILE],
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
            hyperparameters=hyperparameters,
            fn_args=fn_args,
            checkpoint_dir=checkpoint_dir,
        ).outputs["model"]
        evaluation = evaluate_model(
            model=model,
            baseline=baseline,
            examples=examples,
            schema=schema,
            eval_config=eval_config,
            policy=policy,
            policy_hash=policy_hash,
            overrides=overrides,
        ).outputs["evaluation"]
        serving_report = validate_serving(
            model=model,
            baseline=baseline,
            examples=examples,
            transformed_examples=transformed.outputs["transformed_examples"],
            schema=schema,
            evaluation=evaluation,
            eval_config=eval_config,
            policy=policy,
            policy_hash=policy_hash,
            overrides=overrides,
        ).outputs["serving_report"]
        decision = decide_release(
            model=model,
            baseline=baseline,
            examples=examples,
            anomalies=anomalies,
            evaluation=evaluation,
            serving_report=serving_report,
            eval_config=eval_config,
            policy=policy,
            policy_hash=policy_hash,
            overrides=overrides,
        ).outputs["decision"]
        push_model(
            model=model,
            decision=decision,
            examples=examples,
            statistics=statistics,
            schema=schema,
            anomalies=anomalies,
            evaluation=evaluation,
            serving_report=serving_report,
            eval_config=eval_config,
            policy=policy,
            policy_hash=policy_hash,
            overrides=overrides,
            serving_dir=serving_dir,
            server=server,
            server_required=bool(project.serving.server),
            model_name=project.serving.model_name,
            server_wait_seconds=project.serving.server_wait_seconds,
            labels=project.serving.label_mode,
            model_config_file=model_config_file,
            keep_versions=project.serving.keep_versions,
            strict=strict,
        )
        configure_tasks(project.cluster, resumable=bool(training.checkpoint_dir))

    return training_pipeline


def pipeline_name(project: Project) -> str:
    """Returns the name of a project's training pipeline."""
    return f"{project.name}-training"


def _in_project(file: str) -> str:
    return file if not file or is_url(file) else str(PurePosixPath(PROJECT_DIR, file))
