from __future__ import annotations

from pathlib import Path

from kmsplan.state import error as module
from kmsplan.state.error import StateError

ERRORS = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()


def _codes(kind: type[StateError]) -> set[str]:
    return {kind.code}.union(*(_codes(child) for child in kind.__subclasses__()))


def test_every_state_error_has_its_own_code_and_a_line_in_the_docs() -> None:
    codes = _codes(StateError) - {StateError.code}
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, StateError)]
    assert len(codes) == len(kinds) - 1
    assert [code for code in sorted(codes) if f"| {code} |" not in ERRORS] == []
