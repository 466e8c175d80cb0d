"""What `state rekey` says of that which is not as whoever rekeys may think."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from kmsplan.cli.rekeying import _tell
from kmsplan.state.recoding import Left, Rekeyed

if TYPE_CHECKING:
    from kmsplan.cli.session import Session


@dataclass
class Heard:
    """Takes down what is said."""

    lines: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.lines.append(text)

    note = warn


def heard(done: Rekeyed) -> list[str]:
    session = Heard()
    _tell(cast("Session", session), done)
    return session.lines


def test_where_everything_is_as_it_should_be_nothing_is_said() -> None:
    assert heard(Rekeyed(changed=3)) == []


def test_parts_that_stay_are_named_up_to_twenty() -> None:
    (said,) = heard(Rekeyed(changed=0, left=tuple(Left(name=f"serial {number}", key=None) for number in range(25))))
    assert said.startswith("25 parts stay as they were")
    assert "serial 19 (plain), and 5 more. Name theirs as well." in said


def test_a_key_id_that_somebody_forged_moves_no_cursor() -> None:
    (said,) = heard(Rekeyed(changed=0, left=(Left(name="serial 1", key="\x1b[2J::error::\n"),)))
    assert said.isprintable()
    assert "1 part stays as it was" in said


def test_serials_that_are_gone_and_what_the_store_has_out_of_reach_are_told() -> None:
    gone, beyond = heard(Rekeyed(changed=3, gone=(1, 2), beyond="Delete them there."))
    assert "are gone: 1, 2." in gone
    assert beyond == "Delete them there."
