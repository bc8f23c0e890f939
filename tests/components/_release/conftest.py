import pytest

from components._release.push import Candidate, push
from components._shared.digest import digest_model


@pytest.fixture
def base(tmp_path):
    """Returns the path of a serving directory that does not exist yet."""
    return tmp_path / "serving"


@pytest.fixture
def make_candidate(tmp_path):
    """Returns a function that returns a small approved model, told apart by its name."""

    def make(name="one", baseline="", **options):
        model = tmp_path / "models" / name
        (model / "variables").mkdir(parents=True, exist_ok=True)
        (model / "saved_model.pb").write_text("graph")
        (model / "variables/variables.data").write_text(name)
        fields = {
            "model": model,
            "model_digest": digest_model(model),
            "decision_digest": f"sha256:{name}",
            "baseline_version": baseline,
            "baseline_digest": "",
            "attachments": {"decision.json": b"{}", "statistics/Split-train/FeatureStats.pb": b"numbers"},
            "record": {"reason": "All gates passed.", "data_version": "sha256:data", "metrics": {"auc": 0.75}},
        }
        return Candidate(**fields | options)

    return make


@pytest.fixture
def two_versions(base, make_candidate):
    """Returns a serving directory with versions 1 and 2."""
    push(base, make_candidate("one"))
    push(base, make_candidate("two", "1"))
    return base
