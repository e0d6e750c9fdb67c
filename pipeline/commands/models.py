"""`ave models`: which models there are, what each costs, wants and gives, and where it comes from."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from pipeline.models import REGISTRY, Wants
from pipeline.settings import default_manifests


def models(arguments: Namespace) -> int:
    """List the models of the registry with parameters, multiply-accumulates, input, source and terms."""
    from pipeline.models.cost import cost
    from pipeline.models.pretrained import load

    listed = load(default_manifests())
    rows = []
    for name, model in REGISTRY.items():
        weights = [row.name for row in listed.values() if name in row.fits]
        about = {"source": model.source, "licence": model.licence, "weights": weights}
        rows += [_row(name, dict(options), cost(name, **options), about) for options in model.variants]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        _print(rows)
    return 0


def _row(name: str, options: dict[str, Any], cost: Any, about: dict[str, Any]) -> dict[str, Any]:
    wants: Wants = cost.wants
    form = wants.waveform
    return {
        "model": name,
        "options": options,
        "parameters": cost.parameters,
        "trainable": cost.trainable,
        "macs": cost.macs,
        "frames": wants.frames,
        "size": list(wants.size) if wants.frames else None,
        "normalisation": wants.normalisation or None,
        "audio": wants.audio,
        "waveform": {"rate_hz": form.rate_hz, "samples": form.samples, "peak": form.peak} if form else None,
        "map_size": list(wants.map_size) if wants.map_size else None,
        **about,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    """A table of figures, then for each model its source, terms and weights."""
    print(f"{'model':<10}{'options':<20}{'parameters':>12}{'GMAC':>8}  {'pictures':<28}{'sound':<26}map")
    for row in rows:
        options = " ".join(f"{option}={value}" for option, value in row["options"].items())
        figures = f"{row['parameters']:>12,}{row['macs'] / 1e9:>8.1f}"
        print(f"{row['model']:<10}{options:<20}{figures}  {_pictures(row):<28}{_sound(row):<26}{_map(row)}")
    print("\nGMAC: 10⁹ multiply-accumulates for one clip. Widths and more are options of `pipeline.models.build`.")
    for row in {row["model"]: row for row in rows}.values():
        print(f"\n{row['model']}: {row['source']}\n  terms: {row['licence']}")
        print(f"  published weights (manifests/weights.csv): {', '.join(row['weights'])}")


def _pictures(row: dict[str, Any]) -> str:
    if not row["frames"]:
        return "none"
    return f"{row['frames']} × {row['size'][0]} × {row['size'][1]} {row['normalisation']}"


def _sound(row: dict[str, Any]) -> str:
    if row["audio"] == "waveform":
        return f"{row['waveform']['samples']:,} at {row['waveform']['rate_hz']:,} Hz"
    return f"{row['frames']} log-mel examples" if row["audio"] == "logmel" else "none"


def _map(row: dict[str, Any]) -> str:
    return f"{row['map_size'][0]} × {row['map_size'][1]}" if row["map_size"] else "features, no map"
