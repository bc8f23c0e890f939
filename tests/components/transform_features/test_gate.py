import pytest

from components._shared.errors import Refusal
from components._shared.gates import Verdict
from components.transform_features.gate import honour_data_gate


def test_a_passed_gate_lets_its_data_through(write_gate, tmp_path):
    write_gate(tmp_path, Verdict.PASSED)
    honour_data_gate(tmp_path, "sha256:d1")


def test_a_failed_gate_is_honoured_with_its_reason(write_gate, tmp_path):
    write_gate(tmp_path, Verdict.FAILED)
    with pytest.raises(Refusal, match=r"seats: 40 % missing.*page of validate_examples"):
        honour_data_gate(tmp_path, "sha256:d1")


def test_a_gate_that_did_not_judge_is_no_pass(write_gate, tmp_path):
    write_gate(tmp_path, Verdict.NOT_APPLICABLE)
    with pytest.raises(Refusal, match="not_applicable"):
        honour_data_gate(tmp_path, "sha256:d1")


def test_a_gate_switched_off_lets_through_with_a_warning(write_gate, tmp_path, caplog):
    write_gate(tmp_path, Verdict.SWITCHED_OFF)
    honour_data_gate(tmp_path, "sha256:d1")
    assert "switched off: seats" in caplog.text


def test_a_report_about_other_data_is_refused(write_gate, tmp_path):
    write_gate(tmp_path, Verdict.PASSED, data_version="sha256:yesterday")
    with pytest.raises(Refusal, match="sha256:yesterday"):
        honour_data_gate(tmp_path, "sha256:d1")


def test_a_report_without_the_data_gate_is_refused(write_gate, tmp_path):
    write_gate(tmp_path, Verdict.PASSED, gate="performance")
    with pytest.raises(Refusal, match="one verdict of the data gate"):
        honour_data_gate(tmp_path, "sha256:d1")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"format": "other"}', '{"format": "sluice/gates/1"}'])
def test_a_missing_or_unreadable_report_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "gates.json").write_text(text)
    with pytest.raises(Refusal, match="only with the report"):
        honour_data_gate(tmp_path, "sha256:d1")
