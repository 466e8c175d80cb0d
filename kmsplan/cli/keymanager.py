"""The way to external key managers: where their proxies are, the engine knows; who calls them, the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.cli.session import entropy, now

if TYPE_CHECKING:
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import AccessKeyReference, Configuration
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.protection.protocol import Protection
    from kmsplan.engine.xks.address import ProxyAddress
    from kmsplan.engine.xks.signature import Credential


class KeyManagers:
    """Opens the way to an external instance's key manager, with the access key that the configuration refers to.

    Args:
        session: reads secrets.
        configuration: names them, by the URL and path of their proxy.
    """

    def __init__(self, session: Session, configuration: Configuration) -> None:
        self._session = session
        self._references: dict[tuple[str, str], AccessKeyReference] = {}
        for address, reference in configuration.proxies.items():
            proxy = configuration.desired[address].attributes["proxy"]
            self._references[proxy["url"], proxy["path"]] = reference

    def __call__(self, instance: InstanceRow) -> Protection:
        """Return the backend of an instance.

        Raises:
            ProtectionUnavailableError: the configuration does not name an access key for its proxy.
        """
        from kmsplan.engine.protection.external import ExternalProtection  # noqa: PLC0415 - most have no such instance
        from kmsplan.engine.protection.protocol import ProtectionUnavailableError  # noqa: PLC0415
        from kmsplan.engine.xks.address import proxy_address, read_kept  # noqa: PLC0415
        from kmsplan.engine.xks.client import ProxyClient  # noqa: PLC0415

        settings = read_kept(instance.proxy or "{}")
        reference = self._references.get((settings["url"], settings["path"]))
        if reference is None:
            raise ProtectionUnavailableError(
                f"no access key is configured for the proxy {settings['url']}{settings['path']} of "
                f"{instance.instance_id}. If it moved to where the configuration says, apply that first; if not, "
                "declare the instance under `instances` with `proxy: {url, access_key}`"
            )
        address: ProxyAddress = proxy_address(settings)
        return ExternalProtection(ProxyClient(address, lambda: self._credential(reference), clock=now), entropy)

    def _credential(self, reference: AccessKeyReference) -> Credential:
        from kmsplan.cli.needed import needed  # noqa: PLC0415
        from kmsplan.engine.xks.signature import Credential  # noqa: PLC0415

        secret = needed(reference.secret, self._session.environ)
        return Credential(access_key_id=reference.access_key_id, secret=secret)
