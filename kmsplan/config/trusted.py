"""Lists of signers: names, public keys, and under which names the same people make plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.folder import read
from kmsplan.config.problems import listed, near
from kmsplan.kms.wording import quoted, shown

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.approval.judge import Signer
    from kmsplan.approval.publickey import PublicKey
    from kmsplan.config.document import Document
    from kmsplan.config.place import Place
    from kmsplan.config.problems import Problems

_CODE: Final = "K424"
_ATTRIBUTES: Final = ("key", "authors")
_FORM: Final = "signers: {NAME: {key: PUBLIC-KEY}, ...}"


def read_trusted(
    path: Path, filename: str, problems: Problems, *, named: Place | None = None
) -> tuple[Signer, ...] | None:
    """Read a file of signers; None where it cannot be read or anything in it is wrong, which is then a problem.

    A list that is half understood is not used: what is misread in it might be whom to trust. The arguments are those of
    `read`.
    """
    before = len(problems.diagnostics())
    document = read(path, filename, problems, named=named)
    # What the parser refuses it leaves out or takes once: a second key for a name, for example.
    if document is None or len(problems.diagnostics()) > before:
        return None
    return _Reading(document, problems).signers()


class _Reading:
    """One file."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems
        self._whole = True
        self._names: dict[PublicKey, str] = {}

    def signers(self) -> tuple[Signer, ...] | None:
        signers = self._document.value.get("signers")
        if not isinstance(signers, dict) or not signers or len(self._document.value) > 1:
            self._wrong(f"A file of signers holds this and nothing else: {_FORM}.")
            return None
        found = [self._signer(name, said) for name, said in signers.items()]
        return tuple(one for one in found if one is not None) if self._whole else None

    def _signer(self, name: str, said: Any) -> Signer | None:
        from kmsplan.approval.judge import Signer  # noqa: PLC0415 - most configurations ask for no signature
        from kmsplan.approval.signature import NAME  # noqa: PLC0415

        if not NAME.fullmatch(name):
            self._wrong(f"{quoted(name)} is no name of a signer: letters, digits and . _ + @ - make one.", name)
        elif not isinstance(said, dict) or not isinstance(said.get("key"), str):
            self._wrong(f"{name} has no public key. A signer is written: {name}: {{key: PUBLIC-KEY}}.", name)
        elif unknown := sorted(said.keys() - set(_ATTRIBUTES)):
            known = f"{near(unknown[0], _ATTRIBUTES)} Known: {listed(_ATTRIBUTES)}."
            self._wrong(f"{quoted(unknown[0])} is not known here.{known}", name, unknown[0])
        elif (key := self._key(name, said["key"])) and (authors := self._authors(name, said)) is not None:
            return Signer(name=name, key=key, authors=authors)
        return None

    def _key(self, name: str, text: str) -> PublicKey | None:
        from kmsplan.approval.publickey import parse  # noqa: PLC0415 - 0.1 s, and as above

        try:
            key = parse(text)
        except ValueError as error:
            self._wrong(f"The key of {name} cannot be used: {error}.", name, "key")
            return None
        if key in self._names:
            # Two names for one key would turn one signature into two.
            self._wrong(f"{name} has the key of {self._names[key]}. Every signer has a key of their own.", name, "key")
        self._names[key] = name
        return key

    def _authors(self, name: str, said: dict[str, Any]) -> tuple[str, ...] | None:
        authors = said.get("authors", [])
        if not isinstance(authors, list) or not all(isinstance(pattern, str) for pattern in authors):
            self._wrong(
                f"`authors` is a list of USER@HOST, not {shown(authors)}; * stands for anything.", name, "authors"
            )
            return None
        return tuple(authors)

    def _wrong(self, detail: str, *path: str) -> None:
        self._whole = False
        start = self._document.place_of_start()
        place = self._document.locate(self._document.value, ("signers", *path), start) if path else start
        self._problems.add(_CODE, detail, place)
