"""Draws the figures of the pages that show the code of their figure, and writes their files.

    python docs/figures.py            # all
    python docs/figures.py cell       # of docs/concepts/cell.md

A block of Python that writes a file is run as it stands, in an empty folder, and the file is put
beside the page. In a picture it is noted by which code, and by which version, it was made.
"""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
WRITTEN = re.compile(r'(?:savefig|Path)\("(\w+\.(?:png|csv))"\)')
DOTS_PER_INCH = 150


def made_here() -> dict[Path, str]:
    """Return each file that a block of code in a page makes, with that code."""
    return {
        page.parent / name: code
        for page in sorted(DOCS.rglob("*.md"))
        for code in BLOCK.findall(page.read_text())
        for name in WRITTEN.findall(code)
    }


def fingerprint(code: str) -> str:
    """Return by what code is recognised in a picture."""
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def make(path: Path, code: str) -> None:
    """Run the code of a file, and put the file beside its page."""
    from matplotlib import rc_context
    from PIL import Image, PngImagePlugin

    import cbramsim

    before = Path.cwd()
    with TemporaryDirectory() as folder, rc_context({"savefig.dpi": DOTS_PER_INCH}):
        for table in path.parent.glob("*.csv"):
            shutil.copy(table, folder)
        os.chdir(folder)
        try:
            Path("script.py").write_text(code)
            runpy.run_path("script.py")
            if path.suffix == ".csv":
                shutil.copy(path.name, path)
                return
            note = PngImagePlugin.PngInfo()
            note.add_text("Software", f"cbramsim {cbramsim.__version__}")
            note.add_text("Source", fingerprint(code))
            with Image.open(path.name) as picture:
                colours = picture.convert("RGB").quantize(
                    256, dither=Image.Dither.NONE
                )  # a third of the size
                colours.save(path, pnginfo=note, optimize=True)
        finally:
            os.chdir(before)


def main(*pages: str) -> None:
    """Make all files, or those that are named."""
    os.environ["MPLBACKEND"] = "Agg"
    for path, code in sorted(made_here().items(), key=lambda made: made[0].suffix):
        if not pages or path.stem in pages:
            print(path.relative_to(DOCS))
            make(path, code)


if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    main(*sys.argv[1:])
