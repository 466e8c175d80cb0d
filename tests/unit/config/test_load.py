from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kmsplan.config.configuration import Configuration
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load

Load = Callable[..., Configuration]
CORE = "instances: {core: {type: software}}\n"
KEYS = "keys: {orders: {instance: core, rotation: 90d, aliases: [orders]}}\n"


def test_engine_and_state_have_defaults_in_the_folder(loaded: Load, tmp_path: Path) -> None:
    found = loaded("")
    assert (found.root, found.state_path) == (tmp_path, tmp_path / "state")
    engine = found.engine
    assert (engine.provider, engine.path, engine.seal, engine.seal_kind) == (
        *("embedded", tmp_path / "state" / "engine", None, "default"),
    )


def test_paths_are_relative_to_the_folder_or_absolute(loaded: Load, tmp_path: Path) -> None:
    found = loaded("engine: {embedded: {path: ../e}}\nstate: {local: {path: /var/s}}\n")
    assert found.engine.path == tmp_path.parent / "e"
    assert found.state_path == Path("/var/s")


def test_half_written_sections_keep_the_defaults(loaded: Load, tmp_path: Path) -> None:
    found = loaded("engine: {embedded: }\nstate: {local: {}}\n")
    assert (found.engine.path, found.state_path) == (tmp_path / "state/engine", tmp_path / "state")


def test_a_passphrase_is_a_reference(loaded: Load) -> None:
    seal = loaded("engine: {embedded: {seal: {passphrase: {env: PHRASE}}}}\n").engine
    assert seal.seal is not None
    assert (seal.seal_kind, seal.seal.source, seal.seal.name) == ("passphrase", "env", "PHRASE")
    assert (seal.seal.span.line, seal.seal.span.column) == (2, 40)


def test_a_key_file_is_found_from_the_folder(loaded: Load, tmp_path: Path) -> None:
    engine = loaded("engine: {embedded: {seal: {file: keys/root}}}\n").engine
    assert engine.seal is not None
    assert (engine.seal_kind, engine.seal.source, engine.seal.name) == ("file", "file", str(tmp_path / "keys/root"))


def test_an_hsm_seal_names_token_and_pin(loaded: Load, tmp_path: Path) -> None:
    engine = loaded("engine: {embedded: {path: e, seal: {hsm: {module: /m.so, token: t, pin: {file: pin}}}}}\n").engine
    assert engine.seal is not None
    assert (engine.seal_kind, engine.seal.name) == ("hsm", str(tmp_path / "pin"))
    assert engine.options == {"hsm": {"module": "/m.so", "token": "t"}}


def test_the_cloud_is_parsed(loaded: Load) -> None:
    engine = loaded("engine: {alibaba: {region: cn-hangzhou}}\n").engine
    assert (engine.provider, engine.path, engine.options) == ("alibaba", None, {"region": "cn-hangzhou"})


def test_blocks_are_read(loaded: Load) -> None:
    found = loaded(
        CORE + KEYS + "moved: [{from: key.old, to: key.orders}]\nremoved: [{address: key.gone, forget: true}]\n"
        "import: [{address: key.orders, identity: key-1}, {address: alias.orders, identity: alias/orders}]\n"
    )
    assert found.moved == {"key.old": "key.orders"}
    assert found.removed == {"key.gone"}
    assert [(block.address, block.identity) for block in found.imports] == [
        ("alias.orders", "alias/orders"),
        ("key.orders", "key-1"),
    ]


def test_the_digest_changes_with_what_is_desired_and_with_nothing_else(loaded: Load) -> None:
    first = loaded(CORE + KEYS).digest
    same = [
        KEYS + "# a comment\n" + CORE,
        CORE + KEYS + "engine: {embedded: {path: state/engine}}\nstate: {local: }\n",
        CORE.replace("software", "software, spec: 1000") + KEYS,
        CORE + "keys: {orders: {instance: core, rotation: 7776000s}}\naliases: {orders: orders}\n",
        "variables: {p: {default: 90d}}\n" + CORE + KEYS.replace("90d", '"${var.p}"'),
        CORE + "defaults: {key: {rotation: 90d}}\nkeys: {orders: {instance: core, aliases: [orders]}}\n",
    ]
    other = [
        CORE + KEYS.replace("90d", "91d"),
        CORE + KEYS + "state: {local: {path: other}}\n",
        CORE + KEYS + "engine: {embedded: {path: other}}\n",
        CORE + KEYS + "moved: [{from: key.old, to: key.orders}]\n",
        CORE + KEYS + "removed: [{address: key.old, forget: true}]\n",
        CORE + KEYS + "import: [{address: key.orders, identity: key-1}]\n",
    ]
    assert {loaded(text).digest for text in same} == {first}
    assert len({first, *(loaded(text).digest for text in other)}) == len(other) + 1


def test_the_digest_is_the_same_in_every_folder(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "kmsplan.yaml").write_text(f"kmsplan: 1\n{CORE}{KEYS}")
        digests.add(load(folder, variables={}, variable_files=[], environ={}).digest)
    assert len(digests) == 1


def test_several_files_are_one_configuration(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(KEYS)
    (tmp_path / "2.yml").write_text(f"kmsplan: 1\n{CORE}")
    (tmp_path / "3.yaml").write_text(
        "kmsplan: 1\nkeys: {bills: {instance: core}}\nmoved: [{from: key.x, to: key.bills}]\n"
    )
    (tmp_path / "4.yaml").write_text("moved: [{from: key.y, to: key.orders}]\nkeys:\n")
    found = load(tmp_path, variables={}, variable_files=[], environ={})
    assert list(found.desired) == ["alias.orders", "instance.core", "key.bills", "key.orders"]
    assert {declared.span.filename for declared in found.desired.values()} == {"1.yaml", "2.yml", "3.yaml"}
    assert found.moved == {"key.x": "key.bills", "key.y": "key.orders"}


def test_versions_that_differ_are_told(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text("kmsplan: 1\n")
    (tmp_path / "2.yaml").write_text("kmsplan: 2\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, variables={}, variable_files=[], environ={})
    assert [found.code for found in caught.value.diagnostics] == ["K116"]


def test_the_error_counts_its_problems(loaded: Load) -> None:
    with pytest.raises(ConfigurationError, match="2 problems"):
        loaded("a: 1\nb: 2\n")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(loaded: Load, *, enabled: bool) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        with pytest.raises(ConfigurationError):
            loaded("nothing: here\n")
        loaded("")
        assert gc.isenabled() is enabled
    finally:
        gc.enable() if before else gc.disable()


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kmsplan.yaml").write_text("kmsplan: 1\n")
    monkeypatch.chdir(tmp_path)
    assert load(Path(), variables={}, variable_files=[], environ={}).root == tmp_path


def test_a_valid_configuration_costs_no_slow_import(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(f"kmsplan: 1\n{CORE}{KEYS}")
    code = (
        "import sys; from pathlib import Path; from kmsplan.config.load import load;"
        f"load(Path({str(tmp_path)!r}), variables={{}}, variable_files=[], environ={{}});"
        "print(sorted({'jsonschema', 'difflib', 'rich', 'deepdiff'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
