"""The page in the browser: `advcodes explore RUN` shows what an :class:`Explorer` can, and nothing else."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from advcodes.app.explore.explorer import REACH, STEPS, Explorer
from advcodes.core.errors import AdvcodesError
from advcodes.pages.pictures.images import tile

AFFECTS_RESULTS = False
HOST = "127.0.0.1"
SHOWN = 320  #: pixels of the side of a picture that is painted on or looked at alone, at least
WIDE = 960  #: of a row of pictures
FLAT = 2.0  #: times the mean share of variance, below which a first direction is none
TITLES = {
    "samples": "Samples",
    "ask": "Ask",
    "walk": "Walk",
    "between": "Between two pictures",
    "attributes": "Attributes",
    "fill": "Fill in",
}


def explore(run: str | Path, port: int | None = None, browser: bool = False) -> None:
    """Show a page about a run on this machine alone, until Ctrl-C.

    Args:
        run: its id, its directory, or ``--out`` of a training on own images.
        port: of 127.0.0.1; one that is free if None.
        browser: open it there.

    Raises:
        AdvcodesError: no such run, Gradio is not installed, or the port is taken.
    """
    gradio = _gradio()
    with tempfile.TemporaryDirectory(prefix="advcodes-explore-") as folder:
        # Of all pictures; set before the first of them is made, since others are refused later.
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build(Explorer(run), gradio)
        page.launch(server_name=HOST, server_port=_free(port), share=False, quiet=True, inbrowser=browser,
                    prevent_thread_lock=True, footer_links=[])  # fmt: skip
        print(f"{page.local_url} shows {run}; Ctrl-C ends it", flush=True)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)
            print("the page has ended", flush=True)


def _gradio() -> ModuleType:
    # Before the import: else it asks hosts elsewhere for news and reports its use.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gradio
    except ImportError:
        raise AdvcodesError("explore needs the package gradio: pip install 'advcodes[explore]'") from None
    return gradio


def _free(port: int | None) -> int:
    """A port that nobody listens on.

    Raises:
        AdvcodesError: the one that is asked for is taken, or is none.
    """
    if port is not None and not 0 < port < 2**16:
        raise AdvcodesError(f"--port {port}: expected 1 to {2**16 - 1}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            raise AdvcodesError(
                f"--port {port}: cannot be used ({error.strerror}); leave it out, and a free one is taken"
            ) from None
        return probe.getsockname()[1]


def build(explorer: Explorer, gradio: ModuleType) -> Any:
    """The page, a ``gradio.Blocks``: one tab for each part that the explorer can."""
    run = explorer.run
    parts: dict[str, Callable[[Explorer, ModuleType], None]] = {
        "samples": _samples, "ask": _ask, "walk": _walk, "between": _between, "attributes": _attributes, "fill": _fill,
    }  # fmt: skip
    with gradio.Blocks(title=f"advcodes: {run.method.name}", analytics_enabled=False) as page:
        size = "x".join(map(str, run.shape))
        gradio.Markdown(f"## {run.method.name}\n{run.directory} · images {size} · {run._restored.images:,} images seen")
        with gradio.Tabs():
            for part in explorer.can:
                with gradio.Tab(TITLES[part]):
                    parts[part](explorer, gradio)
    return page


def _said(gradio: ModuleType, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose errors the page shows in one line."""

    @functools.wraps(function)
    def told(*args: Any) -> Any:
        try:
            return function(*args)
        except AdvcodesError as error:
            raise gradio.Error(str(error), print_exception=False) from None

    return told


