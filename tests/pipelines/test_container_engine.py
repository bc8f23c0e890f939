import os
from pathlib import Path

import pytest

from components._shared.errors import UserError
from pipelines.container_engine import Engine, find_engine


def engine(**changes):
    return Engine(**({"program": "podman", "rootless": False, "uid": 1000, "gid": 1001} | changes))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts programs that print and exit as they are told on a PATH of their own."""

    def make(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"program": "docker"}, ["--user", "1000:1001"]),
        ({"rootless": True}, ["--userns", "keep-id", "--user", "1000:1001"]),
        ({"program": "docker", "rootless": True}, ["--user", "0:0"]),
        ({"uid": 0, "gid": 0}, ["--user", "65532:65532"]),
        ({"program": "docker", "uid": 0, "gid": 0}, ["--user", "65532:65532"]),
    ],
)
def test_stages_run_as_their_caller_or_as_a_user_without_rights(changes, options):
    assert engine(**changes).user_options() == options


def test_root_is_told_which_folders_its_containers_could_not_write(tmp_path):
    with pytest.raises(UserError, match=r"/usr belongs to user 0\. Run `chown -R 65532:65532 /usr`"):
        engine(uid=0).check_writable(Path("/usr"))
    engine(uid=0).check_writable(tmp_path / "not_there_yet")
    engine(uid=os.getuid() or 1000).check_writable(tmp_path)


def test_no_engine_is_one_message(programs):
    programs(docker="echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(UserError, match=r"docker: Cannot connect to the Docker daemon; podman: .*Install or start one"):
        find_engine()


def test_the_first_engine_that_answers_is_taken(programs):
    programs(docker="exit 1", podman="exit 0")
    found = find_engine()
    assert (found.program, found.rootless, found.uid) == ("podman", os.getuid() != 0, os.getuid())


def test_docker_tells_whether_it_is_rootless(programs):
    programs(docker="""echo '["name=seccomp,profile=builtin","name=rootless"]'""", podman="exit 0")
    assert (find_engine().program, find_engine().rootless) == ("docker", True)
    assert (find_engine("podman").program, find_engine("podman").rootless) == ("podman", os.getuid() != 0)


def test_an_engine_that_is_named_is_not_replaced_by_another(programs):
    programs(docker="exit 1", podman="exit 0")
    with pytest.raises(UserError, match="docker: exit code 1"):
        find_engine("docker")
    with pytest.raises(UserError, match=r"is docker or podman\. Received: lxc"):
        find_engine("lxc")


def test_an_image_that_is_not_there_is_not_pulled(programs):
    programs(podman='[ "$1 $2" = "image inspect" ] || echo "$@" > called; exit 1')
    with pytest.raises(UserError, match=r"Received: sluice:none. Build it with `make images`, get it with `podman pull"):
        engine().image_id("sluice:none")


def test_what_an_engine_says_when_it_fails_is_shown(programs):
    programs(podman="echo 'no space left on device' >&2; exit 125")
    with pytest.raises(UserError, match=r"podman create.*no space left on device"):
        engine().call("create")
