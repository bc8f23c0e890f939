"""The `cluster` section of project.yaml: what the stages get from Kubernetes."""

import re
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from pipelines.stage_policies import STAGE_POLICIES

_STRICT = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
_CPU = re.compile(r"(\d*\.)?\d+m?", re.ASCII)
_MEMORY = re.compile(r"0*[1-9]\d*(Ki|[MGTPE]i?)", re.ASCII)

ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
MountPath = Annotated[str, Field(pattern=r"^(/[^/:\s]+)+$")]
Environment = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class _Model(pydantic.BaseModel):
    model_config = _STRICT


class Accelerator(_Model):
    """Accelerators of a stage.

    Attributes:
        type: The resource's name in the cluster, such as `nvidia.com/gpu`.
        count: How many; the numbers that every Kubeflow SDK takes.
    """

    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    count: Literal[1, 2, 4, 8, 16] = 1


class Resources(_Model):
    """What a stage asks for and may use at most: request and limit are one number.

    Attributes:
        cpu: Cores, such as `2`, `0.5` or `500m`; empty for no bound.
        memory: Bytes with a unit, such as `4Gi`; empty for no bound.
        accelerator: Accelerators; none by default.
    """

    cpu: str = ""
    memory: str = ""
    accelerator: Accelerator | None = None

    @pydantic.field_validator("cpu", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @pydantic.field_validator("cpu")
    @classmethod
    def _cores(cls, value: str) -> str:
        if value and not (_CPU.fullmatch(value) and float(value.removesuffix("m")) > 0):
            raise ValueError("a number of cores above 0, such as 2 or 500m")
        return value

    @pydantic.field_validator("memory")
    @classmethod
    def _bytes(cls, value: str) -> str:
        if value and not _MEMORY.fullmatch(value):
            raise ValueError("a whole number of bytes above 0 with a unit, such as 512Mi or 4Gi")
        return value


class Toleration(_Model):
    """A taint of nodes that a stage tolerates, in Kubernetes' own words."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int | None = None

    @pydantic.model_validator(mode="after")
    def _as_kubernetes_takes_it(self) -> Self:
        if self.operator == "Exists" and self.value:
            raise ValueError("with the operator Exists there is no value")
        if self.operator == "Equal" and not self.key:
            raise ValueError("without a key the operator is Exists, which tolerates every taint")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("toleration_seconds needs the effect NoExecute")
        return self


class Secret(_Model):
    """How a stage gets a secret: as environment variables, as files, or both.

    Attributes:
        env: Keys of the secret by the variable that gets their value.
        mount: Folder in which each key is a file; empty for none.
    """

    env: dict[Environment, Key] = Field(default_factory=dict)
    mount: MountPath | Literal[""] = ""

    @pydantic.model_validator(mode="after")
    def _is_used(self) -> Self:
        if not self.env and not self.mount:
            raise ValueError("a secret says where it goes: env, mount, or both")
        return self


class StageSettings(_Model):
    """What one stage gets, or all of them.

    Attributes:
        resources: Processors, memory and accelerators.
        node_selector: Labels that a node must have.
        tolerations: Taints of nodes that it tolerates.
        secrets: Secrets by their name in the cluster.
        pvc: Folders in which volumes are mounted, by the claim's name.
        image_pull_policy: When the node asks the registry; empty for Kubernetes' own rule.
        image_pull_secrets: Names of the secrets that the registry wants.
    """

    resources: Resources = Resources()
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    secrets: dict[ObjectName, Secret] = Field(default_factory=dict)
    pvc: dict[ObjectName, MountPath] = Field(default_factory=dict)
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: tuple[ObjectName, ...] = ()

    @pydantic.model_validator(mode="after")
    def _folders_are_mounted_once(self) -> Self:
        folders = [*self.pvc.values(), *(secret.mount for secret in self.secrets.values() if secret.mount)]
        if len(set(folders)) < len(folders):
            raise ValueError("a folder is mounted once")
        return self

    def over(self, defaults: "StageSettings") -> "StageSettings":
        """Returns these settings where they are written, and the defaults elsewhere; mappings are merged key by key.

        Raises:
            pydantic.ValidationError: If both together mount a folder twice.
        """
        merged = defaults.model_dump(exclude_unset=True)
        for name, value in self.model_dump(exclude_unset=True).items():
            merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
        return StageSettings.model_validate(merged)


_OF_STAGES: dict[str, Any] = {stage: (StageSettings, StageSettings()) for stage in STAGE_POLICIES}
_Stages = pydantic.create_model("_Stages", __base__=_Model, **_OF_STAGES)


class Cluster(_Model):
    """What the stages get from Kubernetes; on a laptop none of it has an effect.

    Attributes:
        defaults: What every stage gets.
        stages: What single stages get besides or instead.
    """

    defaults: StageSettings = StageSettings()
    stages: _Stages = _Stages()  # type: ignore[valid-type]  # one field per stage

    @pydantic.model_validator(mode="after")
    def _stages_suit_the_defaults(self) -> Self:
        for stage in STAGE_POLICIES:
            self.settings_of(stage)
        return self

    def settings_of(self, stage: str) -> StageSettings:
        """Returns all that a stage gets."""
        own: Any = getattr(self.stages, stage)
        return own.over(self.defaults) if isinstance(own, StageSettings) else self.defaults
