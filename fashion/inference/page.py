"""The page of `fashion demo`: a picture of your own, what a network is given of it, its answer, and where it looks."""

import base64
import html
import io
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torchvision.datasets import FashionMNIST

from fashion.data import CLASSES, load_data
from fashion.inference.attribution import EDGE, occlusion
from fashion.inference.classifier import Classifier, Prediction, ask, load_classifier, open_and_prepare
from fashion.inference.pictures import SIZE, displayable, read_picture, shown, to_tensor
from fashion.settings import SHIPPED, FashionError, data_directory

DRAWINGS = Path(__file__).parent / "examples"
FALLS, RISES = "#D55E00", "#0072B2"
_LEAST = 0.01  # of a probability, which the strongest colours stand for at least: below it there is nothing to see
_LARGEST = 640  # pixels of the longer edge of the picture that is shown

_CANVAS = (320, 320)
_TAKE_THE_BRUSH = "() => setTimeout(() => document.querySelector('#drawing [aria-label=Brush]').click(), 300)"

INTRODUCTION = f"""
# Which garment is it?

A photo or a drawing of **one garment on a plain background**, and what a network trained on Fashion-MNIST makes of it.
Its answer is **one of ten garments; there is no “none of these”**: shown a cat, it names a garment, too.
The ten: {", ".join(CLASSES)}. Everything stays on this computer.
"""
WAITING = '<p class="waiting">Drop a photo, take one, draw, or click an example: the answer appears here.</p>'
CSS = """
.pictures {display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px; margin: 20px 0 12px}
.pictures figure {margin: 0}
.pictures .frame {aspect-ratio: 1; display: flex; border: 1px solid var(--border-color-primary); border-radius: 6px;
    overflow: hidden; background: white}
.pictures img {width: 100%; height: 100%; object-fit: contain; margin: 0}
img.pixels, #examples img {image-rendering: pixelated}
.pictures figcaption {font-size: 13px; line-height: 1.4; margin-top: 6px}
.scale {height: 10px; border-radius: 3px; margin-top: 8px; background: linear-gradient(90deg, RISES, #888, FALLS)}
.ends {display: flex; justify-content: space-between; font-size: 12px}
.bars {display: grid; grid-template-columns: max-content 1fr 4em; gap: 3px 10px; align-items: center; font-size: 14px}
.bars i {height: 14px; min-width: 1px; border-radius: 2px; background: #0072B2}
.bars b {font-weight: normal; text-align: right; font-variant-numeric: tabular-nums}
.answer h2 {margin: 0 0 10px}
.answer p {font-size: 13px; line-height: 1.45; margin: 0}
#examples .grid-container {grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px}
#examples .grid-wrap {overflow: hidden}
#examples .caption-label {font-size: 10px; line-height: 1.3; padding: 0 4px; inset: auto 0 0 auto; max-width: 100%}
.fault, .waiting {padding: 14px; border-radius: 6px; border: 1px solid var(--border-color-primary)}
.fault {border-color: #D55E00}
""".replace("FALLS", FALLS).replace("RISES", RISES)


class Answer(NamedTuple):
    """What the page shows of a picture.

    Attributes:
        picture: as it was.
        prepared: what the network is given of it, grey, 28 x 28 pixels.
        prediction: what the network makes of it.
        drops: how much less likely its class is where a pixel is covered, shape (28, 28).
    """

    picture: Image.Image
    prepared: Image.Image
    prediction: Prediction
    drops: np.ndarray


def networks() -> dict[str, Classifier]:
    """Load every network that is shipped, by the title that its record gives it; the one `predict` asks is first."""
    paths = sorted(SHIPPED.parent.glob("*.safetensors"), key=lambda path: (path != SHIPPED, path.name))
    return {f"{each.record.experiment.name}, {each.accuracy:.2f}%": each for each in map(load_classifier, paths)}


def examples() -> list[tuple[Image.Image, str]]:
    """Return pictures to click on with their names: the first test images of six classes, and three drawings.

    The page downloads nothing: where the dataset is not here already, there are only the drawings.
    """
    raw = data_directory() / "FashionMNIST" / "raw"
    test = load_data()[1] if all((raw / name).is_file() for name, _ in FashionMNIST.resources) else ((), ())
    found: dict[int, tuple[Image.Image, str]] = {}
    for image, label in zip(*test, strict=True):
        if len(found) < 6 and int(label) not in found:
            pixels = ((image[0] + 1) / 2 * 255).round().to(torch.uint8).numpy()
            found[int(label)] = Image.fromarray(pixels), CLASSES[label]
    return [*found.values(), *((read_picture(path), "Drawing") for path in sorted(DRAWINGS.glob("*.png")))]


def answer(picture: Path | str | Image.Image, classifier: Classifier) -> Answer:
    """Say what a network makes of a picture, as `predict` does, and where it looks.

    Raises:
        FashionError: as that of `predict`; it has a file's name without its folder.
    """
    try:
        picture, prepared = open_and_prepare(picture)
    except FashionError as error:
        if isinstance(picture, Image.Image):
            raise
        raise FashionError(str(error).replace(shown(picture), shown(Path(picture).name))) from error
    prediction = ask(classifier, prepared)
    label = torch.tensor([CLASSES.index(prediction.label)])
    return Answer(picture, prepared, prediction, occlusion(classifier, to_tensor(prepared), label)[0].numpy())


