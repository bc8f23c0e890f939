import shutil
import sys
import textwrap
from pathlib import Path

import pytest

FLIGHTS = Path(__file__).parents[2] / "projects" / "flights"


@pytest.fixture
def project_dir(tmp_path):
    """A project as the flights one, with files of its own that never change."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "data" / "project.yaml", folder)
    for name in ("schema.pbtxt", "features.py", "model.py"):
        (folder / name).write_text(f"# {name} of the tests\n", encoding="utf-8")
    return folder


@pytest.fixture
def make_stage(tmp_path, monkeypatch):
    """Writes `fake_stages.<name>`: a stage with the given body, and an executor module with its own."""
    package = tmp_path / "code" / "fake_stages"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))

    def make(name, body, executor=""):
        folder = package / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "executor.py").write_text(textwrap.dedent(executor))
        (folder / "__main__.py").write_text(textwrap.dedent(body))
        return [sys.executable, "-m", f"fake_stages.{name}"]

    return make
