"""What the server is asked, and what was seen of it."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.interface import Interface
from components._shared.label import LabelSpec
from components._shared.policy import RobustnessGate

_LONGEST_MESSAGE = 300

RAW, REST, EXAMPLES = "raw tensors", "JSON", "tf.Example"
ANSWERS = {
    RAW: "serving_default, raw tensors over gRPC",
    REST: "serving_default, JSON over REST",
    EXAMPLES: "examples, serialized tf.Example over gRPC",
}
"""The ways of asking for a prediction whose answers must agree with the evaluation's, of what train_model exports."""

_SERIALIZED = {
    REST: "serving_default, serialized tf.Example over REST",
    EXAMPLES: "serving_default, serialized tf.Example over gRPC",
}


def ways_of(interface: Interface) -> dict[str, str]:
    """Returns the ways of asking that a model has, each described."""
    if not interface.raw:
        return _SERIALIZED
    return {way: text for way, text in ANSWERS.items() if way != EXAMPLES or interface.examples_signature}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What the server is asked.

    Attributes:
        model: Folder of the SavedModel.
        schema: The schema of the raw rows.
        label: What is predicted.
        interface: How the model is asked.
        batch_sizes: Rows per request of the timed requests.
        requests: Timed requests per batch size.
        timeout_seconds: How long the server may take, from its start to the last answer.
        robustness: Bounds of the robustness gate, whose probes are then asked; None to leave them out.
        rules: The business rules to ask for.
        regroup: Whether rows are also asked for in other groupings, which the parity gate judges.
    """

    model: str
    schema: Any
    label: LabelSpec
    interface: Interface
    batch_sizes: tuple[int, ...]
    requests: int
    timeout_seconds: float
    robustness: RobustnessGate | None = None
    rules: tuple[dict[str, Any], ...] = ()
    regroup: bool = True

    @property
    def ways(self) -> dict[str, str]:
        """The ways of asking for a prediction, each described."""
        return ways_of(self.interface)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """The raw rows to send, with the SERVING features as columns.

    Attributes:
        rows: The first rows of the test split.
        to_transform: The first rows of the eval split; with all columns for what a run_fn exported.
        robustness: Sampled rows of the test split for the probes; empty when they are not asked.
        rules: Sampled rows of the test split for the rules; empty when there are none.
    """

    rows: pa.Table
    to_transform: pa.Table
    robustness: pa.Table
    rules: pa.Table


@dataclasses.dataclass(kw_only=True)
class Measured:
    """What was seen of the server; filled in as it goes.

    Attributes:
        seconds: Durations: cold_start (from the process's start to AVAILABLE; of the local server without its imports, which
            are `import`), and those of the gates that ask for more.
        peak_mb: Greatest resident memory of the server's process over loading, warm-up and timed requests, in megabytes;
            None off Linux.
        first_request_ms: Milliseconds of the very first request after AVAILABLE; None when it was not answered.
        signatures: For each signature its inputs and outputs, as "dtype [shape]" by name.
        warmup_records: Records in the warm-up file; None when it could not be read.
        without_optional: Rows that were sent with every optional feature missing; None when no feature is optional.
        non_finite: Numbers that are not finite in all the answers, by what was asked.
        invalid: Rows whose prediction is finite but not valid for the kind of label, by what was asked.
        unanswered: Why a probe or a rule got no answer, by the name of its array.
        lost: How the server was lost before it had answered everything, as a sentence; empty when it was not.
        problems: What went wrong, in sentences, by check.
    """

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    peak_mb: float | None = None
    first_request_ms: float | None = None
    signatures: dict[str, dict[str, dict[str, str]]] = dataclasses.field(default_factory=dict)
    warmup_records: int | None = None
    without_optional: int | None = None
    non_finite: dict[str, int] = dataclasses.field(default_factory=dict)
    invalid: dict[str, int] = dataclasses.field(default_factory=dict)
    unanswered: dict[str, str] = dataclasses.field(default_factory=dict)
    lost: str = ""
    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def note(self, check: str, message: str) -> None:
        """Adds what went wrong in a check, once."""
        line = " ".join(message.split())
        line = line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
        if line not in self.problems.setdefault(check, []):
            self.problems[check].append(line)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of asking the server.

    Attributes:
        measured: What was seen of it; None when nothing was asked.
        answers: One float array per way of asking (see `ANSWERS`) and per way and grouping (see `groupings.py`),
            `latency_<batch size>` in milliseconds, and the answers to the probes and the rules (see `stress.py`); what was not
            answered is not there.
        transformed: What the model makes of the rows of the eval split, one column per transformed feature; None when it did
            not answer.
        transformed_alone: The same of the first rows, each in a request of its own.
        server: Which server answered.
        failure: Why nothing was asked, as a sentence; empty when the server was.
        log_tail: The last lines of its log; empty when it stayed to the end.
        seconds: From its start to its end.
    """

    measured: Measured | None
    answers: dict[str, np.ndarray]
    transformed: pa.Table | None = None
    transformed_alone: pa.Table | None = None
    server: str = ""
    failure: str = ""
    log_tail: str = ""
    seconds: float = 0.0
