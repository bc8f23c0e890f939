"""Applies to the tasks of a pipeline what the stage policies and project.yaml's `cluster` section say."""

from kfp import dsl, kubernetes
from kfp.dsl import pipeline_context

from components._shared.images import IMAGE, IMAGE_VARIABLE
from pipelines.cluster import Cluster, Resources, StageSettings
from pipelines.stage_policies import FIRST_WAIT_SECONDS, LAST_RETRY_SECONDS, RETRIES, STAGE_POLICIES, WAIT_FACTOR


def configure_tasks(cluster: Cluster, *, resumable: bool) -> None:
    """Configures every task of the pipeline that is being built; to be called at the end of its function.

    Args:
        cluster: What the stages get.
        resumable: Whether a training that is tried again finds its checkpoint.
    """
    for task in pipeline_context.Pipeline.get_default_pipeline().tasks.values():
        stage = task.name.replace("-", "_")
        policy = STAGE_POLICIES[stage]
        if not policy.cached:
            task.set_caching_options(False)
        if policy.retried or (policy.resumes and resumable):
            task.set_retry(
                RETRIES,
                backoff_duration=f"{FIRST_WAIT_SECONDS}s",
                backoff_factor=WAIT_FACTOR,
                backoff_max_duration=f"{LAST_RETRY_SECONDS}s",
            )
        if stage == "push_model":
            task.set_env_variable(IMAGE_VARIABLE, IMAGE)
        settings = cluster.settings_of(stage)
        _set_resources(task, settings.resources)
        _set_platform(task, settings)


def _set_resources(task: dsl.PipelineTask, resources: Resources) -> None:
    if resources.cpu:
        task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
    if resources.memory:
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    if resources.accelerator:
        task.set_accelerator_type(resources.accelerator.type).set_accelerator_limit(resources.accelerator.count)


def _set_platform(task: dsl.PipelineTask, settings: StageSettings) -> None:
    for label, value in settings.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in settings.tolerations:
        given = {name: value for name, value in toleration.model_dump().items() if value not in ("", None)}
        kubernetes.add_toleration(task, **given)
    for name, secret in settings.secrets.items():
        if secret.env:
            _use_secret_as_env(task, name, secret.env)
        if secret.mount:
            kubernetes.use_secret_as_volume(task, name, secret.mount)
    for claim, folder in settings.pvc.items():
        kubernetes.mount_pvc(task, claim, folder)
    if settings.image_pull_policy:
        kubernetes.set_image_pull_policy(task, settings.image_pull_policy)
    if settings.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(settings.image_pull_secrets))


def _use_secret_as_env(task: dsl.PipelineTask, name: str, env: dict[str, str]) -> None:
    # One variable at a time: KFP maps keys to variables, and two variables may want the same key.
    for variable, key in env.items():
        kubernetes.use_secret_as_env(task, name, {key: variable})
    for item in task.platform_config["kubernetes"]["secretAsEnv"]:
        item.pop("optional", None)  # later SDKs write this default, which earlier backends do not know
