import csv
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from container_images import find_test_image

from components._shared.errors import UserError
from pipelines.container_access import Access
from pipelines.container_engine import Engine
from pipelines.container_launcher import ContainerLauncher, _exit_code, create_command
from pipelines.launchers import Command, stage_environment

PODMAN = Engine(program="podman", rootless=False, uid=1000, gid=1000)
PROBE = """
import json, os, pathlib, socket
def writable(folder):
    try:
        pathlib.Path(folder, "probe").write_text("")
    except OSError:
        return False
    return True
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "uid": os.getuid(), "capabilities": status["CapEff"], "bounding": status["CapBnd"], "new_privileges": status["NoNewPrivs"],
    "interfaces": [name for _, name in socket.if_nameindex()], "written": {folder: writable(folder) for folder in FOLDERS},
    "read": os.listdir(INPUT), "variable": os.environ["COLOUR"],
}))
"""


@pytest.fixture
def launcher():
    engine, _ = find_test_image()
    if not engine:
        pytest.skip(find_test_image()[1])
    return ContainerLauncher(engine)


@pytest.fixture
def command(tmp_path):
    """Returns a stage with the given program text, an input artifact and an output folder."""

    def command(program, **changes):
        for name in ("input", "output"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "input" / "data.txt").write_text("")
        document = {
            "inputs": {"artifacts": {"data": {"artifacts": [{"uri": str(tmp_path / "input")}]}}},
            "outputs": {"outputFile": str(tmp_path / "output" / "executor_output.json")},
        }
        env = {"COLOUR": "blue", "SLUICE_RUN_ID": f"run-{tmp_path.name}"}
        image = find_test_image()[1]
        made = Command(argv=["python", "-c", program], env=env, log=tmp_path / "log", image=image, executor_input=document)
        return dataclasses.replace(made, **changes)

    return command


@pytest.fixture
def options(command, tmp_path):
    """The command that makes a container that may read, write and call something."""
    access = Access(
        read=(tmp_path / "in,put",),
        output=tmp_path / "output",
        write=(tmp_path / "served",),
        network="host",
        variables={"HTTPS_PROXY": "http://user:secret@proxy"},
    )
    return create_command(PODMAN, "sluice-1", "sha256:abc", command("pass"), access)


def mounts(options):
    return [next(csv.reader([text])) for option, text in itertools.pairwise(options) if option == "--mount"]


def test_a_container_is_made_without_rights(options):
    for option in ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"):
        assert option in options
    assert " ".join(options).startswith("podman create --name sluice-1 ")
    assert not {"--rm", "--privileged", "--pid"} & set(options)


def test_folders_are_mounted_at_their_own_paths(options, tmp_path):
    places = {"in,put": ["readonly"], "output": [], "served": []}
    assert mounts(options) == [
        ["type=bind", f"source={tmp_path / name}", f"target={tmp_path / name}", *rest] for name, rest in places.items()
    ]


def test_values_of_the_users_variables_stay_off_the_command_line(options):
    assert "HTTPS_PROXY" in options
    assert "secret" not in " ".join(options)


def test_the_image_goes_into_the_ledger_and_the_run_onto_a_label(options, tmp_path):
    image = find_test_image()[1]
    assert f"SLUICE_IMAGE={image} (sha256:abc)" in options
    assert f"sluice.run=run-{tmp_path.name}" in options
    assert options[-4:] == ["sha256:abc", "python", "-c", "pass"]


@pytest.mark.parametrize(
    ("state", "client_code", "exit_code"),
    [
        ({"Status": "exited", "ExitCode": 3}, 3, 3),
        ({"Status": "exited", "ExitCode": 0}, 125, 0),
        ({"Status": "exited", "ExitCode": 137}, 137, -9),
        ({"Status": "exited", "ExitCode": 1, "OOMKilled": True}, 1, -9),
        ({"Status": "exited", "ExitCode": 0, "OOMKilled": True}, 0, 0),
        ({"Status": "created", "ExitCode": 0}, 127, 127),
        ({"Status": "created", "ExitCode": 0}, 0, 1),
        ({"Status": "running", "ExitCode": 0}, 0, 1),
    ],
)
def test_a_container_that_did_not_run_to_its_end_is_no_success(state, client_code, exit_code):
    assert _exit_code(state, client_code) == exit_code


def test_a_stage_cannot_leave_its_container(launcher, command, tmp_path):
    folders = ["/", "/usr", "/tmp", str(tmp_path / "input"), str(tmp_path / "output")]
    program = f"FOLDERS, INPUT = {folders}, {str(tmp_path / 'input')!r}\n{PROBE}"
    assert launcher.run(command(program), lambda: None).exit_code == 0
    found = json.loads((tmp_path / "log").read_text())
    assert found["written"] == dict(zip(folders, [False, False, True, False, True], strict=True))
    assert found["interfaces"] == ["lo"]
    assert (int(found["capabilities"], 16), int(found["bounding"], 16), found["new_privileges"]) == (0, 0, "1")
    assert found["uid"] == (os.getuid() or 65532)
    assert (found["read"], found["variable"]) == (["data.txt"], "blue")


