import json
import os
from pathlib import Path

import pytest

from components._release.ledger import append_entry, read_ledger
from components._release.releases import live_version
from components._release.verify import verify_ledger
from components._shared.digest import digest_model
from components._shared.errors import Refusal, UserError
from components.push_model.executor import push_model

RELEASE_FILES = {
    "statistics/Split-train/FeatureStats.pb",
    "statistics/Split-eval/FeatureStats.pb",
    "statistics/Split-test/FeatureStats.pb",
    "schema.pbtxt",
    "evaluation.json",
    "decision.json",
    "manifest.json",
    "training.json",
    "model_card.md",
}


def test_approved_model_becomes_version_1(make_artifacts, tmp_path):
    result = push_model(**make_artifacts())
    assert (result.pushed, result.version, live_version(tmp_path / "serving")) == (True, "1", "1")
    assert digest_model(tmp_path / "serving/1") == result.model_digest


def test_release_carries_its_evidence(make_artifacts, tmp_path):
    push_model(**make_artifacts())
    release = tmp_path / "serving/1/assets.extra/sluice"
    assert {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()} == RELEASE_FILES


def test_files_are_readable_by_another_user_whatever_the_umask(make_artifacts, tmp_path):
    artifacts, before = make_artifacts(), os.umask(0o077)
    push_model(**artifacts)
    os.umask(before)
    paths = [tmp_path / "serving/1", *(tmp_path / "serving/1").rglob("*")]
    assert {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in paths} == {(True, "0o755"), (False, "0o644")}


def test_ledger_tells_where_the_version_came_from(make_artifacts, tmp_path):
    result = push_model(**make_artifacts(), image="registry/sluice@sha256:1", run_id="flights-1")
    entry = read_ledger(tmp_path / "serving")[-1]
    record = {name: entry.payload[name] for name in ("version", "data_version", "image", "run", "metrics", "approver", "spans")}
    assert record == {
        "version": 1,
        "data_version": "sha256:data",
        "image": "registry/sluice@sha256:1",
        "run": "flights-1",
        "metrics": {"auc": 0.75},
        "approver": None,
        "spans": [1, 2],
    }
    assert entry.payload["code"]["features_hash"] == "sha256:features"
    assert entry.payload["parameters"] == {"hyperparameters": {"units": 8}, "seed": 7, "epochs_run": 3}
    assert [gate["reason"] for gate in entry.payload["gates"]][:1] == ["data is fine"]
    assert (entry.kind, entry.hash, entry.payload["pushed_digest"]) == ("pushed", result.ledger_head, result.pushed_digest)


def test_ledger_and_model_card_tell_what_the_run_tightened(make_artifacts, tmp_path):
    push_model(**make_artifacts(overrides={"regression": {"margin": 0.005}, "serving": {"max_p99_ms": {"2": 9}}}))
    overrides = [
        {"key": "regression.margin", "from": 0.01, "to": 0.005},
        {"key": "serving.max_p99_ms.2", "from": None, "to": 9},
    ]
    assert read_ledger(tmp_path / "serving")[-1].payload["overrides"] == overrides
    card = (tmp_path / "serving/1/assets.extra/sluice/model_card.md").read_text()
    assert "regression.margin from 0.01 to 0.005, serving.max_p99_ms.2 from nothing to 9 |" in card


def test_pushed_json_says_what_happened(make_artifacts, tmp_path):
    push_model(**make_artifacts())
    pushed = json.loads((tmp_path / "run/pushed/pushed.json").read_text())
    assert (pushed["pushed"], pushed["version"], pushed["destination"]) == (True, "1", str(tmp_path / "serving/1"))


def test_next_model_becomes_version_2(make_artifacts, tmp_path):
    first = push_model(**make_artifacts("one"))
    second = push_model(**make_artifacts("two", weights="w2", baseline=("1", first.pushed_digest)))
    assert (second.version, live_version(tmp_path / "serving")) == ("2", "2")


def test_retry_reports_the_version_and_pushes_nothing(make_artifacts, tmp_path):
    artifacts = make_artifacts()
    first, second = push_model(**artifacts), push_model(**artifacts)
    assert (second.pushed, second.version, second.ledger_head) == (True, "1", first.ledger_head)
    assert len(read_ledger(tmp_path / "serving")) == 2


def test_retry_of_a_replaced_version_pushes_nothing(make_artifacts, tmp_path):
    one = make_artifacts("one")
    first = push_model(**one)
    push_model(**make_artifacts("two", weights="w2", baseline=("1", first.pushed_digest)))
    again = push_model(**one)
    assert (again.version, live_version(tmp_path / "serving")) == ("1", "2")
    assert "not live any more" in again.reason


def test_no_pushes_nothing_and_says_why(make_artifacts, tmp_path):
    result = push_model(**make_artifacts(approved=False, reason="auc fell."))
    assert (result.pushed, result.version, result.reason) == (False, "", "The decision says no: auc fell.")
    assert not (tmp_path / "serving").exists()
    assert json.loads((tmp_path / "run/pushed/pushed.json").read_text())["reason"] == result.reason


