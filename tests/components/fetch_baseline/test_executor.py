import json
import shutil

import pytest

from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError
from components.fetch_baseline.executor import fetch_baseline


@pytest.fixture
def options(serving_dir, tmp_path):
    """Returns the keyword arguments that fetch version 1."""
    digests = {"model_digest": digest_model(serving_dir / "1"), "pushed_digest": digest_tree(serving_dir / "1")}
    return {"serving_dir": str(serving_dir), "version": "1", **digests, "baseline": str(tmp_path / "baseline")}


def _is_complete(tmp_path):
    return (tmp_path / "baseline/baseline.json").exists()


def test_version_is_copied_whole(options, serving_dir, tmp_path):
    fetch_baseline(**options)
    assert digest_tree(tmp_path / "baseline/model") == digest_tree(serving_dir / "1")
    assert json.loads((tmp_path / "baseline/baseline.json").read_text()) == {
        name: options[name] for name in ("version", "model_digest", "pushed_digest")
    }


def test_baseline_json_is_there_when_nothing_is_live(tmp_path):
    options = {"serving_dir": str(tmp_path / "serving"), "version": "", "model_digest": "", "pushed_digest": ""}
    fetch_baseline(**options, baseline=str(tmp_path / "baseline"))
    assert [path.name for path in (tmp_path / "baseline").iterdir()] == ["baseline.json"]
    assert json.loads((tmp_path / "baseline/baseline.json").read_text())["version"] == ""


@pytest.mark.parametrize("name", ["saved_model.pb", "assets.extra/sluice/decision.json", "a_file_more"])
def test_version_that_changed_underneath_is_an_error(options, serving_dir, tmp_path, name):
    (serving_dir / "1" / name).write_text("changed")
    with pytest.raises(UserError, match="is what was pushed"):
        fetch_baseline(**options)
    assert not _is_complete(tmp_path)


@pytest.mark.parametrize("name", ["model_digest", "pushed_digest"])
def test_both_digests_count(options, tmp_path, name):
    with pytest.raises(UserError, match="is what was pushed"):
        fetch_baseline(**options | {name: ""})
    assert not _is_complete(tmp_path)


def test_version_that_went_away_is_an_error(options, serving_dir, tmp_path):
    shutil.rmtree(serving_dir / "1")
    with pytest.raises(UserError, match="stays in its place"):
        fetch_baseline(**options)
    assert not _is_complete(tmp_path)


@pytest.mark.parametrize("version", ["../other", "1.0", "-1", "01"])
def test_version_must_be_a_number(options, version):
    with pytest.raises(UserError, match="whole number"):
        fetch_baseline(**options | {"version": version})


def test_leftovers_of_a_killed_fetch_do_not_matter(options, serving_dir, tmp_path):
    (tmp_path / "baseline/.model.partial/old").mkdir(parents=True)
    fetch_baseline(**options)
    assert sorted(path.name for path in (tmp_path / "baseline").iterdir()) == ["baseline.json", "model"]
