import json

import pytest

from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError
from components.fetch_baseline.executor import fetch_baseline
from components.resolve_baseline.executor import resolve_baseline


@pytest.fixture
def options(served_bucket, tmp_path):
    """Returns the keyword arguments that fetch version 1."""
    live = resolve_baseline(serving_dir=str(served_bucket))
    digests = {"model_digest": live.model_digest, "pushed_digest": live.pushed_digest}
    return {"serving_dir": str(served_bucket), "version": live.version, **digests, "baseline": str(tmp_path / "baseline")}


def test_version_is_downloaded_whole(options, tmp_path):
    fetch_baseline(**options)
    model = tmp_path / "baseline/model"
    assert (digest_model(model), digest_tree(model)) == (options["model_digest"], options["pushed_digest"])
    assert json.loads((tmp_path / "baseline/baseline.json").read_text())["version"] == "1"


@pytest.mark.parametrize("name", ["saved_model.pb", "assets.extra/sluice/decision.json", "an_object_more"])
def test_version_that_changed_underneath_is_an_error(options, served_bucket, object_server, tmp_path, name):
    object_server.put(served_bucket.bucket, f"{served_bucket.name}/1/{name}", b"changed")
    with pytest.raises(UserError, match="is what was pushed"):
        fetch_baseline(**options)
    assert not (tmp_path / "baseline/baseline.json").exists()


@pytest.mark.parametrize("name", ["../evil", "a//b", "saved_model.pb/below"])
def test_object_whose_name_is_no_path_is_not_written(options, served_bucket, object_server, tmp_path, name):
    object_server.put(served_bucket.bucket, f"{served_bucket.name}/1/{name}", b"x")
    with pytest.raises(UserError, match="holds files and folders"):
        fetch_baseline(**options)
    assert list((tmp_path / "baseline").rglob("*")) == []


def test_version_that_went_away_is_an_error(options, served_bucket, object_server):
    object_server.buckets[served_bucket.bucket].clear()
    with pytest.raises(UserError, match="stays in its place"):
        fetch_baseline(**options)
