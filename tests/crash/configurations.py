"""The configurations of the scenarios."""

from __future__ import annotations

from typing import Final

from tests.project import SOFTHSM

CORE: Final = """\
kmsplan: 1
instances:
  core: {type: software, deletion_protection: false}
"""
VAULT: Final = f"""\
kmsplan: 1
instances:
  vault: {{type: hardware, deletion_protection: false, hsm: {{module: {SOFTHSM}, token: test, pin: {{env: HSM_PIN}}}}}}
"""
FIRST: Final = f"""\
{CORE}\
keys:
  orders: {{instance: core, rotation: 90d, aliases: [orders], tags: {{team: payments}}, deletion_protection: false}}
  signer: {{instance: core, spec: EC_P256, deletion_protection: false}}
  older: {{instance: core, on_replace: succeed, aliases: [older], deletion_protection: false}}
  going: {{instance: core, deletion_protection: false}}
  several: {{instance: core, spec: EC_P256}}
aliases: {{moving: orders}}
"""
WITH_GONE: Final = FIRST.replace("aliases: {", "  gone: {instance: core, deletion_protection: false}\naliases: {")
SECOND: Final = f"""\
{CORE}\
keys:
  orders: {{instance: core, rotation: 30d, description: changed, tags: {{owner: ada}}, aliases: [orders]}}
  signer: {{instance: core, spec: EC_P256, enabled: false, deletion_protection: false}}
  older: {{instance: core, spec: Aliyun_SM4, on_replace: succeed, aliases: [older], deletion_protection: false}}
  gone: {{instance: core, description: back, deletion_protection: false}}
  several: {{instance: core, spec: EC_P256, rotation: {{min_versions: 2}}}}
  fresh: {{instance: core, tags: {{new: "yes"}}, aliases: [fresh]}}
aliases: {{moving: gone}}
"""
HARDWARE_FIRST: Final = f"""\
{VAULT}\
keys:
  data: {{instance: vault, aliases: [data], deletion_protection: false}}
  pair: {{instance: vault, spec: EC_P256, deletion_protection: false}}
"""
HARDWARE_SECOND: Final = f"""\
{VAULT}\
keys:
  data: {{instance: vault, aliases: [data, more], description: changed}}
  pair: {{instance: vault, spec: EC_P256, enabled: false, deletion_protection: false}}
  next: {{instance: vault, spec: EC_P256}}
  ledger: {{instance: vault, storage_mechanism: HsmEncryptedDatabase, rotation: 90d, deletion_protection: false}}
"""
IN_DATABASE: Final = "engine: {embedded: {postgres: {env: KEYSTORE}}}\n"
SHARED: Final = "state: {postgres: {url: {env: KEYSTORE}, name: team, lease: 3s}}\n"
SERVED: Final = 'engine: {alibaba: {region: local, endpoint: "ENDPOINT", protocol: http}}\n'
USED: Final = f"""\
{SERVED}{CORE}\
keys:
  data: {{instance: core, aliases: [data]}}
  other: {{instance: core, aliases: [other]}}
  pair: {{instance: core, spec: EC_P256, aliases: [pair]}}
"""
OPEN: Final = "deletion_protection: false"
LEFT: Final = f"""\
{VAULT}\
keys:
  data: {{instance: vault, aliases: [data, more], description: changed}}
  ledger: {{instance: vault, storage_mechanism: HsmEncryptedDatabase, rotation: 90d, deletion_protection: false}}
"""
