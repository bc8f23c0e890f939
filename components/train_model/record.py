"""What training comes to, and what it rests on, whichever function of the project trains."""

import dataclasses
from pathlib import Path

from components._shared.artifacts import TRANSFORM_FILE
from components._shared.documents import read_object
from components._shared.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What was trained.

    Attributes:
        metrics: Loss and metrics of the best epoch; `eval_` before a name stands for the eval split. A run_fn tells none.
        model_digest: Digest of the SavedModel.
        data_version: Data version of the examples.
        best_epoch: The epoch whose weights were kept, from 1. None after a run_fn, as the next two.
        epochs_run: Number of epochs run.
        rows_per_second: Training speed of the median epoch after the first, which traces the graph.
        resumed_at: The epoch at which it went on from a checkpoint, from 1; 0 if it began anew.
    """

    metrics: dict[str, float]
    model_digest: str
    data_version: str
    best_epoch: int | None = None
    epochs_run: int | None = None
    rows_per_second: float | None = None
    resumed_at: int = 0


def read_origin(transform_graph: str, data_version: str) -> dict[str, str]:
    """Returns the digests of the code and the schema that the transform graph was fitted with.

    Raises:
        UserError: If the graph does not say, or was fitted on other data.
    """
    file = Path(transform_graph) / TRANSFORM_FILE
    try:
        document = read_object(file)
        origin = {name: document[name] for name in ("data_version", "features_hash", "schema_hash")}
    except (OSError, ValueError, KeyError) as error:
        rule = f"A transform graph says in {TRANSFORM_FILE} what it was fitted from."
        raise UserError(rule, received=repr(error), remedy="Run transform_features again.") from error
    if origin.pop("data_version") != data_version:
        rule = "The transform graph was fitted on these examples."
        raise UserError(rule, received=f"{file} is about other data", remedy="Run transform_features again.")
    return origin
