"""Key material in an HSM: made in the token, used in the token, never out of it.

Everything goes through a worker process (`kmsplan.engine.hsm`). A reference is the CKA_ID of the token objects.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.engine.hsm.ability import Abilities
from kmsplan.engine.hsm.attachment import Attachment, is_attached
from kmsplan.engine.hsm.client import TokenName
from kmsplan.engine.hsm.encoding import subject_public_key_info
from kmsplan.engine.hsm.error import KeyUnusableError
from kmsplan.engine.hsm.handle import HANDLES
from kmsplan.engine.hsm.message import KEK, REFERENCE_BYTES, SENTINEL, Fault, Op, TokenFaultError
from kmsplan.engine.hsm.supervisor import Supervisor
from kmsplan.engine.hsm.wrapping import Wrappings
from kmsplan.engine.proof import works
from kmsplan.engine.protection.protocol import FoundObject, Generated, NotOfferedError
from kmsplan.kms.spec import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from kmsplan.engine.hsm.handle import Handle
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.kms.spec import KeySpec, KeyUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReport:
    """What a token is, holds and can do, for people."""

    module: str
    token: str
    library: str
    """Manufacturer and version of the module."""
    manufacturer: str
    model: str
    serial: str
    sentinel: bool
    """Whether the sentinel is there and works."""
    keys: int
    """Keys whose CKA_ID is as long as a reference."""
    strays: tuple[str, ...]
    """CKA_IDs (hex) whose objects hold no secret or private key: what a killed generation left."""
    algorithms: Mapping[KeySpec, tuple[str, ...]]
    """What works, by spec."""


class Pkcs11Protection:
    """One token of one PKCS#11 module.

    Nothing is started before it is needed. A PIN that the token refuses is not tried again by this process.

    Args:
        module: path of the PKCS#11 module, or a name the dynamic loader finds.
        token: label of the token.
        pin: where to get the user PIN from; asked whenever a worker logs in.
        clock: monotonic seconds.
    """

    def __init__(
        self, module: str, token: str, pin: Callable[[], SecretBytes], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = TokenName(module=module, label=token)
        self._supervisor = Supervisor(self._name, pin, clock)
        self._abilities = Abilities(self._supervisor)
        self._wrappings = Wrappings(
            self._supervisor, self._abilities, f"token {token!r} of the PKCS#11 module {module}"
        )

    def specs(self) -> frozenset[KeySpec]:
        """Return the specs that the token can make and use, found out by doing.

        The first call takes as long as the token makes an RSA key of 2,048 bits; `algorithms` asks for one family only.

        Raises:
            HsmError: the token does not answer.
        """
        return frozenset(self._abilities.all())

    def algorithms(self, spec: KeySpec) -> tuple[str, ...]:
        """Return the algorithms that work with keys of a spec on this token; none if it cannot make such keys.

        Raises:
            HsmError: the token does not answer.
        """
        return self._abilities.algorithms(spec)

    def expect_home(self, expects: bool) -> None:  # noqa: FBT001 - a setting
        """Take a token without the sentinel for another one, or not; see `Movable`.

        Raises:
            HsmError: the token does not answer.
        """
        self._supervisor.expect_sentinel(expects)

    def prepare(self) -> None:
        """Make the sentinel object unless it is there.

        Raises:
            HsmError: the token does not answer.
        """
        self._supervisor.call(Op.PREPARE)

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        """Make a key in the token and prove that it works.

        Repeating it with the same reference returns the key that is there, so an interrupted generation is simply
        repeated. What a killed process left half-made is destroyed and made again.

        Raises:
            ValueError: the reference does not have 16 bytes.
            NotOfferedError: the token cannot make such keys.
            HsmError: the token does not answer, or what it made does not work.
        """
        _check(reference)
        offered = self._offered(spec, usage)
        existed, public_key = self._generate(spec, usage, reference)
        if existed and not self._works(spec, reference, offered[0], public_key):
            self.destroy(reference)
            existed, public_key = self._generate(spec, usage, reference)
        if not existed and not self._works(spec, reference, offered[0], public_key):
            raise self._supervisor.explain(
                TokenFaultError(Fault.UNUSABLE, f"what it made as {spec} fails the proof by {offered[0]}")
            )
        return Generated(secret=None, public_key=public_key)

    def objects(self) -> tuple[FoundObject, ...]:
        """Return the keys in the token that no engine made; see `Attacher`.

        Raises:
            HsmError: the token does not answer.
        """
        found = json.loads(self._supervisor.call(Op.OBJECTS)[0])
        return tuple(
            FoundObject(
                identity=one["id"],
                label=one["label"],
                spec=one["spec"],
                usages=tuple(one["usages"]),
                problem=one["problem"],
                never_left=one["never_left"],
            )
            for one in found
        )

    def attach(self, spec: KeySpec, usage: KeyUsage, identity: str) -> tuple[bytes, Generated]:
        """Let a key stand for an object of the token; see `Attacher`.

        Raises:
            UnfitObjectError: there is no such object, or no such key can stand for it.
            NotOfferedError: the token cannot use such keys.
            HsmError: the token does not answer.
        """
        self._offered(spec, usage)
        name = bytes.fromhex(identity)
        fingerprint, *parts = self._supervisor.call(Op.ATTACH, spec.encode(), usage.encode(), name)
        reference = Attachment(fingerprint, spec, name).reference
        return reference, Generated(secret=None, public_key=subject_public_key_info(spec, parts))

    def open(self, spec: KeySpec, reference: bytes, secret: SecretBytes | None) -> Handle:
        """Return a handle on a key in the token.

        Raises:
            ValueError: the reference is none, or there is a secret, which no token key has.
            NotOfferedError: no token key has that spec.
            HsmError: the token does not answer, or the key is not there.
        """
        if not is_attached(reference):
            _check(reference)
        if secret is not None:
            raise ValueError("the material of a token key is in the token; a secret belongs to another backend")
        handle = self._handle(spec, reference)
        self._supervisor.call(Op.FIND, reference)
        return handle

    def prepare_wrapping(self) -> None:
        """Make the key that wraps, unless it is there; see `Wrapper`.

        Raises:
            NotOfferedError: the token makes no such keys.
            HsmError: the token does not answer.
        """
        self._supervisor.call(Op.PREPARE_WRAPPING)

    def wraps(self) -> bool:
        """Return whether a fresh search finds the key that wraps; see `missing`.

        Raises:
            HsmError: the token does not answer, or does not hold the sentinel.
        """
        return not self._absent(KEK)

    def generate_wrapped(self, spec: KeySpec, usage: KeyUsage) -> Generated:
        """Make a key in the token and hand it out wrapped by a key of the token's; see `Wrapper`.

        Raises:
            NotOfferedError: the token cannot make such keys, or not wrap them.
            KekMissingError: the key that wraps is not there.
            HsmError: the token does not answer, or what it made does not work.
        """
        self._offered(spec, usage)
        return self._wrappings.generate(spec, usage)

    def open_wrapped(self, spec: KeySpec, usage: KeyUsage, wrapped: SecretBytes) -> Handle:
        """Return a handle on what `generate_wrapped` handed out; see `Wrapper`."""
        return self._wrappings.open(spec, usage, wrapped)

    def wrappings(self, spec: KeySpec) -> tuple[str, ...]:
        """Return the wrapping algorithms for material of a spec, found out by doing; see `Importer`.

        Raises:
            HsmError: the token does not answer.
        """
        return self._wrappings.algorithms(spec)

    def wrapping_key(self, reference: bytes) -> bytes:
        """Make a wrapping key pair in the token; see `Importer`.

        Raises:
            ValueError: the reference does not have 16 bytes.
            NotOfferedError: the token makes no such keys.
            HsmError: the token does not answer.
        """
        _check(reference)
        return self._wrappings.wrapping_key(reference)

    def unwrap(
        self,
        spec: KeySpec,
        usage: KeyUsage,
        reference: bytes | None,
        algorithm: str,
        wrapped: bytes,
        wrapping_reference: bytes,
    ) -> Generated:
        """Unwrap material inside the token; see `Importer`.

        Raises:
            ValueError: a reference does not have 16 bytes.
            InvalidMaterialError: anything about the material is wrong.
            NotOfferedError: the token does not unwrap such material.
            HsmError: the token does not answer, or the wrapping key is not there.
        """
        for place in (wrapping_reference, *([] if reference is None else [reference])):
            _check(place)
        return self._wrappings.unwrap(spec, usage, reference, algorithm, wrapped, wrapping_reference)

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        """Return the references that a fresh search does not find, though it finds the sentinel.

        A module whose store was away finds nothing any more, so an absence counts only in a process that has just
        loaded the module.

        Of an object that was attached it also counts as missing if another one is in its place.

        Raises:
            ValueError: a reference is none.
            HsmError: the token does not answer, or does not hold the sentinel.
        """
        attached = [reference for reference in references if is_attached(reference)]
        own = [reference for reference in references if not is_attached(reference)]
        for reference in own:
            _check(reference)
        absent = self._absent(b"".join(own)) if own else b""
        gone = self._missing(Op.DETACHED, attached) if attached else []
        return frozenset(
            (*gone, *(absent[cut : cut + REFERENCE_BYTES] for cut in range(0, len(absent), REFERENCE_BYTES)))
        )

    def destroy(self, reference: bytes) -> None:
        """Destroy every object of a reference; that there is none is no error, as long as the sentinel is found.

        An object that was attached stays: it is somebody else's.

        Raises:
            ValueError: the reference is none.
            HsmError: the token does not answer, does not hold the sentinel, or keeps the object.
        """
        if is_attached(reference):
            return
        _check(reference)
        self._supervisor.call(Op.DESTROY, reference)

    def probe(self) -> TokenReport:
        """Describe the token, changing nothing.

        Raises:
            HsmError: the token does not answer.
        """
        contents = json.loads(self._supervisor.call(Op.REPORT)[0])
        algorithms = self._abilities.all()
        described = json.loads(self._supervisor.worker().description)
        contents["strays"] = tuple(contents["strays"])
        return TokenReport(
            module=self._name.module, token=self._name.label, algorithms=algorithms, **described, **contents
        )

    def close(self) -> None:
        """End the worker process."""
        self._supervisor.close()

    def _absent(self, wanted: bytes) -> bytes:
        """Return which references, one behind the other, are not there; see `missing`."""
        return self._missing(Op.ABSENT, (wanted,))[0]

    def _missing(self, op: Op, wanted: Sequence[bytes]) -> list[bytes]:
        """Return what an operation finds to be missing, by a process that has just loaded the module; see `missing`."""
        fresh = not self._supervisor.worker().used
        sentinel, *absent = self._supervisor.call(op, *wanted)
        if any(absent) and not fresh:
            with self._supervisor.second() as worker:
                try:
                    sentinel, *absent = worker.call(op, *wanted)
                except TokenFaultError as error:
                    raise self._supervisor.explain(error) from error
        if any(absent) and not sentinel:
            raise self._supervisor.explain(TokenFaultError(Fault.NO_SENTINEL))
        return absent

    def _offered(self, spec: KeySpec, usage: KeyUsage) -> list[str]:
        """Return the algorithms of a usage that work on this token.

        Raises:
            NotOfferedError: there is none.
        """
        offered = [name for name in SPECS[spec].algorithms_for(usage) if name in self.algorithms(spec)]
        if not offered:
            raise NotOfferedError(
                f"token {self._name.label!r} of the PKCS#11 module {self._name.module} cannot make {spec} keys "
                f"for {usage}; it can make {', '.join(sorted(self._abilities.all())) or 'none'}"
            )
        return offered

    def _generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> tuple[bool, bytes | None]:
        """Return whether the key was there before, and its public key."""
        existed, *parts = self._supervisor.call(Op.GENERATE, spec.encode(), usage.encode(), reference)
        return bool(existed), subject_public_key_info(spec, parts)

    def _works(self, spec: KeySpec, reference: bytes, algorithm: str, public_key: bytes | None) -> bool:
        try:
            return works(self._handle(spec, reference), algorithm, public_key)
        except KeyUnusableError:
            return False

    def _handle(self, spec: KeySpec, reference: bytes) -> Handle:
        kind = HANDLES.get(SPECS[spec].family)
        if kind is None:
            raise NotOfferedError(f"{spec} keys cannot be kept in a PKCS#11 token")
        return kind(self._supervisor, self._abilities, spec, reference)


def _check(reference: bytes) -> None:
    if len(reference) != REFERENCE_BYTES or reference in (SENTINEL, KEK):
        raise ValueError(f"a reference has {REFERENCE_BYTES} random bytes, not {len(reference)}")
