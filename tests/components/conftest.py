import pytest

from components._release.push import Candidate, push
from components._shared.digest import digest_model


@pytest.fixture
def candidate(tmp_path):
    """Returns a small approved model."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("graph")
    return Candidate(
        model=model,
        model_digest=digest_model(model),
        decision_digest="sha256:decision",
        baseline_version="",
        baseline_digest="",
        attachments={"decision.json": b"{}"},
        record={},
    )


@pytest.fixture
def serving_dir(tmp_path, candidate):
    """Returns a serving directory in which version 1 is live."""
    push(tmp_path / "serving", candidate)
    return tmp_path / "serving"


@pytest.fixture
def served_bucket(bucket, candidate):
    """Returns a base path in a bucket in which version 1 is live."""
    push(bucket, candidate)
    return bucket
