"""Judges the examples by their statistics: the data gate. It reports; transform_features and decide_release act on it."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components._data.examples import read_manifest
from components._data.schema import TRAINING, read_schema
from components._data.statistics import check_origin, read_statistics
from components._shared.artifacts import (
    ANOMALIES_FILE,
    ANOMALIES_TEXT_FILE,
    INPUT_CHANGES_FILE,
    MANIFEST_FILE,
    SPLITS,
    TRAIN,
    split_dir,
)
from components._shared.digest import digest_documents
from components._shared.errors import UserError
from components._shared.folders import whole_folder
from components._shared.gates import Evidence, GateReport, GateResult, Measurement, Verdict
from components._shared.label import read_label_spec
from components._shared.outputs import write_bytes, write_json, write_text
from components._shared.overrides import read_bounds
from components._shared.policy import DataGate
from components.validate_examples import checks, drift
from components.validate_examples.findings import Finding, Severity, findings_in
from components.validate_examples.inputs import check_inputs, read_inputs
from components.validate_examples.page import group, render

logger = logging.getLogger(__name__)

_NAMED_IN_REASON = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """What the stage found.

    Attributes:
        verdict: The data gate's verdict.
        anomalous_splits: Splits with at least one error.
        errors: Number of findings that fail the gate.
        warnings: Number of findings that do not.
        data_version: Data version of the examples.
    """

    verdict: Verdict
    anomalous_splits: tuple[str, ...]
    errors: int
    warnings: int
    data_version: str


def validate_examples(
    *,
    examples: str,
    statistics: str,
    schema: str,
    baseline: str,
    eval_config: dict[str, Any],
    policy: dict[str, Any],
    policy_hash: str,
    anomalies: str,
    report: str,
    overrides: dict[str, Any] | None = None,
) -> ValidationResult:
    """Validates every split against the schema, and the training split against the live version's.

    Args:
        examples: Folder of the examples, for the manifest.
        statistics: Folder of their statistics.
        schema: Folder of the schema; it must have the environment TRAINING.
        baseline: Folder of the live version, or of the artifact that says that none is live.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        anomalies: Folder to write the anomalies and `gates.json` into.
        report: File to write the page to.
        overrides: What this run tightens.

    Returns:
        What was found; data that fails the gate is no error of this stage.

    Raises:
        UserError: If an input is not what it should be, so that nothing could be judged.
    """
    with whole_folder(anomalies) as folder:
        judged_by = read_bounds(policy, eval_config, policy_hash, overrides)
        documents = digest_documents(Path(examples) / MANIFEST_FILE)
        manifest, curated, bounds = read_manifest(examples), _read_schema(schema), _check_splits(judged_by.policy.data)
        check_origin(statistics, manifest["data_version"])
        live = drift.read_baseline(baseline)
        computed = {split: read_statistics(statistics, split) for split in SPLITS}
        protos, findings = _validate(computed, curated, live)
        findings += _check(computed, curated, manifest, bounds)
        findings += check_inputs(manifest, live.release, live.version)
        columns = manifest.get("column_names", {})
        findings = [dataclasses.replace(finding, column=columns.get(finding.feature, "")) for finding in findings]
        inputs = read_inputs(examples, manifest, live.release, live.version)
        distances = drift.drift_rows(protos[TRAIN])
        measurements = [*_row_measurements(computed, bounds, findings), *(row.measurement() for row in distances)]
        gate = _judge(findings, measurements, bounds)
        evidence = Evidence(
            model_digest="",
            data_version=manifest["data_version"],
            policy_hash=judged_by.policy_hash,
            baseline_version=live.version,
        )
        write_text(report, render(gate=gate, findings=findings, distances=distances, inputs=inputs, evidence=evidence))
        write_json(folder / INPUT_CHANGES_FILE, inputs.to_json())
        _write_anomalies(folder, protos, findings)
        GateReport(stage="validate_examples", evidence=evidence, gates=(gate,), documents=documents).write(folder)
    logger.info("Data gate: %s. %s", gate.verdict, gate.reason)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return ValidationResult(
        verdict=gate.verdict,
        anomalous_splits=tuple(split for split in SPLITS if any(finding.split == split for finding in errors)),
        errors=len(errors),
        warnings=len(findings) - len(errors),
        data_version=manifest["data_version"],
    )


def _read_schema(schema: str) -> schema_pb2.Schema:
    curated = read_schema(schema)
    if TRAINING not in curated.default_environment:
        raise UserError(
            f"The schema has the environment {TRAINING}.",
            received=list(curated.default_environment),
            remedy='Add default_environment: "TRAINING" and default_environment: "SERVING" to schema.pbtxt.',
        )
    return curated


def _check_splits(bounds: DataGate) -> DataGate:
    if unknown := set(bounds.min_rows) - set(SPLITS):
        raise UserError("gates.data.min_rows names splits.", received=sorted(unknown), remedy=f"The splits: {list(SPLITS)}.")
    return bounds


def _validate(
    computed: dict[str, statistics_pb2.DatasetFeatureStatisticsList], schema: schema_pb2.Schema, live: drift.Baseline
) -> tuple[dict[str, anomalies_pb2.Anomalies], list[Finding]]:
    """Returns TFDV's anomalies by split, and all findings that come from TFDV or from the comparison."""
    comparable, found = drift.comparable_schema(schema, live)
    serving = live.statistics if drift.has_skew_comparator(comparable) else None
    protos = {}
    for split, proto in computed.items():
        # Only train is compared: the live version was fitted to its training split, and eval and test are small.
        against = {"previous_statistics": live.statistics, "serving_statistics": serving} if split == TRAIN else {}
        protos[split] = tfdv.validate_statistics(proto, comparable, environment=TRAINING, **against)
        found += findings_in(protos[split], split)
    if live.statistics:
        found += drift.check_measured(comparable, protos[TRAIN])
    return protos, [*live.findings, *found]


