"""Which of a project's Python files holds what, without importing them."""

import ast
from pathlib import Path

from components._shared.artifacts import FEATURES_FILE, MODEL_FILE

PREPROCESSING_FN, BUILD_MODEL, RUN_FN = "preprocessing_fn", "build_model", "run_fn"


def preprocessing_file(project_dir: str | Path) -> str:
    """Returns the file that holds preprocessing_fn: features.py, or model.py where one file holds all, as TFX's modules do."""
    folder = Path(project_dir)
    alone = not (folder / FEATURES_FILE).is_file() and binds(folder / MODEL_FILE, PREPROCESSING_FN)
    return MODEL_FILE if alone else FEATURES_FILE


def trains_by_run_fn(project_dir: str | Path) -> bool:
    """Returns whether model.py has a run_fn and no build_model."""
    file = Path(project_dir, MODEL_FILE)
    return binds(file, RUN_FN) and not binds(file, BUILD_MODEL)


def binds(file: Path, name: str) -> bool:
    """Returns whether a Python file defines, assigns or imports a name at its top level; False if it cannot be read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return any(name in _names(statement) for statement in tree.body)


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
