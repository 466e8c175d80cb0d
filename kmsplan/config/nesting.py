"""Blocks within blocks, as the tokens of a text begin and end them: where each is written, and where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    Kind = type[yaml.Token]

STEP: Final = 2
"""Columns from a block to what is in it."""
_STARTS: Final = frozenset({yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken})
_END_LIST: Final = frozenset({yaml.KeyToken, yaml.ValueToken, yaml.BlockEndToken})
"""What comes behind a list that is not indented; no token is its end."""


class _Block(NamedTuple):
    """A mapping or a list in block style."""

    kind: Kind
    """The token that began it: of a list that is not indented its first entry."""
    written: int
    """Its column as it is written; a list that is not indented has that of its mapping."""
    column: int
    """Its column as it will be."""


class Nesting:
    """The blocks that have begun and not ended."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self.ended: list[_Block] = []
        """Blocks that have ended, the inner ones first; whoever lays out a token clears it."""

    def follow(self, kind: Kind, column: int) -> None:
        """Take note of a token outside of brackets."""
        if kind in _STARTS:
            self._blocks.append(_Block(kind, column, self.within))
            return
        top = self._blocks[-1].kind if self._blocks else None
        if kind is yaml.BlockEntryToken and top is yaml.BlockMappingStartToken:
            self._blocks.append(_Block(kind, column, self.within))
        elif kind in _END_LIST and top is yaml.BlockEntryToken:
            self.ended.append(self._blocks.pop())
        if kind is yaml.BlockEndToken:
            self.ended.append(self._blocks.pop())

    @property
    def written(self) -> int:
        """The column at which the innermost block is written."""
        return self._blocks[-1].written if self._blocks else 0

    @property
    def column(self) -> int:
        """The column at which the innermost block belongs."""
        return self._blocks[-1].column if self._blocks else 0

    @property
    def within(self) -> int:
        """The column at which belongs what is in the innermost block."""
        return self._blocks[-1].column + STEP if self._blocks else 0

    def of_ended(self, written: int, *, otherwise: int) -> int:
        """Return the column of the deepest block that has ended and is written no further right than a column."""
        reached = [block for block in reversed(self.ended) if block.written <= written]
        return max(reached, key=lambda block: block.written).column if reached else otherwise
