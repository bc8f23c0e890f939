"""Loads a function from a project's own Python file, and reports its errors by the user's file and line."""

import contextlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from components._shared.digest import check_code_hash, code_files
from components._shared.errors import SluiceError, UserError
from components._shared.project_code import BUILD_MODEL, PREPROCESSING_FN, RUN_FN

_ARGUMENTS = {
    PREPROCESSING_FN: ("inputs",),
    BUILD_MODEL: ("feature_spec", "hyperparameters"),
    RUN_FN: ("fn_args",),
}
"""What a stage calls a project's function with."""


def load_function(project_dir: str | Path, file: str, name: str, expected_hash: str) -> Callable[..., Any]:
    """Returns a function of a project's Python file.

    The file is imported under a private name and may import its neighbours: their folder is on `sys.path` meanwhile, and
    they are forgotten afterwards, so that two projects in one process do not meet.

    Args:
        project_dir: Folder of the project.
        file: Name of the file in it, such as "features.py".
        name: Name of the function, such as "preprocessing_fn".
        expected_hash: Digest that the file, with what it may import from the project, must have (`digest_code`).

    Raises:
        UserError: If the file is not there, has another digest, cannot be imported, has no such function, or one that cannot
            be called as the stages call it.
    """
    return load_one(project_dir, file, (name,), expected_hash)[1]


def load_one(project_dir: str | Path, file: str, names: tuple[str, ...], expected_hash: str) -> tuple[str, Callable[..., Any]]:
    """Returns the one of several functions that a project's Python file defines, with its name; see `load_function`.

    Raises:
        UserError: As `load_function`, or if it defines several of them.
    """
    path = Path(project_dir).absolute() / file
    if not path.is_file():
        raise UserError(f"The project has a file {file}.", received=str(path), remedy="Check project_dir.")
    check_code_hash(path.parent, file, expected_hash)
    with user_errors(path.parent, f"{file} can be imported"):
        module = _import(path)
    functions = {name: found for name in names if callable(found := getattr(module, name, None))}
    if not functions:
        found = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        either = " or ".join(names)
        raise UserError(f"{file} defines the function {either}.", received=found, remedy=f"Define {either} in {path}.")
    if len(functions) > 1:
        rule = f"{file} defines one of the functions {' and '.join(names)}."
        raise UserError(rule, received=list(functions), remedy="Remove the one that is not meant.")
    name, function = next(iter(functions.items()))
    _check_arguments(name, function, path)
    return name, function


def _check_arguments(name: str, function: Callable[..., Any], path: Path) -> None:
    if name not in _ARGUMENTS:
        return
    arguments, signature = _ARGUMENTS[name], inspect.signature(function)
    try:
        signature.bind(*arguments)
    except TypeError as error:
        called = f"{name}({', '.join(arguments)})"
        raise UserError(
            f"A stage calls {called}.", received=f"{name}{signature}", remedy=f"Let it take these arguments in {path}."
        ) from error


@contextlib.contextmanager
def user_errors(project_dir: str | Path, rule: str) -> Iterator[None]:
    """Turns an exception that passed through a project's file into a UserError with file, line and cause.

    `sys.exit` is one of them: a stage that the project's code ends is not done. Exceptions that never touched the project keep
    their traceback: they are bugs of ours.

    Args:
        project_dir: Folder of the project.
        rule: What must hold, without the full stop.

    Raises:
        UserError: In place of the user's exception.
    """
    try:
        yield
    except SluiceError:
        raise
    except (Exception, SystemExit) as error:
        place = _place(error, Path(project_dir).absolute())
        if place is None:
            raise
        received = f"{place}: {type(error).__name__}: {last_words(error)}"
        raise UserError(f"{rule}.", received=received, remedy=_remedy(error)) from error


def last_words(error: BaseException) -> str:
    """Returns the last line of an error's text, where the cause stands; TensorFlow puts names of nodes after it."""
    lines = [line.strip() for line in str(error).split("[[{{node")[0].splitlines()]
    return next((line for line in reversed(lines) if line), "")


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "tfx":
        return "Install tfx beside Sluice, or drop the import: docs/from-tfx.md says what stands for each."
    return "Mend that line and run again."


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_sluice_project_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    sys.modules[spec.name] = module  # dataclasses and pickle look a module up by its name
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        neighbours = _neighbours(set(sys.modules) - before, path.parent)
        for name in neighbours:
            del sys.modules[name]
    if unseen := sorted(set(neighbours.values()) - set(code_files(path.parent, path.name))):
        raise UserError(
            f"{path.name} imports only files that its digest covers: those of the folder and of packages in it.",
            received=str(unseen[0]),
            remedy="Add an __init__.py to the package; features.py does not import model.py.",
        )
    return module


def _neighbours(names: Iterable[str], folder: Path) -> dict[str, Path]:
    """Returns the modules that were imported from a project's folder, with their files."""
    files = {name: Path(getattr(sys.modules[name], "__file__", None) or "/") for name in names}
    return {name: file for name, file in files.items() if folder in file.parents}


def _place(error: BaseException, folder: Path) -> str | None:
    """Returns `file, line n: source` of the innermost frame in the folder; TensorFlow hides some frames in the message."""
    if isinstance(error, SyntaxError) and error.filename and folder in Path(error.filename).parents:
        return f"{Path(error.filename).name}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if folder in Path(frame.filename).parents]
    if frames:
        return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line}"
    quoted = re.findall(rf'File "{re.escape(str(folder))}/([^"]+)", line (\d+)', str(error))
    return f"{quoted[-1][0]}, line {quoted[-1][1]}" if quoted else None
