"""The list of input files that resolve_inputs hands to ingest_examples, as JSON, and what identifies their contents."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from components._shared.digest import digest_contents
from components._shared.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputFile:
    """One input file, as resolve_inputs found it.

    Attributes:
        path: Its path, or its URL in Cloud Storage.
        span: Number of its span.
        size: Size in bytes.
        sha256: `sha256:<hex>` of its bytes; empty for an object, which nobody has read yet.
        crc32c: Base64 of the CRC32C that Cloud Storage keeps of an object; empty for a file.
        generation: Which write of an object it is; empty for a file.
        version: Version of its span; None where the pattern names none.
    """

    path: str
    span: int
    size: int
    sha256: str = ""
    crc32c: str = ""
    generation: str = ""
    version: int | None = None

    def __post_init__(self) -> None:
        if bool(self.sha256) == bool(self.crc32c and self.generation):
            raise ValueError("a file has a sha256, an object crc32c and generation")

    @property
    def identity(self) -> str:
        """What is another one when the content is."""
        return self.sha256 or f"crc32c:{self.crc32c}:{self.size}:{self.generation}"

    def to_json(self) -> dict[str, Any]:
        """Returns the file as a JSON object, without what it does not have."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value not in ("", None)}


def fingerprint_of(files: Iterable[InputFile]) -> str:
    """Returns `sha256:<hex>` over the contents, whatever the names and the order of the files."""
    return digest_contents(file.identity for file in files)


def read_input_files(documents: Sequence[Any]) -> list[InputFile]:
    """Returns the files of a list in JSON; Kubeflow sends whole numbers as 5.0.

    Raises:
        UserError: If the list is empty, or a file lacks something.
    """
    if not documents:
        raise UserError("There is at least one input file.", received="an empty list")
    try:
        return [_read(document) for document in documents]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "Every input file has path, span, size and sha256, or crc32c and generation.", received=documents
        ) from error


def _read(document: Any) -> InputFile:
    version = document.get("version")
    return InputFile(
        path=str(document["path"]),
        span=int(document["span"]),
        size=int(document["size"]),
        **{key: str(document.get(key, "")) for key in ("sha256", "crc32c", "generation")},
        version=None if version is None else int(version),
    )
