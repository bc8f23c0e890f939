"""What a wheel of this project holds, and what every page keeps."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("components", "pipelines", "serving")
TEMPLATES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.j2"))


def test_a_wheel_holds_every_module_and_template(tmp_path):
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    expected = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in _sources(package)}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def _sources(package):
    return [path for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".j2")]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_has_no_script_no_address_and_escapes_every_value(template):
    assert not re.search(r"<script|https?:|url\(|@import|\bsrc=|\|\s*safe\b|autoescape", template.read_text(encoding="utf-8"))
