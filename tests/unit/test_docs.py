from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.main import COMMANDS
from kmsplan.config.canonical import canonical
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load
from kmsplan.resource.step import Status
from kmsplan.state.entry import Ending
from kmsplan.state.schema import state_schema

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "state" / "README.md",
    ROOT / "examples" / "README.md",
    *(ROOT / "docs").glob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = list[str]()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        found.append(f"{words}-{found.count(words)}" if words in found else words)
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_anchor_that_a_page_links_is_a_heading_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
    others = [(page.parent / path if path else page, anchor) for path, anchor in targets]
    assert [anchor for other, anchor in others if not other.exists() or anchor not in anchors(other)] == []


WHOLE = [
    (f"{page.relative_to(ROOT)}-{number}", block)
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^ *```yaml\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE), 1
    )
    if re.search(r"^kmsplan: 1$", block, re.MULTILINE)
]
"""Configurations that stand in a page as a whole."""
BESIDE = {"K102", "K429"}
"""What is wrong because files that the page tells of, signers and policies, are not beside it here."""
ON_PURPOSE = {"docs/getting-started.md-1": {"K403"}}
"""What a page shows to be wrong."""


@pytest.mark.parametrize(("name", "block"), WHOLE, ids=[name for name, _ in WHOLE])
def test_every_whole_configuration_in_a_page_is_valid(name: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text(block)
    found = set[str]()
    try:
        load(tmp_path, variables={}, variable_files=(), environ={})
    except ConfigurationError as error:
        found = {one.code for one in error.diagnostics}
    assert found - BESIDE == ON_PURPOSE.get(name, set())


UNTIDY = "docs/formatting.md"
"""The page that shows what is not canonical."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_show_configurations_in_canonical_form(page: Path) -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    differ = [text for text in shown if canonical(text) != text]
    assert bool(differ) == (str(page.relative_to(ROOT)) == UNTIDY), differ


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(?:\$ )?kmsplan ([a-z]+)", page.read_text()))
    assert named - set(COMMANDS) == set()


def test_the_readme_lists_every_exit_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [code for code in ExitCode if not re.search(rf"\| {code.value} \|", readme)] == []


def linked(page: Path) -> list[Path]:
    return [(page.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += linked(page)
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page not in reached] == []


def test_the_readme_shows_the_configuration_of_the_quickstart() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = (ROOT / "examples" / "quickstart" / "kmsplan.yaml").read_text()
    assert example.endswith("\n\n" + shown)


def test_the_readme_lists_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (ROOT / "README.md").read_text().partition("| extra | for |\n|---|---|\n")[2].partition("\n\n")[0]
    listed = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(extras)


MODULES = {
    "alibabacloud-kms20160120": "alibabacloud_tea_openapi",
    "cel-expr-python": "cel_expr_python",
    "jsonschema-rs": "jsonschema_rs",
    "psycopg": "psycopg",
    "python-pkcs11": "pkcs11",
    "pyyaml": "yaml",
}
"""By package: its module, where that has another name; the SDK's client comes with the models of one API."""


def test_every_package_that_is_asked_for_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(one for name in extras if name not in ("test", "benchmark") for one in extras[name]),
    ]
    packages = [re.split(r"[\[>=<]", one)[0] for one in asked]
    imported = set[str]()
    for path in (ROOT / "kmsplan").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    assert [name for name in packages if MODULES.get(name, name) not in imported] == []


def test_the_state_folders_readme_has_every_member_event_and_status() -> None:
    text = (ROOT / "state" / "README.md").read_text()
    members = re.findall(r"^\| `(\w+)` \|", text.partition("| member |")[2].partition("\n\n")[0], re.MULTILINE)
    events = re.findall(r"^\| `(\w+)` \|", text.partition("| `event` |")[2].partition("\n\n")[0], re.MULTILINE)
    assert members == sorted(state_schema()["properties"])
    assert sorted(events) == ["begin", "end", "record", "run"]
    assert [word for word in (*Status, *Ending) if f"`{word}`" not in text] == []


def listed() -> list[str]:
    """The files of the project, those that nobody has committed yet, too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    assert {name.partition("/")[0] for name in listed()} == {
        ".ci",
        ".gitignore",
        ".pre-commit-hooks.yaml",
        "CHANGELOG.md",
        "Containerfile",
        "LICENSE",
        "README.md",
        "docs",
        "examples",
        "kmsplan",
        "pyproject.toml",
        "schemas",
        "state",
        "tests",
    }
    assert [name for name in listed() if name.startswith("state/")] == ["state/README.md"]


def test_no_module_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [name for name in listed() if Path(name).stem in vague] == []


def test_no_file_names_a_path_of_one_machine_or_a_registry() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work)/|pypi\.(?:org)|pythonhosted|registry\.npm|deb\.debian")
    found = [
        name
        for name in listed()
        if name != "tests/unit/test_docs.py"
        and (ROOT / name).is_file()
        and pattern.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []
