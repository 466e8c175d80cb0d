"""Key specs: usages, algorithms, sizes and PKCS#11 mechanisms (Alibaba Cloud KMS, "Key types and specifications")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeySpec(StrEnum):
    """A key's kind and size, spelled as the API spells it."""

    AES_256 = "Aliyun_AES_256"
    AES_192 = "Aliyun_AES_192"
    AES_128 = "Aliyun_AES_128"
    SM4 = "Aliyun_SM4"
    DES3_192 = "Aliyun_DES3_192"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    EC_P256 = "EC_P256"
    EC_P256K = "EC_P256K"
    EC_SM2 = "EC_SM2"
    # The public sources name the HMAC algorithms but not the specs; the names follow the algorithms.
    HMAC_SHA_224 = "HMAC_SHA_224"
    HMAC_SHA_256 = "HMAC_SHA_256"
    HMAC_SHA_384 = "HMAC_SHA_384"
    HMAC_SHA_512 = "HMAC_SHA_512"
    HMAC_SM3 = "HMAC_SM3"


class KeyUsage(StrEnum):
    """What a key is for; one usage for its whole life (SP 800-57 part 1, 5.2)."""

    ENCRYPT = "ENCRYPT/DECRYPT"
    SIGN = "SIGN/VERIFY"
    # Derived from the two documented values, which join the names of the actions.
    MAC = "GENERATE_MAC/VERIFY_MAC"


class Family(StrEnum):
    """The algorithm family that a spec belongs to."""

    AES = "AES"
    SM4 = "SM4"
    DES3 = "DES3"
    RSA = "RSA"
    EC = "EC"
    SM2 = "SM2"
    HMAC = "HMAC"


class KeyType(StrEnum):
    """Who protects a key: the three CMK types are also the three instance types."""

    SERVICE_KEY = "service_key"
    DEFAULT_CMK = "default_cmk"
    SOFTWARE = "software"
    HARDWARE = "hardware"
    EXTERNAL = "external"


