import datetime
import json
import subprocess
import sys

import pytest

from components._release.ledger import read_ledger
from components._release.push import Candidate, push
from components._release.waiting import request_approval
from components._shared.digest import digest_model
from pipelines.launchers import stage_environment

BLOCK_HEAVY = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'kfp', 'tensorflow', 'google', 'kubernetes', 'jinja2', 'numpy', 'pyarrow'}:
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Block())
from pipelines.__main__ import app
sys.argv[0] = "sluice"
app()
"""

GATES = [
    {"stage": "evaluate_model", "gate": "performance", "verdict": "passed", "reason": "Every bound holds."},
    {"stage": "validate_serving", "gate": "parity", "verdict": "switched_off", "reason": "Not served yet."},
]


def sluice(*arguments, blocked=False, cwd=None):
    program = ["-c", BLOCK_HEAVY] if blocked else ["-m", "pipelines"]
    env = stage_environment() | {"COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)], env=env, capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture
def candidate(tmp_path):
    """A model that is approved."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"weights")
    return Candidate(
        model=model,
        model_digest=digest_model(model),
        decision_digest="sha256:d",
        baseline_version="",
        baseline_digest="",
        attachments={},
        record={"reason": "No gate says no.", "metrics": {"auc": 0.75}, "gates": GATES},
    )


@pytest.fixture
def released(project_dir, candidate):
    """A serving directory with one release."""
    base = project_dir / "served" / "parcels"
    assert push(base, candidate).version == "1"
    return base


def test_help_is_grouped_and_needs_neither_kfp_nor_tensorflow():
    done = sluice("--help", blocked=True)
    assert done.returncode == 0, done.stderr
    order = [
        "Usage: sluice",
        "Build and run",
        "run ",
        "compile ",
        "image ",
        "On a cluster",
        "submit ",
        "schedule ",
        "status ",
        "Approve and push",
        "approve ",
        "reject ",
        "push   ",
    ]
    order += [
        "What was released",
        "releases ",
        "show ",
        "rollback ",
        "promote ",
        "unlabel ",
        "withdraw ",
        "Serve",
        "serve ",
        "predict ",
        "Examples",
    ]
    assert [done.stdout.find(part) for part in order] == sorted(done.stdout.find(part) for part in order)
    assert -1 not in [done.stdout.find(part) for part in order]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", ["--spans", "--set", "--tighten", "--serving-dir", "--runs-dir", "--isolation", "--no-standby"]),
        ("run", ["--containers", "--engine", "--image"]),
        ("init", ["--label", "--name", "--kind", "--folder"]),
        ("compile", ["--output", "-o", "--image"]),
        ("image", ["--tag", "--engine", "--push"]),
        ("releases", ["--verify", "--head", "--json", "--serving-dir"]),
        ("serve", ["--port", "--rest-port", "--host", "--serving-dir"]),
        ("predict", ["--url", "--version", "--label", "--json", "--csv"]),
        ("approve", ["--by", "--reason", "--serving-dir"]),
        ("reject", ["--by", "--reason", "--serving-dir"]),
        ("push", ["--serving-dir"]),
        ("show", ["--json", "--serving-dir"]),
        ("rollback", ["--to", "--by", "--reason", "--serving-dir"]),
        ("promote", ["--by", "--reason", "--server", "--serving-dir"]),
        ("unlabel", ["--by", "--reason", "--server", "--serving-dir"]),
        ("withdraw", ["--by", "--reason", "--allow-none", "--serving-dir"]),
    ],
)
def test_help_of_a_command_explains_its_options(command, options):
    done = sluice(command, "--help", blocked=True)
    assert done.returncode == 0, done.stderr
    assert [option for option in options if option not in done.stdout] == []


@pytest.mark.parametrize("command", ["run", "compile", "releases", "push", "serve", "predict"])
def test_wrong_project_is_one_message_and_exit_2(command, tmp_path):
    done = sluice(command, tmp_path, *(["rows.csv"] if command == "predict" else []))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == (
        f"Error: A project is a folder with a project.yaml. Received: {tmp_path}. Name such a folder."
    )


def test_options_may_be_spelt_with_underscores(project_dir, tmp_path):
    done = sluice("run", project_dir, "--runs_dir", tmp_path / "runs", "--serving_dir", tmp_path / "x", "--set", "a=1")
    assert done.returncode == 2
    assert "A setting is `parameter=value`" in done.stderr
    assert "No such option" not in done.stderr


