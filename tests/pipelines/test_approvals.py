from pathlib import Path

import pytest

from pipelines.approvals import parse_release


@pytest.mark.parametrize(
    ("text", "project", "digest"),
    [
        ("projects/flights", "projects/flights", ""),
        ("projects/flights@3f2a", "projects/flights", "3f2a"),
        ("me@home/flights@sha256:3f2a", "me@home/flights", "sha256:3f2a"),
        ("@3f2a", ".", "3f2a"),
        ("3f2a9c01", ".", "3f2a9c01"),
        ("sha256:3F2A", ".", "sha256:3F2A"),
        ("3f2", "3f2", ""),
        ("cafes", "cafes", ""),
    ],
)
def test_release_is_a_project_a_digest_or_both(text, project, digest):
    assert parse_release(text) == (Path(project), digest)


@pytest.mark.parametrize("name", ["facade", "me@cafe"])
def test_a_folder_that_is_there_is_a_project(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    assert parse_release(name) == (Path(name), "")
