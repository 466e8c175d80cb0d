"""A folder of YAML to a Configuration: the order in which the steps of this package run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.collector import collector_paused
from kmsplan.config.approval import check_approval
from kmsplan.config.blocks import Blocks, read_blocks
from kmsplan.config.cloud import check_cloud, written_for_cloud
from kmsplan.config.configuration import Configuration, Declared, Waiver
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.document import parse
from kmsplan.config.encryption import check_stores, encryption
from kmsplan.config.expand import Expanded, expand
from kmsplan.config.exposed import exposed
from kmsplan.config.external import check_external
from kmsplan.config.folder import configuration_files, read
from kmsplan.config.hsmobjects import check_hsm_objects
from kmsplan.config.importing import check_materials
from kmsplan.config.objects import Objects, build
from kmsplan.config.place import Source
from kmsplan.config.policy import read_policy
from kmsplan.config.problems import Gap, Problems, in_order
from kmsplan.config.rules import check_rules
from kmsplan.config.section import Sections, check_version, collect
from kmsplan.config.settings import effective, engine_settings, materials, pins, proxies, shared, state_path
from kmsplan.config.shape import check_shape
from kmsplan.config.stores import check_state
from kmsplan.config.variable import Given, from_command_line, from_environment, from_file, resolve_variables
from kmsplan.config.waivers import read_waivers

if TYPE_CHECKING:
    from kmsplan.approval.judge import Policy as ApprovalPolicy
    from kmsplan.config.document import Document
    from kmsplan.resource.address import Address
    from kmsplan.rule.definition import Policy

_AS_THEY_ARE: Final[Mapping[str, str]] = MappingProxyType({})


def load(
    root: Path,
    *,
    variables: Mapping[str, str],
    variable_files: Sequence[Path],
    environ: Mapping[str, str],
    now: datetime | None = None,
    texts: Mapping[str, str] = _AS_THEY_ARE,
) -> Configuration:
    """Read a configuration folder.

    Args:
        root: The folder whose *.yaml and *.yml files are the configuration.
        variables: Values of --var, stronger than those of files.
        variable_files: Files of --var-file; of two that set one variable the later counts.
        environ: The environment, for KMSPLAN_VAR_x.
        now: What expires before it is a problem; None where nothing is to be brought to what is declared.
        texts: By file name: what a file is taken to hold, to try an edit before it is made.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    with collector_paused():
        return _load(_Folder(_absolute(root), texts), variables, variable_files, environ, now)


def read_objects(
    root: Path, *, variables: Mapping[str, str], variable_files: Sequence[Path], environ: Mapping[str, str]
) -> tuple[Expanded, Objects]:
    """Read what a valid configuration folder declares, with the place of every value, for whoever edits it.

    The arguments are those of `load`, which tells whether it is valid.
    """
    _, expanded, objects = _objects(
        _Folder(_absolute(root), _AS_THEY_ARE), variables, variable_files, environ, Problems()
    )
    return expanded, objects


@dataclass(frozen=True, slots=True)
class _Folder:
    """What is read."""

    root: Path
    texts: Mapping[str, str]


def _absolute(root: Path) -> Path:
    return Path(os.path.abspath(root))  # noqa: PTH100 - links stay


