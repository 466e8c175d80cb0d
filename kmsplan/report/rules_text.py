"""Rules and packs for people: what there is, and what one rule asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.config.packs import Pack
    from kmsplan.report.style import Style
    from kmsplan.rule.definition import Chosen, Definition, Value


def rules_text(rules: Mapping[str, Definition], packs: Mapping[str, Pack], style: Style) -> str:
    """Return the packs, and every rule with the packs that have it."""
    width = max(map(len, packs))
    lines = [style.bold("Packs:")]
    lines += [f"  {pack.name:{width}}  {len(pack.rules):2} rules. {pack.title}." for pack in packs.values()]
    lines += ["", style.bold("Rules:")]
    for rule in rules.values():
        inside = ", ".join(pack.name for pack in packs.values() if rule.id in pack.rules)
        lines += [
            f"  {rule.id}  {rule.title}",
            style.dim(f"        {rule.severity} about each {rule.judges}; in {inside}"),
        ]
    return _joined(lines)


def rule_text(rule: Definition, packs: Mapping[str, Pack], style: Style) -> str:
    """Return one of kmsplan's rules."""
    lines = [*_head(rule, rule.severity, style)]
    for name, parameter in rule.parameters.items():
        lines += [f"  {style.bold(f'params.{name}')}  {parameter.doc} Default: {_value(parameter.default)}."]
    for pack in packs.values():
        picked = pack.rules.get(rule.id)
        if picked is not None:
            values = "".join(f"; {name}: {_value(value)}" for name, value in picked.values.items())
            after = f" after {'; '.join(picked.clauses)}" if picked.clauses else ""
            lines += [f"  in {style.bold(pack.name)}: {picked.severity}{values}{after}"]
    return _joined(lines)


def chosen_text(chosen: Chosen, style: Style) -> str:
    """Return a rule of the user's own."""
    lines = [*_head(chosen.definition, chosen.severity, style), f"  from {escape(', '.join(chosen.packs))}"]
    if chosen.clauses:
        lines += [f"  after {escape('; '.join(chosen.clauses))}"]
    return _joined(lines)


def _head(rule: Definition, severity: str, style: Style) -> Iterator[str]:
    yield style.bold(escape(f"{rule.id}  {rule.title}"))
    yield f"  {severity} about each {rule.judges}"
    yield f"  when  {escape(' '.join(rule.when.split()))}"
    yield f"  must  {escape(' '.join(rule.must.split()))}"
    if rule.remedy:
        yield f"  {escape(rule.remedy)}"


def _value(value: Value) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
