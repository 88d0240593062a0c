"""The site: links lead to where files stand, results are shown as a reader wants them, README's picture is today's."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advcodes.app.site import composite, links, results, sources

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("README.md", "index.md"),
        ("docs/papers/acl.md", "papers/acl.md"),
        ("reports/demo/acl/table1.md", "reports/demo/acl/table1.md"),
        ("reports/demo", "gallery-demo.md"),
        ("src/advcodes/metrics", "source/src/advcodes/metrics/index.md"),
        ("params.yaml", "source/params.yaml.md"),
    ],
)
def test_every_file_has_a_place(path: str, address: str):
    assert links.place(path, ROOT) == address


def test_links_are_those_of_the_site_but_in_code_and_to_other_sites():
    page = "[a](../../params.yaml#scale) [b](https://x.org) [c](#here) ![d](../assets/graph.svg)"
    page += "\n```\n[e](../speed.md)\n```"
    moved = links.relinked(page, "docs/papers/acl.md", "papers/acl.md", ROOT)
    assert moved.splitlines()[0] == (
        "[a](../source/params.yaml.md#scale) [b](https://x.org) [c](#here) ![d](../assets/graph.svg)"
    )
    assert moved.splitlines()[2] == "[e](../speed.md)"
    assert list(links.targets(page, "docs/papers/acl.md")) == ["params.yaml", "docs/assets/graph.svg"]


def test_a_page_of_an_item_warns_first_and_folds_its_protocol():
    page = (ROOT / "reports/demo/acl/table1.md").read_text()
    claims = [c for c in results.claims_of(ROOT, "demo") if c["item"] == "acl/table1"]
    shown = results.item_page(page, claims, "../../../", "demo")
    order = [
        "# GANs with",
        "Shown: numbers",
        '!!! warning "Read this first"',
        "**Not comparable",
        "claims of the paper",
        "| Model |",
        "??? info",
    ]
    places = [shown.index(words) for words in order]
    assert places == sorted(places)
    assert shown.index("**Training**") > places[-1], "what is no warning is folded"
    assert all(line in shown for line in page.splitlines() if line.startswith("|")), "numbers are as they were"


def test_verdicts_are_coloured_and_keep_their_words():
    assert results.coloured("| **does not hold** on digits |") == (
        '| <span class="verdict fails">does not hold</span> on digits |'
    )
    assert results.coloured("**holds**: the claimed row") == "**holds**: the claimed row"


def test_a_gallery_has_every_item_in_the_order_of_numbers():
    names = [path.stem for path in results.items(ROOT, "demo", "aaae")]
    assert names.index("fig9") < names.index("fig10") < names.index("table1")
    page = results.gallery(ROOT, "demo", {"acl": "ACL's title"})
    assert "## ACL's title\n" in page
    for path in results.items(ROOT, "demo"):
        assert f'href="reports/demo/{path.parent.name}/{path.stem}.html"' in page


def test_thumbnails_are_small():
    with Image.open(io.BytesIO(results.thumbnail(ROOT / "reports/demo/aaae/table1.png"))) as picture:
        assert picture.width <= 720 and picture.height <= 540


def test_files_and_directories_have_pages():
    assert sources.page(ROOT / "Snakefile", "Snakefile").startswith("# Snakefile\n\n````python\n")
    listed = sources.page(ROOT / "src/advcodes/metrics/samples", "src/advcodes/metrics/samples")
    assert "| `energy_distance.py` | The energy distance of points, in place of an extractor's features. |" in listed
    assert "::: advcodes.acl" in sources.reference("python")


def test_the_wide_picture_is_that_of_the_reports_and_small():
    assert (ROOT / composite.PICTURE).stat().st_size <= composite.LIMIT
    with Image.open(ROOT / composite.PICTURE) as picture:
        there = np.asarray(picture.convert("RGB"), dtype=float)
    made = np.asarray(composite.composite(ROOT / "reports"), dtype=float)
    assert there.shape == made.shape
    assert np.abs(there - made).mean() < 6, "run `python -m advcodes.app.site.composite` and commit the picture"


@pytest.mark.parametrize("grid", composite.GRIDS, ids=lambda grid: grid.title)
def test_blocks_begin_and_end_where_images_do(grid: composite.Grid):
    x, y = grid.corner(ROOT / "reports")
    with Image.open(ROOT / f"reports/{grid.report}.png") as opened:
        picture = np.asarray(opened.convert("L"), dtype=int)
    end = grid.across * (grid.side + composite.GAP) - composite.GAP
    block = picture[y : y + end, x : x + end]
    for i in range(grid.side, end, grid.side + composite.GAP):
        assert (block[:, i : i + 2] > 250).all() and (block[i : i + 2] > 250).all(), "white between images"
    outside = [picture[y - 1, x : x + end], picture[y : y + end, x - 1]]
    assert all((edge > 250).all() for edge in outside)
