"""What the worker does for each message: fields in, fields out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm import importing, keeping, surveying
from kmsplan.engine.hsm.attachment import is_attached
from kmsplan.engine.hsm.message import KEK, LOADED_BYTES, REFERENCE_BYTES, SENTINEL, Op
from kmsplan.kms.spec import Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.seat import Seat


def _reference(field: bytes) -> bytes:
    if len(field) != REFERENCE_BYTES or field in (SENTINEL, KEK):
        raise ValueError
    return field


def _usable(field: bytes) -> bytes:
    return field if len(field) >= LOADED_BYTES else _reference(field)


def _absent(driver: Driver, _seat: Seat, fields: list[bytes]) -> list[bytes]:
    references = fields[0]
    cuts = range(0, len(references), REFERENCE_BYTES)
    sentinel, absent = driver.absent([references[cut : cut + REFERENCE_BYTES] for cut in cuts])
    return [b"1" if sentinel else b"", b"".join(absent)]


def _prepare(driver: Driver, _seat: Seat, _fields: list[bytes]) -> list[bytes]:
    driver.prepare()
    return []


def _expect(driver: Driver, _seat: Seat, fields: list[bytes]) -> list[bytes]:
    driver.expects_sentinel = bool(fields[0])
    return []


def _generate(driver: Driver, _seat: Seat, fields: list[bytes]) -> list[bytes]:
    existed, public = driver.generate(*_kind(fields), _reference(fields[2]))
    return [b"1" if existed else b"", *public]


def _find(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    if is_attached(fields[0]):
        driver.attached.handle(seat, fields[0])
    else:
        driver.find(seat, _reference(fields[0]))
    return []


def _encrypt(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return [driver.encrypt(seat, _usable(fields[0]), fields[1], fields[2])]


def _decrypt(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return [driver.decrypt(seat, _usable(fields[0]), fields[1], fields[2])]


def _sign(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return [driver.sign(seat, _usable(fields[0]), fields[1].decode(), fields[2])]


def _decrypt_oaep(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return [driver.decrypt_oaep(seat, _usable(fields[0]), fields[1].decode(), fields[2])]


def _destroy(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    driver.destroy(seat, _reference(fields[0]))
    return []


def _probe(driver: Driver, _seat: Seat, fields: list[bytes]) -> list[bytes]:
    return [json.dumps(driver.probe(Family(fields[0].decode()))).encode()]


def _report(driver: Driver, seat: Seat, _fields: list[bytes]) -> list[bytes]:
    return [json.dumps(driver.report(seat)).encode()]


def _prepare_wrapping(driver: Driver, _seat: Seat, _fields: list[bytes]) -> list[bytes]:
    keeping.prepare(driver)
    return []


def _generate_wrapped(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return keeping.generate(driver, seat, *_kind(fields))


def _load(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    reference, material = fields[2:]
    if len(reference) != LOADED_BYTES:
        raise ValueError
    keeping.load(driver, seat, *_kind(fields), reference, material)
    return []


def _probe_wrappings(driver: Driver, _seat: Seat, _fields: list[bytes]) -> list[bytes]:
    return [json.dumps(importing.probe(driver)).encode()]


def _wrapping_key(driver: Driver, _seat: Seat, fields: list[bytes]) -> list[bytes]:
    return importing.wrapping_key(driver, _reference(fields[0]))


def _unwrap(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    reference, oaep, wrapping_reference, wrapped = fields[2:]
    unwrapping = importing.Unwrapping(driver, seat, *_kind(fields), oaep.decode())
    return unwrapping.run(_reference(reference) if reference else None, _reference(wrapping_reference), wrapped)


def _objects(driver: Driver, _seat: Seat, _fields: list[bytes]) -> list[bytes]:
    return [json.dumps(surveying.survey(driver)).encode()]


def _attach(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    return driver.attached.attach(seat, *_kind(fields), fields[2])


def _detached(driver: Driver, seat: Seat, fields: list[bytes]) -> list[bytes]:
    stands, gone = driver.attached.absent(seat, fields)
    return [b"1" if stands else b"", *gone]


def _kind(fields: list[bytes]) -> tuple[KeySpec, KeyUsage]:
    return KeySpec(fields[0].decode()), KeyUsage(fields[1].decode())


HANDLERS: Final[dict[int, Callable[[Driver, Seat, list[bytes]], list[bytes]]]] = {
    Op.ABSENT: _absent,
    Op.PREPARE: _prepare,
    Op.EXPECT: _expect,
    Op.GENERATE: _generate,
    Op.FIND: _find,
    Op.ENCRYPT: _encrypt,
    Op.DECRYPT: _decrypt,
    Op.SIGN: _sign,
    Op.DECRYPT_OAEP: _decrypt_oaep,
    Op.DESTROY: _destroy,
    Op.PROBE: _probe,
    Op.REPORT: _report,
    Op.GENERATE_WRAPPED: _generate_wrapped,
    Op.LOAD: _load,
    Op.PROBE_WRAPPINGS: _probe_wrappings,
    Op.WRAPPING_KEY: _wrapping_key,
    Op.UNWRAP: _unwrap,
    Op.PREPARE_WRAPPING: _prepare_wrapping,
    Op.OBJECTS: _objects,
    Op.ATTACH: _attach,
    Op.DETACHED: _detached,
}
