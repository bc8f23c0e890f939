import json

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.errors import UserError
from components.draft_schema.executor import draft
from components.import_schema.checks import check_features, check_names

ROWS = 200


def make_table(rows=ROWS):
    """Returns a CSV text with one oddity per column; `churned?` is the label."""
    random = np.random.default_rng(3)
    lines = ["Customer ID;Monthly bill (€);city;joined on;note;flat;cancelled;churned?"]
    for number in range(rows):
        churned = number % 3 == 0
        bill = "" if number % 9 == 0 else f"{random.normal(30 + 5 * churned, 5):.2f}".replace(".", ",")
        city = random.choice(["Köln", "Łódź", "?"])
        note = f"called about the line {number} again"
        lines.append(
            f"{number * 3};{bill};{city};2024-0{number % 9 + 1}-11;{note};x;{int(churned)};{'yes' if churned else 'no'}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draft")
    (folder / "data.csv").write_bytes(make_table().encode())
    draft(data=str(folder / "data.csv"), label="churned?", kind="", folder=str(folder))
    document = json.loads((folder / "draft.json").read_text())
    schema = text_format.Parse((folder / "schema.pbtxt").read_text(), schema_pb2.Schema())
    return document, {feature.name: feature for feature in schema.feature}, schema


def test_each_column_has_a_role_and_a_reason(drafted):
    roles = {item["original"]: item["role"] for item in drafted[0]["columns"]}
    assert roles == {
        "churned?": "label",
        "Customer ID": "left out",
        "Monthly bill (€)": "number",
        "city": "category",
        "joined on": "date",
        "note": "free text",
        "flat": "left out",
        "cancelled": "left out",
    }
    why = {item["original"]: item["why"] for item in drafted[0]["columns"]}
    assert why["cancelled"].startswith("leakage: alone it tells")
    assert "1 is 'yes'" in why["churned?"]


def test_the_source_says_how_the_file_is_written(drafted):
    source = drafted[0]["source"]
    assert source["columns"]["Monthly bill (€)"] == "Monthly_bill"
    assert (source["delimiter"], source["decimal_point"], source["null_values"]) == (";", ",", ["", "?"])
    assert (source["row_key"], source["row_number"]) == (["Customer_ID"], "")
    assert source["label"] == {"name": "churned", "column": "churned", "positive": ["yes"]}


def test_the_schema_is_one_that_the_pipeline_takes_with_room_for_other_rows(drafted):
    _, features, schema = drafted
    check_names(schema)
    check_features(schema)
    assert list(features) == ["Monthly_bill", "city", "joined_on", "note", "churned"]
    assert features["Monthly_bill"].presence.min_fraction < 0.8
    assert features["joined_on"].presence.min_fraction == 1
    assert features["city"].distribution_constraints.min_domain_mass == pytest.approx(0.95)
    assert [domain.name for domain in schema.string_domain] == ["city"]
    assert list(features["churned"].not_in_environment) == ["SERVING"]


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        (make_table(40), "churned?", "at least 50 rows with a label"),
        ("a,y\n" + "1,0\n1,1\n" * 50, "y", "something to learn from"),
        (make_table(60), "", "no --label"),
    ],
)
def test_a_table_that_nothing_can_be_learned_from_is_refused(tmp_path, text, label, message):
    (tmp_path / "data.csv").write_bytes(text.encode())
    with pytest.raises(UserError, match=message):
        draft(data=str(tmp_path / "data.csv"), label=label, kind="", folder=str(tmp_path))
    assert not (tmp_path / "draft.json").exists()
