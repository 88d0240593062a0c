"""An item's page: what one sees and what it says, warnings, table or picture, and the protocol, folded."""

from __future__ import annotations

from typing import Any

from pages_fakes import item, requested, run

from advcodes.pages import layout
from advcodes.pages.content import frame

NOTES = ["**Training**: long.", "**Stand-ins**: digits.", "**Metric**: one.", "**Not run** at this scale: CelebA."]


def content(tmp_path: Any, values: dict[str, tuple[float, ...]], **changes: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for variant, each in values.items():
        for seed, fd in enumerate(each):
            inputs |= run(tmp_path, f"demo/digits/{variant}/seed{seed}", fd)
    return requested(tmp_path, item(**changes), inputs, columns={"cifar10": "digits", "celeba": None}).frame()


def test_the_order_of_a_page(tmp_path):
    page = layout.page(content(tmp_path, {"gan": (2.0, 2.2), "acl_gan": (1.0, 1.2)}), ["| a table |", "words"], NOTES)
    order = ["# FID of GANs", "Shown: numbers", "- **Stand-ins**", "- **Not run**", "| a table |", "words", "<details>"]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert page.endswith(f"<summary>{layout.PROTOCOL}</summary>\n\n- {NOTES[0]}\n- {NOTES[2]}\n\n</details>\n")


def test_two_sentences_say_what_one_sees_and_which_row_is_best(tmp_path):
    said = layout.said(content(tmp_path, {"gan": (2.0, 2.2), "acl_gan": (1.0, 1.2)}))
    assert said == (
        "Shown: numbers over seeds, and samples. Best mean of ours: ACL-GAN on digits, `fd_classifier` 1.10 ± 0.14 "
        "(2 seeds; in the paper, too)."
    )
    other = layout.said(content(tmp_path / "other", {"gan": (0.5,), "acl_gan": (1.0,)}))
    assert other.endswith("GAN on digits, `fd_classifier` 0.500 (1 seed; the paper's is ACL-GAN).")


def test_one_row_is_the_best_of_none(tmp_path):
    said = layout.said(content(tmp_path, {"acl_gan": (1.0, 1.2)}))
    assert said.endswith("samples. Ours: ACL-GAN on digits, `fd_classifier` 1.10 ± 0.14 (2 seeds).")


def test_nothing_ran():
    empty = frame(item(), "demo", ["gan"], {"cifar10": None, "celeba": None}, [], {})
    assert layout.said(empty) == "Shown: numbers over seeds, and samples. Nothing was run at this scale."


def test_of_many_columns_the_first_are_named():
    best = [{"row": "gan", "rows": 2, "metric": f"m{i}", "mean": 1.0, "sd": None, "seeds": 1, "paper": None}
            for i in range(6)]  # fmt: skip
    column = {"metric": "m0", "served_by": "digits", "best": best}
    shown = {"kind": "table", "columns": {"cifar10": column}, "rows": {"gan": {"label": "GAN"}}}
    assert layout.said(shown).endswith("GAN on digits, `m3` 1.00 (1 seed); and 2 more.")
