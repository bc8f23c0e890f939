import json
import subprocess

EVERY_STAGE = """
import importlib, pathlib
stages = sorted(path.parent.name for path in pathlib.Path("/opt/sluice/components").glob("*/executor.py"))
for stage in stages:
    importlib.import_module(f"components.{stage}.executor")
print(*stages)
"""
NOT_THERE = """
import importlib.util, shutil
modules = ["kfp", "pydantic", "typer", "kubernetes", "pytest", "pip", "uv", "pipelines"]
programs = ["cc", "gcc", "g++", "ld", "make", "pip", "uv", "git", "curl"]
print(*filter(importlib.util.find_spec, modules), *filter(shutil.which, programs))
"""
BYTECODE = """
import importlib.util, pathlib
for source in pathlib.Path("/opt/sluice").rglob("*.py"):
    flags = pathlib.Path(importlib.util.cache_from_source(source)).read_bytes()[4:8]
    assert flags == bytes([1, 0, 0, 0]), f"{source}: {flags}"
"""

TRUST = "import pathlib, ssl; print(len(list(pathlib.Path(ssl.get_default_verify_paths().capath).iterdir())))"


def test_it_is_as_small_as_the_documentation_says(stages_image):
    assert int(stages_image.inspect("{{.Size}}")) < 1.75e9


def test_it_says_what_it_is(stages_image):
    labels = json.loads(stages_image.inspect("{{json .Config.Labels}}"))
    assert labels["org.opencontainers.image.title"] == "sluice"
    assert {"version", "revision", "licenses", "description"} <= {name.rpartition(".")[2] for name in labels}
    text = stages_image.run()
    assert labels["org.opencontainers.image.revision"] in text
    assert "evaluate_model" in text
    assert "tensorflow_model_server: " in text


def test_it_can_verify_a_model_server_behind_https(stages_image):
    assert int(stages_image.run("python", "-c", TRUST)) > 100


def test_it_holds_neither_authoring_libraries_nor_compilers_nor_installers(stages_image):
    assert stages_image.run("python", "-c", NOT_THERE) == ""


def test_its_user_has_no_rights_and_can_change_nothing_of_it(stages_image):
    assert stages_image.inspect("{{.Config.User}}") == "65532:65532"
    find = "find / -xdev ! -type l -writable -not -path '/dev/*' -not -path '/tmp*' -not -path /var/tmp 2>/dev/null"
    assert stages_image.run("sh", "-c", f"{find} || true") == ""


def test_no_program_of_it_gives_rights_that_its_user_does_not_have(stages_image):
    find = ["find", "/", "-xdev", "-type", "f", "-perm", "/6000"]
    assert stages_image.run(*find, options=["--user", "0:0"]) == ""


def test_every_stage_imports_for_any_user_where_only_tmp_can_be_written(stages_image):
    # Some clusters start containers with a number of their own choice.
    assert "evaluate_model" in stages_image.run("python", "-c", EVERY_STAGE, options=["--user", "1234:0"])


def test_bytecode_needs_no_look_at_the_sources(stages_image):
    stages_image.run("python", "-c", BYTECODE)


def test_a_stage_ends_at_once_when_it_is_stopped(stages_image):
    sleep = ["python", "-c", "import time; time.sleep(600)"]
    container = stages_image.call("run", "--detach", "--network", "none", stages_image.reference, *sleep)
    try:
        stages_image.call("stop", "--time", "60", container)
        # 143 is SIGTERM; 137 would be the SIGKILL after those 60 seconds.
        assert stages_image.call("inspect", "--format", "{{.State.ExitCode}}", container) == "143"
    finally:
        stages_image.call("rm", "--force", container)


def test_a_wrong_command_line_ends_with_the_stages_own_exit_code(stages_image):
    command = [stages_image.engine, "run", "--rm", "--network", "none", stages_image.reference]
    done = subprocess.run([*command, "python", "-m", "components.train_model"], capture_output=True, check=False, timeout=300)
    assert done.returncode == 2
