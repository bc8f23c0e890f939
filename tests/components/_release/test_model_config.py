import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components._release.model_config import read_labels, replace_configuration, with_labels
from components._shared.errors import UserError

OTHERS = """
model_config_list: {  # ours and theirs
  config {
    name: "other", base_path: '/models/{other}'; model_platform: "tensorflow"
    model_version_policy { specific { versions: [3, 4] } }
    version_labels { key: "stable" value: 3 }
  }
  config <
    name: 'flights'
    base_path: "/models/flights"
    model_platform: "tensorflow"
    model_version_policy: { latest { num_versions: 2 } }
    logging_config { sampling_config { sampling_rate: 0.5 } }
  >
}
"""


def _write(path, model, versions, labels):
    replace_configuration(path, with_labels(path, model, versions, labels))


def _proto(path):
    return text_format.Parse(path.read_text(), model_server_config_pb2.ModelServerConfig())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(OTHERS)
    return path


def test_labels_are_read(file):
    assert read_labels(file, "other") == ({3, 4}, {"stable": 3})
    assert read_labels(file, "flights") == (set(), {})


def test_what_is_written_is_what_protobuf_reads_and_the_rest_stays(file):
    before = _proto(file)
    _write(file, "flights", [2, 1], {"stable": 1, "canary": 2})
    after = _proto(file)
    own = after.model_config_list.config[1]
    assert (list(own.model_version_policy.specific.versions), dict(own.version_labels)) == ([1, 2], {"stable": 1, "canary": 2})
    assert read_labels(file, "flights") == ({1, 2}, {"stable": 1, "canary": 2})
    for config in (before, after):
        config.model_config_list.config[1].ClearField("model_version_policy")
        config.model_config_list.config[1].ClearField("version_labels")
    assert after == before


def test_writing_twice_is_writing_once(file):
    _write(file, "flights", [1], {"stable": 1})
    text = file.read_text()
    _write(file, "flights", [1], {"stable": 1})
    assert file.read_text() == text


def test_what_a_process_that_died_has_left_does_no_harm(file):
    file.with_name(".models.config.tmp").write_text("half")
    _write(file, "flights", [1], {})
    assert [path.name for path in file.parent.iterdir()] == ["models.config"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names the model 'flights'"),
        ('model_config_list { config { name: "x" } }', "names the model 'flights'"),
        ('model_config_list { config { name: "flights" }', "is missing"),
        ("model_config_list { config { name: } }", "a value is missing"),
        ('model_config_list { "config" { } }', "is no field"),
        ('model_config_list { config { name: "flights } }', "cannot be read from"),
    ],
)
def test_file_that_is_something_else_is_an_error(file, text, words):
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        read_labels(file, "flights")


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_labels(tmp_path / "none", "flights")
