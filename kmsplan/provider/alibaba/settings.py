"""`engine: {alibaba: {...}}` as values: which KMS, and how it is reached. Credentials are no part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.naming import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 30
_CLOUD: Final = ".aliyuncs.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One KMS: an account's in a region, at an endpoint."""

    region: str
    endpoint: str
    """HOST or HOST:PORT."""
    protocol: str = "https"
    account: str | None = None
    """The account's number; None: it is asked for."""
    ca_file: str | None = None
    """Certificates of authorities, PEM; None: the public ones."""
    connect_timeout: float = CONNECT_TIMEOUT
    """Seconds."""
    read_timeout: float = READ_TIMEOUT
    """Seconds from the request to its answer."""
    limited: bool = True
    """Whether calls keep within the published requests a second."""

    @property
    def in_cloud(self) -> bool:
        """Whether the endpoint is one of Alibaba Cloud's."""
        return self.endpoint.partition(":")[0].endswith(_CLOUD)

    @property
    def kms(self) -> str:
        """The endpoint that names this KMS: inside of VPCs a region's is another way to the same one."""
        inside = f"kms-vpc.{self.region}{_CLOUD}"
        return f"kms.{self.region}{_CLOUD}" if self.endpoint == inside else self.endpoint

    @property
    def identity_endpoint(self) -> str:
        """The region's endpoint of the service that tells whose credentials these are (STS)."""
        network = "-vpc" if self.endpoint.startswith("kms-vpc.") else ""
        return f"sts{network}.{self.region}{_CLOUD}"


def settings(options: Mapping[str, Any]) -> Settings:
    """Read what the schema has let pass."""
    region = options["region"]
    network = "kms-vpc" if options.get("vpc") else "kms"
    endpoint = str(options.get("endpoint") or f"{network}.{region}{_CLOUD}")
    cloud = endpoint.partition(":")[0].endswith(_CLOUD)
    timeouts = options.get("timeouts") or {}
    return Settings(
        region=region,
        endpoint=endpoint,
        protocol=options.get("protocol", "https"),
        account=options.get("account"),
        ca_file=options.get("ca_file"),
        connect_timeout=_seconds(timeouts.get("connect"), CONNECT_TIMEOUT),
        read_timeout=_seconds(timeouts.get("read"), READ_TIMEOUT),
        limited=options.get("rate_limits", "cloud" if cloud else "off") == "cloud",
    )


def _seconds(text: str | None, default: int) -> int:
    return default if text is None else parse_duration(text) or default
