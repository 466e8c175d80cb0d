"""Actions that manage keys, their versions and their material (API reference, "Keys")."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.caller import Caller
from kmsplan.kms import operation as op
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import parse_arn
from kmsplan.kms.spec import SPECS, KeySpec
from kmsplan.server.action.row import Managing, text64
from kmsplan.server.parameters import (
    PAGE,
    Parameter,
    base64,
    duration,
    filters,
    flag,
    json_object,
    number,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.reading.view import KeyView, VersionView
    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation
    from kmsplan.server.action.row import Done, Shape, Values

KEY: Final = Parameter("KeyId", required=True)
_SHOWN: Final = 200
"""As much of an ARN that means nothing as a message repeats."""
_ROTATION: Final = Parameter("RotationInterval", duration)
_CREATING: Final = (
    Parameter("DKMSInstanceId"),
    Parameter("Description"),
    Parameter("EnableAutomaticRotation", flag),
    Parameter("KeySpec"),
    Parameter("KeyStorageMechanism"),
    Parameter("KeyUsage"),
    Parameter("Origin"),
    Parameter("Policy", json_object),
    Parameter("ProtectionLevel"),
    _ROTATION,
    Parameter("Tags", tags),
    # Our own, for external and for hardware instances: the cloud has no such parameters.
    Parameter("ExternalKeyId"),
    Parameter("HsmObject"),
)


def changing(parameters: tuple[Parameter, ...], make: Callable[[Values], Operation]) -> Managing:
    """Return the row of an action that answers with nothing but the request's id."""

    def call(engine: Engine, values: Values) -> Shape:
        engine.execute(make(values))
        return {}

    return Managing(parameters, call)


def _looking(engine: Engine) -> Engine:
    """Return the engine for reading back what a caller has just made; whoever may make a key need not see others."""
    return engine.acting(Caller(actor="kmsplan"))


def page(values: Values, size: int) -> tuple[int, int]:
    """Return which page is asked for, and how long pages are."""
    return values.get("PageNumber", 1), values.get("PageSize", size)


def _create_key(engine: Engine, values: Values) -> Shape:
    made = engine.execute(_creation(values))
    return {"KeyMetadata": _metadata(_looking(engine).describe_key(str(made)))}


def _begin_key(engine: Engine, values: Values, done: Done) -> bool:
    return engine.create_key(_creation(values), lambda made: done(lambda: {"KeyMetadata": _metadata(made())}))


def _creation(values: Values) -> op.CreateKey:
    """Return the operation.

    Raises:
        KmsError: MissingParameter.
    """
    spec = values.get("KeySpec", KeySpec.AES_256.value)
    usage = SPECS[KeySpec(spec)].default_usage.value if spec in frozenset(KeySpec) else ""
    return op.CreateKey(
        instance=values.get("DKMSInstanceId"),
        spec=spec,
        usage=values.get("KeyUsage", usage),
        origin=values.get("Origin", Origin.KMS.value),
        storage_mechanism=values.get("KeyStorageMechanism"),
        description=values.get("Description", ""),
        rotation=_rotation(values, on=values.get("EnableAutomaticRotation", False)),
        policy=values.get("Policy"),
        tags=values.get("Tags", {}),
        external_key_id=values.get("ExternalKeyId"),
        hsm_object=values.get("HsmObject"),
        protection_level=values.get("ProtectionLevel"),
    )


def _rotation(values: Values, *, on: bool) -> int | None:
    """Return the seconds between rotations; None where they are off.

    Raises:
        KmsError: MissingParameter.
    """
    if on and "RotationInterval" not in values:
        raise KmsError(
            "MissingParameter",
            'The parameter "RotationInterval" is needed but not provided: EnableAutomaticRotation is true.',
        )
    return values["RotationInterval"] if on else None


