import shutil

import pytest

from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError
from components.resolve_baseline.executor import ResolvedBaseline, resolve_baseline


def test_live_version_comes_with_its_digests(serving_dir):
    digests = {"model_digest": digest_model(serving_dir / "1"), "pushed_digest": digest_tree(serving_dir / "1")}
    assert resolve_baseline(serving_dir=str(serving_dir)) == ResolvedBaseline(version="1", **digests)


def test_nothing_is_live_in_a_missing_directory(tmp_path):
    assert resolve_baseline(serving_dir=str(tmp_path / "serving")) == ResolvedBaseline()
    assert not (tmp_path / "serving").exists()


def test_folder_that_nobody_pushed_is_not_live_and_named_in_the_log(serving_dir, caplog):
    shutil.copytree(serving_dir / "1", serving_dir / "2")
    assert resolve_baseline(serving_dir=str(serving_dir)).version == "1"
    assert f"{serving_dir / '2'} is no version" in caplog.text


def test_claim_whose_version_is_in_place_is_live(serving_dir):
    (serving_dir / ".ledger/00000002.json").unlink()
    assert resolve_baseline(serving_dir=str(serving_dir)).version == "1"


def test_claim_alone_is_not_live(serving_dir):
    (serving_dir / ".ledger/00000002.json").unlink()
    shutil.rmtree(serving_dir / "1")
    assert resolve_baseline(serving_dir=str(serving_dir)) == ResolvedBaseline()


def test_broken_ledger_is_an_error(serving_dir):
    (serving_dir / ".ledger/00000001.json").unlink()
    with pytest.raises(UserError, match="Entry 1 is missing"):
        resolve_baseline(serving_dir=str(serving_dir))


def test_reading_changes_nothing(serving_dir):
    before = digest_tree(serving_dir)
    resolve_baseline(serving_dir=str(serving_dir))
    assert digest_tree(serving_dir) == before


@pytest.mark.parametrize("path", ["", "s3://bucket/model"])
def test_serving_dir_must_be_a_folder(path):
    with pytest.raises(UserError, match="folder on a file system"):
        resolve_baseline(serving_dir=path)


def test_serving_dir_must_not_be_a_file(tmp_path):
    (tmp_path / "serving").touch()
    with pytest.raises(UserError, match="folder on a file system"):
        resolve_baseline(serving_dir=str(tmp_path / "serving"))
