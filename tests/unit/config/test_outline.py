from __future__ import annotations

from kmsplan.config.outline import addresses, state_path

TEXT = """\
kmsplan: 1
state: {local: {path: kept}}
variables:
  team: {default: a}
instances:
  core: {type: software}
keys:
  # a comment
  orders: {instance: core, aliases: [orders, more-orders]}
  "signer":
    instance: core
    aliases: [sign]
    tags:
      keys: none
aliases:
    other: {key: orders}
service_keys: {oss: {}}
"""


def test_declarations_are_found_by_the_layout_alone() -> None:
    assert sorted(addresses(TEXT)) == [
        "alias.more-orders",
        "alias.orders",
        "alias.other",
        "alias.sign",
        "instance.core",
        "key.orders",
        "key.signer",
    ]


def test_text_that_is_no_configuration_declares_nothing() -> None:
    assert list(addresses("keys: [\x00\n  - what\n\t:::\nkeys\n")) == []


def test_the_state_is_where_the_text_says() -> None:
    assert state_path(TEXT) == "kept"
    assert state_path("kmsplan: 1\nstate:\n  local:\n    path: 'kept'\n") == "kept"
    assert state_path("kmsplan: 1\nstate: {s3: {bucket: kept}}\n") is None
