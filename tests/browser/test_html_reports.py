"""HTML reports in a real browser: on a screen, a phone and paper, with the keyboard alone, and with hostile text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.keys import Keys

from kmsplan.report.escape import escape
from kmsplan.report.form import RENDERERS, Subject
from kmsplan.report.scene import Scene
from tests.browser.specimen import EVIL, VALUES, Specimen, many, specimen

if TYPE_CHECKING:
    from tests.browser.conftest import Reader

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
"""From tests/node/package-lock.json; tests/run installs it."""
SUBJECTS = sorted(VALUES)
EVERY = pytest.mark.parametrize("subject", SUBJECTS)
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
CONTRAST = """
const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
const behind = (it) => {
  for (; it; it = it.parentElement) {
    const [red, green, blue, alpha = 1] = parts(getComputedStyle(it).backgroundColor);
    if (alpha === 1) return [red, green, blue];
    if (alpha !== 0) throw new Error("half-transparent: " + it.outerHTML.slice(0, 80));
  }
  throw new Error("nothing behind");
};
const bad = [], seen = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (const elements = []; walker.nextNode();) {
  const it = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || seen.has(it) || !it.checkVisibility() || it.matches("script, style")) continue;
  seen.add(it);
  if (it.matches(":disabled")) continue;
  const [one, other] = [light(parts(getComputedStyle(it).color)), light(behind(it))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) bad.push([it.localName, it.className, it.textContent.slice(0, 40), ratio]);
}
return [seen.size, bad];
"""
ROWS = """
const told = new DOMParser().parseFromString(arguments[0], "text/html");
const rows = (page) => [...page.querySelectorAll("tbody tr")].map((row) => row.outerHTML.replaceAll("\\n", ""));
return [rows(told), rows(document)];
"""


def visible_rows(browser: Reader) -> list[str]:
    """The first cells of the first table."""
    rows: list[str] = browser.js(
        "return [...document.querySelector('tbody').rows].map("
        "(row) => (row.querySelector('summary') || row.cells[0]).textContent)"
    )
    return rows


def go_to(browser: Reader, *wanted: str) -> None:
    """Press Tab until it is reached."""
    for _ in range(40):
        if browser.focused() == list(wanted):
            return
        browser.press(Keys.TAB)
    raise AssertionError(f"the keyboard does not reach {wanted}")


def announced(browser: Reader) -> str:
    return str(browser.js("return document.querySelector('output').value"))


def large(number: int) -> Specimen:
    return Specimen(Subject.PLAN, many(number), Scene())


def test_every_subject_that_has_a_page_is_opened_here() -> None:
    assert {subject for subject, forms in RENDERERS.items() if "html" in forms} == set(SUBJECTS)


@EVERY
@pytest.mark.parametrize("evil", ["", EVIL], ids=["plain", "hostile"])
def test_a_report_opens_without_a_complaint_and_asks_nobody_for_anything(
    browser: Reader, subject: Subject, evil: str
) -> None:
    browser.show(specimen(subject, evil))
    assert browser.complaints() == []
    assert browser.js("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert announced(browser).endswith("shown")


@EVERY
def test_text_of_others_stays_text(browser: Reader, subject: Subject) -> None:
    browser.show(specimen(subject, EVIL))
    browser.js(UNFOLD)
    browser.js(
        "document.querySelectorAll('input').forEach("
        "(one) => { one.value = arguments[0]; one.dispatchEvent(new Event('input')); })",
        EVIL.split()[0],
    )
    assert browser.js("return window.pwned") is None
    strange = "img, iframe, object, embed, link, base, form, [onload], [onerror], [style], [src], svg > :not(rect)"
    assert browser.js("return document.querySelectorAll(arguments[0]).length", strange) == 0
    plain = specimen(subject)
    shown = browser.js("return [document.scripts.length, document.documentElement.textContent]")
    browser.show(plain)
    assert shown[0] == browser.js("return document.scripts.length")
    assert escape(EVIL) in shown[1]
    assert "\u202e" not in shown[1]


@EVERY
@pytest.mark.parametrize("evil", ["", EVIL], ids=["plain", "hostile"])
def test_the_script_shows_the_rows_that_stood_there_before_it(browser: Reader, subject: Subject, evil: str) -> None:
    browser.show(specimen(subject, evil))
    told, shown = browser.js(ROWS, browser.source)
    assert len(told) > 3
    assert shown == told


def test_typing_filters_by_every_word_and_says_how_much_is_left(browser: Reader) -> None:
    browser.show(specimen(Subject.PLAN))
    search = browser.one("input")
    search.send_keys("KEY.")
    assert announced(browser) == "5 of 6 shown"
    search.send_keys(" disable")
    assert visible_rows(browser) == ["key.off"]
    search.send_keys(" nothing-like-it")
    assert (visible_rows(browser), announced(browser)) == ([], "0 of 6 shown")
    search.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    assert announced(browser) == "6 of 6 shown"


def test_chips_choose_among_actions_and_among_kinds(browser: Reader) -> None:
    browser.show(specimen(Subject.PLAN))
    for value in ("update", "disable"):
        browser.one(f"button[data-value={value}]").click()
    assert visible_rows(browser) == ["key.off", "alias.moved", "key.tagged"]
    browser.one("button[data-value=alias]").click()
    assert visible_rows(browser) == ["alias.moved"]
    assert browser.one("button[data-value=alias]").get_attribute("aria-pressed") == "true"
    browser.one("button[data-value=alias]").click()
    assert len(visible_rows(browser)) == 3


def test_a_column_sorts_up_and_then_down_with_numbers_as_numbers(browser: Reader) -> None:
    browser.show(large(30))
    head = browser.one("th button")
    head.click()
    first = visible_rows(browser)
    assert (first[0], browser.one("th").get_attribute("aria-sort")) == ("key.tenant-000000", "ascending")
    head.click()
    assert visible_rows(browser) == first[::-1]
    assert browser.one("th").get_attribute("aria-sort") == "descending"


def test_everything_is_reached_and_used_with_the_keyboard_alone(browser: Reader) -> None:
    browser.show(specimen(Subject.PLAN))
    browser.press(Keys.TAB)
    assert browser.focused() == ["a", "Skip to the report"]
    assert browser.js("return document.activeElement.getBoundingClientRect().left >= 0")
    browser.press(Keys.ENTER, Keys.TAB)
    assert browser.focused()[0] == "input"
    browser.press("key.", Keys.TAB)
    assert browser.focused() == ["button", "schedule deletion 1"]
    assert browser.js("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(Keys.SPACE)
    assert visible_rows(browser) == ["key.gone"]
    go_to(browser, "button", "Object")
    browser.press(Keys.ENTER)
    assert browser.one("th").get_attribute("aria-sort") == "ascending"
    go_to(browser, "summary", "key.gone")
    browser.press(Keys.ENTER)
    assert browser.js("return document.activeElement.parentElement.open")
    assert "will be scheduled for deletion" in browser.one("details[open] pre").text


def test_pages_turn_with_the_keyboard_and_a_filter_finds_what_is_on_a_later_one(browser: Reader) -> None:
    browser.show(large(250))
    assert (len(visible_rows(browser)), browser.one(".pager span").text) == (100, "Rows 1 to 100 of 250")
    following = browser.one("[data-step='1']")
    following.send_keys(Keys.ENTER)
    following.send_keys(Keys.ENTER)
    assert (len(visible_rows(browser)), browser.one(".pager span").text) == (50, "Rows 201 to 250 of 250")
    assert browser.focused() == ["button", "Previous"]
    browser.one("input").send_keys("tenant-000249")
    assert visible_rows(browser) == ["key.tenant-000249"]
    assert not browser.one(".pager").is_displayed()


def test_an_object_of_the_graph_leads_to_its_row(browser: Reader) -> None:
    browser.show(specimen(Subject.PLAN))
    browser.one(".tree [data-find='key.off']").send_keys(Keys.ENTER)
    assert visible_rows(browser) == ["key.off"]
    assert browser.js("return document.querySelector('tbody details').open")
    assert browser.focused()[0] == "input"


@EVERY
@pytest.mark.parametrize("evil", ["", EVIL], ids=["plain", "hostile"])
def test_nothing_is_wider_than_the_window_whatever_people_write(browser: Reader, subject: Subject, evil: str) -> None:
    browser.show(specimen(subject, evil))
    browser.js(UNFOLD)
    for width in (1280, 1120, 360):
        browser.size(width)
        assert browser.js("const it = document.scrollingElement; return it.scrollWidth - it.clientWidth") <= 0, width


@EVERY
def test_text_stands_out_from_what_is_behind_it_in_the_light_and_in_the_dark(browser: Reader, subject: Subject) -> None:
    browser.show(specimen(subject))
    browser.js(f"{UNFOLD} document.querySelector('fieldset button')?.click()")
    behind = set[str]()
    for scheme in ("light", "dark"):
        browser.media(scheme=scheme)
        seen, bad = browser.js(CONTRAST)
        assert seen > 30
        assert bad == []
        behind.add(browser.js("return getComputedStyle(document.body).backgroundColor"))
    assert behind == {"rgb(255, 255, 255)", "rgb(13, 17, 23)"}


@EVERY
def test_a_judge_of_accessibility_has_nothing_to_say(browser: Reader, subject: Subject) -> None:
    browser.show(specimen(subject))
    browser.js(f"{UNFOLD} {AXE.read_text()}")
    for width in (1280, 360):
        browser.size(width)
        # Contrast, its slowest rule, has a test of its own.
        passed, violated = browser.async_js(
            "axe.run({rules: {'color-contrast': {enabled: false}}}).then("
            "(said) => done([said.passes.length, said.violations.map("
            "(it) => [it.id, it.nodes.map((one) => one.html)])]),"
            "(error) => done([0, String(error)]))"
        )
        assert violated == []
        assert passed > 20


@EVERY
def test_on_paper_nothing_is_folded_away(browser: Reader, subject: Subject) -> None:
    browser.show(specimen(subject))
    browser.media("print")
    hidden: list[Any] = browser.js(
        "return [...document.querySelectorAll('details pre, tbody td, section, dd, .notices li')]"
        ".filter((one) => !one.checkVisibility({contentVisibilityAuto: true}) || !one.getClientRects().length)"
        ".map((one) => one.outerHTML)"
    )
    assert hidden == []
    assert not browser.one(".controls").is_displayed()


def test_a_long_table_is_printed_whole_and_shown_in_pages_again(browser: Reader) -> None:
    browser.show(large(250))
    browser.js("dispatchEvent(new Event('beforeprint'))")
    assert (len(visible_rows(browser)), browser.js("return document.querySelectorAll('details[open]').length")) == (
        250,
        250,
    )
    browser.js("dispatchEvent(new Event('afterprint'))")
    assert len(visible_rows(browser)) == 100


def test_paper_says_what_is_not_on_it(browser: Reader) -> None:
    browser.show(large(1100))
    browser.js("dispatchEvent(new Event('beforeprint'))")
    assert browser.one(".paper").text == "1,000 of 1,100 rows: those of the filter, 1,000 at most."


def test_without_its_script_a_report_still_tells_what_matters(browser: Reader) -> None:
    browser.scripts(on=False)
    browser.show(large(250))
    assert not browser.one(".controls").is_displayed()
    assert "The first 100 of 250 rows" in browser.one("noscript").text
    assert "key.tenant-000000" in browser.one("tbody tr").text


@EVERY
def test_a_reader_of_the_screen_finds_its_way(browser: Reader, subject: Subject) -> None:
    browser.show(specimen(subject))
    assert browser.js("return document.documentElement.lang") == "en"
    assert browser.driver.title.startswith("kmsplan: ")
    levels: list[str] = browser.js("return [...document.querySelectorAll('h1, h2, h3')].map((one) => one.localName)")
    assert (levels[0], levels.count("h1"), levels[1]) == ("h1", 1, "h2")
    assert browser.js("return [...document.querySelectorAll('input')].filter((one) => !one.labels.length).length") == 0
    assert (
        browser.js("return [...document.querySelectorAll('button')].filter((one) => !one.textContent.trim()).length")
        == 0
    )
    targets: list[str] = browser.js("return [...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
    assert [one for one in targets if not browser.js("return document.getElementById(arguments[0])", one[1:])] == []
