import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines import launchers
from pipelines.launchers import Command, ForkLauncher, PlainLauncher, StandbyLauncher, stage_environment

SHOW = """
import os, sys
from fake_stages import marks
print(sys.argv[1:], os.environ.get("COLOUR"), os.getpid(), marks.IMPORTED_BY)
print("to stderr", file=sys.stderr)
"""
LINGER = """
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "500"])
pathlib.Path({file!r}).write_text(str(child.pid))
time.sleep(500)
"""
MARK = "import os\nfrom fake_stages import marks\nmarks.IMPORTED_BY = os.getpid()"


@pytest.fixture(params=["plain", "standby", "fork"])
def launcher(request, make_stage, tmp_path):
    (tmp_path / "code" / "fake_stages" / "marks.py").write_text("IMPORTED_BY = 0\n")
    make_stage("show", SHOW, executor=MARK)
    make_stage("fail", "raise SystemExit(3)")
    make_stage("crash", "raise ValueError('broken')")
    make_stage("die", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    make_stage("work", "import time\nblock = b'x' * 60_000_000\nwhile time.process_time() < 0.3: pass")
    make_stage("linger", LINGER.format(file=str(tmp_path / "pid")))
    stages = ["show", "fail", "crash", "die", "work", "linger"]
    made = {
        "plain": PlainLauncher,
        "standby": lambda: StandbyLauncher(stages, "fake_stages"),
        "fork": lambda: ForkLauncher(stages, "fake_stages"),
    }[request.param]()
    made.kind = request.param
    yield made
    made.close()


def run(launcher, stage, log, *args, on_tick=lambda: None):
    argv = [sys.executable, "-m", f"fake_stages.{stage}", *args]
    return launcher.run(Command(argv=argv, env={"COLOUR": "blue"}, log=log), on_tick)


def test_stage_gets_arguments_environment_and_log(launcher, tmp_path):
    ending = run(launcher, "show", tmp_path / "log", "--flag", "a b")
    text = (tmp_path / "log").read_text()
    assert ending.exit_code == 0
    assert "['--flag', 'a b'] blue" in text
    assert "to stderr" in text


def test_imports_are_done_where_isolation_says(launcher, tmp_path):
    for _ in range(100):  # the fork server imports while it waits
        run(launcher, "show", tmp_path / "log")
        pid, importer = (tmp_path / "log").read_text().splitlines()[0].split()[-2:]
        if launcher.kind != "fork" or importer != "0":
            break
    assert {"plain": importer == "0", "standby": importer == pid, "fork": importer not in ("0", pid)}[launcher.kind]


def test_fork_server_serves_before_all_its_imports_are_done(make_stage, tmp_path):
    make_stage("quick", "print('done')")
    make_stage("slow", "", executor="import time; time.sleep(500)")
    launcher = ForkLauncher(["quick", "slow"], "fake_stages")
    run(launcher, "quick", tmp_path / "log")
    launcher.close()
    assert (tmp_path / "log").read_text() == "done\n"


def test_every_stage_has_its_own_process(launcher, tmp_path):
    pids = []
    for number in range(2):
        run(launcher, "show", tmp_path / f"log{number}")
        pids.append((tmp_path / f"log{number}").read_text().split()[-4])
    assert pids[0] != pids[1]
    assert str(os.getpid()) not in pids


@pytest.mark.parametrize(("stage", "code"), [("fail", 3), ("crash", 1), ("die", -9)])
def test_exit_code_is_the_stages_own(launcher, tmp_path, stage, code):
    assert run(launcher, stage, tmp_path / "log").exit_code == code


def test_crash_leaves_its_traceback_in_the_log(launcher, tmp_path):
    run(launcher, "crash", tmp_path / "log")
    assert "ValueError: broken" in (tmp_path / "log").read_text()


def test_usage_is_measured(launcher, tmp_path):
    ending = run(launcher, "work", tmp_path / "log")
    assert 0.25 < ending.cpu_seconds < 20
    assert 60e6 < ending.peak_bytes < 400e6


class Stopped(Exception):
    """Stands for a Ctrl-C."""


def test_interruption_kills_the_stage_and_what_it_started(launcher, make_stage, tmp_path):
    def stop_when_started():
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise Stopped

    with pytest.raises(Stopped):
        run(launcher, "linger", tmp_path / "log", on_tick=stop_when_started)
    assert _is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("kind", [StandbyLauncher, ForkLauncher])
def test_broken_import_falls_back_to_a_fresh_process_that_shows_it(kind, make_stage, tmp_path):
    make_stage("broken", "from fake_stages.broken import executor", executor="import does_not_exist")
    launcher = kind(["broken"], "fake_stages")
    ending = run(launcher, "broken", tmp_path / "log")
    launcher.close()
    assert ending.exit_code == 1
    assert "does_not_exist" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", [StandbyLauncher, ForkLauncher])
def test_killed_host_falls_back_to_a_fresh_process(kind, make_stage, tmp_path):
    make_stage("ok", "print('fine')")
    launcher = kind(["ok"], "fake_stages")
    host = launcher._server if kind is ForkLauncher else launcher._waiting["fake_stages.ok"]
    host.kill()
    host.wait()
    ending = run(launcher, "ok", tmp_path / "log")
    launcher.close()
    assert (ending.exit_code, (tmp_path / "log").read_text()) == (0, "fine\n")


def test_standby_holds_one_at_a_time_and_ends_it(make_stage, tmp_path):
    for name in ("one", "two", "three"):
        make_stage(name, "")
    launcher = StandbyLauncher(["one", "two", "three"], "fake_stages")
    assert list(launcher._waiting) == ["fake_stages.one"]
    run(launcher, "one", tmp_path / "log")
    waiting = dict(launcher._waiting)
    launcher.close()
    assert list(waiting) == ["fake_stages.two"]
    assert waiting["fake_stages.two"].returncode is not None


@pytest.mark.parametrize("name", ["PlainLauncher", "StandbyLauncher", "ForkLauncher"])
def test_killed_runner_leaves_no_stage_behind(name, make_stage, tmp_path):
    make_stage("linger", f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(500)")
    arguments = "" if name == "PlainLauncher" else "['linger'], 'fake_stages'"
    code = f"""
import sys, pathlib
from pipelines.launchers import Command, {name}
argv = [sys.executable, '-m', 'fake_stages.linger']
{name}({arguments}).run(Command(argv=argv, env={{}}, log=pathlib.Path({str(tmp_path / "log")!r})), lambda: None)
"""
    runner = subprocess.Popen([sys.executable, "-c", code], env=stage_environment())
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert runner.poll() is None
        time.sleep(0.02)
    runner.kill()
    runner.wait()
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_stages_keep_their_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in stage_environment()


def test_tensorflow_stages_have_executors():
    root = Path(launchers.CODE_DIR) / "components"
    assert all((root / stage / "component.py").is_file() for stage in launchers.TENSORFLOW_STAGES)


def _is_gone(pid, seconds=100.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):  # gone before the file was opened, or between that and the read
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_standby_ends_what_waits_for_stages_that_were_passed_over(make_stage, tmp_path):
    for stage in ("one", "two", "three"):
        make_stage(stage, "")
    launcher = StandbyLauncher(["one", "two", "three"], "fake_stages")
    waiting = launcher._waiting["fake_stages.one"]
    ending = run(launcher, "two", tmp_path / "log")
    assert (ending.exit_code, waiting.returncode, list(launcher._waiting)) == (0, -9, ["fake_stages.three"])
    launcher.close()
