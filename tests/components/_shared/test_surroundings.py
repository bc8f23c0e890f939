import pytest

from components._shared.surroundings import describe_surroundings, read_keras_settings

WRITTEN_BY_KERAS = '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        (WRITTEN_BY_KERAS, {}),
        ('{"floatx": "float64", "other": 1}', {"floatx": "float64"}),
        ("no JSON", {}),
    ],
)
def test_keras_settings_count_where_they_are_not_its_own(tmp_path, monkeypatch, text, expected):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if text is not None:
        (tmp_path / "keras.json").write_text(text)
    assert read_keras_settings() == describe_surroundings({})["keras"] == expected
