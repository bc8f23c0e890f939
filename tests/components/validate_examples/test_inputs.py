import json

import pytest

from components._shared.gates import Verdict
from components.validate_examples.inputs import compare_files


def file(name, content, rows=10, span=1):
    return {"path": f"/data/{name}", "span": span, "sha256": f"sha256:{content}", "rows": rows}


@pytest.mark.parametrize(
    ("after", "words", "rows"),
    [
        ([file("a.csv", "a"), file("b.csv", "b")], "", 20),
        ([{**file("a.csv", "a"), "path": "gs://bucket/a.csv"}, file("renamed.csv", "b")], "", 20),
        ([file("a.csv", "a"), file("b.csv", "B", 13)], "changed b.csv", 23),
        ([file("a.csv", "a"), file("b.csv", "b"), file("late.csv", "l", 3)], "added late.csv", 23),
        ([file("a.csv", "a")], "removed b.csv", 10),
        ([file("a.csv", "A"), file("c.csv", "c")], "changed a.csv; added c.csv; removed b.csv", 20),
        ([file("a.csv", "a"), file("b.csv", "b"), file("c.csv", "a")], "added c.csv", 30),
        ([], "not read any more", None),
    ],
)
def test_span_that_is_read_again_tells_what_changed(after, words, rows):
    (change,) = compare_files([file("a.csv", "a"), file("b.csv", "b")], after)
    assert (change.words, change.before, change.after) == (words, 20, rows)


def test_new_span_is_told():
    changes = compare_files([file("a.csv", "a")], [file("a.csv", "a"), file("a.csv", "a", 7, span=2)])
    assert [(change.span, change.words, change.before, change.after) for change in changes] == [
        (1, "", 10, 10),
        (2, "new", None, 7),
    ]


def test_many_files_are_not_all_named():
    (change,) = compare_files([file("a", "a")], [file("a", "a"), *(file(f"late-{n}", f"{n}") for n in range(9))])
    assert change.words == "added late-0, late-1, late-2, late-3, late-4 and 4 more"


@pytest.fixture
def live(case, table):
    """Version 3 is live; it was made of two spans, of which the second has changed and a third is new since."""
    case.set_baseline("3", table())
    before = {
        "files": [file("a.csv", "a"), file("b.csv", "b", 5, span=2)],
        "columns": {"age": "INT"},
        "unused_columns": {"note": [1]},
    }
    case.write("baseline/model/assets.extra/sluice/manifest.json", json.dumps(before))
    case.files = [
        file("a.csv", "a"),
        file("b.csv", "b", 5, span=2),
        file("late.csv", "l", 2, span=2),
        file("c.csv", "c", 8, span=3),
    ]
    return case


def test_late_rows_are_on_the_page_and_in_the_artifact(live):
    live.set_manifest(files=live.files)
    assert live.run().verdict is Verdict.PASSED
    page = live.page()
    assert "version 3, which is live, was made of" in page
    assert "added late.csv" in page
    assert "1 more span has not changed" in page
    written = json.loads((live.folder / "anomalies/input_changes.json").read_text())
    assert (written["compared_with"], written["unchanged_spans"]) == ("3", 1)
    assert [(change["span"], change["before"], change["after"], change["added"]) for change in written["changed_spans"]] == [
        (2, 5, 7, ["late.csv"]),
        (3, None, 8, ["c.csv"]),
    ]


@pytest.mark.parametrize("manifest", [None, "{}", "no json"])
def test_live_version_that_does_not_say_what_it_read_is_not_compared_with(live, manifest):
    path = live.folder / "baseline/model/assets.extra/sluice/manifest.json"
    path.unlink() if manifest is None else path.write_text(manifest)
    live.set_manifest(files=live.files, unused_columns={"colour": [3]})
    assert live.run().warnings == 0
    assert json.loads((live.folder / "anomalies/input_changes.json").read_text())["compared_with"] == ""


def test_column_that_the_live_versions_data_did_not_have_passes_with_a_note(live):
    live.set_manifest(files=live.files, unused_columns={"colour": [2, 3], "note": [1], "age": [1]})
    result = live.run()
    assert (result.verdict, result.warnings) == (Verdict.PASSED, 1)
    assert "<code>colour</code>: New column, not used" in live.page()
    assert "The data has it (spans: 2-3); the data of version 3" in live.page()


def test_first_version_only_lists_the_columns_that_are_not_used(case):
    case.set_manifest(unused_columns={"colour": [2, 3]})
    assert case.run().warnings == 0
    assert "that the schema does not name, and no model sees: <code>colour</code>." in case.page()


def test_column_that_some_files_lack_is_noted(case):
    case.set_manifest(partial_columns={"income": [1, 2, 3]})
    assert (case.run().verdict, case.run().warnings) == (Verdict.PASSED, 1)
    assert "Some files do not have it (spans: 1-3)" in case.page()


def test_column_that_no_file_has_is_noted(case):
    case.set_manifest(absent_columns=["income"])
    assert (case.run().verdict, case.run().warnings) == (Verdict.PASSED, 1)
    assert "<code>income</code>: Column that no file has" in case.page()


def test_rows_that_were_set_aside_are_counted_and_shown(case):
    case.set_manifest(quarantine={"rows": 30, "of": 3000, "max_share": 0.02, "by_rule": []})
    row = {"file": "a<b>.csv", "line": 7, "column": "age", "value": "<script>", "rule": "A number."}
    case.write("examples/quarantine/bad_rows.jsonl", f"{json.dumps(row)}\n" * 30)
    assert (case.run().verdict, case.run().warnings) == (Verdict.PASSED, 1)
    page = case.page()
    assert "30 of 3,000 rows (1.0000%) could not become examples; at most 2.0000% may be." in page
    assert page.count("a&lt;b&gt;.csv") == 20
    assert "<code>&lt;script&gt;</code>" in page
    assert "<script>" not in page


def test_no_row_set_aside_is_no_finding(case):
    case.set_manifest(quarantine={"rows": 0, "of": 3000, "max_share": 0.02, "by_rule": []})
    assert case.run().warnings == 0
    assert "0 of 3,000 rows were set aside." in case.page()
