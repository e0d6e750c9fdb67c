"""One page per stimulus: picture, gaze, density and sound in step, in one HTML file that needs nothing else.

    page = inspect_page(Corpus("store")["diem/arctic_bears_1066x710"], sound=(samples, rate_hz))

`page` puts it together; `pictures`, `gaze`, `maps`, `soundtrack` and `spectrogram` each make one thing small enough;
what a reader sees and hears is in `templates`. What had to be left out is said on the page.
"""

from pipeline.report.inspect.maps import PackedMaps, pack_maps
from pipeline.report.inspect.page import LIMIT_BYTES, Page, inspect_page

__all__ = ["LIMIT_BYTES", "PackedMaps", "Page", "inspect_page", "pack_maps"]
