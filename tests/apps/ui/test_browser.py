"""The pages in a real browser: the main job by two people, the keyboard, a phone, and what a screen reader needs.

Heavy: `apt-get install chromium chromium-driver && pip install '.[test,browser]' && pytest -m heavy tests/apps/ui`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from served import Served
from stagedoor.apps.ui.site import build
from town import ANN, BOB, CAROL

pytestmark = pytest.mark.heavy
Browse = Callable[..., Any]


@pytest.fixture
def browse() -> Iterator[Browse]:
    """A browser of one's own; light or dark, so wide, with or without JavaScript."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install '.[browser]'")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("apt-get install chromium chromium-driver")
    opened: list[Any] = []

    def open_(*, dark: bool = False, width: int = 1280, scripts: bool = True) -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for one in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},1000"):
            options.add_argument(one)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        made.implicitly_wait(20)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        made.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        made.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        if not scripts:
            # the driver itself needs scripts, so ours is what does not load
            made.execute_cdp_cmd("Network.enable", {})
            made.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/page.js*"]})
        opened.append(made)
        return made

    yield open_
    for one in opened:
        one.quit()


def sign_in(page: Any, served: Served, email: str) -> None:
    page.get(f"{served.url}/sign-in")
    page.find_element("id", "token").send_keys(served.token(email))
    press(page, "Sign in")
    page.find_element("css selector", ".me")


def press(page: Any, words: str) -> None:
    """Press the button, or open the menu, that says this."""
    said = f'normalize-space(.)="{words}"'
    page.find_element("xpath", f"//main//button[{said}] | //main//summary[{said}]").click()


def follow(page: Any, words: str) -> None:
    page.find_element("xpath", f'//main//a[normalize-space(.)="{words}"]').click()


def says(page: Any, words: str) -> None:
    page.find_element("xpath", f'//*[contains(normalize-space(.), "{words}")]')


def complaints(page: Any) -> list[str]:
    """What the browser's console says is wrong."""
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_two_people_bring_a_version_into_production(served: Served, browse: Browse, name: str, scripts: bool) -> None:
    served.town.register(name, metrics={"rmse": 412.7})
    served.town.register(name, metrics={"rmse": 398.1})
    ann, carol = browse(scripts=scripts), browse(scripts=scripts)
    sign_in(ann, served, ANN)
    ann.find_element("css selector", "input[type=search]").send_keys(f"{name}\n")
    follow(ann, name)
    follow(ann, "Version 2")
    press(ann, "Change the stage")
    ann.find_element("css selector", 'input[name=stage][value="Production"]').click()
    ann.find_element("id", "why").send_keys("beats version 1")
    press(ann, "Request transition")
    says(ann, "The request is open.")
    says(ann, "It cannot merge yet")

    sign_in(carol, served, CAROL)
    carol.get(f"{served.url}/requests?state=waiting")
    follow(carol, f"Move {name}/2 to Production")
    carol.find_element("id", "body").send_keys("good work")
    press(carol, "Approve")
    says(carol, "Your approval is recorded.")
    press(carol, "Merge")
    says(carol, "The request is merged.")
    carol.get(f"{served.url}/models/{name.replace(' ', '%20')}/versions/2")
    says(carol, "good work")
    assert carol.find_element("css selector", ".facts .pill").text == "Production"
    if scripts:
        assert complaints(ann) == complaints(carol) == []