def test_strict_no_is_a_refusal(make_artifacts):
    with pytest.raises(Refusal, match=r"auc fell"):
        push_model(**make_artifacts(approved=False, reason="auc fell.") | {"strict": True})


def _edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _edit_gates(run, edit):
    file = run / "decision/decision.json"
    _edit(file, gates=edit(json.loads(file.read_text())["gates"]))


def _remove_key(path, key):
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key}))


FAILED_GATE = [{"stage": "s", "gate": "parity", "verdict": "failed", "reason": "far off"}]
UNTRUSTED = {
    "missing": (lambda run: (run / "decision/decision.json").unlink(), "cannot be read"),
    "torn": (lambda run: (run / "decision/decision.json").write_text('{"approved": tr'), "cannot be read"),
    "not an object": (lambda run: (run / "decision/decision.json").write_text("[1]"), "must be an object"),
    "NaN": (lambda run: _edit(run / "decision/decision.json", lineage={"metrics": {"auc": float("nan")}}), "NaN is no JSON"),
    "foreign format": (lambda run: _edit(run / "decision/decision.json", format="other/1"), "format"),
    "approved as text": (lambda run: _edit(run / "decision/decision.json", approved="true"), "lacks approved"),
    "no baseline": (lambda run: _remove_key(run / "decision/decision.json", "baseline_version"), "lacks baseline_version"),
    "no overrides": (lambda run: _remove_key(run / "decision/decision.json", "overrides"), "lacks overrides"),
    "no blessing": (lambda run: (run / "decision/BLESSED").unlink(), "disagree"),
    "both blessings": (lambda run: (run / "decision/NOT_BLESSED").touch(), "disagree"),
    "a failed gate": (lambda run: _edit(run / "decision/decision.json", gates=FAILED_GATE), "did not pass: parity"),
    "no gates": (lambda run: _edit(run / "decision/decision.json", gates=[]), "every gate exactly once"),
    "a gate left out": (lambda run: _edit_gates(run, lambda gates: gates[1:]), "every gate exactly once"),
    "a gate twice": (lambda run: _edit_gates(run, lambda gates: [*gates, gates[0]]), "every gate exactly once"),
    "another schema": (
        lambda run: (run / "schema/schema.pbtxt").write_text("feature {}"),
        "training record is about another schema",
    ),
    "other model": (lambda run: _edit(run / "decision/decision.json", model_digest="sha256:x"), "another model"),
    "changed weights": (
        lambda run: (run / "model/Format-Serving/variables/variables.data").write_text("x"),
        "another model",
    ),
    "other training": (lambda run: _edit(run / "model/training.json", model_digest="sha256:x"), "training record"),
    "other evaluation": (lambda run: _edit(run / "evaluation/evaluation.json", model_digest="sha256:x"), "evaluation"),
    "statistics of other data": (
        lambda run: _edit(run / "statistics/statistics.json", data_version="x"),
        "statistics artifact is about another data",
    ),
    "evaluated on other data": (lambda run: _edit(run / "evaluation/evaluation.json", data_version="x"), "another data"),
    "no policy": (lambda run: _remove_key(run / "decision/decision.json", "policy"), "lacks policy"),
    "other examples": (lambda run: _edit(run / "examples/manifest.json", data_version="sha256:x"), "manifest"),
    "no documents": (lambda run: _remove_key(run / "decision/decision.json", "documents"), "lacks documents"),
    "documents that nobody judged": (
        lambda run: _edit(run / "decision/decision.json", documents={}),
        "is not the one",
    ),
    "another manifest of the same data": (
        lambda run: _edit(run / "examples/manifest.json", spans=[3]),
        "is not the one",
    ),
    "another account of the training": (lambda run: _edit(run / "model/training.json", seed=8), "training.json is not the one"),
    "other metrics": (lambda run: _edit(run / "evaluation/evaluation.json", metrics={}), "evaluation.json is not the one"),
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_decision_that_cannot_be_trusted_is_a_no(make_artifacts, tmp_path, case):
    spoil, reason = UNTRUSTED[case]
    artifacts = make_artifacts()
    spoil(tmp_path / "run")
    result = push_model(**artifacts)
    assert not result.pushed
    assert reason in result.reason
    assert not (tmp_path / "serving").exists()


def test_policy_that_is_not_what_its_hash_says_is_an_error(make_artifacts):
    with pytest.raises(UserError, match="pipeline was compiled with"):
        push_model(**make_artifacts() | {"policy_hash": "sha256:other"})


@pytest.mark.parametrize("split", ["train", "eval", "test"])
@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_statistics_of_every_split_are_whole(make_artifacts, tmp_path, split, content):
    artifacts, file = make_artifacts(), tmp_path / f"run/statistics/Split-{split}/FeatureStats.pb"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=f"Split-{split}|A release carries FeatureStats.pb"):
        push_model(**artifacts)
    assert not (tmp_path / "serving").exists()


