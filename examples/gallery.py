"""Makes the pictures of the gallery: `python examples/gallery.py [first letters of names]`.

Runs every numbered script, and writes its picture into docs/gallery.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

import cbramsim as cb
from cbramsim.devices.fitting.synthetic import trains_of

HERE = Path(__file__).parent
PICTURES = HERE.parent / "docs" / "gallery"
LARGE, COLOURS = 50_000, 256
"""Pictures of more bytes are kept in so many colours."""
INTRODUCTION = """# Gallery

From one cell to a system: each script is one idea, shorter than a page, to be copied from. It draws
one picture in the folder that it is given:

```sh
python examples/01_one_cell.py ~/pictures
```

`python examples/gallery.py` makes this page and all of its pictures. The last five are parts of
one's own: [how to add one](../CONTRIBUTING.md).

"""


def scripts() -> list[Path]:
    """Return the numbered scripts, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def run(script: Path, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a script that draws into a folder, with the looks of the gallery, and return its end."""
    looks = {"MATPLOTLIBRC": str(HERE / "matplotlibrc"), "MPLBACKEND": "agg"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", script, folder],
        env=os.environ | looks | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


def measurement() -> str:
    """Return pulse trains of simulated cells, as text of a file: what 05_fit.py fits."""
    device = cb.Device.load("subquantum-cbram").replace(read_c2c=0.01)
    trains = trains_of(device, cells=3, cycles=4, pulses=(80, 80), seed=1)
    lines = ["# Simulated by examples/gallery.py", "cell,cycle,polarity,conductance (uS)"]
    for cell in range(3):
        for cycle in range(4):
            for way, readings in zip(("set", "reset"), trains, strict=True):
                lines += [f"{cell},{cycle},{way},{1e6 * g:.3f}" for g in readings[cell, cycle]]
    return "\n".join(lines) + "\n"


def index() -> str:
    """Return the page of all pictures, with the first line of each script."""
    cells = []
    for script in scripts():
        title = (ast.get_docstring(ast.parse(script.read_text())) or "").splitlines()[0][:-1]
        picture = f"../docs/gallery/{script.stem}.png"
        cells.append(
            f'<td width="33%"><a href="{script.name}"><img src="{picture}" alt="{title}"></a><br>'
            f"{script.name[:2]} {title}</td>"
        )
    rows = ["<tr>\n" + "\n".join(cells[n : n + 3]) + "\n</tr>" for n in range(0, len(cells), 3)]
    return INTRODUCTION + "<table>\n" + "\n".join(rows) + "\n</table>\n"


def main() -> None:
    """Make the pictures, and say how long each took."""
    (HERE / "measured.csv").write_text(measurement())
    (HERE / "README.md").write_text(index())
    PICTURES.mkdir(exist_ok=True)
    for script in scripts():
        if sys.argv[1:] and not script.name.startswith(tuple(sys.argv[1:])):
            continue
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            done = run(script, Path(folder))
            seconds = time.perf_counter() - begin
            if done.returncode:
                sys.exit(f"{script.name}: {done.stderr}")
            name = script.with_suffix(".png").name
            with Image.open(Path(folder, name)) as picture:
                picture.convert("RGB").save(PICTURES / name, optimize=True)
                if (PICTURES / name).stat().st_size > LARGE:
                    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
                    few.save(PICTURES / name, optimize=True)
        print(f"{name:28} {seconds:5.1f} s, {(PICTURES / name).stat().st_size / 1000:4.0f} kB")


if __name__ == "__main__":
    main()