def _check(
    computed: dict[str, statistics_pb2.DatasetFeatureStatisticsList],
    schema: schema_pb2.Schema,
    manifest: dict[str, Any],
    bounds: DataGate,
) -> list[Finding]:
    found = drift.check_comparators(schema, computed[TRAIN].datasets[0])
    for split, proto in computed.items():
        dataset = proto.datasets[0]
        in_manifest = manifest["splits"].get(split, {}).get("rows", 0)
        least = bounds.min_rows.get(split, 0)
        found += checks.check_rows(split, dataset.num_examples, least=least, in_manifest=in_manifest)
        found += checks.check_label(split, dataset, read_label_spec(manifest))
        found += checks.check_numbers(split, dataset, schema, manifest["label"])
    return found


def _row_measurements(
    computed: dict[str, statistics_pb2.DatasetFeatureStatisticsList], bounds: DataGate, findings: list[Finding]
) -> list[Measurement]:
    measurements = []
    for split, proto in computed.items():
        rows, least = proto.datasets[0].num_examples, bounds.min_rows.get(split, 1)
        errors = sum(finding.split == split and finding.severity is Severity.ERROR for finding in findings)
        where = f"split={split}"
        measurements += [
            Measurement(name="rows", value=rows, slice=where, lower_bound=least, rows=rows, passed=rows >= least),
            Measurement(name="errors", value=errors, slice=where, upper_bound=0, rows=rows, passed=errors == 0),
        ]
    return measurements


def _judge(findings: list[Finding], measurements: list[Measurement], bounds: DataGate) -> GateResult:
    errors = group([finding for finding in findings if finding.severity is Severity.ERROR])
    if errors:
        named = " · ".join(problem.sentence() for problem in errors[:_NAMED_IN_REASON])
        more = f" · and {len(errors) - _NAMED_IN_REASON} more" if len(errors) > _NAMED_IN_REASON else ""
        verdict, reason = Verdict.FAILED, f"{len(errors)} {'problem' if len(errors) == 1 else 'problems'}: {named}{more}"
    else:
        verdict, reason = Verdict.PASSED, "The data is what the schema says, and nothing has drifted beyond its bounds."
    if bounds.off:
        verdict, reason = Verdict.SWITCHED_OFF, bounds.off
    return GateResult(gate="data", verdict=verdict, reason=reason, measurements=tuple(measurements))


def _write_anomalies(folder: Path, protos: dict[str, anomalies_pb2.Anomalies], findings: list[Finding]) -> None:
    for split, proto in protos.items():
        write_bytes(folder / split_dir(split) / ANOMALIES_FILE, proto.SerializeToString(deterministic=True))
    lines = [f"{finding.severity.upper()} {finding.sentence()}\n  {finding.remedy}" for finding in findings]
    texts = [f"# Split {split}\n{text_format.MessageToString(_without_schema(proto))}" for split, proto in protos.items()]
    write_text(folder / ANOMALIES_TEXT_FILE, "\n".join([*(lines or ["No findings."]), "", *texts]))


def _without_schema(proto: anomalies_pb2.Anomalies) -> anomalies_pb2.Anomalies:
    """Returns the anomalies without the copy of the schema that TFDV puts into them, which only hides the rest."""
    result = anomalies_pb2.Anomalies()
    result.CopyFrom(proto)
    result.ClearField("baseline")
    return result
