import pytest

from components._shared.errors import UserError
from components._shared.input_files import InputFile, fingerprint_of, read_input_files

FILE = {"path": "a.csv", "span": 3, "size": 7, "sha256": "sha256:x"}
OBJECT = {"path": "gs://b/a.csv", "span": 3, "size": 7, "crc32c": "AAAAAA==", "generation": "1731"}


@pytest.mark.parametrize("document", [FILE, OBJECT, FILE | {"version": 2}, OBJECT | {"version": 0}])
def test_file_comes_back(document):
    assert read_input_files([document])[0].to_json() == document


def test_whole_numbers_may_come_as_floats():
    numbers = {"span": 3.0, "size": 7.0, "version": 2.0}
    assert read_input_files([FILE | numbers])[0].to_json() == FILE | {"version": 2}


@pytest.mark.parametrize(
    "document",
    [{"path": "a"}, {**FILE, "sha256": ""}, {**OBJECT, "generation": ""}, FILE | OBJECT, {**FILE, "span": "x"}, "a.csv", None],
)
def test_file_that_lacks_something_is_refused(document):
    with pytest.raises(UserError, match="Every input file has path, span"):
        read_input_files([document])


def test_fingerprint_knows_generation_and_content_and_not_the_name():
    one, renamed, anew = (
        InputFile(path=path, span=1, size=7, crc32c="AAAAAA==", generation=generation)
        for path, generation in (("gs://b/1", "1"), ("gs://b/2", "1"), ("gs://b/1", "2"))
    )
    assert fingerprint_of([one]) == fingerprint_of([renamed]) != fingerprint_of([anew])
