import argparse
import errno
import os
import subprocess
import sys

import pytest

from components._shared import cli
from components._shared.errors import Refusal, UserError


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("5.0", 5), ("-1", -1)])
def test_integer_reads_what_kubeflow_sends(text, value):
    assert cli.integer(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (cli.integer, "5.5"),
        (cli.boolean, "yes"),
        (cli.json_object, "[1]"),
        (cli.json_object, "{"),
        (cli.json_object, '{"min_rows": NaN}'),
        (cli.json_list, '{"a": 1}'),
        (cli.json_list, "[Infinity]"),
    ],
)
def test_wrong_values_say_what_was_received(parse, text):
    with pytest.raises(argparse.ArgumentTypeError, match="Received"):
        parse(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_boolean_reads_both_spellings(text, value):
    assert cli.boolean(text) is value


@pytest.mark.parametrize(("error", "code"), [(UserError("A rule."), 2), (Refusal("A rule."), 3)])
def test_run_exits_by_who_must_act(error, code, monkeypatch, caplog):
    def fail(_args):
        raise error

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as exit_:
        cli.run(cli.make_parser("A stage."), fail)
    assert exit_.value.code == code


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EIO]
)
def test_a_disk_that_is_full_closed_or_otherwise_than_expected_is_for_the_user(monkeypatch, number):
    def write(_args):
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as exit_:
        cli.run(cli.make_parser("A stage."), write)
    assert exit_.value.code == 2


def test_a_bug_keeps_its_traceback():
    code = "from components._shared import cli; cli.run(cli.make_parser('x'), lambda args: 1 / 0)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


def test_parser_takes_no_abbreviation():
    parser = cli.make_parser("A stage.")
    parser.add_argument("--examples")
    with pytest.raises(SystemExit):
        parser.parse_args(["--exam", "x"])
