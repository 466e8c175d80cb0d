"""Files to documents: which files make up a configuration, and reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.config.document import Document, parse
from kmsplan.config.place import Place, Source

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.config.problems import Problems

SIZE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes; a configuration of 100,000 keys takes about 40 MB."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_SUFFIXES: Final = (".yaml", ".yml")
_OTHERS: Final = (".vars.yaml", ".vars.yml", ".trusted.yaml", ".trusted.yml")
"""YAML that is no configuration: variables, and lists of signers."""


def holds_configuration(root: Path) -> bool:
    """Return whether there is a file in the folder that would belong to a configuration."""
    return root.is_dir() and any(_belongs(path.name) for path in root.iterdir())


def configuration_files(root: Path, problems: Problems) -> list[Path]:
    """Return the folder's YAML files by name; not `*.vars.yaml`, `*.trusted.yaml` and hidden files."""
    try:
        names = sorted(path.name for path in root.iterdir())
    except OSError as error:
        problems.add("K101", f"The folder {str(root)!r} cannot be read: {_reason(error)}.{_START}")
        return []
    found = [root / name for name in names if _belongs(name) and not (root / name).is_dir()]
    if not found:
        problems.add("K101", f"The folder {str(root)!r} holds no *.yaml or *.yml file.{_START}")
    return found


_START: Final = " Name the configuration's folder with -C, or run `kmsplan init` in an empty folder to start one."


def _belongs(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.endswith(_OTHERS) and not name.startswith(".")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def read(path: Path, filename: str, problems: Problems) -> Document | None:
    """Read and parse one file; None where that failed, which is then among the problems."""
    content = _content(path, filename, problems)
    if content is None:
        return None
    text = _text(content, filename, problems)
    return None if text is None else parse(Source(filename, text), problems)


def _content(path: Path, filename: str, problems: Problems) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        problems.add("K102", f"{filename} cannot be read: {_reason(error)}.")  # what has no text has no line in it
        return None
    if len(content) > SIZE_LIMIT:
        limit = SIZE_LIMIT // (1024 * 1024)
        detail = f"{filename} is larger than {limit} MiB. Split it, or make similar keys with `for_each`."
        problems.add("K103", detail, _start(filename))
        return None
    return content


def _text(content: bytes, filename: str, problems: Problems) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        source = Source(filename, f"{before}\ufffd")
        what = "The file is UTF-16" if content[:2] in _UTF_16 else f"The byte 0x{content[error.start]:02X} is not UTF-8"
        detail = f"{what}. Save it as UTF-8."
        problems.add("K104", detail, Place(source, len(before), len(before) + 1))
        return None


def _start(filename: str) -> Place:
    return Place(Source(filename, ""), 0, 0)
