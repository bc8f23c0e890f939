"""What project.yaml says to a run_fn, under `training.fn_args`."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

Steps = Annotated[int, Field(ge=1)]


class FnArgs(pydantic.BaseModel):
    """Settings of a run_fn; a build_model does not see them. A run may set others."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    train_steps: Steps | None = None
    eval_steps: Steps | None = None
    examples: Literal["transformed", "raw"] = "transformed"
    custom_config: dict[str, Any] = Field(default_factory=dict)

    @property
    def json_object(self) -> dict[str, Any]:
        """What project.yaml sets, as train_model takes it."""
        return self.model_dump(exclude_defaults=True)
