"""Does the wheel work where nothing else is? `python3.13 tests/smoke.py` tries it with 3.13.

Builds a wheel, installs it with what it needs, and nothing more, into a fresh environment of the
interpreter that runs this, and calls it there as a user does. Takes the wheel as an argument, if
there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FEW = ["--train-images", "600", "--epochs", "1", "--neurons", "20", "--quiet"]
EXTRAS = {"distributed", "numba-cuda", "onnx", "nir", "SALib", "jupyterlab"}


class Smoke:
    """An environment with the wheel in it, and what is tried there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.env = folder, folder / "env"
        self.bin = self.env / ("Scripts" if os.name == "nt" else "bin")
        self.python = str(self.bin / "python")

    def call(self, *command: str | Path, status: int = 0) -> str:
        """Run a command outside the checkout, and return what it prints; its status must be so."""
        began = time.perf_counter()
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=clean,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        shown = " ".join(Path(part).name if k == 0 else str(part) for k, part in enumerate(command))
        print(f"{time.perf_counter() - began:6.1f} s  {shown[:90]}", flush=True)
        said = done.stdout + done.stderr
        if done.returncode != status:
            sys.exit(f"status {done.returncode}, not {status}:\n{said}")
        if "Traceback" in said:
            sys.exit(f"a traceback:\n{said}")
        return said

    def install(self, wheel: Path | None) -> None:
        """Make the environment, and install the wheel, which is built if there is none."""
        venv.create(self.env, with_pip=True)
        pip = [self.python, "-m", "pip", "--disable-pip-version-check"]
        if wheel is None:
            source = self.folder / "source"  # without what builds leave in a checkout
            left = shutil.ignore_patterns(
                ".git", "build", "*.egg-info", ".venv", "runs", ".*_cache"
            )
            shutil.copytree(ROOT, source, ignore=left)
            self.call(*pip, "wheel", "-q", "--no-deps", "-w", self.folder / "dist", source)
            (wheel,) = (self.folder / "dist").glob("cbramsim-*.whl")
        self.call(*pip, "install", "-q", wheel.resolve())

    def try_all(self) -> None:
        """Call it as a user does."""
        version = self.call(self.python, "-m", "cbramsim", "--version")
        for name in ("cbram", "cbramsim"):
            assert self.call(self.bin / name, "--version") == version
        assert "COMPLETE" in self.call(self.bin / "cbram", "completion", "fish")

        content = json.loads(self.call(self.bin / "cbram", "doctor", "--json"))
        states = {check["what"]: check["state"] for check in content["checks"]}
        assert content["healthy"], content
        assert {what for what, state in states.items() if state == "absent"} >= EXTRAS, states
        print(self.call(self.bin / "cbram", "doctor"))

        self.call(self.bin / "cbram", "train", *FEW, "--out", "run")
        metrics = json.loads((self.folder / "run" / "metrics.json").read_text())
        assert metrics["test_accuracy"] > 0.3, metrics["test_accuracy"]
        print(f"{metrics['test_accuracy']:.2%} of the test images, with 20 neurons of 600 images")
        figures = {path.suffix for path in (self.folder / "run").iterdir()}
        assert {".png", ".html", ".npz", ".toml"} <= figures

        for extra, command in self.of_extras().items():
            said = self.call(*command, status=2)
            assert len(said.strip().splitlines()) == 1, said
            assert extra in said, said

    def of_extras(self) -> dict[str, list[str]]:
        """Return commands that need an extra that is not there, and a word of what they say."""
        cbram = str(self.bin / "cbram")
        (self.folder / "net.onnx").write_bytes(b"\x08\x08")
        (self.folder / "net.nir").write_bytes(b"\x89HDF\r\n\x1a\n")
        return {
            "onnx": [cbram, "map", "net.onnx", "--quick", "--out", "onnx"],
            "nir": [cbram, "map", "net.nir", "--quick", "--out", "nir"],
            "cuda": [cbram, "train", *FEW, "--engine", "cuda", "--out", "cuda"],
            "sensitivity": [cbram, "sensitivity", "--out", "sensitivity"],
            "sweep": [cbram, "pruning", "--scheduler", "tcp://127.0.0.1:9", "--out", "sweep"],
        }


def main() -> None:
    """Try the wheel that is named, or one that is built."""
    wheel = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        smoke = Smoke(Path(folder))
        smoke.install(wheel)
        smoke.try_all()
    print("It works.")


if __name__ == "__main__":
    main()
