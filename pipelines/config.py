"""The configuration of a project: `project.yaml`, read once into frozen, validated models.

Relative paths start at the project's folder. All problems of a file are reported at once, each with its key and a remedy.
"""

import dataclasses
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic_core import to_jsonable_python

from components._release.base import Base
from components._shared import source
from components._shared.artifacts import FEATURES_FILE, MODEL_FILE, PROJECT_FILE, SCHEMA_FILE
from components._shared.digest import digest_code, digest_file
from components._shared.errors import UserError
from components._shared.patterns import parse_pattern
from components._shared.policy import DEADLINE_HOURS, LEAST_REQUESTS, Policy
from components._shared.policy_documents import is_batch_size, policy_to_json, read_policy
from components._shared.project_code import preprocessing_file
from components._shared.spans import ALL, parse_spans
from pipelines.cluster import Cluster
from pipelines.fairness import BOUNDS, problems_of_fairness
from pipelines.fn_args import FnArgs
from pipelines.known_keys import known_keys
from pipelines.problems import as_problem, checked_by
from pipelines.rules import problems_of_label, problems_of_rules
from pipelines.serving_dir import problems_of_serving, resolve_serving_dir
from pipelines.serving_settings import Serving
from pipelines.yaml_reader import read_yaml

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
"""Of a project's name."""

_CHECKED = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_STRICT = pydantic.ConfigDict(**_CHECKED, frozen=True)
_EVAL_CONFIG_LISTS = ("model_specs", "slicing_specs", "metrics_specs", "cross_slicing_specs")
_LEAST = {"min_rows": 0, "min_slice_size": 0, "min_group_size": 0, "max_p99_ms": 0, "max_size_mb": 0, "tolerance": 0}
_LEAST |= {"max_base_rate_ratio": 1, "max_mean_difference": 0, "max_range_factor": 0, "bins": 2}
_LEAST |= {"max_cold_start_s": 0, "max_memory_mb": 0, "requests": LEAST_REQUESTS}
_LEAST |= {"rows": 1, "margin": 0, "resamples": 100, "seed": 0}
_LEAST_CONFIDENCE = 0.5
_SHARES = {*BOUNDS, "max_calibration_error", "noise", "max_mean_change", "max_p99_change"}

Name = Annotated[str, Field(min_length=1)]


class _Model(pydantic.BaseModel):
    model_config = _STRICT


@validated_dataclass(config=_CHECKED, frozen=True, kw_only=True)
class Label(source.Label):
    """What is predicted, and where it comes from."""

    def __post_init__(self) -> None:
        with as_problem():
            super().__post_init__()


@validated_dataclass(config=_CHECKED, frozen=True, kw_only=True)
class Source(source.Source):
    """Where the data is, and how ingest_examples reads it.

    Attributes:
        pattern: Path, glob or gs:// URL of the files; see `components._shared.patterns` for its placeholders.
        spans: Spans to read unless a run says otherwise; see `components._shared.spans`.
    """

    pattern: Annotated[Name, AfterValidator(checked_by(parse_pattern))]
    spans: Annotated[Name, AfterValidator(checked_by(parse_spans))] = ALL
    row_key: Annotated[tuple[Name, ...], Field(min_length=1)]
    label: Label

    def __post_init__(self) -> None:
        with as_problem():
            super().__post_init__()


@validated_dataclass(config=_CHECKED, frozen=True, kw_only=True)
class Splits(source.Splits):
    """How ingest_examples splits and writes the rows; here the key is always written.

    Attributes:
        also_tfrecord: Whether each split is written as TFRecord of tf.Example, too.
    """

    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    also_tfrecord: bool = False

    def __post_init__(self) -> None:
        with as_problem():
            super().__post_init__()


class Training(_Model):
    """Settings of training; a run may set others.

    Attributes:
        checkpoint_dir: Folder for the checkpoints of trainings on Kubeflow; empty for none. On a laptop they lie in the run's.
    """

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 1024
    patience: Annotated[int, Field(ge=0)] = 2
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    fn_args: FnArgs = FnArgs()
    checkpoint_dir: Annotated[str, Field(pattern=r"^[^:]*$")] = ""