def _metadata(view: KeyView) -> Shape:
    """Show a key as CreateKey does."""
    rotating = view.rotation_state in {"Enabled", "Suspended"}
    shape: Shape = {
        "Arn": view.arn,
        "AutomaticRotation": view.rotation_state,
        "CreationDate": view.creation_date,
        "Creator": view.creator,
        "DKMSInstanceId": view.instance_id,
        "DeleteDate": view.delete_date or "",
        "Description": view.description,
        "KeyId": view.key_id,
        "KeySpec": view.spec,
        "KeyState": view.state,
        "KeyUsage": view.usage,
        "LastRotationDate": view.last_rotation_date or "",
        "MaterialExpireTime": view.material_expires or "",
        "Origin": view.origin,
        "ProtectionLevel": view.protection_level,
    }
    if view.primary_version is not None:
        shape["PrimaryKeyVersion"] = view.primary_version
    if rotating and view.rotation is not None:
        shape |= {"NextRotationDate": view.next_rotation_date or "", "RotationInterval": f"{view.rotation}s"}
    return shape


def _describe_key(engine: Engine, values: Values) -> Shape:
    view = engine.describe_key(values["KeyId"])
    return {
        "KeyMetadata": {
            **_metadata(view),
            "DeletionProtection": "Enabled" if view.deletion_protection else "Disabled",
            "DeletionProtectionDescription": view.protection_reason,
            # Our own, for plans: the cloud does not tell.
            "KeyStorageMechanism": view.storage_mechanism or "",
            "LastUsedDate": view.last_used or "",
            "UsageTrackedSince": view.creation_date,
        }
    }


def _list_keys(engine: Engine, values: Values) -> Shape:
    found = engine.list_keys(values.get("Filters", ()), *page(values, 10))
    keys = [{"KeyArn": key.arn, "KeyId": key.key_id} for key in found.items]
    return {"Keys": {"Key": keys}, "PageNumber": found.page, "PageSize": found.size, "TotalCount": found.total}


def _version(view: VersionView) -> Shape:
    return {"CreationDate": view.creation_date, "KeyId": view.key_id, "KeyVersionId": view.version_id}


def _create_version(engine: Engine, values: Values) -> Shape:
    made = engine.execute(op.CreateKeyVersion(key=values["KeyId"]))
    return {"KeyVersion": _version(_looking(engine).describe_version(values["KeyId"], str(made)))}


def _describe_version(engine: Engine, values: Values) -> Shape:
    return {"KeyVersion": _version(engine.describe_version(values["KeyId"], values["KeyVersionId"]))}


def _list_versions(engine: Engine, values: Values) -> Shape:
    found = engine.list_versions(values["KeyId"], *page(values, 10))
    return {
        "KeyVersions": {"KeyVersion": [_version(view) for view in found.items]},
        "PageNumber": found.page,
        "PageSize": found.size,
        "TotalCount": found.total,
    }


def _policy(engine: Engine, values: Values) -> Shape:
    policy = engine.key_policy(values["KeyId"], values.get("PolicyName", "default"))
    return {"Policy": json.dumps(policy, ensure_ascii=False, separators=(",", ":"))}


def _set_policy(values: Values) -> Operation:
    name = values.get("PolicyName", "default")
    if name != "default":
        raise KmsError("InvalidParameter", 'The specified parameter "PolicyName" is not valid: it is default.')
    return op.SetKeyPolicy(key=values["KeyId"], policy=values["Policy"])


def _protect(engine: Engine, values: Values) -> Shape:
    """Protect the key or the instance that is named in one of three ways.

    Raises:
        KmsError: none of them, or several.
    """
    named = [name for name in ("KeyId", "KmsInstanceId", "ProtectedResourceArn") if name in values]
    if not named:
        raise KmsError("MissingParameter", 'The parameter "ProtectedResourceArn" is needed but not provided.')
    if len(named) > 1:
        raise KmsError("InvalidParameter", f"One resource is named, not {' and '.join(named)}.")
    key, instance = values.get("KeyId"), values.get("KmsInstanceId")
    if named == ["ProtectedResourceArn"]:
        key, instance = _protected(engine, values["ProtectedResourceArn"])
    engine.execute(
        op.SetDeletionProtection(
            key=key,
            instance=instance,
            enable=values["EnableDeletionProtection"],
            description=values.get("DeletionProtectionDescription"),
        )
    )
    return {}


