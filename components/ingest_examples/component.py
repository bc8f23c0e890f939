"""The interface of ingest_examples: what Kubeflow sees. The program is `python -m components.ingest_examples`."""

from kfp import dsl

from components._shared.images import IMAGE


@dsl.container_component
def ingest_examples(
    schema: dsl.Input[dsl.Artifact],
    files: list,
    fingerprint: str,
    spans: list,
    source: dict,
    splits: dict,
    also_tfrecord: bool,
    examples: dsl.Output[dsl.Dataset],
) -> dsl.ContainerSpec:
    """Reads the input files, types, deduplicates, orders and splits the rows, and writes Parquet examples.

    Args:
        schema: The schema, which pins columns and types.
        files: The files to read, as resolve_inputs lists them; objects of a bucket are downloaded.
        fingerprint: Digest over the contents of the files; a file that has changed since is refused.
        spans: Numbers of the spans, for the manifest.
        source: How to read the files: format, null values, row key, label, and what happens to bad rows.
        splits: How to split: key, salt and the share of each split.
        also_tfrecord: Whether to write each split as gzip TFRecord of tf.Example, too.

    Returns:
        examples: Parquet shards by split, rows that were set aside, and the manifest with the data version.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "components.ingest_examples"],
        args=[
            "--schema",
            schema.path,
            "--files",
            files,
            "--fingerprint",
            fingerprint,
            "--spans",
            spans,
            "--source",
            source,
            "--splits",
            splits,
            "--also_tfrecord",
            also_tfrecord,
            "--examples",
            examples.path,
            "--executor_input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
