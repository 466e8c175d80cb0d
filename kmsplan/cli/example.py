"""Examples for every command: --help, the manual and docs/commands.md show them, and a test reads each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "": ("kmsplan init", "kmsplan plan", "kmsplan apply"),
        "init": ("kmsplan init", "kmsplan -C keys init"),
        "validate": ("kmsplan validate", "kmsplan -C keys validate --var-file keys/prod.vars.yaml"),
        "fmt": ("kmsplan fmt", "kmsplan fmt --check", "kmsplan fmt --diff keys prod.vars.yaml"),
        "plan": ("kmsplan plan", "kmsplan plan -o week.plan", "kmsplan plan --target key.orders --detailed-exitcode"),
        "plan sign": ("kmsplan plan sign week.plan --key ada.pem --name ada",),
        "plan verify": ("kmsplan plan verify week.plan --require-signatures 2 --trusted signers.yaml",),
        "plan keygen": ("kmsplan plan keygen ada.pem --name ada",),
        "apply": ("kmsplan apply", "kmsplan apply week.plan", "kmsplan apply --auto-approve --on-error revert"),
        "destroy": ("kmsplan destroy --allow-delete 3", "kmsplan destroy --target key.old --allow-delete 1"),
        "drift": ("kmsplan drift", "kmsplan drift --format json --output drift.json"),
        "inventory": ("kmsplan inventory", "kmsplan inventory --all --format cyclonedx --output cbom.json"),
        "due": ("kmsplan due --within 30d", "kmsplan due --within 90d --format icalendar --output keys.ics"),
        "policy": ("kmsplan policy list", "kmsplan policy check --pack baseline"),
        "policy check": ("kmsplan policy check --pack baseline", "kmsplan policy check week.plan --json"),
        "policy list": ("kmsplan policy list",),
        "policy explain": ("kmsplan policy explain R101",),
        "import": (
            "kmsplan import key.orders key-hzz62f1cb66fa42qo3i9q",
            "kmsplan import --all --out adopted",
        ),
        "show": ("kmsplan show", "kmsplan show week.plan --json"),
        "graph": ("kmsplan graph", "kmsplan graph --format dot --output keys.dot"),
        "state": ("kmsplan state list", "kmsplan state show key.orders"),
        "state history": ("kmsplan state history",),
        "state diff": ("kmsplan state diff 3", "kmsplan state diff 3 5"),
        "state restore": ("kmsplan state restore 3", "kmsplan state restore 3 --exclude key.orders"),
        "state rekey": ("kmsplan state rekey --from-plain", "kmsplan state rekey --from-env OLD_STATE_KEY"),
        "state mv": (
            "kmsplan state mv key.orders key.payments",
            "kmsplan state mv key.orders --to-dir ../payments",
        ),
        "state init": ("kmsplan state init",),
        "state list": ("kmsplan state list",),
        "state rebuild": ("kmsplan state rebuild",),
        "state rm": ("kmsplan state rm key.orders alias.orders",),
        "state show": ("kmsplan state show key.orders", "kmsplan state show --serial 3"),
        "unlock": ("kmsplan unlock 6c0fd1a5f1f84f0e",),
        "engine": ("kmsplan engine status", "kmsplan engine backup --output engine.backup --key-file backup.key"),
        "engine serve": (
            "kmsplan engine serve",
            "kmsplan engine serve --listen 0.0.0.0:8443 --tls-cert server.crt --tls-key server.key",
        ),
        "engine access-key": ("kmsplan engine access-key list",),
        "engine access-key create": ("kmsplan engine access-key create --role user --user orders-service",),
        "engine access-key delete": ("kmsplan engine access-key delete LTAIexample",),
        "engine access-key disable": ("kmsplan engine access-key disable LTAIexample",),
        "engine access-key enable": ("kmsplan engine access-key enable LTAIexample",),
        "engine access-key list": ("kmsplan engine access-key list",),
        "engine access-key rotate": ("kmsplan engine access-key rotate LTAIexample --overlap 24h",),
        "engine service-key": ("kmsplan engine service-key oss",),
        "engine xks-proxy": ("kmsplan engine xks-proxy --key orders=alias/orders --credential-file proxy.json",),
        "engine xks-credential": ("kmsplan engine xks-credential proxy.json",),
        "engine backup": ("kmsplan engine backup --output engine.backup --key-file backup.key",),
        "engine backup verify": ("kmsplan engine backup verify engine.backup --key-file backup.key",),
        "engine restore": ("kmsplan engine restore engine.backup --key-file backup.key --into restored",),
        "engine rotate-root": (
            "kmsplan engine rotate-root",
            "kmsplan engine rotate-root --to-passphrase-env ENGINE_PASSPHRASE",
        ),
        "engine rotate-keyring": ("kmsplan engine rotate-keyring",),
        "engine audit": ("kmsplan engine audit verify",),
        "engine audit export": ("kmsplan engine audit export --out audit.jsonl",),
        "engine audit verify": ("kmsplan engine audit verify",),
        "engine call": ("kmsplan engine call DisableKey KeyId=alias/orders",),
        "engine decrypt": ("kmsplan engine decrypt --in secret.enc --out secret.txt",),
        "engine encrypt": ("kmsplan engine encrypt alias/orders --in secret.txt --out secret.enc",),
        "engine init": ("kmsplan engine init",),
        "engine seal": ("kmsplan engine seal",),
        "engine sign": ("kmsplan engine sign alias/signer --message release.tar --out release.sig",),
        "engine status": ("kmsplan engine status", "kmsplan engine status --json"),
        "engine tick": ("kmsplan engine tick",),
        "engine unseal": ("kmsplan engine unseal",),
        "engine verify": ("kmsplan engine verify alias/signer --message release.tar --signature release.sig",),
        "schema": ("kmsplan schema", "kmsplan schema event"),
        "completion": (
            "kmsplan completion bash > ~/.local/share/bash-completion/completions/kmsplan",
            "kmsplan completion zsh > ~/.zsh/completions/_kmsplan",
            "kmsplan completion fish > ~/.config/fish/completions/kmsplan.fish",
        ),
        "man": ("kmsplan man | man -l -",),
        "version": ("kmsplan version",),
    }
)
"""By command, without `kmsplan` before it; "" is kmsplan itself."""


def epilog(path: str) -> str | None:
    """Return the examples of a command as the end of its --help; None where there are none."""
    lines = EXAMPLES.get(path)
    if lines is None:
        return None
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([title, *(f"  {line}" for line in lines)])
