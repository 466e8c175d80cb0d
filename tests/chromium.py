"""Chromium without a window: a report in it, and what can be done there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement


def start(profile: Path) -> webdriver.Chrome:
    """Start a browser; whoever starts it ends it with `quit`."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program is not None, "install chromium with apt-get (tests/run does)"
    assert driver is not None, "install chromium-driver with apt-get (tests/run does)"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",  # its sandbox does not run as root, and these pages are ours
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


@dataclass
class Browser:
    """A browser that shows one file."""

    driver: webdriver.Chrome

    def open(self, path: Path) -> None:
        """Open a file as its reader would, and wait until it is whole."""
        self.driver.get(path.as_uri())
        self.async_js("document.readyState === 'complete' ? done() : addEventListener('load', () => done())")

    def complaints(self) -> list[Any]:
        """What the console has said since the last time."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def async_js(self, script: str) -> Any:
        return self.driver.execute_async_script(f"const done = arguments[0]; {script}")

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> Any:
        """What the keyboard acts on: its tag, and its text."""
        return self.js("const it = document.activeElement; return [it.localName, it.textContent.trim()]")

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of the window that the page sees."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, media: str = "", scheme: str = "light") -> None:
        """Set what the page is shown on, and the reader's wish for light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def scripts(self, *, on: bool) -> None:
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})