def _protected(engine: Engine, text: str) -> tuple[str | None, str | None]:
    """Return the key or the instance that an ARN means.

    Raises:
        KmsError: it is the ARN of something else, or of another KMS.
    """
    arn = parse_arn(text)
    if arn is None or arn.kind not in {"key", "keystore"}:
        raise KmsError(
            "InvalidParameter",
            'The specified parameter "ProtectedResourceArn" is not valid: it is the ARN of a key or an instance.',
        )
    if arn.kind == "key":
        return text, None
    if (arn.region, arn.account) != (engine.region, engine.account):
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"{text[:_SHOWN]!a} is no instance of this KMS.")
    return None, arn.name


def _import_parameters(engine: Engine, values: Values) -> Shape:
    found = engine.parameters_for_import(values["KeyId"], values["WrappingAlgorithm"], values["WrappingKeySpec"])
    return {
        "ImportToken": text64(found.token),
        "KeyId": found.key_id,
        "PublicKey": text64(found.public_key),
        "TokenExpireTime": found.expires,
    }


def _import(engine: Engine, values: Values) -> Shape:
    expires: Any = values.get("KeyMaterialExpireUnix") or None  # 0 is never
    engine.import_material(values["KeyId"], values["EncryptedKeyMaterial"], values["ImportToken"], expires)
    return {}


def _delete_material(engine: Engine, values: Values) -> Shape:
    engine.delete_material(values["KeyId"])
    return {}


ROWS: Final[Mapping[str, Managing]] = MappingProxyType(
    {
        "CreateKey": Managing(_CREATING, _create_key, _begin_key),
        "DescribeKey": Managing((KEY,), _describe_key),
        "ListKeys": Managing((Parameter("Filters", filters), *PAGE), _list_keys),
        "UpdateKeyDescription": changing(
            (KEY, Parameter("Description", required=True, empty=True)),
            lambda values: op.UpdateKeyDescription(key=values["KeyId"], description=values["Description"]),
        ),
        "EnableKey": changing((KEY,), lambda values: op.EnableKey(key=values["KeyId"])),
        "DisableKey": changing((KEY,), lambda values: op.DisableKey(key=values["KeyId"])),
        "ScheduleKeyDeletion": changing(
            (KEY, Parameter("PendingWindowInDays", number, required=True)),
            lambda values: op.ScheduleKeyDeletion(key=values["KeyId"], window_days=values["PendingWindowInDays"]),
        ),
        "CancelKeyDeletion": changing((KEY,), lambda values: op.CancelKeyDeletion(key=values["KeyId"])),
        "SetDeletionProtection": Managing(
            (
                Parameter("EnableDeletionProtection", flag, required=True),
                Parameter("DeletionProtectionDescription", empty=True),
                Parameter("KeyId"),
                Parameter("KmsInstanceId"),
                Parameter("ProtectedResourceArn"),
            ),
            _protect,
        ),
        "CreateKeyVersion": Managing((KEY,), _create_version),
        "DescribeKeyVersion": Managing((KEY, Parameter("KeyVersionId", required=True)), _describe_version),
        "ListKeyVersions": Managing((KEY, *PAGE), _list_versions),
        "UpdateRotationPolicy": changing(
            (KEY, Parameter("EnableAutomaticRotation", flag, required=True), _ROTATION),
            lambda values: op.UpdateRotationPolicy(
                key=values["KeyId"], rotation=_rotation(values, on=values["EnableAutomaticRotation"])
            ),
        ),
        "GetKeyPolicy": Managing((KEY, Parameter("PolicyName")), _policy),
        "SetKeyPolicy": changing(
            (KEY, Parameter("Policy", json_object, required=True), Parameter("PolicyName")), _set_policy
        ),
        "GetParametersForImport": Managing(
            (KEY, Parameter("WrappingAlgorithm", required=True), Parameter("WrappingKeySpec", required=True)),
            _import_parameters,
        ),
        "ImportKeyMaterial": Managing(
            (
                KEY,
                Parameter("EncryptedKeyMaterial", base64, required=True),
                Parameter("ImportToken", base64, required=True),
                Parameter("KeyMaterialExpireUnix", number),
            ),
            _import,
        ),
        "DeleteKeyMaterial": Managing((KEY,), _delete_material),
    }
)
