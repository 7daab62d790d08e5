"""MLflow's own web page on top of a registry of ours, in a real browser.

Heavy: `apt-get install chromium chromium-driver && pip install '.[test,browser]'`, and
`pytest -m heavy tests/apps/mlflow_plugin`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlflow_servers import mlflow_server
from stagedoor.workflows.registering import Wish, alias, transition
from town import ANN, CAROL, Town

pytestmark = pytest.mark.heavy


@pytest.fixture
def page() -> Iterator[Any]:
    """A browser that waits a minute for what it is asked to find."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install '.[browser]'")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for one in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(one)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    made.implicitly_wait(60)
    yield made
    made.quit()


def says(page: Any, words: str) -> None:
    page.find_element("xpath", f'//body[contains(normalize-space(.), "{words}")]')


def test_the_page_shows_a_model_its_versions_alias_and_stage(town: Town, page: Any, tmp_path: Path) -> None:
    town.register("wind-power", description="a line")
    town.register("wind-power", description="a cube")
    transition(town.as_(CAROL), [Wish("wind-power/2", "Production")])
    alias(town.as_(ANN), "wind-power/2", "champion")
    with mlflow_server(tmp_path / "server", registry=f"stagedoor://{town.path}", as_=ANN) as server:
        page.get(f"{server.url}/#/models")
        says(page, "wind-power")
        page.get(f"{server.url}/#/models/wind-power")
        says(page, "Version 2")
        says(page, "champion")
        page.get(f"{server.url}/#/models/wind-power/versions/2")
        says(page, "a cube")
        says(page, "Production")
