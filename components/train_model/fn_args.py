"""What a run_fn is called with: TFX's FnArgs, field by field, and the settings behind it.

The fields are those of tfx/components/trainer/fn_args_utils.py; tfx itself is not needed.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import tensorflow as tf
from tfx_bsl.public import tfxio

from components._shared.errors import UserError

TRANSFORMED, RAW = "transformed", "raw"
_TELEMETRY = ["sluice"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run_fn: `training.fn_args` in project.yaml.

    Attributes:
        train_steps: Value of FnArgs.train_steps; None for what epochs and batch size come to.
        eval_steps: Value of FnArgs.eval_steps; None for one pass over the eval split in batches of that size.
        examples: What the files hold: `transformed` or `raw` examples.
        custom_config: Value of FnArgs.custom_config.
    """

    train_steps: int | None = None
    eval_steps: int | None = None
    examples: str = TRANSFORMED
    custom_config: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("train_steps", "eval_steps"):
            steps = getattr(self, name)
            if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
                raise UserError(f"fn_args.{name} is a whole number from 1.", received=steps)
        if self.examples not in (TRANSFORMED, RAW):
            raise UserError(f"fn_args.examples is {TRANSFORMED!r} or {RAW!r}.", received=self.examples)
        if not isinstance(self.custom_config, dict):
            raise UserError("fn_args.custom_config is an object.", received=self.custom_config)


def read_settings(document: dict[str, Any]) -> Settings:
    """Returns the settings of a JSON object.

    Raises:
        UserError: If a key is unknown, or a value is not what it has to be.
    """
    known = [field.name for field in dataclasses.fields(Settings)]
    if unknown := sorted(document.keys() - set(known)):
        raise UserError("fn_args holds known keys.", received=unknown, remedy=f"Known: {', '.join(known)}.")
    return Settings(**document)


class DataAccessor(NamedTuple):
    """How the files are read: functions of their patterns, the options and a schema, as in TFX."""

    tf_dataset_factory: Callable[..., tf.data.Dataset]
    record_batch_factory: Callable[..., Iterator[pa.RecordBatch]]
    data_view_decode_fn: Callable[..., Any] | None = None


@dataclasses.dataclass(kw_only=True)
class FnArgs:
    """TFX's FnArgs.

    Attributes:
        working_dir: A folder that is removed afterwards.
        train_files: Patterns of the gzip TFRecord files of the train split.
        eval_files: The same of the eval split.
        train_steps: Number of training steps.
        eval_steps: Number of evaluation steps.
        schema_path: The schema of the raw examples, a text file.
        schema_file: The same, under its older name.
        transform_graph_path: Folder of the transform graph, for tft.TFTransformOutput.
        transform_output: The same, under its older name.
        data_accessor: Reads the files.
        serving_model_dir: Folder to export the SavedModel to.
        eval_model_dir: A folder that is removed afterwards; TFMA needs no model of its own.
        model_run_dir: Folder for logs and checkpoints; a training that was killed finds its own again.
        base_model: None: training starts from scratch.
        hyperparameters: A keras_tuner.HyperParameters config; None if the project sets none.
        custom_config: What the project sets.
    """

    working_dir: str
    train_files: list[str]
    eval_files: list[str]
    train_steps: int
    eval_steps: int
    schema_path: str
    schema_file: str
    transform_graph_path: str
    transform_output: str
    data_accessor: DataAccessor
    serving_model_dir: str
    eval_model_dir: str
    model_run_dir: str
    base_model: str | None = None
    hyperparameters: dict[str, Any] | None = None
    custom_config: dict[str, Any] = dataclasses.field(default_factory=dict)


def make_data_accessor() -> DataAccessor:
    """Returns the accessor of files of serialized tf.Examples, by tfx_bsl, as TFX's own does it."""

    def tf_dataset_factory(file_pattern: list[str], options: Any, schema: Any = None) -> tf.data.Dataset:
        names = tfxio.TensorFlowDatasetOptions._fields
        chosen = {name: getattr(options, name) for name in names if hasattr(options, name)}
        return _records(file_pattern, schema).TensorFlowDataset(tfxio.TensorFlowDatasetOptions(**chosen))

    def record_batch_factory(file_pattern: list[str], options: Any, schema: Any = None) -> Iterator[pa.RecordBatch]:
        return _records(file_pattern, schema).RecordBatches(options)

    return DataAccessor(tf_dataset_factory, record_batch_factory)


def tuner_config(hyperparameters: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the hyperparameters as keras_tuner.HyperParameters.from_config reads them; None if there are none.

    What is such a config already stays as it is.
    """
    if not hyperparameters or {"space", "values"} <= hyperparameters.keys():
        return hyperparameters or None
    space = [
        {"class_name": "Fixed", "config": {"name": name, "value": value, "conditions": []}}
        for name, value in hyperparameters.items()
    ]
    return {"space": space, "values": dict(hyperparameters)}


def _records(file_pattern: list[str], schema: Any) -> Any:
    return tfxio.TFExampleRecord(file_pattern, schema=schema, telemetry_descriptors=_TELEMETRY)
