import pytest

from serving.flags import parse


def test_names_and_defaults_are_those_of_tensorflow_model_server():
    options = parse(["--model_base_path=/models/half"])
    assert (options.port, options.rest_api_port, options.model_name) == (8500, 0, "default")
    assert (options.file_system_poll_wait_seconds, options.max_num_load_retries) == (1, 5)
    assert options.load_retry_interval_micros == 60_000_000
    assert options.enable_model_warmup
    assert not options.allow_version_labels_for_unavailable_models


def test_only_this_machine_can_ask_unless_told_otherwise():
    assert parse(["--model_base_path=/m"]).host == "127.0.0.1"
    assert parse(["--model_base_path=/m", "--host=0.0.0.0"]).host == "0.0.0.0"


@pytest.mark.parametrize(("text", "value"), [("", True), ("=true", True), ("=false", False), ("=1", True), ("=FALSE", False)])
def test_booleans_have_the_forms_of_tensorflow_model_server(text, value):
    flags = ["--model_base_path=/m", f"--allow_version_labels_for_unavailable_models{text}"]
    assert parse(flags).allow_version_labels_for_unavailable_models is value


@pytest.mark.parametrize(
    "flags",
    [
        ["--model_base_path=/m", "--prot=8500"],
        ["--model_base_path=/m", "--model_base=/m"],
        ["--model_base_path=/m", "--port=many"],
        ["--model_base_path=/m", "--enable_batching=maybe"],
        ["--model_name=half"],
    ],
)
def test_unknown_flags_wrong_values_and_no_model_are_errors(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(flags)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_flags_without_effect_are_taken_and_named():
    options = parse(
        ["--model_base_path=/m", "--enable_batching", "--rest_api_timeout_in_ms=5000", "--prefer_tflite_model=true"]
    )
    assert [notice.split()[0] for notice in options.ignored] == [
        "--enable_batching",
        "--rest_api_timeout_in_ms",
        "--prefer_tflite_model",
    ]