def _grid(images: np.ndarray, columns: int | None = None, scale: int | None = None) -> Image.Image:
    columns = columns or max(1, int(np.ceil(len(images) ** 0.5)))
    return Image.fromarray(tile(images, -(-len(images) // columns), columns, scale))


def _large(image: Image.Image) -> Image.Image:
    """A picture enlarged by a whole factor."""
    factor = max(1, -(-SHOWN // max(image.size)))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _output(gradio: ModuleType, label: str, **how: Any) -> Any:
    gradio.Markdown(label)  # the component's own label would lie over the picture
    return gradio.Image(show_label=False, label=label, format="png", interactive=False,
                        buttons=["download", "fullscreen"], **how)  # fmt: skip


def _input(gradio: ModuleType, label: str, value: Image.Image | None, **how: Any) -> Any:
    return gradio.Image(value and _large(value), label=label, type="pil", format="png", sources=["upload", "clipboard"],
                        height=SHOWN, **how)  # fmt: skip


def _numbers(gradio: ModuleType, n: int) -> list[Any]:
    return [
        gradio.Number(n, label="images", precision=0, minimum=1),
        gradio.Number(0, label="seed", precision=0, minimum=0),
    ]


def _samples(explorer: Explorer, gradio: ModuleType) -> None:
    def draw(n: int, seed: int) -> Image.Image:
        return _grid(explorer.samples(n, seed))

    with gradio.Row():
        inputs = _numbers(gradio, 36)
        another = gradio.Button("Draw others", variant="primary", elem_id="samples-draw")
    picture = _output(gradio, "samples", elem_id="samples-picture", value=draw(36, 0))
    told = _said(gradio, draw)
    another.click(lambda seed: (seed or 0) + 1, inputs[1], inputs[1]).then(told, inputs, picture)
    for field in inputs:
        field.submit(told, inputs, picture)


def _ask(explorer: Explorer, gradio: ModuleType) -> None:
    with gradio.Row():
        if explorer.condition == "text":
            what = gradio.Textbox(label="what the images shall show", elem_id="ask-what")
        else:
            what = gradio.Dropdown(explorer.choices, value=explorer.choices[0], label=str(explorer.condition)[:-1],
                                   elem_id="ask-what")  # fmt: skip
        numbers = _numbers(gradio, 16)
        button = gradio.Button("Show", variant="primary", elem_id="ask-show")
    picture = _output(gradio, "samples", elem_id="ask-picture")

    def show(what: str, n: int, seed: int) -> Image.Image:
        return _grid(explorer.conditional(what, n, seed))

    gradio.on([button.click, (what.submit if explorer.condition == "text" else what.change)], _said(gradio, show),
              [what, *numbers], picture)  # fmt: skip


def _walk(explorer: Explorer, gradio: ModuleType) -> None:
    principal, size = explorer.directions, explorer.codes.shape[1]
    source = "images" if explorer.able("encode") and explorer.data is not None else "samples"
    about = f"Principal directions of the codes of {len(explorer.codes):,} {source}, in standard deviations."
    if size > 1 and float(principal.share[0]) < FLAT / size:
        about += " The codes vary about as much in every direction, so that these are no more than any others."
    gradio.Markdown(about)
    with gradio.Row():
        with gradio.Column(scale=1):
            sliders = [
                gradio.Slider(-REACH, REACH, 0, step=0.1, label=f"direction {k} ({share:.0%} of the variance)",
                              elem_id=f"walk-{k}")
                for k, share in enumerate(principal.share.tolist(), 1)
            ]  # fmt: skip
            start = gradio.Slider(0, len(explorer.codes), 0, step=1, label="from: 0 is the mean, k the k-th code")
            back = gradio.Button("Back to the start", elem_id="walk-back")
        with gradio.Column(scale=1):
            picture = _output(
                gradio, "the image of that code", elem_id="walk-picture",
                value=_walked(explorer, 0, *[0.0] * len(sliders)),
            )  # fmt: skip
    walked = _said(gradio, functools.partial(_walked, explorer))
    for slider in (start, *sliders):
        slider.change(walked, [start, *sliders], picture, trigger_mode="always_last", show_progress="hidden")
    back.click(lambda: [0.0] * len(sliders), None, sliders)
    _output(gradio, f"each direction from {-REACH:g} to {REACH:g}", elem_id="walk-overview",
            value=_grid(explorer.overview(), STEPS))  # fmt: skip


def _walked(explorer: Explorer, start: int, *amounts: float) -> Image.Image:
    return _large(_grid(explorer.walk(amounts, start), 1))


def _between(explorer: Explorer, gradio: ModuleType) -> None:
    ends = [*explorer.examples(2), None, None][:2]
    with gradio.Row():
        pictures = [
            _input(gradio, f"{name} picture", end, elem_id=f"between-{name}")
            for name, end in zip(("first", "last"), ends, strict=True)
        ]
    steps = gradio.Slider(3, 15, STEPS, step=1, label="images between, ends included")
    button = gradio.Button("Go from one to the other", variant="primary", elem_id="between-go")
    picture = _output(gradio, "first picture, images of codes between, last picture", elem_id="between-picture")

    def go(first: Image.Image | None, last: Image.Image | None, steps: int) -> Image.Image:
        images = explorer.between(first, last, steps)
        return _grid(images, len(images), max(1, WIDE // (len(images) * explorer.run.shape[2])))

    gradio.on([button.click, steps.release], _said(gradio, go), [*pictures, steps], picture)


def _attributes(explorer: Explorer, gradio: ModuleType) -> None:
    names = list(explorer.attributes)
    with gradio.Row():
        given = _input(gradio, "picture", next(iter(explorer.examples(1)), None), elem_id="attributes-given")
        with gradio.Column():
            name = gradio.Dropdown(
                names, value=names[0] if names else None, label="attribute", elem_id="attributes-name"
            )
            strength = gradio.Slider(-REACH, REACH, 1, step=0.1, label="added this many times",
                                     elem_id="attributes-strength")  # fmt: skip
            button = gradio.Button("Add", variant="primary", elem_id="attributes-add")
    picture = _output(gradio, "picture, its reconstruction, with the attribute added", elem_id="attributes-picture")

    def add(given: Image.Image | None, name: str, strength: float) -> Image.Image:
        return _grid(explorer.edited(given, name, strength), 3, max(1, -(-SHOWN // (2 * max(explorer.run.shape[1:])))))

    gradio.on([button.click, name.change, strength.change], _said(gradio, add), [given, name, strength], picture,
              trigger_mode="always_last", show_progress="hidden")  # fmt: skip


def _fill(explorer: Explorer, gradio: ModuleType) -> None:
    example = next(iter(explorer.examples(1)), None)
    gradio.Markdown("Paint over what shall be filled in; another picture can be dropped there first.")
    with gradio.Row():
        editor = gradio.ImageEditor(
            example and _large(example), label="picture", type="pil", format="png", sources=["upload", "clipboard"],
            brush=gradio.Brush(default_size=SHOWN // 8, colors=["#ff0000"], color_mode="fixed"), transforms=(),
            layers=False, canvas_size=(SHOWN, SHOWN), elem_id="fill-editor",
        )  # fmt: skip
        with gradio.Column():
            picture = _output(gradio, "what is missing, and what is filled in", elem_id="fill-picture")
    button = gradio.Button("Fill in", variant="primary", elem_id="fill-go")

    def fill(value: dict[str, Any] | None) -> Image.Image:
        given = value or {}
        images = explorer.filled(given.get("background"), given.get("layers"))
        return _grid(images, 2, max(1, -(-SHOWN // (2 * max(explorer.run.shape[1:])))))

    button.click(_said(gradio, fill), editor, picture)
