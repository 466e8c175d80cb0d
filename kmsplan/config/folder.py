"""Files to documents: which files make up a configuration, and reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.config.document import Document, parse
from kmsplan.config.place import Place, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

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
    return _files(root, problems, _belongs)


def yaml_files(root: Path, problems: Problems) -> list[Path]:
    """Return the folder's YAML files by name, those of variables and signers, too; not hidden ones."""
    return _files(root, problems, _is_yaml)


def _files(root: Path, problems: Problems, wanted: Callable[[str], bool]) -> list[Path]:
    try:
        names = sorted(path.name for path in root.iterdir())
    except OSError as error:
        problems.add("K101", f"The folder {str(root)!r} cannot be read: {_reason(error)}.{_START}")
        return []
    found = [root / name for name in names if wanted(name) and not (root / name).is_dir()]
    if not found:
        problems.add("K101", f"The folder {str(root)!r} holds no *.yaml or *.yml file.{_START}")
    return found


_START: Final = " Name the configuration's folder with -C, or run `kmsplan init` in an empty folder to start one."


def _belongs(name: str) -> bool:
    return _is_yaml(name) and not name.endswith(_OTHERS)


def _is_yaml(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def read(path: Path, filename: str, problems: Problems, *, named: Place | None = None) -> Document | None:
    """Read and parse one file; None where that failed, which is then among the problems.

    Args:
        path: The file.
        filename: How messages name it.
        problems: What is wrong.
        named: Where a configuration names it, for what has no text has no line in it.
    """
    try:
        with path.open("rb") as file:
            return read_stream(file, filename, problems)
    except OSError as error:
        detail = f"{filename} cannot be read: {_reason(error)}. Make it readable, or name another file."
        problems.add("K102", detail, named)
        return None


def read_stream(stream: BinaryIO, filename: str, problems: Problems) -> Document | None:
    """Read and parse what is open already; None where that failed, which is then among the problems.

    Raises:
        OSError: it cannot be read.
    """
    content = stream.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        limit = SIZE_LIMIT // (1024 * 1024)
        detail = f"{filename} is larger than {limit} MiB. Split it, or make similar keys with `for_each`."
        problems.add("K103", detail, _start(filename))
        return None
    text = _text(content, filename, problems)
    return None if text is None else parse(Source(filename, text), problems)


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
