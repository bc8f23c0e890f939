import pytest

from serving.config import check_model_config, read_model_config, read_prometheus_path
from serving.errors import ServingError


def test_a_config_in_the_form_of_tf_servings_documentation_is_read(tmp_path):
    file = tmp_path / "models.config"
    file.write_text(
        """model_config_list: {
          config: { name: "half", base_path: "/models/half", model_platform: "tensorflow",
                    model_version_policy { specific { versions: 1 versions: 2 } }
                    version_labels { key: "stable" value: 1 } }
        }"""
    )
    (model,) = read_model_config(file).model_config_list.config
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    assert dict(model.version_labels) == {"stable": 1}


def test_a_config_that_does_not_parse_is_named_as_tf_serving_names_it(tmp_path):
    file = tmp_path / "bad.config"
    file.write_text("improperly formatted file")
    with pytest.raises(ServingError) as raised:
        read_model_config(file)
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in raised.value.message
    assert f"Invalid protobuf file: '{file}'" in raised.value.message


def test_a_config_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ServingError, match="NOT_FOUND"):
        read_model_config(tmp_path / "none")


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([("half", "/a"), ("half", "/b")], "Illegal to list model half multiple times in config list"),
        ([("half", "a/b")], "Expected model half to have an absolute path or URI; got base_path()=a/b"),
        ([("half", "/a", 'model_platform: "caffe"')], "Model half requests unsupported platform caffe"),
        ([("half", "/a", 'model_platform: ""')], "Illegal setting neither"),
        ([("half", "/a", "model_type: TENSORFLOW")], "Illegal setting both"),
    ],
)
def test_what_tf_serving_refuses_is_refused(models, message, model_config):
    with pytest.raises(ServingError) as raised:
        check_model_config(model_config(*models))
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('prometheus_config: { enable: true, path: "/metrics" }', "/metrics"),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { path: "/metrics" }', ""),
        ("", ""),
    ],
)
def test_a_monitoring_config_says_where_the_metrics_are(tmp_path, text, path):
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_prometheus_path(file) == path


def test_a_monitoring_config_that_does_not_parse_is_an_error(tmp_path):
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus_config { enabled: true }")
    with pytest.raises(ServingError, match=r"tensorflow\.serving\.MonitoringConfig"):
        read_prometheus_path(file)
