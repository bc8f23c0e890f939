from pathlib import Path

import pytest
from rich.console import Console

from components._shared.errors import UserError
from pipelines.init import _name_of, _pattern_of, init_project

TEXT = "age,job\n" + "".join(f"{number},j{number % 3}\n" for number in range(60))


@pytest.fixture
def init(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(text=TEXT, label="job", **options):
        Path("rows.csv").write_text(text)
        return init_project(Path("rows.csv"), label, Console(quiet=True), **options)

    return start


def test_an_unknown_label_is_one_message_and_nothing_is_left_behind(init, tmp_path):
    with pytest.raises(UserError) as raised:
        init(label="nope")
    assert str(raised.value) == (
        "The label is a column of the data, named by --label. Received: 'nope'. "
        "The columns: 'age', 'job'. Likely labels: 'job'."
    )
    assert not (tmp_path / "projects").exists()


def test_a_folder_that_holds_something_is_left_alone(init, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "project.yaml").write_text("mine")
    with pytest.raises(UserError, match="a folder of its own"):
        init(folder=tmp_path / "mine")
    assert (tmp_path / "mine" / "project.yaml").read_text() == "mine"


def test_data_that_is_no_file_is_refused(init, tmp_path):
    with pytest.raises(UserError, match="which is no file"):
        init_project(tmp_path, "y", Console(quiet=True))


@pytest.mark.parametrize("name", ["../x", "Toy", "1st", "a b"])
def test_a_name_that_no_project_can_have_is_refused_at_once(init, name):
    with pytest.raises(UserError, match=r"begins with a lower-case letter.*--name"):
        init(name=name)


@pytest.mark.parametrize("kind", ["ranking", "numeric"])
def test_a_kind_that_does_not_suit_is_told(init, kind):
    with pytest.raises(UserError, match="kind is known" if kind == "ranking" else "a column of numbers"):
        init(kind=kind)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("UCI_Credit Card.csv.gz", "uci-credit-card"),
        ("2024.csv", "project-2024"),
        ("Größe.csv", "gr-e"),
        ("_.csv", "project"),
        ("x" * 99, "x" * 63),
    ],
)
def test_the_name_is_made_from_the_files(file, name):
    assert _name_of(Path(file)) == name


def test_data_beside_the_project_is_named_from_there_and_other_data_from_the_root(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    here = tmp_path / "work"
    assert _pattern_of(here / "data" / "a[1].csv", here / "projects" / "a") == "../../data/a[[]1].csv"
    assert _pattern_of(tmp_path / "a.csv", here / "projects" / "a") == str(tmp_path / "a.csv")
    with pytest.raises(UserError, match="no braces"):
        _pattern_of(here / "{SPAN}.csv", here / "projects" / "a")