def test_run_may_name_another_server_and_never_none(make_artifacts, tmp_path):
    with pytest.raises(UserError, match="may name another one, and never none"):
        push_model(**make_artifacts() | {"server_required": True})
    assert not (tmp_path / "serving").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"server": "flights:8501"}, r"http://host:port or grpc://host:port.*'flights:8501'"),
        ({"server": "http://a:8501,,http://b:8501"}, "Received: ''"),
        ({"server": "http://a:8501", "labels": "reload"}, "Labels are told to servers by gRPC"),
        ({"server": "http://a:8501", "labels": "file"}, "no model_config_file"),
    ],
)
def test_servers_that_are_none_are_an_error(make_artifacts, options, words):
    with pytest.raises(UserError, match=words):
        push_model(**make_artifacts() | options)


def test_stale_baseline_pushes_nothing_and_is_recorded(make_artifacts, tmp_path):
    push_model(**make_artifacts("one"))
    result = push_model(**make_artifacts("two", weights="w2"))
    assert "Stale baseline: the decision compared the model with no version, but version 1 is live now" in result.reason
    assert [entry.kind for entry in read_ledger(tmp_path / "serving")] == ["push_intent", "pushed", "push_intent", "abandoned"]
    assert (live_version(tmp_path / "serving"), verify_ledger(tmp_path / "serving")) == ("1", [])


def test_baseline_of_the_same_number_from_another_directory_is_stale(make_artifacts):
    push_model(**make_artifacts("one"))
    result = push_model(**make_artifacts("two", weights="w2", baseline=("1", "sha256:other")))
    assert not result.pushed
    assert "not the one that the decision compared with" in result.reason


def test_strict_stale_baseline_is_a_refusal(make_artifacts):
    push_model(**make_artifacts("one"))
    with pytest.raises(Refusal, match="Stale baseline"):
        push_model(**make_artifacts("two", weights="w2") | {"strict": True})


def test_what_a_model_hides_outside_its_digest_is_not_pushed(make_artifacts, tmp_path):
    artifacts = make_artifacts()
    hidden = Path(artifacts["model"], "Format-Serving/assets.extra/sluice/hidden")
    hidden.parent.mkdir(parents=True)
    hidden.write_text("nobody vouches for this")
    assert push_model(**artifacts).pushed
    assert not (tmp_path / "serving/1/assets.extra/sluice/hidden").exists()


@pytest.mark.parametrize("missing", ["schema/schema.pbtxt", "evaluation/evaluation.json", "model/training.json", "statistics"])
def test_release_without_its_evidence_is_an_error(make_artifacts, tmp_path, missing):
    artifacts = make_artifacts()
    (tmp_path / "run" / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="A release carries"):
        push_model(**artifacts)


def test_model_without_a_saved_model_is_an_error(make_artifacts, tmp_path):
    artifacts = make_artifacts()
    (tmp_path / "run/model/Format-Serving/saved_model.pb").unlink()
    with pytest.raises(UserError, match="holds a SavedModel"):
        push_model(**artifacts)


@pytest.mark.parametrize("serving_dir", ["", "s3://bucket/models"])
def test_serving_dir_must_be_a_folder(make_artifacts, serving_dir):
    with pytest.raises(UserError, match="folder on a file system"):
        push_model(**make_artifacts() | {"serving_dir": serving_dir})


def test_model_card_is_readable_and_escapes_tables(make_artifacts, tmp_path):
    artifacts = make_artifacts()
    _edit_gates(tmp_path / "run", lambda gates: [{**gates[0], "reason": "carrier | origin\nare fine"}, *gates[1:]])
    push_model(**artifacts)
    card = (tmp_path / "serving/1/assets.extra/sluice/model_card.md").read_text()
    assert "| data | passed | carrier \\| origin are fine |" in card
    assert "| Rows in train | 1,200 |" in card
    assert "| auc | 0.75 |" in card


def test_the_same_release_has_the_same_bytes(make_artifacts, tmp_path):
    artifacts = make_artifacts()
    first = push_model(**artifacts)
    second = push_model(**artifacts | {"serving_dir": str(tmp_path / "another")})
    assert first.pushed_digest == second.pushed_digest


@pytest.mark.parametrize("server", ["", "http://127.0.0.1:9"])
def test_where_versions_have_labels_nothing_is_pushed_without(make_artifacts, tmp_path, server):
    push_model(**make_artifacts("one"))
    told = {"label": "stable", "version": 1, "previous": "", "by": "push_model", "reason": "It is the first version."}
    append_entry(tmp_path / "serving", "labelled", lambda _: told)
    with pytest.raises(UserError, match=r"whose labels move.*stable is version 1"):
        push_model(**make_artifacts("two", weights="w2", baseline=("1", "")) | {"server": server})
    assert len(read_ledger(tmp_path / "serving")) == 3
