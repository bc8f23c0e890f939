"""What the stage and its fresh process tell each other, as files in one folder.

job.json       the job
rows.parquet   the raw rows to send; robustness.parquet and rules.parquet hold the samples of these gates, and
               to_transform.parquet raw rows of the eval split
transformed.parquet  what the model makes of those, one column per transformed feature; not there when it did not answer
answers.npz    one float array per way of asking (see `ANSWERS`), `latency_<batch size>` in milliseconds, and the answers
               to the probes and the rules (see `stress.py`)
measured.json  all else that was seen; written last, so without it the process did not come to its end
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from components._shared import outputs
from components._shared.label import LabelKind, LabelSpec

JOB_FILE, ROWS_FILE, ANSWERS_FILE, MEASURED_FILE = "job.json", "rows.parquet", "answers.npz", "measured.json"
ROBUSTNESS_FILE, RULES_FILE = "robustness.parquet", "rules.parquet"
TO_TRANSFORM_FILE, TRANSFORMED_FILE = "to_transform.parquet", "transformed.parquet"

RAW, REST, EXAMPLES = "raw tensors", "JSON", "tf.Example"
ANSWERS = {
    RAW: "serving_default, raw tensors",
    REST: "serving_default, values sent and answered as JSON, as REST clients do",
    EXAMPLES: "examples, serialized tf.Example",
}
"""The ways of asking for a prediction whose answers must agree with the evaluation's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What the fresh process has to do.

    Attributes:
        model: Folder of the SavedModel.
        schema: The schema: its file, or the folder of its artifact.
        label: What is predicted.
        batch_sizes: Rows per request of the timed requests.
        requests: Timed requests per batch size.
        timeout_seconds: When the process ends itself.
        robustness: Bounds of the robustness gate, whose probes are then asked; None to leave them out.
        rules: The business rules to ask for.
    """

    model: str
    schema: str
    label: LabelSpec
    batch_sizes: tuple[int, ...]
    requests: int
    timeout_seconds: float
    robustness: dict[str, Any] | None = None
    rules: tuple[dict[str, Any], ...] = ()


def write_job(folder: Path, task: Job) -> None:
    """Writes the job into its folder."""
    outputs.write_json(folder / JOB_FILE, dataclasses.asdict(task))


def read_job(folder: Path) -> Job:
    """Reads the job of a folder."""
    document = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    kind, classes = LabelKind(document["label"]["kind"]), tuple(document["label"]["classes"])
    document["label"] = LabelSpec(name=document["label"]["name"], kind=kind, classes=classes)
    return Job(**{**document, "batch_sizes": tuple(document["batch_sizes"]), "rules": tuple(document["rules"])})


@dataclasses.dataclass(kw_only=True)
class Measured:
    """What the fresh process saw; filled in as it goes.

    Attributes:
        tensorflow: Version of the runtime.
        seconds: Durations: import, load, cold_start (loading and the first answer, without the import), warmup, and those
            of the gates that ask for more.
        memory: Megabytes: before_load_mb, peak_mb of loading and serving, and added_mb, the difference; off Linux the peak
            alone.
        first_request_ms: Milliseconds of the very first request after loading; None when it was not answered.
        signatures: For each signature its inputs and outputs, as "dtype [shape]" by name.
        warmup_records: Records in the warm-up file; None when it could not be read.
        without_optional: Rows that were sent with every optional feature missing; None when no feature is optional.
        non_finite: Numbers that are not finite in all the answers, by what was asked.
        invalid: Rows whose prediction is finite but not valid for the kind of label, by what was asked.
        unanswered: Why a probe or a rule got no answer, by the name of its array.
        problems: What went wrong, in sentences, by check.
    """

    tensorflow: str = ""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    memory: dict[str, float] = dataclasses.field(default_factory=dict)
    first_request_ms: float | None = None
    signatures: dict[str, dict[str, dict[str, str]]] = dataclasses.field(default_factory=dict)
    warmup_records: int | None = None
    without_optional: int | None = None
    non_finite: dict[str, int] = dataclasses.field(default_factory=dict)
    invalid: dict[str, int] = dataclasses.field(default_factory=dict)
    unanswered: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)