def test_a_bound_that_is_loosened_runs_nothing(project_dir, tmp_path):
    done = sluice("run", project_dir, "--runs-dir", tmp_path / "runs", "--tighten", "serving.max_p99_ms.1=70")
    assert done.returncode == 2
    assert "serving.max_p99_ms.1 may only be lowered. The policy has 50. Received: 70." in done.stderr
    assert not (tmp_path / "runs").exists()


def test_compile_works_from_anywhere(project_dir, tmp_path):
    (tmp_path / "elsewhere" / "components").mkdir(parents=True)
    done = sluice("compile", project_dir, "--output", "out.yaml", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "out.yaml").read_text().startswith("# PIPELINE DEFINITION")


def test_compile_warns_of_an_image_that_no_cluster_can_pull(project_dir, tmp_path):
    done = sluice("compile", project_dir, "--output", tmp_path / "out.yaml", "--image", f"sha256:{'0' * 64}")
    assert done.returncode == 0, done.stderr
    assert "Warning: that image is on this machine only." in done.stderr


def test_releases_of_an_unused_directory(project_dir):
    done = sluice("releases", project_dir, blocked=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing was ever released into")


def test_releases_show_what_is_live(released, project_dir):
    done = sluice("releases", project_dir, "--verify", blocked=True)
    assert done.returncode == 0, done.stderr
    assert "live" in done.stdout
    assert "auc 0.75" in done.stdout
    assert "Version 1: parity switched off\n" in done.stdout
    assert "Verified: 2 entries" in done.stdout


def test_releases_as_json(released, project_dir):
    document = json.loads(sluice("releases", project_dir, "--json", "--verify").stdout)
    assert document["verified"] is True
    assert document["head"] == read_ledger(released)[-1].hash
    assert [(item["version"], item["live"]) for item in document["releases"]] == [(1, True)]


def test_releases_in_a_bucket(project_dir, bucket, candidate):
    push(bucket, candidate)
    done = sluice("releases", project_dir, "--serving-dir", bucket, "--verify")
    assert done.returncode == 0, done.stderr
    assert "Verified: 2 entries" in done.stdout


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_changed_version_fails_verification(released, project_dir, flags):
    (released / "1" / "saved_model.pb").write_bytes(b"other")
    done = sluice("releases", project_dir, "--verify", *flags)
    assert done.returncode == 1
    assert "Version 1 is not what was pushed" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_cut_ledger_shows_against_a_known_head(released, project_dir):
    head = read_ledger(released)[-1].hash
    assert sluice("releases", project_dir, "--head", head).returncode == 0
    (released / ".ledger" / "00000002.json").unlink()
    done = sluice("releases", project_dir, "--head", head)
    assert done.returncode == 1
    assert "cut off or written anew" in done.stderr


def test_messages_show_digests_as_they_are(released, project_dir):
    done = sluice("releases", project_dir, "--head", "sha256:abc:cat:")
    assert "sha256:abc:cat:" in done.stderr


def test_serve_needs_a_pushed_model(project_dir):
    done = sluice("serve", project_dir)
    assert done.returncode == 2
    assert f"A model was pushed. Received: no folder {project_dir / 'served' / 'parcels'}. Run: sluice run" in done.stderr


@pytest.fixture
def waiting(released, tmp_path):
    """The digest of a candidate that waits beside the release, without its prefix."""
    model = tmp_path / "next"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"other weights")
    candidate = Candidate(
        model=model,
        model_digest=digest_model(model),
        decision_digest="sha256:e",
        baseline_version="1",
        baseline_digest="",
        attachments={},
        record={"reason": "Nobody says no.", "policy_hash": "sha256:p", "metrics": {"auc": 0.8}, "gates": GATES},
    )
    now = datetime.datetime.now(datetime.UTC)
    request_approval(released, candidate, (now + datetime.timedelta(hours=50, minutes=30)).isoformat(), now=now)
    return candidate.model_digest.removeprefix("sha256:")


def test_releases_list_what_waits_and_how_long(waiting, project_dir):
    done = sluice("releases", project_dir, "--verify", blocked=True)
    assert done.returncode == 0, done.stderr
    assert f"{waiting[:12]}  approval" in done.stdout
    assert "2 d 2 h  version 1" in done.stdout
    (item,) = json.loads(sluice("releases", project_dir, "--json").stdout)["approvals"]
    assert (item["state"], item["model_digest"]) == ("waiting", f"sha256:{waiting}")
    assert 49 < item["seconds_left"] / 3600 < 50.6


