import json

import pytest

from components._shared import outputs


@pytest.fixture
def executor_input(tmp_path):
    artifact = {"name": "metrics", "type": {"schemaTitle": "system.Metrics"}, "uri": "/x", "metadata": {"kept": 1}}
    document = {"outputs": {"artifacts": {"metrics": {"artifacts": [artifact]}}, "outputFile": str(tmp_path / "out.json")}}
    return json.dumps(document)


def test_metadata_is_added_and_the_rest_kept(executor_input, tmp_path):
    outputs.write_metadata(executor_input, {"metrics": {"auc": 0.7}})
    written = json.loads((tmp_path / "out.json").read_text())["artifacts"]["metrics"]["artifacts"][0]
    assert written["metadata"] == {"kept": 1, "auc": 0.7}
    assert written["uri"] == "/x"


def test_non_finite_metadata_is_left_out(executor_input, tmp_path):
    outputs.write_metadata(executor_input, {"metrics": {"auc": float("nan"), "loss": 0.5}})
    assert "NaN" not in (tmp_path / "out.json").read_text()


def test_the_launcher_parses_what_is_written(executor_input, tmp_path):
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    outputs.write_metadata(executor_input, {"metrics": {"auc": 0.7}})
    parsed = json_format.Parse((tmp_path / "out.json").read_text(), pipeline_spec_pb2.ExecutorOutput())
    assert parsed.artifacts["metrics"].artifacts[0].metadata["auc"] == 0.7


def test_nothing_is_written_by_hand(tmp_path):
    outputs.write_metadata("", {"metrics": {"auc": 1.0}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "text"), [("3", "3"), ([1, 2], "[1, 2]"), (True, "true")])
def test_parameters_are_text_or_json(value, text, tmp_path):
    outputs.write_parameter(tmp_path / "deep" / "parameter", value)
    assert (tmp_path / "deep" / "parameter").read_text() == text


def test_json_refuses_nan_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    outputs.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        outputs.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
