"""The section `engine` of a configuration elsewhere: the same KMS, reached in the same way, by absolute paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.adopt.written import Secrets, escaped, secret

if TYPE_CHECKING:
    from kmsplan.config.configuration import Configuration, EngineSettings, SecretReference


def engine_section(settings: EngineSettings) -> dict[str, Any]:
    """Return what stands under `engine`."""
    if settings.provider == "alibaba":
        return {"alibaba": escaped(dict(settings.options))}
    section: dict[str, Any] = {"path": escaped(str(settings.path))}
    if settings.seal is not None:
        section["seal"] = {settings.seal_kind: _seal(settings.seal, settings)}
    if settings.postgres is not None:
        section["postgres"] = secret(settings.postgres)
    return {"embedded": section}


def _seal(reference: SecretReference, settings: EngineSettings) -> Any:
    match settings.seal_kind:
        case "file":
            return escaped(reference.name)
        case "hsm":
            return {**escaped(dict(settings.options["hsm"])), "pin": secret(reference)}
        case _:
            return secret(reference)


def known_secrets(configuration: Configuration) -> Secrets:
    """Return where a configuration finds the PINs and access keys of the instances that it declares."""
    return Secrets(
        pins={
            (hsm["module"], hsm["token"]): pin
            for address, pin in configuration.pins.items()
            if (hsm := configuration.desired[address].attributes["hsm"])
        },
        access_keys={
            (proxy["url"], proxy["path"]): key
            for address, key in configuration.proxies.items()
            if (proxy := configuration.desired[address].attributes["proxy"])
        },
    )
