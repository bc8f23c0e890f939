"""The interface of resolve_inputs: what Kubeflow sees. The program is `python -m components.resolve_inputs`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def resolve_inputs(
    project_dir: str,
    pattern: str,
    spans: str,
    files: dsl.OutputPath(list),
    fingerprint: dsl.OutputPath(str),
    resolved_spans: dsl.OutputPath(list),
) -> dsl.ContainerSpec:
    """Finds the input files of the requested spans; never cached, so that it looks anew each time.

    Args:
        project_dir: Folder of the project; relative patterns start there.
        pattern: Path, glob or `gs://` URL of the input files, with `{SPAN}`, or `{YYYY}`, `{MM}` and `{DD}`, and `{VERSION}`.
        spans: Spans to read: `all`, numbers and ranges such as `1-9` or `1-3,7`, days, or `latest:7`.

    Returns:
        files: The files in order: path, span, size in bytes and SHA-256 digest of each; of an object CRC32C and generation.
        fingerprint: Digest over the contents of all files, whatever their order; the cache key of what follows.
        resolved_spans: Numbers of the spans that were found.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.resolve_inputs"],
        args=[
            "--project_dir",
            project_dir,
            "--pattern",
            pattern,
            "--spans",
            spans,
            "--files",
            files,
            "--fingerprint",
            fingerprint,
            "--resolved_spans",
            resolved_spans,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
