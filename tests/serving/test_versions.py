import pytest

from serving.errors import ServingError
from serving.versions import find_versions


@pytest.fixture
def found(model_config):
    def find(base_path, policy=""):
        (model,) = model_config(("half", base_path, policy)).model_config_list.config
        return {version: path.name for version, path in find_versions(model).items()}

    return find


@pytest.fixture
def base_path(tmp_path):
    for name in ("1", "2", "0010", ".staging-11", "11.partial", "latest", ".withdrawn-3", str(2**63)):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("", {10: "0010"}),
        ("model_version_policy { latest { num_versions: 2 } }", {2: "2", 10: "0010"}),
        ("model_version_policy { latest { } }", {10: "0010"}),
        ("model_version_policy { all { } }", {1: "1", 2: "2", 10: "0010"}),
        ("model_version_policy { specific { versions: 1 versions: 7 } }", {1: "1"}),
    ],
)
def test_a_policy_chooses_among_names_that_are_integers(base_path, policy, versions, found):
    assert found(base_path, policy) == versions


def test_a_base_path_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path, found):
    with pytest.raises(ServingError, match="Could not find base path"):
        found(tmp_path / "none")
