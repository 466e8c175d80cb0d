"""The same keys and aliases as kmsplan YAML and as Terraform blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENTS = ("dev", "test", "prod")


def key(number: int) -> dict[str, Any]:
    """Return one key; neighbours differ, so that nothing can be shared by accident."""
    return {
        "description": f"key number {number} of team {number % 37}",
        "rotation": f"{90 + number % 275}d",
        "deletion_protection": number % 4 == 0,
        "deletion_window": f"{7 + number % 24}d",
        "tags": {"env": ENVIRONMENTS[number % 3], "team": f"team-{number % 37}", "cost": f"cc{number % 101:04d}"},
    }


def write_kmsplan(folder: Path, count: int) -> Path:
    """Write a configuration of `count` keys with an alias each, every one spelled out; return the file."""
    lines = [
        "kmsplan: 1",
        "engine: {embedded: {path: state/engine}}",
        "state: {local: {path: state}}",
        f"instances:\n  core: {{type: software, key_quota: {max(100, count)}}}",
        "keys:",
    ]
    for number in range(count):
        facts = key(number)
        lines += [
            f"  app-{number}:",
            "    instance: core",
            "    spec: Aliyun_AES_256",
            "    usage: ENCRYPT/DECRYPT",
            "    origin: Aliyun_KMS",
            "    enabled: true",
            f"    description: {facts['description']}",
            f"    rotation: {facts['rotation']}",
            f"    deletion_protection: {str(facts['deletion_protection']).lower()}",
            f"    deletion_window: {facts['deletion_window']}",
            "    aliases:",
            f"      - app-{number}",
            "    tags:",
            *(f"      {name}: {value}" for name, value in facts["tags"].items()),
        ]
    path = folder / "kmsplan.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_terraform(folder: Path, count: int) -> None:
    """Write one `terraform_data` block per key and per alias, with the same attributes, on the local backend."""
    blocks = ['terraform {\n  backend "local" { path = "terraform.tfstate" }\n}']
    for number in range(count):
        facts = {
            "instance": "core",
            "spec": "Aliyun_AES_256",
            "usage": "ENCRYPT/DECRYPT",
            "origin": "Aliyun_KMS",
            "enabled": True,
            **key(number),
        }
        blocks += [
            f'resource "terraform_data" "key_{number}" {{\n  input = {json.dumps(facts)}\n}}',
            (
                f'resource "terraform_data" "alias_{number}" {{\n  input = {{\n    name = "alias/app-{number}"\n'
                f"    key_id = terraform_data.key_{number}.id\n  }}\n}}"
            ),
        ]
    (folder / "main.tf").write_text("\n".join(blocks) + "\n")
