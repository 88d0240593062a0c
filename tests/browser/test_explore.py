"""`advcodes explore` in a real browser: Debian's Chromium, without a window, driven as a user would.

Screenshots go to the folder that ``SCREENSHOTS`` names, if it names one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from conftest import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 90_000  #: milliseconds; of a machine that has much else to do
SMALL = ["--set=architectures.infogan.width=4", "--set=architectures.infogan.features=8",
         "--set=training.batch_size=16", "--set=training.snapshots=1", "--set=sampling.batch_size=64",
         "--set=sampling.reestimate_batches=1", "--set=variants.acl_ae.optimiser.lr=0.01"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # root needs it
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder of images in two classes, made by the command line."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    for i in range(40):
        place = folder / "photos" / ("light", "dark")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 120, (12, 16, 3)) + (130 if i % 2 else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i:02d}.png")
    command = ["train", "--data", "photos", "--method", "acl_ae", "--size", "8", "--out", "run", "--images", "960"]
    subprocess.run([sys.executable, "-m", "advcodes", *command, *SMALL], cwd=folder, check=True, env=environment())
    return folder


@pytest.fixture(scope="module")
def pipeline(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs where the pipeline has them, data/runs/demo/digits/<variant>/seed0."""
    import torch

    from advcodes.training.train import train
    from conftest import run_config

    folder = tmp_path_factory.mktemp("project")
    (folder / "data/prepared").mkdir(parents=True)
    (folder / "data/prepared/digits").symlink_to(prepared / "digits")
    for method, more in (("ali", {"method__masked": True}), ("lpaae_supervised", {})):
        config = run_config(method, budget__images=64, **more)
        train(config, prepared / "digits", folder / f"data/runs/demo/digits/{method}/seed0", torch.device("cpu"))
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def opened(run: str, folder: Path, browser: Browser) -> Iterator[Page]:
    """The page of a run; nothing may be asked of other hosts, and nothing may go wrong in the browser."""
    server = subprocess.Popen(
        [sys.executable, "-m", "advcodes", "explore", run], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # Where tests run in the background of a shell, Ctrl-C is ignored, and so by what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert server.stdout is not None
    said = server.stdout.readline()
    assert said.startswith("http://127.0.0.1:"), said + server.stdout.read()
    url = said.split()[0]
    page = browser.new_page(viewport={"width": 1000, "height": 1000})
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(url)
        expect(page.get_by_role("tab").first).to_be_visible(timeout=PATIENCE)
        yield page
        elsewhere = [u for u in asked if not u.startswith((url, url.replace("http", "ws"), "data:", "blob:"))]
        assert not elsewhere and not wrong, (elsewhere, wrong)
    finally:
        page.close()
        server.send_signal(signal.SIGINT)
        rest = server.communicate(timeout=60)[0]
    assert "Traceback" not in rest, rest


def tabs(page: Page) -> list[str]:
    return page.get_by_role("tab").all_inner_texts()


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def picture(page: Page, part: str) -> Locator:
    return page.locator(f"#{part}-picture img")


def changes(page: Page, part: str, act: Any) -> None:
    """Do something, and see another picture for it, one that has really been loaded."""
    image = picture(page, part)
    before = image.get_attribute("src") if image.count() else None
    act()
    shown = image if before is None else page.locator(f'#{part}-picture img:not([src="{before}"])')
    expect(shown).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("e => e.complete && e.naturalWidth > 0", arg=shown.element_handle(), timeout=PATIENCE)


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_run_of_the_pipeline(browser: Browser, pipeline: Path):
    with opened("demo/digits/ali/seed0", pipeline, browser) as page:
        assert tabs(page) == ["Samples", "Walk", "Between two pictures", "Attributes", "Fill in"]
        changes(page, "samples", lambda: page.locator("#samples-draw").click())

        tab(page, "Fill in")
        canvas = page.locator("#fill-editor canvas").first
        expect(canvas).to_be_visible(timeout=PATIENCE)
        page.locator("#fill-go").click()
        expect(page.get_by_text("nothing is painted yet")).to_be_visible(timeout=PATIENCE)
        box = canvas.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 30, y - 30)
        page.mouse.down()
        page.mouse.move(x + 30, y + 30, steps=8)
        page.mouse.up()
        changes(page, "fill", lambda: page.locator("#fill-go").click())
        screenshot(page, "fill")


def test_a_run_on_own_images(browser: Browser, own: Path):
    with opened("run", own, browser) as page:
        assert tabs(page) == ["Samples", "Walk", "Between two pictures", "Attributes"]
        tab(page, "Walk")
        slider = page.locator("#walk-1 input[type=number]")
        changes(page, "walk", lambda: (slider.fill("3"), slider.press("Enter")))
        screenshot(page, "walk")
        changes(page, "walk", lambda: page.locator("#walk-back").click())

        tab(page, "Between two pictures")
        for name in ("first", "last"):
            mine = sorted((own / "photos").rglob("*.png"))[0 if name == "first" else -1]
            field = page.locator(f"#between-{name}")
            before = field.locator("img").get_attribute("src") if field.locator("img").count() else None
            field.locator("input[type=file]").first.set_input_files(mine)
            expect(field.locator(f'img:not([src="{before}"])')).to_be_visible(timeout=PATIENCE)
        changes(page, "between", lambda: page.locator("#between-go").click())
        screenshot(page, "between")

        tab(page, "Attributes")
        changes(page, "attributes", lambda: page.locator("#attributes-add").click())
        strength = page.locator("#attributes-strength input[type=number]")
        changes(page, "attributes", lambda: (strength.fill("3"), strength.press("Enter")))
        screenshot(page, "attributes")


def test_a_run_that_is_asked_for_labels(browser: Browser, pipeline: Path):
    with opened("demo/digits/lpaae_supervised/seed0", pipeline, browser) as page:
        assert tabs(page) == ["Samples", "Ask", "Walk", "Between two pictures", "Attributes"]
        tab(page, "Ask")
        changes(page, "ask", lambda: page.locator("#ask-show").click())
        screenshot(page, "ask")
