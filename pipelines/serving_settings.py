"""The part of project.yaml about serving: where approved models go, and which servers make sure that they serve there."""

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from components._release.verifier import FILE, RELOAD
from components._shared.errors import UserError

_ADDRESS = r"(https?|grpc)://[^\s/?#,]+/?"


def _join(value: Any) -> Any:
    """Returns a list of addresses as one text, as pipeline parameters hold them."""
    return ",".join(value) if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value) else value


class Serving(pydantic.BaseModel):
    """Where the approved model goes, and what makes sure that it serves there.

    Attributes:
        model_name: The model's name in the servers.
        directory: The model's base path for TF Serving, a folder or a gs:// URL.
        server: Addresses of the servers that verify each version that is to be live, REST (`http://host:8501`) or gRPC
            (`grpc://host:8500`); a list in project.yaml, here with commas between; empty for none.
        server_wait_seconds: How long a version may take to become AVAILABLE there.
        labels: How servers learn where labels are: `file`, they read `model_config_file`, or `reload`, they are told by
            ReloadConfig; empty for `file` if there is such a file, else for no labels.
        model_config_file: The servers' model configuration, in which labels move; empty for none, or for one in the
            serving directory where servers are told.
        keep_versions: How many versions stay after a push, the live one and the one before it in any case; 0 for all.
    """

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    directory: Annotated[str, Field(min_length=1)]
    server: Annotated[str, pydantic.BeforeValidator(_join), Field(pattern=rf"^({_ADDRESS}(,{_ADDRESS})*)?$")] = ""
    server_wait_seconds: Annotated[int, Field(ge=1)] = 300
    keep_versions: Annotated[int, Field(ge=0)] = 0
    labels: Literal["", "file", "reload"] = ""
    model_config_file: str = ""

    @property
    def label_mode(self) -> str:
        """How servers learn where labels are; empty for no labels."""
        return self.labels or (FILE if self.model_config_file else "")

    @pydantic.model_validator(mode="after")
    def _labels_need_servers(self) -> Self:
        if self.label_mode and not self.server:
            key = "labels" if self.labels else "model_config_file"
            raise ValueError(f"labels move only to a version that a server has: {key} needs server")
        if self.labels == FILE and not self.model_config_file:
            raise ValueError("labels: file needs model_config_file, which the servers read")
        if self.labels == RELOAD and not all(url.startswith("grpc://") for url in self.server.split(",")):
            raise ValueError("labels: reload tells servers by gRPC: each server is grpc://host:port")
        return self


def check_server(serving: Serving, parameters: dict[str, Any]) -> None:
    """Checks before a run what push_model would refuse at its end: a run may name another server, and never none.

    Raises:
        UserError: If the parameter `server` is empty where the project names a server.
    """
    if serving.server and not parameters.get("server", serving.server):
        rule = "Where a project names a server, a run may name another one, and never none."
        raise UserError(rule, received="server is empty", remedy="Leave the parameter server as it is, or name a server.")
