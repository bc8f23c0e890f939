import errno

import pytest

from components._shared.folders import whole_folder


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with whole_folder(tmp_path / "new" / "artifact") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "new" / "artifact").exists()
    assert (tmp_path / "new" / "artifact" / "file").read_text() == "x"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["artifact"]


def write_and_fail(path):
    with whole_folder(path) as folder:
        (folder / "file").write_text("x")
        raise RuntimeError


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError):
        write_and_fail(tmp_path / "artifact")
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_is_gone(tmp_path):
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "old").write_text("x")
    with whole_folder(tmp_path / "artifact"):
        assert not (tmp_path / "artifact").exists()
    assert list((tmp_path / "artifact").iterdir()) == []


def test_what_a_killed_run_left_is_gone(tmp_path):
    (tmp_path / ".artifact.999999.tmp").mkdir()
    (tmp_path / ".artifact-2.999999.tmp").mkdir()
    with whole_folder(tmp_path / "artifact"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".artifact-2.999999.tmp", "artifact"]


def test_a_full_disk_is_an_os_error_whoever_reports_it(tmp_path):
    with pytest.raises(OSError, match="artifact") as raised, whole_folder(tmp_path / "artifact"):
        raise RuntimeError("variables/variables.data: No space left on device [while running 'WriteTransformFn']")
    assert raised.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
