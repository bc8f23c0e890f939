import json

import pytest

from components._shared.digest import digest_bytes
from components._shared.gates import Evidence, GateReport, GateResult, Measurement, Verdict, read_gate_report

EVIDENCE = Evidence(model_digest="sha256:m", data_version="sha256:d", policy_hash="sha256:p", baseline_version="")
GATE = GateResult(
    gate="performance",
    verdict=Verdict.FAILED,
    reason="AUC is below its bound.",
    measurements=(Measurement(name="auc", value=0.4, lower_bound=0.6, rows=10, passed=False),),
)


def test_a_report_reads_back_as_written(tmp_path):
    report = GateReport(stage="evaluate_model", evidence=EVIDENCE, gates=(GATE,))
    report.write(tmp_path)
    assert read_gate_report(tmp_path) == report


def test_a_report_names_the_digests_of_what_was_read_and_of_what_lies_beside_it(tmp_path):
    (tmp_path / "details.html").write_text("shown")
    report = GateReport(stage="evaluate_model", evidence=EVIDENCE, gates=(GATE,), documents={"manifest.json": "sha256:m"})

    report.write(tmp_path, beside=("details.html",))

    assert read_gate_report(tmp_path).documents == {"manifest.json": "sha256:m", "details.html": digest_bytes(b"shown")}


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("evidence"),
        lambda document: document.update(format="other"),
        lambda document: document["gates"][0].update(verdict="perhaps"),
        lambda document: document["gates"][0].pop("reason"),
        lambda document: document["evidence"].update(extra=1),
        lambda document: document.update(gates=["passed"]),
        lambda document: document.update(documents=None),
    ],
)
def test_a_damaged_report_is_an_error(damage, tmp_path):
    GateReport(stage="evaluate_model", evidence=EVIDENCE, gates=(GATE,)).write(tmp_path)
    document = json.loads((tmp_path / "gates.json").read_text())
    damage(document)
    (tmp_path / "gates.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"gates\.json|Verdict"):
        read_gate_report(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_something_else_is_an_error(text, tmp_path):
    (tmp_path / "gates.json").write_text(text)
    with pytest.raises(ValueError, match=r".+"):
        read_gate_report(tmp_path)
