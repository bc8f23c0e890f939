"""Starts nothing early before a stage has to run, for a run that earlier results may spare every TensorFlow stage."""

import sys
from collections.abc import Callable, Sequence

from pipelines.launchers import TENSORFLOW_STAGES, Command, Ending, Launcher, PlainLauncher


class OnDemandLauncher:
    """Plain processes until the first TensorFlow stage has to run, and then what `make` returns.

    Args:
        make: Returns the launcher for the stages that may come from then on, in the order in which they run.
        stages: The stages that it is made for.
        package: Package of the stages.
    """

    python = sys.executable

    def __init__(
        self,
        make: Callable[[Sequence[str]], Launcher],
        stages: Sequence[str] = TENSORFLOW_STAGES,
        package: str = "components",
    ) -> None:
        self._launcher: Launcher = PlainLauncher()
        self._make, self._stages, self._package = make, list(stages), package
        self._made = False

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end."""
        argv = list(command.argv)
        stage = argv[2].removeprefix(f"{self._package}.") if argv[1:2] == ["-m"] else ""
        if stage in self._stages and not self._made:
            self._launcher, self._made = self._make(self._stages[self._stages.index(stage) :]), True
        return self._launcher.run(command, on_tick)

    def close(self) -> None:
        """Ends what was started."""
        self._launcher.close()