def _load(
    folder: _Folder,
    variables: Mapping[str, str],
    variable_files: Sequence[Path],
    environ: Mapping[str, str],
    now: datetime | None,
) -> Configuration:
    problems, root = Problems(), folder.root
    values, expanded, objects = _objects(folder, variables, variable_files, environ, problems)
    check_rules(objects, problems, own_backends=written_for_cloud(expanded) is None)
    check_external(objects, problems)
    check_hsm_objects(objects, problems)
    check_cloud(expanded, objects, problems, root)
    check_materials(objects, problems, root=root, now=now)
    check_stores(expanded, problems)
    check_state(expanded, problems)
    blocks = read_blocks(expanded, objects, problems)
    guarding = _Guarding(
        approval=check_approval(expanded, problems, root),
        policy=read_policy(expanded, problems, root),
        waivers=read_waivers(expanded, problems, now=now),
    )
    if problems:
        raise ConfigurationError(problems.diagnostics())
    return _configuration(root, values, expanded, objects, blocks, guarding, problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guarding:
    """What a plan must be before it is applied."""

    approval: ApprovalPolicy | None
    policy: Policy | None
    waivers: tuple[Waiver, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Return what of it is a plan's own: one that was made under one rule is not applied under another."""
        let_pass = [waiver for waiver in self.waivers if waiver.rule is not None] if self.policy else []
        return {
            **({"approval": self.approval.facts} if self.approval else {}),
            **({"policy": self.policy.facts} if self.policy else {}),
            **({"waivers": sorted([one.rule, one.address, str(one.expires)] for one in let_pass)} if let_pass else {}),
        }


def _objects(
    folder: _Folder,
    variables: Mapping[str, str],
    variable_files: Sequence[Path],
    environ: Mapping[str, str],
    problems: Problems,
) -> tuple[Mapping[str, Any], Expanded, Objects]:
    root = folder.root
    sections = _sections(folder, problems)
    explicit = [_variable_file(root, path, problems) for path in variable_files]
    values = resolve_variables(
        sections.named["variables"],
        environment=from_environment(environ),
        explicit=[*explicit, from_command_line(variables)],
        problems=problems,
    )
    expanded = check_shape(expand(sections, values, problems), problems)
    return values, expanded, build(expanded, problems)


def _sections(folder: _Folder, problems: Problems) -> Sections:
    files = configuration_files(folder.root, problems)
    documents: list[Document] = []
    for path in files:
        text = folder.texts.get(path.name)
        document = read(path, path.name, problems) if text is None else parse(Source(path.name, text), problems)
        if document is None:
            problems.gap(Gap.TEXT)
        else:
            documents.append(document)
    sections = collect(documents, problems)
    if files:
        check_version(sections, documents, problems)
    return sections


def _variable_file(root: Path, path: Path, problems: Problems) -> dict[str, Given]:
    full = Path(os.path.abspath(path))  # noqa: PTH100 - as above
    document = read(full, str(full.relative_to(root) if full.is_relative_to(root) else path), problems)
    if document is None:
        problems.gap(Gap.TEXT)
    return from_file(document) if document else {}


def _configuration(
    root: Path,
    values: Mapping[str, Any],
    expanded: Expanded,
    objects: Objects,
    blocks: Blocks,
    guarding: _Guarding,
    problems: Problems,
) -> Configuration:
    desired = {
        address: Declared(address=address, attributes=found.attributes, span=found.entry.node.key_place.span)
        for address, found in sorted(objects.found.items())
    }
    found = Configuration(
        root=root,
        engine=engine_settings(expanded, root),
        state_path=state_path(expanded, root),
        desired=desired,
        variables=values,
        digest=_digest(desired, effective(expanded), blocks, guarding),
        pins=pins(objects, root),
        proxies=proxies(objects, root),
        materials=materials(objects, root),
        moved=blocks.moved,
        removed=blocks.removed,
        staged=blocks.staged,
        imports=blocks.imports,
        approval=guarding.approval,
        policy=guarding.policy,
        shared=shared(expanded, root),
        encryption=encryption(expanded, root),
        waivers=guarding.waivers,
    )
    return replace(found, warnings=in_order((*problems.diagnostics(), *exposed(found))))


def _digest(
    desired: Mapping[Address, Declared], settings: Mapping[str, Any], blocks: Blocks, guarding: _Guarding
) -> str:
    """Return the sha256 of what is desired, and of what guards it; the same whatever the order of files and lines."""
    content = {
        **settings,
        "desired": {address: declared.attributes for address, declared in desired.items()},
        "moved": blocks.moved,
        "removed": sorted(blocks.removed),
        **({"staged": blocks.staged} if blocks.staged else {}),
        "imports": [[block.address, block.identity, *filter(None, (block.owner,))] for block in blocks.imports],
        **guarding.facts,
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
