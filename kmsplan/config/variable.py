"""Variables: what is declared, where values come from, and whether they fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.diagnostic import Severity
from kmsplan.config.document import HOLE, Document, has_hole, parse
from kmsplan.config.place import Place, Source
from kmsplan.config.problems import Gap, Problems, listed, near
from kmsplan.kms.wording import shown

if TYPE_CHECKING:
    from kmsplan.config.section import Node

ENVIRONMENT: Final = "KMSPLAN_VAR_"
TYPES: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool, "list": list, "map": dict}
_INT: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Given:
    """A value from outside the configuration."""

    value: Any
    origin: str
    """For messages: `--var`, a file's name, or the environment variable."""
    place: Place | None = None
    text: bool = True
    """Text from the command line or the environment, still to be read as the variable's type."""


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    node: Node
    type: str
    has_default: bool
    default: Any
    allowed: tuple[Any, ...] | None


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return the values of all KMSPLAN_VAR_x."""
    return {
        name.removeprefix(ENVIRONMENT): Given(value, f"the environment variable {name}")
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT)
    }


def from_file(document: Document) -> dict[str, Given]:
    """Return the values of a variable file, a mapping of names to values."""
    container: dict[Any, Any] = document.value
    return {
        name: Given(value, document.source.filename, document.place(container, index), text=False)
        for index, (name, value) in enumerate(container.items())
        if name is not HOLE
    }


def from_command_line(variables: Mapping[str, str]) -> dict[str, Given]:
    """Return the values of all --var."""
    return {name: Given(value, "--var") for name, value in variables.items()}


def resolve_variables(
    declarations: Mapping[str, Node],
    *,
    environment: Mapping[str, Given],
    explicit: Sequence[Mapping[str, Given]],
    problems: Problems,
) -> dict[str, Any]:
    """Return every declared variable's value: the last of `explicit` that has one, else environment, else default.

    A variable without a usable value is a hole. Names that nobody declared are problems; in the environment, which a
    configuration shares with others, only a warning.
    """
    given = dict(environment)
    for values in explicit:
        given.update(values)
        for name in values.keys() - declarations.keys():
            _unknown(name, values[name], declarations, problems)
    for name in environment.keys() - declarations.keys():
        detail = f"{ENVIRONMENT}{name} is set, but no variable {name!r} is declared.{near(name, declarations)}"
        problems.add("K309", detail, severity=Severity.WARNING)
    return {
        name: _value(_declared(name, node), given.get(name), problems) for name, node in sorted(declarations.items())
    }


def _unknown(name: str, given: Given, declarations: Mapping[str, Node], problems: Problems) -> None:
    detail = f"{given.origin} sets {name!r}, which is not declared under `variables`.{near(name, declarations)}"
    problems.add("K302", detail, given.place, until=Gap.TEXT)


def _declared(name: str, node: Node) -> _Variable | None:
    """Read a declaration; None where it is malformed, which the schema tells."""
    value = {} if node.value is None else node.value
    if not isinstance(value, dict) or has_hole(value):
        return None
    allowed, default = value.get("allowed"), value.get("default")
    kind = value.get("type", _type_of(default, allowed))
    if not isinstance(kind, str) or kind not in TYPES or not isinstance(allowed, list | None):
        return None
    return _Variable(name, node, kind, "default" in value, default, None if allowed is None else tuple(allowed))


def _type_of(default: Any, allowed: Any) -> str:
    """Return the type of a declaration without one: its default's, else its first allowed value's, else string."""
    sample = allowed[0] if default is None and isinstance(allowed, list) and allowed else default
    return next((name for name, kind in TYPES.items() if type(sample) is kind), "string")


def _value(variable: _Variable | None, given: Given | None, problems: Problems) -> Any:
    if variable is None or (given is not None and has_hole(given.value)):
        return HOLE
    if isinstance(variable.default, str) and "${" in variable.default:
        detail = f"The default of {variable.name!r} is a plain value; references are not filled in here."
        problems.add("K305", detail, variable.node.locate(("default",)))
    if given is not None:
        value = _read(variable, given) if given.text else given.value
        return _checked(variable, value, given.origin, given.place, problems)
    if variable.has_default:
        return _checked(variable, variable.default, "its default", variable.node.locate(("default",)), problems)
    return _unset(variable, problems)


def _unset(variable: _Variable, problems: Problems) -> Any:
    name = variable.name
    detail = (
        f"The variable {name!r} has no value. Give it one with --var {name}=VALUE, a line `{name}: VALUE` in a "
        f"--var-file, the environment variable {ENVIRONMENT}{name}, or a `default` here."
    )
    problems.add("K301", detail, variable.node.key_place, until=Gap.TEXT)
    return HOLE


def _read(variable: _Variable, given: Given) -> Any:
    """Read text as the variable's type; text that cannot be read so stays text, which the check then refuses."""
    return _READERS[variable.type](given.value)


def _read_yaml(text: str) -> Any:
    """Read a list or mapping, written as YAML (or JSON) on one line."""
    problems = Problems()
    document = parse(Source("", f"value: {text}"), problems)
    return text if document is None or problems or set(document.value) != {"value"} else document.value["value"]


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": lambda text: text,
    "int": lambda text: int(text) if _INT.fullmatch(text) else text,
    "bool": lambda text: {"true": True, "false": False}.get(text, text),
    "list": _read_yaml,
    "map": _read_yaml,
}


def _checked(variable: _Variable, value: Any, origin: str, place: Place | None, problems: Problems) -> Any:
    """Return the value where it fits, else a hole. A default may be null: the attribute is then as if not written."""
    fault = _fault(variable, value, origin)
    if fault is None:
        return value
    code, detail = fault
    problems.add(code, detail, place)
    return HOLE


def _fault(variable: _Variable, value: Any, origin: str) -> tuple[str, str] | None:
    name, fits = variable.name, type(value) is TYPES[variable.type]
    if not fits and not (value is None and origin == "its default"):
        hint = " Write true or false." if variable.type == "bool" else ""
        return "K303", f"The variable {name!r} is of type {variable.type}, but {origin} gives {shown(value)}.{hint}"
    if isinstance(value, str) and not _encodable(value):
        return "K303", f"The variable {name!r} is text, but {origin} gives bytes that are not UTF-8."
    if variable.allowed is not None and value not in variable.allowed:
        return "K304", f"The variable {name!r} may be {listed(variable.allowed)}, but {origin} gives {shown(value)}."
    return None


def _encodable(text: str) -> bool:
    """Return whether text is Unicode; the environment may hold bytes that are not."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
