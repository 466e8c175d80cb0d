"""A call of every action that is served, with everything that it needs, for keys in each state."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.engine import wrapping
from kmsplan.engine.keystore import key as keys
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.policy import default_policy
from kmsplan.kms.secret import SecretBytes
from tests.byok import OAEP, RSA
from tests.engines import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.wire import Api

Parameters = dict[str, str]
MATERIAL: Final = bytes(range(32))
DIGEST: Final = b64encode(bytes(32)).decode()
SYMMETRIC_TAGS: Final = '[{"TagKey":"kept","TagValue":"tag"}]'
_DATA: Final = b64encode(b"x").decode()
_NUMBER = count(1)


def recipient() -> str:
    """Return a public key that data keys are exported to."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    return b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


class Stage:
    """Keys of every kind in one state, made when they are first asked for; ciphertexts were made before they got there.

    Args:
        api: where they are.
        state: theirs.
    """

    def __init__(self, api: Api, state: KeyState = KeyState.ENABLED) -> None:
        self.api = api
        self.state = state

    @cached_property
    def instance(self) -> str:
        """A software instance that is in a network."""
        made = self.new_instance()
        self.api.ok("ConnectKmsInstance", **_network(made))
        self.api.ok("UpdateKmsInstanceBindVpc", KmsInstanceId=made, BindVpcs=_VPCS)
        return made

    def new_instance(self) -> str:
        """Make an empty instance."""
        made = self.api.ok("CreateKmsInstance", ProductType="software", Spec="4000", KeyNum="1000")
        return str(made["KmsInstance"]["InstanceId"])

    def made(self, **options: str) -> str:
        """Make a key that is still to be brought into the state; it waits for its material where the state says so."""
        if self.state is KeyState.PENDING_IMPORT:
            options["Origin"] = "EXTERNAL"
        made = self.api.ok("CreateKey", DKMSInstanceId=self.instance, Tags=SYMMETRIC_TAGS, **options)
        return str(made["KeyMetadata"]["KeyId"])

    def fresh(self, **options: str) -> str:
        """Make a key in the state, for a call that changes it."""
        return self.brought(self.made(**options))

    def brought(self, key: str) -> str:
        """Bring a key into the state, as callers do where they can."""
        if self.state is KeyState.DISABLED:
            self.api.ok("DisableKey", KeyId=key)
        if self.state is KeyState.PENDING_DELETION:
            self.api.ok("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays="366")
        if self.state is KeyState.UNAVAILABLE:  # of which no call can be made
            self.api.engine._core.store.write(lambda work: keys.set_state(work.db, key, self.state))
        return key

    def version(self, key: str) -> str:
        """Return a key's version; any where it has none yet."""
        found = self.api.ok("ListKeyVersions", KeyId=key)["KeyVersions"]["KeyVersion"]
        return str(found[0]["KeyVersionId"]) if found else f"{key}-aaaaaaaaaa"

    def material(self, key: str) -> Parameters:
        """Return what gives a key its material."""
        given = self.api.ok("GetParametersForImport", KeyId=key, WrappingAlgorithm=OAEP, WrappingKeySpec=RSA)
        wrapped = wrapping.wrap(OAEP, b64decode(given["PublicKey"]), SecretBytes(MATERIAL))
        return {
            "KeyId": key,
            "EncryptedKeyMaterial": b64encode(wrapped).decode(),
            "ImportToken": given["ImportToken"],
        }

    def imported(self) -> str:
        """Make a key in the state whose material was imported; it has lost that again where it waits for it."""
        made = self.api.ok("CreateKey", DKMSInstanceId=self.instance, Origin="EXTERNAL")
        key = str(made["KeyMetadata"]["KeyId"])
        self.api.ok("ImportKeyMaterial", **self.material(key))
        if self.state is KeyState.PENDING_IMPORT:
            self.api.ok("DeleteKeyMaterial", KeyId=key)
        return self.brought(key)

    @cached_property
    def _symmetric(self) -> tuple[str, str, str]:
        key = self.made(**({} if self.state is KeyState.PENDING_IMPORT else _ROTATING))
        if self.state is KeyState.PENDING_IMPORT:
            self.api.ok("ImportKeyMaterial", **self.material(key))
        self.api.ok("CreateAlias", AliasName=f"alias/stage-{next(_NUMBER)}", KeyId=key)
        blob = self.api.ok("Encrypt", KeyId=key, Plaintext="x")["CiphertextBlob"]
        data_key = self.api.ok("GenerateDataKey", KeyId=key)["CiphertextBlob"]
        if self.state is KeyState.PENDING_IMPORT:
            self.api.ok("DeleteKeyMaterial", KeyId=key)
        return self.brought(key), blob, data_key

    @property
    def aes(self) -> str:
        """A symmetric key with an alias, a tag and, where its state permits, a rotation."""
        return self._symmetric[0]

    @property
    def blob(self) -> str:
        """What it encrypted."""
        return self._symmetric[1]

    @property
    def data_key(self) -> str:
        """A data key that it encrypted."""
        return self._symmetric[2]

    @cached_property
    def other(self) -> str:
        """A symmetric key that is enabled."""
        return _enabled(self).made()

    @cached_property
    def signing(self) -> Parameters:
        """A signing key, and a signature of it."""
        key = self.made(KeySpec="EC_P256")
        asked = {"KeyId": key, "KeyVersionId": self.version(key), "Algorithm": "ECDSA_SHA_256", "Digest": DIGEST}
        signature = _DATA if self._waits else self.api.ok("AsymmetricSign", **asked)["Value"]
        self.brought(key)
        return {**asked, "Value": signature}

    @cached_property
    def decrypting(self) -> Parameters:
        """A key that decrypts, and what was encrypted for it."""
        key = self.made(KeySpec="RSA_2048", KeyUsage="ENCRYPT/DECRYPT")
        asked = {"KeyId": key, "KeyVersionId": self.version(key), "Algorithm": "RSAES_OAEP_SHA_256"}
        sealed = _DATA if self._waits else self.api.ok("AsymmetricEncrypt", **asked, Plaintext=_DATA)["CiphertextBlob"]
        self.brought(key)
        return {**asked, "CiphertextBlob": sealed}

    @cached_property
    def authenticating(self) -> Parameters:
        """A MAC key, and a code of it."""
        asked = {"KeyId": self.made(KeySpec="HMAC_SHA_256"), "Algorithm": "HMAC_SHA_256", "Message": _DATA}
        code = _DATA if self._waits else self.api.ok("GenerateMac", **asked)["Mac"]
        self.brought(asked["KeyId"])
        return {**asked, "Mac": code}

    @property
    def _waits(self) -> bool:
        return self.state is KeyState.PENDING_IMPORT

    @property
    def policy(self) -> str:
        """The policy that every key begins with."""
        return json.dumps(default_policy(self.api.engine.account))

    def alias(self, key: str | None = None) -> str:
        """Return an alias, which is the key's if one is given and free if not."""
        alias = f"alias/new-{next(_NUMBER)}"
        if key is not None:
            self.api.ok("CreateAlias", AliasName=alias, KeyId=key)
        return alias

    def grown(self) -> str:
        """Make a signing key in the state, old enough for a further version."""
        key = self.fresh(KeySpec="EC_P256")
        self.api.lab.clock.move(7 * DAY)
        return key


def _enabled(stage: Stage) -> Stage:
    enabled = Stage(stage.api)
    enabled.instance = stage.instance
    return enabled


def _network(instance: str) -> Parameters:
    return {
        "KmsInstanceId": instance,
        "KMProvider": "Aliyun",
        "VpcId": "vpc-1",
        "VSwitchIds": "vsw-1",
        "ZoneIds": "zone-a,zone-b",
    }


_VPCS: Final = json.dumps([{"VpcId": "vpc-2", "VSwitchId": "vsw-2", "RegionId": "local", "VpcOwnerId": 1}])
_ROTATING: Final = {"EnableAutomaticRotation": "true", "RotationInterval": "30d"}
_RECIPIENT: Final = {
    "PublicKeyBlob": recipient(),
    "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
    "WrappingKeySpec": "RSA_2048",
}


def _without(parameters: Parameters, *names: str) -> Parameters:
    return {name: value for name, value in parameters.items() if name not in names}


def _own_alias(stage: Stage) -> Parameters:
    """Name an alias of a key that is brought into the state after it got it."""
    key = stage.made()
    alias = stage.alias(key)
    stage.brought(key)
    return {"AliasName": alias}


def _resource(stage: Stage) -> Parameters:
    return {"RegionId": "local", "ResourceType": "key", "ResourceId.1": stage.aes}


CRYPTO: Final[Mapping[str, Callable[[Stage], Parameters]]] = {
    "Encrypt": lambda stage: {"KeyId": stage.aes, "Plaintext": "x"},
    "Decrypt": lambda stage: {"CiphertextBlob": stage.blob},
    "GenerateDataKey": lambda stage: {"KeyId": stage.aes},
    "GenerateDataKeyWithoutPlaintext": lambda stage: {"KeyId": stage.aes},
    "GenerateAndExportDataKey": lambda stage: {"KeyId": stage.aes, **_RECIPIENT},
    "ExportDataKey": lambda stage: {"CiphertextBlob": stage.data_key, **_RECIPIENT},
    "ReEncrypt": lambda stage: {"CiphertextBlob": stage.blob, "DestinationKeyId": stage.other},
    "AsymmetricEncrypt": lambda stage: {**_without(stage.decrypting, "CiphertextBlob"), "Plaintext": _DATA},
    "AsymmetricDecrypt": lambda stage: stage.decrypting,
    "AsymmetricSign": lambda stage: _without(stage.signing, "Value"),
    "AsymmetricVerify": lambda stage: stage.signing,
    "GetPublicKey": lambda stage: _without(stage.signing, "Value", "Digest", "Algorithm"),
    "GenerateMac": lambda stage: _without(stage.authenticating, "Mac"),
    "VerifyMac": lambda stage: stage.authenticating,
}
"""Actions that use keys."""
OF_KEYS: Final[Mapping[str, Callable[[Stage], Parameters]]] = {
    **CRYPTO,
    "DescribeKey": lambda stage: {"KeyId": stage.aes},
    "ListKeys": lambda stage: {"Filters": json.dumps([{"Key": "keyId", "Values": [stage.aes]}])},
    "UpdateKeyDescription": lambda stage: {"KeyId": stage.aes, "Description": "new"},
    "EnableKey": lambda stage: {"KeyId": stage.fresh()},
    "DisableKey": lambda stage: {"KeyId": stage.fresh()},
    "ScheduleKeyDeletion": lambda stage: {"KeyId": stage.fresh(), "PendingWindowInDays": "366"},
    "CancelKeyDeletion": lambda stage: {"KeyId": stage.fresh()},
    "SetDeletionProtection": lambda stage: {"KeyId": stage.fresh(), "EnableDeletionProtection": "true"},
    "CreateKeyVersion": lambda stage: {"KeyId": stage.grown()},
    "DescribeKeyVersion": lambda stage: {"KeyId": stage.aes, "KeyVersionId": b64decode(stage.blob)[:36].decode()},
    "ListKeyVersions": lambda stage: {"KeyId": stage.aes},
    "UpdateRotationPolicy": lambda stage: {"KeyId": stage.fresh(), "EnableAutomaticRotation": "false"},
    "GetKeyPolicy": lambda stage: {"KeyId": stage.aes},
    "SetKeyPolicy": lambda stage: {"KeyId": stage.fresh(), "Policy": stage.policy},
    "GetParametersForImport": lambda stage: {
        "KeyId": stage.imported(),
        "WrappingAlgorithm": OAEP,
        "WrappingKeySpec": RSA,
    },
    "ImportKeyMaterial": lambda stage: stage.material(stage.imported()),
    "DeleteKeyMaterial": lambda stage: {"KeyId": stage.imported()},
    "CreateAlias": lambda stage: {"AliasName": stage.alias(), "KeyId": stage.aes},
    "UpdateAlias": lambda stage: {"AliasName": stage.alias(stage.other), "KeyId": stage.aes},
    "DeleteAlias": _own_alias,
    "ListAliases": lambda stage: {"PageSize": "100"} if stage.aes else {},
    "ListAliasesByKeyId": lambda stage: {"KeyId": stage.aes},
    "TagResource": lambda stage: {"KeyId": stage.aes, "Tags": '[{"TagKey":"a","TagValue":"b"}]'},
    "UntagResource": lambda stage: {"KeyId": stage.aes, "TagKeys": '["a"]'},
    "ListResourceTags": lambda stage: {"KeyId": stage.aes},
    "TagResources": lambda stage: {**_resource(stage), "Tag.1.Key": "a", "Tag.1.Value": "b"},
    "UntagResources": lambda stage: {**_resource(stage), "TagKey.1": "a"},
    "ListTagResources": _resource,
}
"""Actions that each state of a key allows or refuses."""
CALLS: Final[Mapping[str, Callable[[Stage], Parameters]]] = {
    **OF_KEYS,
    "CreateKey": lambda stage: {"DKMSInstanceId": stage.instance, **_ROTATING},
    "GetRandomPassword": lambda _: {},
    "ListKmsInstances": lambda stage: {"PageSize": "100"} if stage.instance else {},
    "GetKmsInstance": lambda stage: {"KmsInstanceId": stage.instance},
    "GetDefaultKmsInstance": lambda _: {},
    "GetKmsInstanceQuotaInfos": lambda stage: {"KmsInstanceId": stage.instance},
    "ConnectKmsInstance": lambda stage: _network(stage.instance),
    "UpdateKmsInstanceBindVpc": lambda stage: {"KmsInstanceId": stage.instance, "BindVpcs": _VPCS},
    "UpdateKmsInstance": lambda stage: {"KmsInstanceId": stage.instance, "InstanceName": "main"},
    "ReleaseKmsInstance": lambda stage: {"KmsInstanceId": stage.new_instance()},
    "CreateKmsInstance": lambda _: {"ProductType": "software", "Spec": "1000", "KeyNum": "100"},
    "ModifyKmsInstance": lambda stage: {"KmsInstanceId": stage.instance, "KeyNum": "1000"},
    "DescribeRegions": lambda _: {},
    "DescribeAccountKmsStatus": lambda _: {},
    "OpenKmsService": lambda _: {},
    "GetCallerIdentity": lambda _: {},
}
"""All of them. OpenKmsService always fails: the service is open."""