def as_html(found: Answer) -> str:
    """Write an answer as the page shows it."""
    label, drops = found.prediction.label, found.drops
    picture = displayable(found.picture)
    picture.thumbnail((_LARGEST, _LARGEST))
    most = max(_LEAST, float(np.abs(drops).max()))
    small = "pixels" if max(picture.size) < 2 * SIZE else ""
    figures = [
        _figure(picture, "the picture as it was", "<b>The picture</b>, as it was", small),
        _figure(
            found.prepared,
            "the picture as the network gets it",
            f"<b>What the network gets</b>: {SIZE} x {SIZE} grey pixels, light on dark",
        ),
        _figure(
            _coloured(found.prepared, drops / most),
            f"the same, coloured where covering it changes the probability of {label}",
            f'<b>Where it looks</b><div class="scale"></div><div class="ends"><span>{100 * most:+.1f}</span>'
            f"<span>0</span><span>&minus;{100 * most:.1f} points</span></div>",
        ),
    ]
    bars = "".join(
        f'<span>{name}</span><i style="width: {100 * share:.2f}%"></i><b>{100 * share:.1f}%</b>'
        for name, share in found.prediction.probabilities.items()
    )
    return (
        f'<div class="answer"><h2>{label}, {100 * found.prediction.probabilities[label]:.1f}%</h2>'
        f'<div class="bars">{bars}</div><div class="pictures">{"".join(figures)}</div>'
        f"<p>A grey square of {EDGE} x {EDGE} pixels covers every place of the picture in turn. “{label}” becomes less "
        "likely where the map is orange, and likelier where it is blue; elsewhere it matters little. On a black "
        "background the square adds to the garment: that, too, can change the answer.</p></div>"
    )


def answer_or_fault(picture: Path | str | Image.Image, classifier: Classifier) -> str:
    """Write the answer to a picture, or the line that says why there is none."""
    try:
        return as_html(answer(picture, classifier))
    except FashionError as error:
        return f'<p class="fault">{html.escape(str(error))}</p>'


def _figure(image: Image.Image, alternative: str, caption: str, style: str = "pixels") -> str:
    content = io.BytesIO()
    image.save(content, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    picture = f'<img class="{style}" alt="{alternative}" src="{source}">'
    return f'<figure><div class="frame">{picture}</div><figcaption>{caption}</figcaption></figure>'


def _coloured(grey: Image.Image, drops: np.ndarray) -> Image.Image:
    """Colour a grey image by drops in [-1, 1]: the larger, the less is left of the grey."""
    pixels = np.asarray(grey.convert("RGB"), dtype=np.float64)
    falls, rises = (np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) for colour in (FALLS, RISES))
    share = np.abs(drops)[..., None]
    colour = np.where(drops[..., None] > 0, falls, rises)
    return Image.fromarray(np.rint((1 - share) * pixels + share * colour).astype(np.uint8))


def page(choices: dict[str, Classifier], pictures: list[tuple[Image.Image, str]]) -> gr.Blocks:
    """Build the page: networks to choose from by their titles, and pictures to click on with their names."""

    def look(picture: str | Image.Image | None, network: str) -> str:
        return WAITING if picture is None else answer_or_fault(picture, choices[network])

    def drawn(drawing: dict) -> Image.Image:
        return drawing["composite"] or Image.new("L", _CANVAS, "white")  # nothing is drawn yet

    def clicked(event: gr.SelectData) -> Image.Image:
        return pictures[event.index][0]

    with gr.Blocks(title="fashion demo", analytics_enabled=False) as blocks:
        gr.Markdown(INTRODUCTION)
        asked = gr.State()
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                with gr.Tab("Photo"):
                    file = gr.File(label="A file of any format that Pillow reads", height=240, elem_id="photo")
                with gr.Tab("Camera"):
                    camera = gr.Image(
                        sources=["webcam"], type="filepath", image_mode=None, format="png", show_label=False,
                        buttons=[], height=280, elem_id="camera",
                    )  # fmt: skip
                with gr.Tab("Draw") as draw:
                    drawing = gr.Sketchpad(
                        type="pil", image_mode="RGB", format="png", show_label=False, buttons=[],
                        transforms=(), layers=False, canvas_size=_CANVAS, fixed_canvas=True, elem_id="drawing",
                        brush=gr.Brush(default_size=5, colors=["#000000"], color_mode="fixed"),
                    )  # fmt: skip
                    ask_drawing = gr.Button("What is it?", variant="primary", elem_id="ask")
                titles, of_what = list(choices), "Network, and its accuracy on the test images"
                network = gr.Radio(titles, value=titles[0], label=of_what, elem_id="network")
                gr.Markdown("Or click one of the first test images, or a drawing:")
                gallery = gr.Gallery(
                    pictures, show_label=False, columns=5, height=224, format="png", allow_preview=False,
                    object_fit="contain", interactive=False, buttons=[], elem_id="examples",
                )  # fmt: skip
            with gr.Column(scale=6, min_width=480):
                result = gr.HTML(WAITING, elem_id="result")
        file.upload(lambda path: (path, None), file, [asked, file])  # the place to drop a file stays open
        camera.input(lambda path: path, camera, asked)
        ask_drawing.click(drawn, drawing, asked)
        draw.select(None, js=_TAKE_THE_BRUSH)
        gallery.select(clicked, None, asked)
        gr.on([asked.change, network.change], look, [asked, network], result)
    return blocks
