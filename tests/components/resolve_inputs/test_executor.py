import os
from pathlib import Path

import pytest

from components._shared.digest import digest_file
from components._shared.errors import UserError
from components.resolve_inputs.executor import resolve_inputs

PATTERN = "data/span-{SPAN}/*.csv"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Spans 1, 2, 3 and 10, the second in two files."""
    for name in ("span-1/a.csv", "span-2/b.csv", "span-2/a.csv", "span-3/a.csv", "span-10/a.csv"):
        write(tmp_path / "data" / name, f"content of {name}")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def resolve(project: Path, spans: str = "all", pattern: str = PATTERN):
    return resolve_inputs(project_dir=str(project), pattern=pattern, spans=spans)


def names(project: Path, *args: str) -> list[str]:
    return [Path(file["path"]).relative_to(project).as_posix() for file in resolve(project, *args).files]


def test_all_spans_in_order_of_their_numbers(project: Path):
    assert resolve(project).spans == [1, 2, 3, 10]
    assert names(project)[-2:] == ["data/span-3/a.csv", "data/span-10/a.csv"]


def test_range_takes_its_spans_alone(project: Path):
    assert names(project, "1-2") == ["data/span-1/a.csv", "data/span-2/a.csv", "data/span-2/b.csv"]


def test_each_file_is_described(project: Path):
    path = project / "data/span-10/a.csv"
    expected = {"path": str(path), "span": 10, "size": path.stat().st_size, "sha256": digest_file(path)}
    assert resolve(project, "10").files == [expected]


def test_absolute_pattern(project: Path, tmp_path: Path):
    assert resolve(tmp_path / "data", pattern=f"{project}/{PATTERN}") == resolve(project)


def test_project_dir_with_glob_characters(tmp_path: Path):
    write(tmp_path / "a[1]*" / "data/span-1/a.csv", "x")
    assert resolve(tmp_path / "a[1]*").spans == [1]


def test_pattern_without_span(project: Path):
    resolved = resolve(project, pattern="data/**/b.csv")
    assert [Path(file["path"]).name for file in resolved.files] == ["b.csv"]
    assert resolved.spans == [0]


def test_span_in_file_name_is_the_whole_number(tmp_path: Path):
    for number in (1, 11, 21):
        write(tmp_path / f"data{number}.csv", str(number))
    assert names(tmp_path, "1", "*{SPAN}.csv") == ["data1.csv"]


def test_placeholders_agree(tmp_path: Path):
    for name in ("1/part-1.csv", "1/part-2.csv", "2/part-2.csv"):
        write(tmp_path / name, name)
    assert names(tmp_path, "all", "{SPAN}/part-{SPAN}.csv") == ["1/part-1.csv", "2/part-2.csv"]


def test_folders_and_hidden_files_are_no_data(project: Path):
    write(project / "data/span-1/.a.csv.tmp.csv", "half")
    write(project / "data/span-1/folder.csv/x", "other")
    assert names(project, "1") == ["data/span-1/a.csv"]


def test_fingerprint_knows_neither_names_nor_order(project: Path):
    before = resolve(project).fingerprint
    one, ten = project / "data/span-1/a.csv", project / "data/span-10/a.csv"
    content = one.read_text(), ten.read_text()
    ten.with_name("renamed.csv").write_text(content[0])
    one.write_text(content[1])
    ten.unlink()
    assert resolve(project).fingerprint == before


def test_fingerprint_counts_every_content(project: Path):
    before = resolve(project).fingerprint
    again = write(project / "data/span-1/z.csv", "content of span-1/a.csv")
    twice = resolve(project).fingerprint
    again.write_text("content of span-1/b.csv")
    assert len({before, twice, resolve(project).fingerprint}) == 3


@pytest.mark.parametrize("spans", ["4", "1-4", "3-5,10"])
def test_missing_span_is_named_with_those_there_are(project: Path, spans: str):
    with pytest.raises(UserError, match=r"no file of span 4.*There are the spans 1-3, 10\."):
        resolve(project, spans)


@pytest.mark.parametrize("spans", ["all", "1-3"])
def test_span_without_file_is_named(project: Path, spans: str):
    (project / "data/span-3/a.csv").unlink()
    with pytest.raises(UserError, match="empty span 3 "):
        resolve(project, spans)


def test_empty_span_that_is_not_asked_for_is_left_alone(project: Path):
    (project / "data/span-3/a.csv").unlink()
    assert resolve(project, "1-2").spans == [1, 2]


def test_empty_file_is_named(project: Path):
    write(project / "data/span-2/b.csv", "")
    with pytest.raises(UserError, match=r"span-2/b\.csv with 0 bytes"):
        resolve(project)


def test_dangling_link_is_named(project: Path):
    (project / "data/span-1/link.csv").symlink_to(project / "nowhere")
    with pytest.raises(UserError, match=r"can be read.*link\.csv"):
        resolve(project)


def test_pipe_is_refused_unread(project: Path):
    os.mkfifo(project / "data/span-3/b.csv")
    with pytest.raises(UserError, match=r"regular file.*b\.csv, a pipe"):
        resolve(project)


def test_name_that_is_no_text_is_refused(project: Path):
    path = os.fsencode(project / "data/span-3") + b"/\xff.csv"
    os.close(os.open(path, os.O_CREAT))
    with pytest.raises(UserError, match=r"UTF-8.*\\xff\.csv.*Rename"):
        resolve(project)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_named(project: Path):
    (project / "data/span-1/a.csv").chmod(0)
    with pytest.raises(UserError, match=r"can be read.*span-1/a\.csv"):
        resolve(project)


@pytest.mark.parametrize(
    ("pattern", "spans", "message"),
    [
        ("data/*/a.csv", "1-3", "only when the pattern holds"),
        ("nothing/*.csv", "all", "at least one file"),
        ("nothing/{SPAN}.csv", "all", "at least one file"),
        ("", "all", "pattern"),
        ("data/{VERSION}/*.csv", "all", "goes with"),
        ("data/**/span-{SPAN}/*.csv", "all", "not both"),
        ("s3://bucket/span-{SPAN}/*.csv", "all", "file system"),
        (PATTERN, "latest:1,skip:4", "leaves out fewer.*4 spans"),
    ],
)
def test_pattern_that_cannot_work(project: Path, pattern: str, spans: str, message: str):
    with pytest.raises(UserError, match=message):
        resolve(project, spans, pattern)


def test_width_reads_leading_zeros(tmp_path: Path):
    write(tmp_path / "span-07.csv", "x")
    assert resolve(tmp_path, "7", "span-{SPAN:2}.csv").spans == [7]


def test_leading_zeros_are_refused(project: Path):
    write(project / "data/span-02/a.csv", "x")
    with pytest.raises(UserError, match=r"without leading zeros.*span-02"):
        resolve(project)


def test_window_takes_the_latest_spans_there_are(project: Path, caplog):
    assert resolve(project, "latest:2").spans == [3, 10]
    assert resolve(project, "latest:2,skip:1").spans == [2, 3]
    assert not caplog.records
    assert resolve(project, "latest:5").spans == [1, 2, 3, 10]
    assert "asks for 5 spans, and there are 4" in caplog.text


def test_window_that_holds_an_empty_span_is_refused(project: Path):
    (project / "data/span-10/a.csv").unlink()
    with pytest.raises(UserError, match="empty span 10 "):
        resolve(project, "latest:2")


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """Two days; the first in versions 1, 2 and 10."""
    for name in ("2013-01-05/v1/a.csv", "2013-01-05/v2/a.csv", "2013-01-05/v10/b.csv", "2013-01-06/v1/a.csv"):
        write(tmp_path / name, f"content of {name}")
    return tmp_path


DAYS = "{YYYY}-{MM}-{DD}/v{VERSION}/*.csv"


def test_latest_version_of_each_span_is_read(versions: Path):
    assert names(versions, "all", DAYS) == ["2013-01-05/v10/b.csv", "2013-01-06/v1/a.csv"]
    assert [(file["span"], file["version"]) for file in resolve(versions, "all", DAYS).files] == [(15710, 10), (15711, 1)]


def test_days_are_asked_for_and_shown_as_days(versions: Path):
    assert resolve(versions, "2013-01-06", DAYS).spans == [15711]
    with pytest.raises(UserError, match=r"no file of span 2013-01-07 .*the spans 2013-01-05\.\.2013-01-06"):
        resolve(versions, "2013-01-05..2013-01-07", DAYS)


def test_latest_version_that_is_an_empty_folder_is_refused(versions: Path):
    (versions / "2013-01-06/v2").mkdir()
    with pytest.raises(UserError, match="empty span 2013-01-06 "):
        resolve(versions, "all", DAYS)


def test_project_that_is_not_there(tmp_path: Path):
    with pytest.raises(UserError, match="project is a folder"):
        resolve(tmp_path / "nope")
