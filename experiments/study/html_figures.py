"""Figures inside a page: as SVG that does not affect the rest of the page, or as small pictures."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from cbramsim.core.errors import DataError
from cbramsim.core.files import printable, read_limited

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_FILE = 32 * 2**20
"""Most bytes of a file with a figure."""
LARGEST_SVG = 150_000
"""Most characters of an SVG; a larger figure becomes a picture, if that is smaller."""
SMALL_PICTURE = 50_000
"""Most bytes of a picture that is left unchanged."""
DPI = 150
"""Resolution of a figure that becomes a picture, dots per inch."""
WIDE = 1.7
"""Ratio of width to height above which a figure has a row of its own."""
WIDE_INCHES = 8.0
"""Width above which a figure has a row of its own, whatever its height."""

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+(?=\))")
_FONTS = re.compile(r"'DejaVu Sans', .*?sans-serif")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def embedded(figure: Figure | Path, number: int, labelled_by: str) -> tuple[str, bool]:
    """Return a figure of matplotlib, an SVG or a PNG file as HTML, and whether it is a wide one.

    Files are shown as pictures: their links and scripts are inactive. `number` is another for
    each figure of a page, `labelled_by` the id of the text that says what it shows. Raises
    `DataError` if a file cannot be read, or is of another kind.
    """
    if isinstance(figure, Path):
        content = read_limited(figure, LARGEST_FILE, "a figure")
        if figure.suffix.lower() == ".svg":
            return _picture(content, "svg+xml", labelled_by), False
        if figure.suffix.lower() == ".png":
            try:
                smaller, wide = _few_colours(content)
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"{printable(figure)}: is not a PNG file ({error})") from None
            return _picture(smaller, "png", labelled_by), wide
        raise DataError(f"{printable(figure)}: must be a .svg or a .png file")
    width, height = figure.get_size_inches()
    text = _inline(_drawn(figure, "svg"), number, labelled_by)
    if len(text) > LARGEST_SVG:
        smaller, _ = _few_colours(_drawn(figure, "png"))
        picture = _picture(smaller, "png", labelled_by)
        text = min(text, picture, key=len)
    return text, bool(width >= min(WIDE * height, WIDE_INCHES))


def _drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file, the same bytes whenever it is drawn."""
    import matplotlib

    file = BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cbramsim"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()


def _inline(svg: bytes, number: int, labelled_by: str) -> str:
    """Return an SVG of matplotlib for the inside of a page.

    Ids become unique to this figure; unused ids are removed, as are style rules, which would apply
    to the whole page, and digits beyond the visible resolution.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style", f"{_SVG}script"):
                parent.remove(child)
    values = [item for element in root.iter() for item in element.attrib.items()]
    used = dict.fromkeys(
        name for key, value in values
        for name in ([value[1:]] if key == _LINK else _REFERENCE.findall(value))
    )  # fmt: skip
    names = {name: f"figure-{number}-{k}" for k, name in enumerate(used)}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = {
            key: value for key, value in _attributes(element, names) if value is not None
        }
        if element.tag not in ("text", "tspan"):
            element.text = None
        if element.tag != "tspan":
            element.tail = None
    root.attrib = {
        "viewBox": root.get("viewBox", ""),
        "role": "img",
        "aria-labelledby": labelled_by,
        "style": "stroke-linejoin:round;stroke-linecap:butt",  # was a rule for all of the page
    }
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(
    element: ElementTree.Element, names: dict[str, str]
) -> list[tuple[str, str | None]]:
    """Return the attributes of an element of a figure as they are in a page."""
    found: list[tuple[str, str | None]] = []
    for key, value in element.attrib.items():
        text: str | None = _REFERENCE.sub(lambda match: names[match[0]], value)
        if key == "id":
            text = names.get(value)
        elif key == _LINK:
            inside = f"#{names[value[1:]]}" if value.startswith("#") else None
            key, text = "href", value if value.startswith("data:image/") else inside
        elif key == "style":
            text = _FONTS.sub("'DejaVu Sans',Verdana,sans-serif", str(text)).replace(": ", ":")
            text = text.replace("; ", ";")
        elif key in ("d", "x", "y"):
            text = _NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value)
            text = " ".join(text.split())
        found.append((key, text))
    return found


def _few_colours(png: bytes) -> tuple[bytes, bool]:
    """Return a picture in 256 colours, if that is smaller, and whether it is a wide one."""
    from PIL import Image

    with Image.open(BytesIO(png), formats=["PNG"]) as picture:
        wide = picture.width >= WIDE * picture.height
        if len(png) <= SMALL_PICTURE:
            return png, wide
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture.convert("RGBA"))
        few = paper.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    file = BytesIO()
    few.save(file, "png")
    return min(png, file.getvalue(), key=len), wide


def _picture(content: bytes, kind: str, labelled_by: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<img src="data:image/{kind};base64,{data}" alt="" aria-labelledby="{labelled_by}">'