def test_what_is_approved_is_pushed_by_the_next_push(waiting, project_dir):
    done = sluice("approve", project_dir, "--by", "Ada", "--reason", "Slices reviewed", blocked=True)
    assert done.stdout.startswith(f"Ada approved candidate {waiting[:12]} (entry 4 of the ledger).\n"), done.stderr
    assert f"`sluice push {project_dir}`" in done.stdout
    assert "Ada approved it" in sluice("releases", project_dir).stdout
    done = sluice("push", project_dir, blocked=True)
    assert done.stdout == f"Candidate {waiting[:12]} is version 2. Ada approved it: Slices reviewed\n", done.stderr
    assert "Version 2: Ada approved it: Slices reviewed, parity switched off\n" in sluice("releases", project_dir).stdout
    assert sluice("push", project_dir).stdout.startswith("Nothing waits in ")


def test_a_digest_names_the_release_of_the_project_here(waiting, project_dir):
    done = sluice("reject", waiting[:8], "--by", "Bob", "--reason", "Too slow", cwd=project_dir)
    assert done.stdout == f"Bob rejected candidate {waiting[:12]} (entry 4 of the ledger).\n", done.stderr
    assert f"Candidate {waiting[:12]}: rejected by Bob. Too slow" in sluice("releases", project_dir).stdout


def test_push_says_what_still_waits(waiting, project_dir):
    done = sluice("push", project_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Candidate {waiting[:12]} waits for approval until 20")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "", "--reason", "x"], "keeps who answers"),
        (["--by", "Ada", "--reason", " "], "keeps the reason"),
        (["--by", "Ada"], "Missing option"),
    ],
)
def test_an_answer_without_name_or_reason_is_exit_2(waiting, project_dir, arguments, words):
    done = sluice("approve", project_dir, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_an_unknown_candidate_is_exit_2(waiting, project_dir):
    done = sluice("approve", f"{project_dir}@0123456789ab", "--by", "Ada", "--reason", "x")
    assert done.returncode == 2
    assert "whose digest begins with 0123456789ab waits for an answer" in done.stderr


def test_show_tells_what_stands_behind_a_version(released, project_dir):
    done = sluice("show", project_dir, blocked=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Version 1  live\nNo gate says no.\n")
    assert [word for word in ("auc", "0.75", "switched off", "push_intent", "sha256:d") if word not in done.stdout] == []
    document = json.loads(sluice("show", f"{project_dir}@1", "--json").stdout)
    assert (document["version"], [item["kind"] for item in document["history"]]) == (1, ["push_intent", "pushed"])


def test_show_of_an_unknown_version_is_exit_2(released, project_dir):
    done = sluice("show", f"{project_dir}@7")
    assert done.returncode == 2
    assert "Received: 7, which is none" in done.stderr


@pytest.fixture
def second(waiting, released, project_dir):
    """A second version on top of the release."""
    assert sluice("approve", project_dir, "--by", "Ada", "--reason", "Reviewed").returncode == 0
    assert sluice("push", project_dir).returncode == 0
    return released


def test_rollback_and_back_again(second, project_dir):
    done = sluice("rollback", project_dir, "--by", "Ada", "--reason", "Too many alarms", blocked=True)
    assert done.stdout.splitlines() == [
        f"Version 2 is withdrawn: {second}/.withdrawn-2",
        "Version 1 is live, and was version 2 before (entry 8 of the ledger).",
    ], done.stderr
    assert "Version 2: withdrawn. Ada rolled back to version 1: Too many alarms\n" in sluice("releases", project_dir).stdout
    assert "Ada: Too many alarms" in sluice("show", f"{project_dir}@2").stdout
    done = sluice("rollback", project_dir, "--to", "2", "--reason", "It was the data", blocked=True)
    assert done.stdout.startswith("Version 2 is back.\nVersion 2 is live, and was version 1 before"), done.stderr


def test_withdraw_of_one_version(second, project_dir):
    done = sluice("withdraw", f"{project_dir}@1", "--reason", "Personal data", blocked=True)
    assert done.stdout.endswith("Version 2 is live (entry 8 of the ledger).\n"), done.stderr
    done = sluice("withdraw", f"{project_dir}@2", "--reason", "Personal data")
    assert done.returncode == 2
    assert "--allow-none" in done.stderr


def test_rollback_where_the_server_does_not_answer_changes_nothing(second, project_dir):
    done = sluice("rollback", project_dir, "--reason", "x", "--server", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "The model server answers." in done.stderr
    assert (second / "2").is_dir()


def test_promotion_without_labels_is_exit_2(released, project_dir):
    done = sluice("promote", project_dir, "--reason", "x")
    assert done.returncode == 2
    assert "serving.model_config_file" in done.stderr
