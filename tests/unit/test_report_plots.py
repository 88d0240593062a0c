"""The page of `dvc plots show` draws without the network, by scripts that are installed anyway."""

from __future__ import annotations

import configparser
import json
import re
import sys
from pathlib import Path

from advcodes.pages.pictures.drawing import COLORS

TEMPLATE = Path("pipeline/report/plots.html")


def test_dvc_is_told_of_the_template():
    config = configparser.ConfigParser()
    config.read(".dvc/config")
    assert Path(".dvc", config["plots"]["html_template"]).resolve() == TEMPLATE.resolve()


def test_vega_is_the_one_that_comes_with_snakemake():
    scripts = re.findall(r'<script src="\.\./\.venv/(\S+)"', TEMPLATE.read_text())
    assert [Path(script).name for script in scripts] == ["vega.js", "vega-lite.js", "vega-embed.js"]
    for script in scripts:
        assert Path(sys.prefix, script).is_file(), f"{script}: no longer in Snakemake; see pipeline/report/plots.html"


def test_without_it_the_page_asks_where_dvc_would():
    """The same files of the same versions, and asked for only where a script above has not come."""
    from dvc_render.vega import VegaRenderer

    page = TEMPLATE.read_text()
    theirs = re.findall(r"npm/([\w.@-]+)", VegaRenderer.SCRIPTS)
    assert theirs == re.findall(r'"([\w-]+@[\d.]+)"', page)
    assert "{scripts}" not in page and "{plot_divs}" in page


def test_its_colours_are_those_of_all_pictures():
    for name in ("curves", "losses"):
        template = json.loads(TEMPLATE.with_name(f"{name}.json").read_text())
        assert template["spec"]["encoding"]["color"]["scale"]["range"] == list(COLORS)
