"""The two pictures of the README: the report of a demo store and one of its inspect pages, as a browser shows them.

    ave demo --store demo && python docs/screenshots.py demo        (or: make screenshots)

Conventions
-----------
Sizes of windows are CSS pixels (width, height). A picture is made smaller and reduced to `COLOURS`, so that it weighs
little; the same store gives the same bytes with the same browser, fonts and Pillow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from pipeline.cli import main as ave

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--force-color-profile=srgb", "--blink-settings=preferredColorScheme=1", "--virtual-time-budget=8000"),
)
STIMULUS, FRAME = "coutrot1/clip_3", 60  # two objects, of which one sounds: most observers look at that one
WIDTH_PX = 960  # of a picture
COLOURS = 256
LIMIT_BYTES = 150_000


def main() -> int:
    """Photograph the pages of the store that is named on the command line."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "pages", "index.html").is_file():
        print("usage: python docs/screenshots.py STORE, with the report that `ave demo` leaves in it", file=sys.stderr)
        return 2
    store = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ave(["inspect", STIMULUS, "--store", str(store), "--out", folder])
        page = Path(folder, f"{STIMULUS}.html").as_uri() + f"#frame={FRAME}"
        photograph((store / "pages" / "index.html").as_uri(), (1280, 1400), HERE / "report.png")
        photograph(page, (1280, 1250), HERE / "inspect.png")
    return 0


def photograph(url: str, size: tuple[int, int], target: Path) -> None:
    """Write what a browser of this window size shows of a page, in few colours."""
    browser = os.environ.get("AVE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser: install one of {', '.join(BROWSERS)}, or name one in AVE_BROWSER")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shot = Path(folder, "shot.png")
        window = (f"--window-size={size[0]},{size[1]}", f"--screenshot={shot}", f"--user-data-dir={folder}/profile")
        subprocess.run([browser, *OPTIONS, *window, url], check=True, capture_output=True, timeout=120)
        picture = Image.open(shot).convert("RGB")
    picture = picture.resize((WIDTH_PX, round(size[1] * WIDTH_PX / size[0])), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(target, optimize=True)
    n_bytes = target.stat().st_size
    print(f"{target}: {picture.width} × {picture.height} px, {n_bytes / 1000:.0f} kB")
    if n_bytes > LIMIT_BYTES:
        raise SystemExit(f"{target} is larger than {LIMIT_BYTES / 1000:.0f} kB: a smaller window, or fewer colours")


if __name__ == "__main__":
    raise SystemExit(main())
