import sys

from pipelines.launchers import Command, PlainLauncher
from pipelines.on_demand import OnDemandLauncher


def test_launcher_is_made_once_when_a_stage_needs_it_and_for_what_may_follow(make_stage, tmp_path):
    made = []

    def make(stages):
        made.append(list(stages))
        return PlainLauncher()

    launcher = OnDemandLauncher(make, ["one", "two", "three"], "fake_stages")
    seen = []
    for stage in ("look", "two", "three"):
        argv = [*make_stage(stage, "raise SystemExit(3)"), "--flag"]
        ending = launcher.run(Command(argv=argv, env={}, log=tmp_path / stage), lambda: None)
        seen.append((ending.exit_code, len(made)))
    launcher.close()
    assert seen == [(3, 0), (3, 1), (3, 1)]
    assert made == [["two", "three"]]


def test_command_that_is_no_stage_needs_no_launcher(tmp_path):
    launcher = OnDemandLauncher(lambda stages: None, ["one"], "fake_stages")
    ending = launcher.run(Command(argv=[sys.executable, "-c", "pass"], env={}, log=tmp_path / "log"), lambda: None)
    launcher.close()
    assert ending.exit_code == 0