def _gates_model() -> type[_Model]:
    # The bounds are defined once, as the dataclasses that the stages read; here they only become strict.
    fields: dict[str, Any] = {
        field.name: (validated_dataclass(config=_STRICT)(type(field.default)), field.default)
        for field in dataclasses.fields(Policy)
    }
    return pydantic.create_model("Gates", __base__=_Model, strict=(bool, False), **fields)


Gates = _gates_model()


class Project(_Model):
    """One project: `project.yaml` and the folder it lies in."""

    folder: Annotated[Path, Field(exclude=True, strict=False)]
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    description: str = ""
    source: Source
    splits: Splits
    training: Training = Training()
    evaluation: dict[str, Any]
    gates: Gates = Gates()  # type: ignore[valid-type]  # built from the policy's dataclasses
    serving: Serving
    cluster: Cluster = Cluster()

    @property
    def policy(self) -> Policy:
        """The gates' bounds as the stages receive them."""
        return read_policy(self.gates.model_dump(mode="json", exclude={"strict"}))  # type: ignore[attr-defined]

    @property
    def policy_json(self) -> dict[str, Any]:
        """The gates' bounds as a JSON object."""
        return policy_to_json(self.policy)

    @property
    def strict(self) -> bool:
        """Whether a "no" ends a run with exit code 3."""
        return bool(getattr(self.gates, "strict"))  # noqa: B009  # built from the policy's dataclasses

    @property
    def serving_dir(self) -> Base:
        """Base path of the model on this machine, or in a bucket."""
        return resolve_serving_dir(self.serving.directory, self.folder)

    @property
    def source_json(self) -> dict[str, Any]:
        """How ingest_examples reads the files."""
        settings = to_jsonable_python(self.source)
        label = {key: value for key, value in settings.pop("label").items() if value not in ("", None, [])}
        return {key: value for key, value in settings.items() if key not in ("pattern", "spans")} | {"label": label}

    @property
    def splits_json(self) -> dict[str, Any]:
        """How ingest_examples splits the rows."""
        return dict(to_jsonable_python(self.splits, exclude={"also_tfrecord"}))

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each file of the project that a stage loads, by file name."""
        files = {FEATURES_FILE: preprocessing_file(self.folder), MODEL_FILE: MODEL_FILE}
        code = {name: digest_code(self.folder, file) for name, file in files.items()}
        return {SCHEMA_FILE: digest_file(self.folder / SCHEMA_FILE), **code}


def load_project(path: str | Path) -> Project:
    """Reads and checks a project.

    Args:
        path: Folder of the project, or its `project.yaml`.

    Raises:
        UserError: If a file is missing, or project.yaml has problems; all of them are listed.
    """
    path = Path(path)
    file = path if path.name == PROJECT_FILE else path / PROJECT_FILE
    if not file.is_file():
        raise UserError(f"A project is a folder with a {PROJECT_FILE}.", received=path, remedy="Name such a folder.")
    document = _write_out(read_yaml(file))
    problems = [] if isinstance(document, dict) else ["the file is a mapping of keys to values"]
    if isinstance(document, dict):
        problems = _problems_of_evaluation(document) + problems_of_gates(document.get("gates"))
        problems += problems_of_serving(document)
        problems += problems_of_rules(document.get("gates"), file.parent / SCHEMA_FILE)
        problems += problems_of_fairness(document, file.parent / SCHEMA_FILE)
        problems += [f"{name}: no such file beside {PROJECT_FILE}. Add it." for name in _missing_files(file.parent)]
        try:
            # Through JSON, lists become tuples and numbers become text where they are keys, with types strict otherwise.
            text = json.dumps({**document, "folder": str(file.parent.resolve())}, default=str, allow_nan=False)
            project = Project.model_validate_json(text)
            problems = problems or problems_of_label(project.policy_json, project.source.label.spec)
        except pydantic.ValidationError as error:
            problems = [_describe(problem) for problem in error.errors()] + problems
        except ValueError:
            problems.append("every number is finite: .nan and .inf have no place here.")
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise UserError("\n  ".join([f"{file} has {count}:", *problems]))
    return project


def _write_out(document: Any) -> Any:
    """Returns the document with `approval: required`, the short form of the gate's one common setting, written out."""
    gates = document.get("gates") if isinstance(document, dict) else None
    if not isinstance(gates, dict) or gates.get("approval") != "required":
        return document
    return {**document, "gates": {**gates, "approval": {"required": True}}}