def test_links_of_the_data_lead_there_in_a_container_too(launcher, command, tmp_path):
    project, disk = tmp_path / "project", tmp_path / "disk"
    for folder in (project / "data" / "span-1", disk / "span-2"):
        folder.mkdir(parents=True)
    for place in (disk / "span-2" / "rows.csv", disk / "rows.csv"):
        place.write_text("a\n1\n")
    (tmp_path / "way").symlink_to("disk/span-2")
    (project / "data" / "span-2").symlink_to(tmp_path / "way")
    (project / "data" / "span-1" / "rows.csv").symlink_to(disk / "rows.csv")
    parameters = {"project_dir": str(project), "pattern": "data/span-{SPAN}/*.csv", "spans": "all"}
    outputs = {name: tmp_path / "output" / name for name in ("files", "fingerprint", "resolved_spans")}
    argv = ["python", "-m", "components.resolve_inputs"]
    argv += [text for name, value in (parameters | outputs).items() for text in (f"--{name}", str(value))]
    stage = command("", argv=argv)
    stage.executor_input["inputs"]["parameterValues"] = parameters
    assert launcher.run(stage, lambda: None).exit_code == 0, (tmp_path / "log").read_text()
    assert json.loads(outputs["resolved_spans"].read_text()) == [1, 2]


@pytest.mark.parametrize(
    ("program", "exit_code"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9), ("1 / 0", 1)]
)
def test_exit_code_and_log_are_the_stages_own(launcher, command, tmp_path, program, exit_code):
    shown = "import sys; print('x' * 100000); print('last words', file=sys.stderr)\n"
    assert launcher.run(command(shown + program), lambda: None).exit_code == exit_code
    log = (tmp_path / "log").read_text()
    assert len(log) > 100000
    assert "last words" in log
    assert not containers(launcher, tmp_path)


def test_a_program_that_the_image_lacks_fails_the_stage(launcher, command, tmp_path):
    ending = launcher.run(command("", argv=["no-such-program"]), lambda: None)
    assert ending.exit_code not in (0, 2, 3)
    assert "no-such-program" in (tmp_path / "log").read_text()


def test_usage_is_measured(launcher, command):
    if launcher.engine.rootless and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("without root, control groups of version 1 tell no container from another")
    work = "import time\nblock = b'x' * 80_000_000\nwhile time.process_time() < 0.6: pass\ntime.sleep(0.4)"
    ending = launcher.run(command(work), lambda: None)
    assert 0.5 < ending.cpu_seconds < 20
    assert 80e6 < ending.peak_bytes < 400e6


def test_interruption_removes_the_container(launcher, command, tmp_path):
    def stop():
        if (tmp_path / "output" / "started").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launcher.run(command(_linger(tmp_path)), stop)
    assert not containers(launcher, tmp_path)


def test_a_killed_runner_leaves_no_container_behind(launcher, command, tmp_path):
    request = dataclasses.asdict(command(_linger(tmp_path))) | {"log": str(tmp_path / "log")}
    code = f"""
import pathlib
from pipelines.container_engine import find_engine
from pipelines.container_launcher import ContainerLauncher
from pipelines.launchers import Command
request = {request!r}
request["log"] = pathlib.Path(request["log"])
ContainerLauncher(find_engine()).run(Command(**request), lambda: None)
"""
    runner = subprocess.Popen([sys.executable, "-c", code], env=stage_environment())
    assert _in_time((tmp_path / "output" / "started").exists)
    assert containers(launcher, tmp_path)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert _in_time(lambda: not containers(launcher, tmp_path))


def test_a_stage_reaches_a_bucket_by_the_network_that_it_takes(launcher, command, bucket, object_server, tmp_path):
    outputs = [tmp_path / "output" / name for name in ("version", "model_digest", "pushed_digest")]
    argv = ["python", "-m", "components.resolve_baseline", "--serving_dir", str(bucket)]
    stage = command("", argv=[*argv, *(text for path in outputs for text in (f"--{path.name}", str(path)))])
    stage.executor_input["inputs"]["parameterValues"] = {"serving_dir": str(bucket)}
    assert launcher.run(stage, lambda: None).exit_code == 0, (tmp_path / "log").read_text()
    assert outputs[0].read_text() == ""
    assert any(bucket.bucket in str(request) for request in object_server.requests)


def test_an_image_that_is_not_there_ends_the_stage_before_it_starts(launcher, command):
    with pytest.raises(UserError, match="make images"):
        launcher.run(command("", image="sluice:no-such-tag"), lambda: None)


def containers(launcher, tmp_path):
    """Returns the containers of this test's run, in whatever state."""
    return launcher.engine.call("ps", "--all", "--quiet", "--filter", f"label=sluice.run=run-{tmp_path.name}").split()


def _linger(tmp_path):
    return f"import pathlib, time; pathlib.Path({str(tmp_path / 'output')!r}, 'started').touch(); time.sleep(500)"


def _in_time(condition, seconds=300.0):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
