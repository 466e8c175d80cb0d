"""Expressions of the Common Expression Language (CEL), through Google's own implementation of it.

CEL has no loops but over the elements of a list, with a budget; no functions of the user's own; and patterns of RE2,
which match in linear time. So a rule can be taken from anybody who may write the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from kmsplan.rule.fact import FACTS, PARAMETERS, Subject, Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.rule.definition import Value

_NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})
_MESSAGE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNKNOWN: Final = re.compile(r'No value with name "([^"]+)" found')
_PARAMETER: Final = re.compile(rf"\b{PARAMETERS}\.([a-z_]+)\b")


class Mistake(NamedTuple):
    """What is wrong with an expression; line and column count from 1."""

    line: int
    column: int
    message: str


class ExpressionError(Exception):
    """An expression means nothing; every mistake is in `mistakes`."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistake.message for mistake in mistakes))


class Truth(Enum):
    """What an expression says of an object."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    """A fact that it needs is not known of this object."""
    FAILED = "failed"
    """It has no value here: a tag that is not there, a division by zero, a budget that ran out."""


class Answer(NamedTuple):
    """What an expression says, and where it says nothing, why."""

    truth: Truth
    reason: str = ""
    """UNKNOWN: the fact's name; FAILED: CEL's message."""


_ANSWERS: Final = {True: Answer(Truth.TRUE), False: Answer(Truth.FALSE)}


class Expression:
    """An expression that has been checked."""

    __slots__ = ("_compiled", "_error", "names", "parameters")

    def __init__(self, text: str, compiled: Any, error: Any, known: Iterable[str]) -> None:
        self.names = _names(text, compiled.serialize(), known)
        """The facts that it asks for: all of them, and no other."""
        self.parameters = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        self._compiled = compiled
        self._error = error

    def ask(self, facts: Any) -> Answer:
        """Answer from facts that `Language.facts` made."""
        try:
            found = self._compiled.eval(facts)
        except RuntimeError as error:  # the budget
            return Answer(Truth.FAILED, _plain(str(error)))
        value = found.value()
        if value is True or value is False:
            return _ANSWERS[value]
        if found.type() != self._error:
            return Answer(Truth.FAILED, f"it yields {found.type().name()}, not true or false")
        message = str(value)
        unknown = _UNKNOWN.search(message)
        return Answer(Truth.UNKNOWN, unknown[1]) if unknown else Answer(Truth.FAILED, _plain(message))


class Language:
    """What expressions about one subject can say."""

    def __init__(self, subject: Subject) -> None:
        from cel_expr_python import cel  # noqa: PLC0415 - an extra, and only for those who have a policy

        self._type = cel.Type
        types = _types()
        variables = {name: types[fact.type] for name, fact in FACTS[subject].items()}
        self._names = tuple(variables)
        self._environment = cel.NewEnv(variables=variables)

    def compile(self, text: str, values: Mapping[str, Value] = _NO_VALUES) -> Expression:
        """Check an expression.

        Args:
            text: CEL.
            values: what `params.NAME` stands for in it.

        Raises:
            ExpressionError: it is no CEL, asks what is no fact, or does not say true or false.
        """
        try:
            compiled = self._environment.compile(_filled(text, values))
        except RuntimeError as error:
            raise ExpressionError(_mistakes(str(error))) from error
        found = compiled.return_type()
        if found not in (self._type.BOOL, self._type.DYN):
            kind = found.name().lower()
            raise ExpressionError((Mistake(1, 1, f"it is of type {kind}, and has to be true or false"),))
        return Expression(text, compiled, self._type.ERROR, self._names)

    def facts(self, known: Mapping[str, Any]) -> Any:
        """Return facts of one object, by name, as `Expression.ask` takes them; what is not among them is unknown."""
        return self._environment.Activation(data=known)


@cache
def language(subject: Subject) -> Language:
    """Return the language of rules about one subject.

    Raises:
        ModuleNotFoundError: the extra is not installed.
    """
    return Language(subject)


@cache
def _types() -> Mapping[Type, Any]:
    from cel_expr_python import cel  # noqa: PLC0415 - as above

    of = cel.Type
    return {
        Type.BOOL: of.BOOL,
        Type.INT: of.INT,
        Type.STRING: of.STRING,
        Type.STRINGS: of.List(of.STRING),
        Type.TAGS: of.Map(of.STRING, of.STRING),
        Type.STATEMENTS: of.List(of.Map(of.STRING, of.DYN)),
        Type.TIME: of.TIMESTAMP,
    }


def _filled(text: str, values: Mapping[str, Value]) -> str:
    """Return an expression with literals for its parameters: one reading of an object's facts then serves all rules."""
    return _PARAMETER.sub(lambda found: _literal(values[found[1]]) if found[1] in values else found[0], text)


def _literal(value: Value) -> str:
    """Return a value as CEL writes it, which is as JSON does."""
    return orjson.dumps(value).decode()


def _names(text: str, checked: bytes, known: Iterable[str]) -> tuple[str, ...]:
    """Return the facts that a checked expression refers to, in the order of its text.

    CEL's own record of what every name means is looked at, not the text, where strings, comments and spaces mislead.
    There a name is the first field of its message (protobuf: tag 0x0a, length, bytes).
    """
    found = (name for name in known if bytes((0x0A, len(name))) + name.encode() in checked)
    return tuple(sorted(found, key=lambda name: (text.find(name) % (len(text) + 1), name)))


def _mistakes(message: str) -> tuple[Mistake, ...]:
    found = tuple(Mistake(int(line), int(column), _plain(text)) for line, column, text in _MESSAGE.findall(message))
    return found or (Mistake(1, 1, _plain(message)),)


def _plain(message: str) -> str:
    """Return CEL's message without what is about its own working."""
    return _STATUS.sub("", message).replace(" (in container '')", "")
