"""From the names that callers use, an id, an alias or an ARN, to a key's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore import alias as aliases
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import ALIAS_PREFIX

if TYPE_CHECKING:
    from kmsplan.engine.core import Identity
    from kmsplan.engine.keystore.connection import Connection

ARN_START: Final = "acs:"
_KEY: Final = "key/"


def resolve(db: Connection, identity: Identity, name: str) -> str:
    """Return the id of the key that an id, an alias or an ARN means; whether a key has that id is not looked up.

    Raises:
        KmsError: the alias does not exist, or the ARN is another KMS's.
    """
    if not name.isascii():
        raise KmsError("Forbidden.KeyNotFound", f"{name!a} is no key: ids, aliases and ARNs are ASCII.")
    if name.startswith(ARN_START):
        name = _local(name, identity.arn_prefix)
    if not name.startswith(ALIAS_PREFIX):
        return name
    key_id = aliases.target(db, name)
    if key_id is None:
        raise KmsError("Forbidden.AliasNotFound", f"The specified alias {name} is not found.")
    return key_id


def _local(arn: str, prefix: str) -> str:
    resource = arn.removeprefix(prefix)
    if resource == arn or not resource.startswith((_KEY, ALIAS_PREFIX)):
        raise KmsError("Forbidden.KeyNotFound", f"{arn} is no key of this engine; its keys begin with {prefix}{_KEY}.")
    return resource.removeprefix(_KEY)