INSTANCE_TYPES: Final = (KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One cryptographic algorithm as the API names it."""

    name: str
    usage: KeyUsage
    digest_bytes: int | None = None
    """Length of the digest that AsymmetricSign takes; None where no digest is taken."""
    hash_name: str | None = None
    mechanism: str | None = None
    """The PKCS#11 mechanism that carries it (PKCS#11 v3.1, section 6); None where there is none."""
    overhead_bytes: int | None = None
    """RSA OAEP: modulus bytes less this is the longest plaintext (RFC 8017, 7.1.1)."""


_ENCRYPT = KeyUsage.ENCRYPT
_SIGN = KeyUsage.SIGN
ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            Algorithm(name="AES_GCM", usage=_ENCRYPT, mechanism="CKM_AES_GCM"),
            Algorithm(name="AES_ECB", usage=_ENCRYPT, mechanism="CKM_AES_ECB"),
            Algorithm(name="AES_CBC", usage=_ENCRYPT, mechanism="CKM_AES_CBC"),
            Algorithm(name="SM4_GCM", usage=_ENCRYPT),
            Algorithm(name="DES3_ECB", usage=_ENCRYPT, mechanism="CKM_DES3_ECB"),
            Algorithm(name="DES3_CBC", usage=_ENCRYPT, mechanism="CKM_DES3_CBC"),
            Algorithm(
                name="RSAES_OAEP_SHA_256",
                usage=_ENCRYPT,
                hash_name="SHA-256",
                overhead_bytes=66,
                mechanism="CKM_RSA_PKCS_OAEP",
            ),
            Algorithm(
                name="RSAES_OAEP_SHA_1",
                usage=_ENCRYPT,
                hash_name="SHA-1",
                overhead_bytes=42,
                mechanism="CKM_RSA_PKCS_OAEP",
            ),
            Algorithm(name="SM2PKE", usage=_ENCRYPT),
            Algorithm(
                name="RSA_PSS_SHA_256",
                usage=_SIGN,
                hash_name="SHA-256",
                digest_bytes=32,
                mechanism="CKM_RSA_PKCS_PSS",
            ),
            Algorithm(
                name="RSA_PKCS1_SHA_256",
                usage=_SIGN,
                hash_name="SHA-256",
                digest_bytes=32,
                mechanism="CKM_RSA_PKCS",
            ),
            Algorithm(name="ECDSA_SHA_256", usage=_SIGN, hash_name="SHA-256", digest_bytes=32, mechanism="CKM_ECDSA"),
            Algorithm(name="SM2DSA", usage=_SIGN, hash_name="SM3", digest_bytes=32),
            Algorithm(name="HMAC_SHA_224", usage=KeyUsage.MAC, hash_name="SHA-224", mechanism="CKM_SHA224_HMAC"),
            Algorithm(name="HMAC_SHA_256", usage=KeyUsage.MAC, hash_name="SHA-256", mechanism="CKM_SHA256_HMAC"),
            Algorithm(name="HMAC_SHA_384", usage=KeyUsage.MAC, hash_name="SHA-384", mechanism="CKM_SHA384_HMAC"),
            Algorithm(name="HMAC_SHA_512", usage=KeyUsage.MAC, hash_name="SHA-512", mechanism="CKM_SHA512_HMAC"),
            Algorithm(name="HMAC_SM3", usage=KeyUsage.MAC, hash_name="SM3"),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFacts:
    """Everything the project knows about one key spec."""

    spec: KeySpec
    family: Family
    bits: int
    material_bytes: int | None
    """Exact length of imported symmetric material; None for asymmetric specs."""
    algorithms: tuple[str, ...]
    """Per usage, the first is the default."""
    instance_types: frozenset[KeyType]
    """Where such a key may live (also the two default key types)."""
    curve: str | None = None

    @property
    def symmetric(self) -> bool:
        """Whether one secret both encrypts and decrypts (HMAC keys count as symmetric too)."""
        return self.family not in (Family.RSA, Family.EC, Family.SM2)

    @property
    def usages(self) -> tuple[KeyUsage, ...]:
        """The usages it can be created for, in the order of the usage table."""
        offered = {ALGORITHMS[name].usage for name in self.algorithms}
        return tuple(usage for usage in KeyUsage if usage in offered)

    @property
    def default_usage(self) -> KeyUsage:
        """SIGN/VERIFY where the spec can sign, else its only other usage (SDK docstring of CreateKey)."""
        return KeyUsage.SIGN if KeyUsage.SIGN in self.usages else self.usages[0]

    def algorithms_for(self, usage: KeyUsage) -> tuple[str, ...]:
        """Return the algorithms of one usage, default first."""
        return tuple(name for name in self.algorithms if ALGORITHMS[name].usage is usage)

    def plaintext_limit(self, algorithm: str) -> int:
        """Return the longest plaintext in bytes that `algorithm` takes under this spec.

        Symmetric keys and SM2 have the API's own limits (Encrypt 6,144 bytes; AsymmetricEncrypt SM2PKE 6,047).
        """
        if self.family is Family.SM2:
            return 6047
        overhead = ALGORITHMS[algorithm].overhead_bytes
        return 6144 if overhead is None else self.bits // 8 - overhead


_HARDWARE = frozenset({KeyType.HARDWARE})
_INSTANCE = frozenset({KeyType.SOFTWARE, KeyType.HARDWARE})
_CHINA = frozenset({KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL})
_ANY = frozenset(KeyType)
_RSA = ("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256", "RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1")
_AES = ("AES_GCM", "AES_ECB", "AES_CBC")


def _symmetric(
    spec: KeySpec, family: Family, size: int, algorithms: tuple[str, ...], where: frozenset[KeyType]
) -> SpecFacts:
    return SpecFacts(
        spec=spec,
        family=family,
        bits=size * 8,
        material_bytes=size,
        algorithms=algorithms,
        instance_types=where,
    )


def _asymmetric(
    spec: KeySpec,
    family: Family,
    bits: int,
    algorithms: tuple[str, ...],
    where: frozenset[KeyType],
    curve: str | None = None,
) -> SpecFacts:
    return SpecFacts(
        spec=spec,
        family=family,
        bits=bits,
        material_bytes=None,
        algorithms=algorithms,
        instance_types=where,
        curve=curve,
    )


SPECS: Final[Mapping[KeySpec, SpecFacts]] = MappingProxyType(
    {
        facts.spec: facts
        for facts in (
            _symmetric(KeySpec.AES_256, Family.AES, 32, _AES, _ANY),
            _symmetric(KeySpec.AES_192, Family.AES, 24, _AES, _HARDWARE),
            _symmetric(KeySpec.AES_128, Family.AES, 16, _AES, _HARDWARE),
            _symmetric(KeySpec.SM4, Family.SM4, 16, ("SM4_GCM",), _CHINA),
            _symmetric(KeySpec.DES3_192, Family.DES3, 24, ("DES3_CBC", "DES3_ECB"), _HARDWARE),
            _asymmetric(KeySpec.RSA_2048, Family.RSA, 2048, _RSA, _INSTANCE),
            _asymmetric(KeySpec.RSA_3072, Family.RSA, 3072, _RSA, _INSTANCE),
            _asymmetric(KeySpec.RSA_4096, Family.RSA, 4096, _RSA, _INSTANCE),
            _asymmetric(KeySpec.EC_P256, Family.EC, 256, ("ECDSA_SHA_256",), _INSTANCE, "secp256r1"),
            _asymmetric(KeySpec.EC_P256K, Family.EC, 256, ("ECDSA_SHA_256",), _INSTANCE, "secp256k1"),
            # Chinese regions have it in hardware, and with the module for national algorithms in software, as SM4.
            _asymmetric(KeySpec.EC_SM2, Family.SM2, 256, ("SM2DSA", "SM2PKE"), _INSTANCE, "sm2p256v1"),
            _symmetric(KeySpec.HMAC_SHA_224, Family.HMAC, 28, ("HMAC_SHA_224",), _INSTANCE),
            _symmetric(KeySpec.HMAC_SHA_256, Family.HMAC, 32, ("HMAC_SHA_256",), _INSTANCE),
            _symmetric(KeySpec.HMAC_SHA_384, Family.HMAC, 48, ("HMAC_SHA_384",), _INSTANCE),
            _symmetric(KeySpec.HMAC_SHA_512, Family.HMAC, 64, ("HMAC_SHA_512",), _INSTANCE),
            _symmetric(KeySpec.HMAC_SM3, Family.HMAC, 32, ("HMAC_SM3",), _INSTANCE),
        )
    }
)


def specs_for(key_type: KeyType) -> tuple[KeySpec, ...]:
    """Return the specs that a key of `key_type` may have, in table order."""
    return tuple(spec for spec, facts in SPECS.items() if key_type in facts.instance_types)
