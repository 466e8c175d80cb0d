"""The code of every configuration problem, with its summary; docs/errors.md explains each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "K101": "No configuration here",
        "K102": "File cannot be read",
        "K103": "File is too large",
        "K104": "File is not UTF-8",
        "K105": "Character not allowed",
        "K106": "Not YAML",
        "K107": "Tab in the indentation",
        "K108": "Key written twice",
        "K109": "Merge key",
        "K110": "Anchor or alias",
        "K111": "Tag",
        "K112": "Several documents in one file",
        "K113": "Key is not text",
        "K114": "Nested too deeply",
        "K115": "File is not a mapping",
        "K116": "Declared in two places",
        "K201": "Unknown attribute",
        "K202": "Wrong type",
        "K203": "Value not allowed",
        "K204": "Value out of its form or range",
        "K205": "Attribute missing",
        "K206": "Not true or false",
        "K207": "Configuration version missing or unknown",
        "K208": "Not offered yet",
        "K209": "Invalid name",
        "K210": "Repeated element",
        "K301": "Variable without a value",
        "K302": "Unknown variable",
        "K303": "Variable of another type",
        "K304": "Variable value not allowed",
        "K305": "Malformed reference",
        "K306": "Reference not usable here",
        "K307": "Nothing to iterate over",
        "K308": "Name is the same for every element",
        "K309": "Environment variable sets no variable",
        "K401": "Key spec not offered here",
        "K402": "Key usage not offered by the spec",
        "K403": "Key cannot rotate",
        "K404": "Rotation period out of range",
        "K405": "Deletion window out of range",
        "K406": "Two objects of one name",
        "K407": "Alias claimed twice",
        "K408": "Invalid alias",
        "K409": "Invalid tag",
        "K410": "Too many tags",
        "K411": "Reserved tag",
        "K412": "Backend does not fit the instance type",
        "K413": "Storage mechanism not offered here",
        "K414": "Key material not usable",
        "K415": "Key takes no imported material",
        "K416": "Malformed key policy",
        "K417": "More keys than the quota",
        "K418": "Description too long",
        "K501": "Instance not declared",
        "K502": "Key not declared",
        "K503": "Malformed address",
        "K504": "Move does not fit",
        "K505": "Removal does not fit",
        "K506": "Import does not fit",
        "K601": "Secret written literally",
        "K602": "Malformed secret reference",
        "K603": "Environment variable not set",
        "K604": "Secret file cannot be read",
        "K605": "Secret is empty",
    }
)

ABSENCES: Final = frozenset({"K205", "K207", "K301", "K302", "K501", "K502", "K504", "K506"})
"""Problems that say "not there": unknowable, and so not reported, while a file could not be parsed."""