def test_axe_finds_no_serious_fault_in_light_and_dark(served: Served, browse: Browse, name: str) -> None:
    axe = pytest.importorskip("axe_selenium_python", reason="pip install '.[browser]'")
    town = served.town
    for value in (412.7, 398.1, 401.0):
        town.register(name, metrics={"rmse": value}, params={"alpha": "1"}, description="A *table*\n\n# Heading")
    from stagedoor.workflows import comments, registering
    from stagedoor.workflows.registering import Wish
    from stagedoor.workflows.writing import Lane

    registering.tag(town.as_(ANN), name, {"team": "energy"})
    registering.transition(town.as_(BOB), [Wish(f"{name}/1", "Staging")])
    registering.transition(town.as_(CAROL), [Wish(f"{name}/2", "Production")])
    comments.add(town.as_(ANN), f"{name}/3", "a comment")
    asked = registering.transition(town.as_(ANN), [Wish(f"{name}/3", "Production")], lane=Lane(propose=True)).request
    assert asked is not None
    where = f"/models/{name.replace(' ', '%20')}"
    pages = ("/", "/new", where, f"{where}/versions/3", f"{where}/compare?v=1&v=2", "/requests",
             f"/requests/{asked.number}", "/activity", "/deliveries", "/policy", "/models/nobody")  # fmt: skip
    for dark in (False, True):
        page = browse(dark=dark)
        page.get(f"{served.url}/sign-in")
        found = {"/sign-in": serious(axe.Axe(page))}
        sign_in(page, served, CAROL)
        for path in pages:
            page.get(served.url + path)
            page.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
            found[path] = serious(axe.Axe(page))
        assert {path: faults for path, faults in found.items() if faults} == {}, f"dark: {dark}"


def serious(axe: Any) -> list[str]:
    """The faults that keep somebody out, each with the first element that has it."""
    axe.inject()
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]} {fault['nodes'][0].get('failureSummary', '')[:300]}"
        for fault in axe.run()["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def test_no_page_is_wider_than_a_phone(served: Served, browse: Browse, name: str) -> None:
    served.town.register(name, metrics={"rmse": 1.0}, source="s3://" + "x" * 200)
    served.town.register(name, metrics={"rmse": 2.0})
    page = browse(width=390)
    sign_in(page, served, CAROL)
    where = f"/models/{name.replace(' ', '%20')}"
    for path in ("/", where, f"{where}/versions/1", f"{where}/compare?v=1&v=2", "/requests", "/activity", "/policy"):
        page.get(served.url + path)
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390, path


def test_the_keyboard_opens_and_closes_what_the_mouse_does(served: Served, browse: Browse, name: str) -> None:
    from selenium.webdriver.common.keys import Keys

    served.town.register(name)
    page = browse()
    sign_in(page, served, CAROL)
    page.get(f"{served.url}/models/{name.replace(' ', '%20')}/versions/1")
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the page"
    menu = page.find_element("css selector", "details.menu summary")
    menu.send_keys(Keys.ENTER)
    assert page.find_element("css selector", "details.menu").get_attribute("open") == "true"
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.find_element("css selector", "details.menu").get_attribute("open") is None
    page.get(served.url)
    page.find_element("tag name", "body").send_keys("/")
    assert page.switch_to.active_element.get_attribute("name") == "q"


def test_a_name_full_of_html_runs_nothing(served: Served, browse: Browse) -> None:
    evil = "\"><img src=x onerror=\"evil='yes'\"><script>evil='yes'<"
    served.town.register(evil, description="<script>window.evil='yes'</script>")
    page = browse()
    sign_in(page, served, ANN)
    page.get(f"{served.url}/?q=evil")
    page.find_element("css selector", "#rows td.name a").click()
    says(page, "Who may do what")
    assert page.execute_script("return window.evil") is None
    assert page.find_element("tag name", "h1").text == evil


def test_the_static_site_opens_as_a_file_and_is_searched(
    served: Served, browse: Browse, name: str, tmp_path: Path
) -> None:
    served.town.register(name)
    served.town.register(f"{name} other")
    build(served.town.as_(CAROL), tmp_path / "site")
    page = browse()
    page.get((tmp_path / "site/index.html").as_uri())
    page.find_element("id", "site-search").send_keys(f"{name} other")
    says(page, "1 model")
    follow(page, f"{name} other")
    follow(page, "Version 1")
    says(page, "Where it has been")
    assert complaints(page) == []