def _missing_files(folder: Path) -> list[str]:
    return [name for name in (SCHEMA_FILE, preprocessing_file(folder), MODEL_FILE) if not (folder / name).is_file()]


def _describe(problem: Any) -> str:
    """Returns a problem as `key: rule. Received: value. Remedy.`."""
    key = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "missing":
        return f"{key}: missing. Add it."
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: not a known key. Known here: {', '.join(known_keys(Project, problem['loc'][:-1]))}."
    if problem["type"] == "user_error":
        return f"{key}: {problem['msg']}"
    message = re.sub("^Value error, ", "", problem["msg"])
    return f"{key}: {message}. Received: {json.dumps(problem['input'], default=str)[:200]}."


def _problems_of_evaluation(document: dict[str, Any]) -> list[str]:
    """Checks the shape of a tfma.EvalConfig; evaluate_model, which has TFMA, checks the rest."""
    config = document.get("evaluation")
    if not isinstance(config, dict):
        return []
    known = {*_EVAL_CONFIG_LISTS, "options"}
    problems = [
        f"evaluation.{key}: not a field of tfma.EvalConfig. Known here: {', '.join(sorted(known))}."
        for key in config
        if key not in known
    ]
    for key in _EVAL_CONFIG_LISTS:
        value = config.get(key, [])
        if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            problems.append(f"evaluation.{key}: a list of mappings. Received: {json.dumps(value, default=str)[:200]}.")
    if not config.get("metrics_specs"):
        problems.append("evaluation.metrics_specs: at least one metric is needed to judge a model. Add it.")
    return problems + _problems_of_label_keys(document, config)


def _problems_of_label_keys(document: dict[str, Any], config: dict[str, Any]) -> list[str]:
    source, specs = document.get("source"), config.get("model_specs", [])
    label = source.get("label") if isinstance(source, dict) else None
    name = label.get("name") if isinstance(label, dict) else None
    keys = [spec.get("label_key") for spec in specs if isinstance(spec, dict)] if isinstance(specs, list) else []
    if name is None or (keys and all(key == name for key in keys)):
        return []
    return [f"evaluation.model_specs: each has the label_key {name!r}, as source.label.name. Received: {keys}."]


def problems_of_gates(gates: Any) -> list[str]:
    """Returns the problems of the gates' numbers, which have ranges that their types do not tell."""
    if not isinstance(gates, dict):
        return []
    settings = [(name, key, value) for name, gate in gates.items() if isinstance(gate, dict) for key, value in gate.items()]
    problems = []
    for gate, key, value in settings:
        for number in value.values() if isinstance(value, dict) else [value]:
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if key in _LEAST and number < _LEAST[key]:
                problems.append(f"gates.{gate}.{key}: at least {_LEAST[key]}. Received: {number}.")
            if key == "confidence" and not _LEAST_CONFIDENCE <= number < 1:
                problems.append(f"gates.{gate}.{key}: at least {_LEAST_CONFIDENCE} and less than 1. Received: {number}.")
            if key == "deadline_hours" and not DEADLINE_HOURS[0] <= number <= DEADLINE_HOURS[1]:
                problems.append(f"gates.{gate}.{key}: from {DEADLINE_HOURS[0]} to {DEADLINE_HOURS[1]}. Received: {number}.")
            if key in _SHARES and not 0 <= number <= 1:
                problems.append(f"gates.{gate}.{key}: in [0, 1]. Received: {number}.")
    return problems + [
        f"gates.serving.max_p99_ms: keys are batch sizes, whole numbers above 0. Received: {size!r}."
        for gate, key, value in settings
        if key == "max_p99_ms" and isinstance(value, dict)
        for size in value
        if not is_batch_size(str(size))
    ]
