"""Take the screenshots of docs/pages.md: the wind-farm example, served and looked at with Chromium.

Needs `apt-get install chromium chromium-driver` and `pip install '.[examples,server,browser]'`. From the top:
python docs/screenshots.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

TOP = Path(__file__).parents[1]
IMAGES = TOP / "docs" / "images"
WIDTH = 1200
PAGES = {"models": ("/", 620), "model": ("/models/wind-power", 1180), "request": ("/requests/8", 900)}
STORY = (
    ("ann", "tag", "wind-power", "team=energy", "site=north"),
    ("ann", "describe", "wind-power", "Forecasts the **daily power output** of a wind farm from the weather."),
    ("ann", "register", "wind-power", "--source", "runs:/9f2c41d0/model", "--no-lineage", "--metric", "rmse=571.2",
     "--metric", "mae=401.4", "--metric", "r2=0.944", "--metric", "rmse_of_line=803.2", "--run-id", "9f2c41d0",
     "--data", "windfarm=54476aff", "--digest", "sha256:" + 64 * "5",
     "--description", "A polynomial with the wind's direction"),
    ("ann", "request", "wind-power/4", "Staging", "--comment", "Beats version 2 by 6 %."),
    ("ann", "register", "demand-forecast", "--source", "s3://models/demand/1", "--metric", "mape=4.1"),
    ("ann", "tag", "demand-forecast", "team=markets"),
    ("ann", "register", "anomaly-turbine", "--source", "s3://models/anomaly/1", "--metric", "auc=0.91"),
    ("ann", "tag", "anomaly-turbine", "team=energy"),
)  # fmt: skip


def main() -> None:
    """Make the registry, serve it, and take each picture."""
    with tempfile.TemporaryDirectory() as folder:
        farm = Path(folder) / "farm"
        subprocess.run(
            [sys.executable, TOP / "examples/wind_farm/wind_farm.py", farm], check=True, stdout=subprocess.DEVNULL
        )
        stagedoor = [sys.executable, "-m", "stagedoor.apps.cli.main", "-C", str(farm)]
        for who, *words in STORY:
            subprocess.run([*stagedoor, "--as", f"{who}@example.com", *words], check=True, stdout=subprocess.DEVNULL)
        made = subprocess.run([*stagedoor, "token", "create", "carol@example.com"], capture_output=True, check=True)
        server = subprocess.Popen(
            [*stagedoor, "server", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            first = server.stdout.readline() if server.stdout else ""
            found = re.search(r"http://\S+", first)
            if found is None:
                raise SystemExit("the server did not start")
            take(found[0], made.stdout.decode().strip())
        finally:
            server.terminate()
            server.wait()


def take(url: str, token: str) -> None:
    """Sign in, and take a picture of each page."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for one in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},900"):
        options.add_argument(one)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(f"{url}/sign-in")
        browser.find_element("id", "token").send_keys(token)
        browser.find_element("css selector", "button.main").click()
        IMAGES.mkdir(exist_ok=True)
        for name, (path, height) in PAGES.items():
            size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(url + path)
            browser.save_screenshot(str(IMAGES / f"{name}.png"))
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
