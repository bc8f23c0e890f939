"""Results of stages that later runs may use: which there are, whether they are still whole, and how they come over.

A stage that has succeeded leaves `results/<stage>.json` in the run's folder: its key and the digest of each of its outputs.
The file is written last and in one step, and is removed before the stage runs again: a kill leaves a whole result or none.
A result of another run is linked, file by file, so that each run folder is whole and removing one harms no other; its
digests are compared where it was linked to, so that nothing that was edited or cut off is used.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from components._shared.digest import digest_parts
from components._shared.documents import read_object
from components._shared.outputs import write_json
from pipelines.stage_key import Contents, stage_key
from pipelines.stage_run import StageRun

RESULTS_DIR = "results"
_FORMAT = "sluice/result/1"
_INPUT_FILE, _OUTPUT_FILE = "executor_input.json", "executor_output.json"
"""KFP's files in a stage's folder; the second names the folder itself."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Result:
    """A stage's result: its key, the digest of each output, the run that it was computed in, and where it is."""

    key: str
    run: str
    outputs: dict[str, str]
    folder: Path
    log: Path


class Results:
    """The results that a run may use and those that it leaves.

    Args:
        folder: The run's folder. Results in it are used: it is there before when a run is resumed.
        others: Whether results of the other runs beside it are used, too.
        digest_code: What stands for the code of a command; empty if there is no saying.
    """

    def __init__(self, folder: Path, *, others: bool, digest_code: Callable[[Sequence[str]], str]) -> None:
        self._folder, self._others, self._digest_code = folder, others, digest_code
        self._contents = Contents()
        self._keys: dict[str, str] = {}

    def _key(self, container: Any, inputs: dict[str, Any]) -> str:
        command = [*container.command, *container.args]
        env = {item.name: item.value for item in container.env}
        code = self._digest_code(command)
        return stage_key(command=command, env=env, inputs=inputs, code=code, contents=self._contents)

    def restore(self, run: StageRun, container: Any, inputs: dict[str, Any], *, cached: bool) -> bool:
        """Puts an earlier result of a stage into its folder; if there is none that is whole, leaves the folder empty.

        Args:
            run: The stage.
            container: Its container in the compiled pipeline.
            inputs: The inputs in KFP's executor input.
            cached: Whether the pipeline lets an earlier result stand in for it.

        Returns:
            Whether there is one; then `run` has ended well and says where it is from.
        """
        self._keys[run.stage] = key = self._key(container, inputs) if cached else ""
        own = self._record_of(run.stage)
        if key and (found := _read(own)) and found.key == key and self._is_whole(found):
            return _end(run, found)
        own.unlink(missing_ok=True)  # first: what follows is not whole until it is recorded again
        _clear(run.folder)
        for found in self._elsewhere(run.stage, key):
            try:
                _link(found, run)
                if self._is_whole(dataclasses.replace(found, folder=run.folder)):
                    self._write(run.stage, found)
                    return _end(run, found)
            except OSError:  # the other run is being removed, or the disk is full
                pass
            _clear(run.folder)
        return False

    def keep(self, run: StageRun, container: Any, inputs: dict[str, Any]) -> None:
        """Records the result of a stage that has succeeded, unless code or inputs were edited since it began."""
        key = self._keys[run.stage]
        if key and not run.reused_from and key == self._key(container, inputs):
            outputs = {name: self._digest(run.folder / name) for name in _outputs_in(run.folder)}
            result = _Result(key=key, run=self._folder.name, outputs=outputs, folder=run.folder, log=run.log)
            self._write(run.stage, result)

    def _elsewhere(self, stage: str, key: str) -> Iterator[_Result]:
        """Yields results with the key in other runs, the newest first."""
        found = self._folder.parent.glob(f"*/{RESULTS_DIR}/{stage}.json") if key and self._others else ()
        for file in sorted(found, key=lambda file: file.parts[-3], reverse=True):
            result = _read(file.resolve())
            if file != self._record_of(stage) and result and result.key == key:
                yield result

    def _is_whole(self, result: _Result) -> bool:
        try:
            found = {name: self._digest(result.folder / name) for name in _outputs_in(result.folder)}
        except (OSError, UnicodeDecodeError):
            return False
        return bool(found) and found == result.outputs

    def _digest(self, path: Path) -> str:
        if path.name == _OUTPUT_FILE:
            return digest_parts([path.read_text(encoding="utf-8").replace(str(path.parent), "")])
        return f"{'folder' if path.is_dir() else 'file'} {self._contents.digest(path)}"

    def _record_of(self, stage: str) -> Path:
        return self._folder / RESULTS_DIR / f"{stage}.json"

    def _write(self, stage: str, result: _Result) -> None:
        document = {"format": _FORMAT, "key": result.key, "run": result.run, "outputs": result.outputs}
        write_json(self._record_of(stage), document)


def has_results(runs_dir: Path) -> bool:
    """Says whether runs in a folder have left any results."""
    return any(runs_dir.glob(f"*/{RESULTS_DIR}/*.json"))


def _read(file: Path) -> _Result | None:
    """Returns a recorded result; None if there is none, or none that this program has written."""
    try:
        document = read_object(file)
    except (OSError, ValueError):
        return None
    key, run, outputs = (document.get(name) for name in ("key", "run", "outputs"))
    if document.get("format") != _FORMAT or not (isinstance(key, str) and isinstance(run, str) and isinstance(outputs, dict)):
        return None
    folder, stage = file.parents[1], file.stem
    return _Result(key=key, run=run, outputs=outputs, folder=folder / "artifacts" / stage, log=folder / "logs" / f"{stage}.log")


def _outputs_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != _INPUT_FILE)


def _link(found: _Result, run: StageRun) -> None:
    for name in found.outputs:
        source, target = found.folder / name, run.folder / name
        if name == _OUTPUT_FILE:  # it names the paths of the outputs
            text = source.read_text(encoding="utf-8").replace(str(found.folder), str(run.folder))
            target.write_text(text, encoding="utf-8")
        elif source.is_dir():
            shutil.copytree(source, target, copy_function=_link_file)
        else:
            _link_file(source, target)
    if found.log.is_file():
        shutil.copyfile(found.log, run.log)


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # a file system without hard links, or a file of another user
        shutil.copyfile(source, target)


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _end(run: StageRun, result: _Result) -> bool:
    run.exit_code, run.reused_from = 0, result.run
    return True
