"""Anybody's saliency maps, whatever their files are called: `open_maps` is the door.

    maps = open_maps("somebodys_maps", truths)
    for frame, saliency in maps.read("diem/arctic_bears_1066x710"): ...
    print(*summary([*maps.found, *maps.findings("diem/arctic_bears_1066x710")]), sep="\\n")

`habits` is the table of names that are understood; add a line to it where yours is not.
"""

from pipeline.evaluate.maps.finding import Finding, summary
from pipeline.evaluate.maps.opening import open_maps
from pipeline.evaluate.maps.submission import Maps

__all__ = ["Finding", "Maps", "open_maps", "summary"]
