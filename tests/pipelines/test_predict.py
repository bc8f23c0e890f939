import base64
import csv
import io
import json
import math
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from components._shared.errors import UserError
from components._shared.tf_example import serialize_example
from pipelines.config import load_project
from pipelines.predict import BATCH_ROWS, predict_file, show_predictions

SCHEMA = """
feature { name: "weight" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "day" type: INT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "place" type: BYTES presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "height" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "late" type: INT not_in_environment: "SERVING" }
feature { name: "depot" type: BYTES not_in_environment: "SERVING" }
"""


@pytest.fixture
def project(project_dir):
    (project_dir / "schema.pbtxt").write_text(SCHEMA)
    return load_project(project_dir)


@pytest.fixture
def server():
    """A stand-in at the network's edge: answers each request with the weights, and remembers what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.asked.append((self.path, body))
            status, answer = self.server.answer(body["inputs"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def do_GET(self):
            self.send_response(200 if self.server.metadata else 404)
            self.end_headers()
            self.wfile.write(json.dumps(self.server.metadata).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.metadata = {}
    server.asked, server.answer = [], lambda inputs: (200, {"outputs": inputs["weight"]})
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(project, server, tmp_path):
    def ask(text, name="rows.csv", **which):
        (tmp_path / name).write_text(text)
        return predict_file(project, tmp_path / name, server.url, **which)

    return ask


def test_rows_become_columns_of_the_schemas_types_with_markers_for_what_is_missing(ask, server):
    outputs = ask("weight,day,place,late,other\n1.5,3,Bonn,1,x\n2,NA,,0,y\n")
    assert outputs == [{"prediction": 1.5}, {"prediction": 2.0}]
    ((path, body),) = server.asked
    assert path == "/v1/models/parcels:predict"
    height = body["inputs"].pop("height")
    assert all(math.isnan(value) for value in height)
    assert body == {"inputs": {"weight": [1.5, 2.0], "day": [3, -(2**63)], "place": ["Bonn", ""]}}


@pytest.mark.parametrize(
    ("name", "text"), [("rows.json", '[{"weight": 1}, {"weight": 2}]'), ("r.jsonl", '{"weight": 1}\n{"weight": 2}\n')]
)
def test_json_is_read_too(ask, name, text):
    assert ask(text, name) == [{"prediction": 1.0}, {"prediction": 2.0}]


def test_a_version_is_asked_by_number_or_label(ask, server):
    ask("weight\n1\n", version="3")
    ask("weight\n1\n", label="stable")
    assert [path for path, _ in server.asked] == [
        "/v1/models/parcels/versions/3:predict",
        "/v1/models/parcels/labels/stable:predict",
    ]
    with pytest.raises(UserError, match="by number or by label"):
        ask("weight\n1\n", version="3", label="stable")


def test_rows_may_bear_the_names_of_the_data_and_be_written_as_it_is(project, project_dir, server, tmp_path):
    source = (
        'columns: { "Gewicht (kg)": weight, Größe: height }\n  encoding: cp1252\n  decimal_point: ","\n  delimiter: ";"\n  '
    )
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace("row_key:", f"{source}row_key:"))
    (tmp_path / "rows.csv").write_bytes("Gewicht (kg);height\n1,5;2,5\n".encode("cp1252"))
    assert predict_file(load_project(project_dir), tmp_path / "rows.csv", server.url) == [{"prediction": 1.5}]
    assert server.asked[0][1]["inputs"]["height"] == [2.5]
    (tmp_path / "rows.csv").write_bytes("Gewicht (kg);Größe\nschwer;2,5\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"'weight' \('Gewicht \(kg\)' in the data\) is a number"):
        predict_file(load_project(project_dir), tmp_path / "rows.csv", server.url)


def test_many_rows_are_sent_in_batches_and_keep_their_order(ask, server):
    outputs = ask("weight\n" + "".join(f"{number}\n" for number in range(2 * BATCH_ROWS + 1)))
    assert [row["prediction"] for row in outputs] == list(map(float, range(2 * BATCH_ROWS + 1)))
    assert len(server.asked) == 3


def test_several_outputs_keep_their_names(ask, server):
    server.answer = lambda inputs: (200, {"outputs": {"a": inputs["weight"], "b": ["x"]}})
    assert ask("weight\n1\n") == [{"a": 1.0, "b": "x"}]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("day\n1\n", "rows.csv", "required feature 'weight'. Received: row 1"),
        ("weight\n1\nNA\n", "rows.csv", "required feature 'weight'. Received: row 2"),
        ("weight\nheavy\n", "rows.csv", "'weight' is a number. Received: 'heavy' in row 1"),
        ("weight,day\n1,1.5\n", "rows.csv", "'day' is a whole number. Received: '1.5' in row 1"),
        ('[{"weight": 1, "place": 5}]', "rows.json", "'place' is a text"),
        ('[{"weight": true}]', "rows.json", "'weight' is a number"),
        ('[{"weight": 1, "day": 9223372036854775808}]', "rows.json", "'day' is a whole number"),
        ("{", "rows.json", "rows are JSON"),
        ("[1]", "rows.json", "list of objects"),
        ('{"weight": 1}', "rows.json", "list of objects"),
    ],
)
def test_what_does_not_suit_the_schema_is_named(ask, server, text, name, words):
    with pytest.raises(UserError) as raised:
        ask(text, name)
    assert words in str(raised.value)
    assert server.asked == []


@pytest.mark.parametrize(("name", "text"), [("rows.csv", "far,origin\n"), ("rows.json", "[]"), ("rows.txt", "")])
def test_a_file_without_rows_is_an_error(ask, name, text):
    with pytest.raises(UserError, match="A file of rows has one at least"):
        ask(text, name)


def test_a_file_that_is_not_there_is_an_error(project, server, tmp_path):
    with pytest.raises(UserError, match="can be read"):
        predict_file(project, tmp_path / "none.csv", server.url)


def test_the_servers_no_is_passed_on(ask, server):
    server.answer = lambda _: (404, {"error": "Servable not found for request: Latest(parcels)"})
    with pytest.raises(UserError, match=r"404 Servable not found for request: Latest\(parcels\)"):
        ask("weight\n1\n")


@pytest.mark.parametrize("outputs", [[1.0], {"a": [1.0, 2.0], "b": 3.0}])
def test_an_answer_with_another_number_of_rows_is_refused(ask, server, outputs):
    server.answer = lambda _: (200, {"outputs": outputs})
    with pytest.raises(UserError, match="an output per row"):
        ask("weight\n1\n2\n")


def test_without_a_server_the_remedy_is_named(project, server, tmp_path):
    (tmp_path / "rows.csv").write_text("weight\n1\n")
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="Start one: sluice serve PROJECT"):
        predict_file(project, tmp_path / "rows.csv", server.url)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_predictions_are_shown_in_three_forms(form):
    text = io.StringIO()
    show_predictions([{"p": 0.25, "kind": "[b]"}, {"p": 0.5, "kind": "c"}], Console(file=text, width=80), form)
    if form == "json":
        assert json.loads(text.getvalue()) == [{"p": 0.25, "kind": "[b]"}, {"p": 0.5, "kind": "c"}]
    elif form == "csv":
        assert list(csv.reader(io.StringIO(text.getvalue())))[1] == ["1", "0.25", "[b]"]
    else:
        assert text.getvalue().split() == ["row", "p", "kind", "1", "0.2500", "[b]", "2", "0.5000", "c"]


def signature(**inputs):
    known = {"inputs": {name: {"dtype": dtype} for name, dtype in inputs.items()}}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": known}}}}


def test_a_model_that_takes_examples_gets_rows_without_what_is_missing(ask, server):
    server.metadata, server.answer = signature(examples="DT_STRING"), lambda inputs: (200, {"outputs": [[0.5], [0.25]]})
    assert ask("weight,day,place\n1.5,3,Bonn\n2,NA,\n") == [{"prediction": [0.5]}, {"prediction": [0.25]}]
    ((_, body),) = server.asked
    rows = [base64.b64decode(row["b64"]) for row in body["inputs"]["examples"]]
    assert rows == [serialize_example({"weight": 1.5, "day": 3, "place": "Bonn"}), serialize_example({"weight": 2.0})]


def test_a_model_gets_the_raw_tensors_that_it_takes(ask, server):
    server.metadata = signature(weight="DT_FLOAT")
    ask("weight,day\n1.5,3\n")
    assert server.asked[0][1] == {"inputs": {"weight": [1.5]}}
