import pytest
from kfp.pipeline_spec import pipeline_spec_pb2

from components._shared.errors import UserError
from pipelines.parameters import parse_settings

KINDS = {"epochs": "NUMBER_INTEGER", "batch_size": "NUMBER_INTEGER", "hyperparameters": "STRUCT", "spans": "STRING"}


@pytest.fixture
def spec():
    made = pipeline_spec_pb2.PipelineSpec()
    for name, kind in KINDS.items():
        number = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Value(kind)
        made.root.input_definitions.parameters[name].parameter_type = number
    return made


def test_settings_have_the_types_of_the_pipeline(spec):
    settings = ["epochs=5", 'hyperparameters={"rate": 0.1}', "spans=1-3"]
    assert parse_settings(spec, settings) == {"epochs": 5, "hyperparameters": {"rate": 0.1}, "spans": "1-3"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=0", "epochs is at least 1. Received: 0"),
        ("batch_size=-5", "batch_size is at least 1"),
        ("epochs=1.5", "epochs is a whole number"),
        ('hyperparameters={"rate": NaN}', "hyperparameters is an object in JSON"),
    ],
)
def test_a_value_that_training_cannot_have_is_refused(spec, setting, message):
    with pytest.raises(UserError, match=message):
        parse_settings(spec, [setting])
