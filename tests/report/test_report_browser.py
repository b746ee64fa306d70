"""The page in a real browser: it opens without a complaint, asks nothing of anybody, and all of it is there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cutover.report.page import write_report
from tests.monitor.watch_journals import rolled_back
from tests.timeline.report_runs import success

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.tool(*BROWSERS)
OF_A_PAGE = 101845102  # how the browser marks in its log what a page asked for ("blink_resource_loader"), apart from its own updates


@pytest.fixture(scope="module")
def browser() -> str:
    return next(filter(None, map(shutil.which, BROWSERS)))


def opened(browser: str, page: Path, folder: Path) -> tuple[str, list[str], set[str]]:
    """The page as the browser has built it, what it complained of, and every address that was asked for."""
    log = folder / "net.json"
    argv = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
        "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
        "--enable-logging=stderr", "--window-size=390,844", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    complaints = [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    asked = set(re.findall(rf'"traffic_annotation":{OF_A_PAGE},"url":"(https?:[^"]+)"', log.read_text()))
    return ran.stdout, complaints, asked


def test_the_page_opens_without_a_complaint_and_asks_for_nothing(browser: str, tmp_path: Path) -> None:
    run = success().run(tmp_path)
    rolled_back(look_s=120, hosts=("h1", "h2", "h3")).save(run.path)
    dom, complaints, asked = opened(browser, write_report(run), tmp_path)
    assert complaints == []
    assert asked == set()
    assert "watch: rolled back" in dom
    assert dom.count('<svg class="chart"') == 1 + 6 + 4 + 1  # course of the watch, figures, values, course of the run
    assert dom.rstrip().endswith("</html>")


def test_the_check_would_notice_a_complaint_and_a_request(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    address = "http://elsewhere.invalid/x.png"
    page.write_text(f"<img src={json.dumps(address)}><script>console.error('not well')</script>")
    _, complaints, asked = opened(browser, page, tmp_path)
    assert len(complaints) == 1
    assert "not well" in complaints[0]
    assert asked == {address}
