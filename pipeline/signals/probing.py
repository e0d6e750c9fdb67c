"""What a media file says about itself, before anything is decoded.

Conventions
-----------
Times in seconds; `start_s` and rates are exact (`Fraction`). The picture's size is as shown, after
rotation. Part of `pipeline.signals.media`, through which everyone else calls it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import MediaError
from pipeline.signals.child import Child, Limits
from pipeline.signals.tools import ffprobe_path

PROBE_LIMITS = Limits(stall_s=60.0, total_s=120.0)

NOT_VIDEO = re.compile(r"^(tty|image2|\w+_pipe)$")  # ffmpeg names these "videos": text files, and single pictures


@dataclass(frozen=True)
class Probe:
    """What a media file says about itself, before anything is decoded. None or 0 where it does not say.

    Attributes
    ----------
    container : str
        ffmpeg's name of the format.
    start_s : Fraction
        The file's own time that is 0 s on the container clock.
    duration_s : float or None
        Of the whole file.
    video_index : int or None
        Stream that holds the pictures; None where there are none. Attached pictures (covers) do not count,
        and of several streams the one with the largest picture is meant.
    time_base : Fraction
        Seconds in one tick of the pictures' time stamps.
    codec : str
        Of the pictures.
    width_px, height_px : int
        As shown, after rotation; sample aspect ratio not applied.
    rotation_deg : int
        How far the stored picture is turned clockwise to be shown: 0 to 359.
    matrix : str
        Of the pictures' planes, in ffmpeg's words: "bt709", "smpte170m"; "" where the file does not say.
    sample_aspect : str
        Width to height of one pixel, "1:1" where the file does not say.
    rates : tuple of Fraction
        Frame rates the container claims, nominal before mean.
    n_frames : int or None
        Declared; what decodes may differ.
    video_duration_s : float or None
        Declared for the pictures alone.
    sound_index : int or None
        Stream that holds the soundtrack: the one marked as default, otherwise the first.
    sound_codec : str
    sound_rate_hz, sound_channels : int
    """

    container: str
    start_s: Fraction
    duration_s: float | None
    video_index: int | None = None
    time_base: Fraction = Fraction(1, 1_000_000)
    codec: str = ""
    width_px: int = 0
    height_px: int = 0
    rotation_deg: int = 0
    matrix: str = ""
    sample_aspect: str = "1:1"
    rates: tuple[Fraction, ...] = ()
    n_frames: int | None = None
    video_duration_s: float | None = None
    sound_index: int | None = None
    sound_codec: str = ""
    sound_rate_hz: int = 0
    sound_channels: int = 0

    @property
    def has_picture(self) -> bool:
        """Whether the file holds moving pictures."""
        return self.video_index is not None

    @property
    def has_sound(self) -> bool:
        """Whether the file holds a soundtrack (it may still be silent)."""
        return self.sound_index is not None


def probe(path: str | os.PathLike[str]) -> Probe:
    """Ask ffprobe what is in a media file; sound alone (a wav) will do.

    Raises
    ------
    MediaError
        Code "missing-file", "empty-file" or "not-a-video"; "stalled" if ffprobe hangs.
    ToolError
        If there is no ffprobe.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"{path}: no such file.", remedy="Fetch it again.", code="missing-file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path.name}: the file is empty (0 bytes).", remedy="Fetch it again.", code="empty-file")
    command = [ffprobe_path(), "-hide_banner", "-loglevel", "error", "-show_format", "-show_streams"]
    with Child([*command, "-of", "json", "-i", file_url(path)], path.name, limits=PROBE_LIMITS) as child:
        answer = child.read_all()
        status = child.finish()
        told = json.loads(answer) if status == 0 and answer else {}
    streams, container = told.get("streams", []), told.get("format", {})
    pictures = [stream for stream in streams if _is_moving(stream)]
    sounds = [stream for stream in streams if stream.get("codec_type") == "audio" and int(stream.get("sample_rate", 0))]
    name = container.get("format_name", "")
    if not (pictures or sounds) or NOT_VIDEO.match(name):
        why = child.last_words().replace(file_url(path), path.name) if status else f"ffprobe calls it {name!r}"
        raise MediaError(
            f"{path.name}: neither a video nor a soundtrack that ffmpeg can read ({why}).",
            remedy="A download that was cut short looks like this: fetch it again and compare its size.",
            code="not-a-video",
        )
    video = max(pictures, key=lambda stream: stream["width"] * stream["height"], default=None)
    sound = max(sounds, key=lambda stream: stream.get("disposition", {}).get("default", 0), default=None)
    return Probe(
        container=name,
        start_s=Fraction(container.get("start_time", 0)),
        duration_s=_seconds(container),
        **(_picture_facts(video) if video else {}),
        **(_sound_facts(sound) if sound else {}),
    )


def _is_moving(stream: dict[str, Any]) -> bool:
    attached = stream.get("disposition", {}).get("attached_pic", 0)
    return stream.get("codec_type") == "video" and not attached and bool(stream.get("width") and stream.get("height"))


def _picture_facts(stream: dict[str, Any]) -> dict[str, Any]:
    turns = [side["rotation"] for side in stream.get("side_data_list", []) if "rotation" in side]
    rotation_deg = round(-float(turns[0])) % 360 if turns else 0  # ffprobe counts counter-clockwise
    size = (stream["width"], stream["height"])
    aspect = stream.get("sample_aspect_ratio", "1:1")
    claimed = (stream.get("r_frame_rate", "0/0"), stream.get("avg_frame_rate", "0/0"))
    return {
        "video_index": stream["index"],
        "time_base": Fraction(stream["time_base"]),
        "codec": stream.get("codec_name", ""),
        "width_px": size[1] if rotation_deg in (90, 270) else size[0],
        "height_px": size[0] if rotation_deg in (90, 270) else size[1],
        "rotation_deg": rotation_deg,
        "matrix": stream.get("color_space", ""),
        "sample_aspect": aspect if aspect not in ("0:1", "N/A") else "1:1",
        "rates": tuple(Fraction(rate) for rate in claimed if not rate.startswith("0/") and not rate.endswith("/0")),
        "n_frames": int(stream["nb_frames"]) if stream.get("nb_frames", "").isdigit() else None,
        "video_duration_s": _seconds(stream),
    }


def _sound_facts(stream: dict[str, Any]) -> dict[str, Any]:
    return {
        "sound_index": stream["index"],
        "sound_codec": stream.get("codec_name", ""),
        "sound_rate_hz": int(stream["sample_rate"]),
        "sound_channels": int(stream.get("channels", 0)),
    }


def _seconds(told: dict[str, Any]) -> float | None:
    duration = told.get("duration", "N/A")
    return None if duration == "N/A" else float(duration)


def file_url(path: Path) -> str:
    """A path as ffmpeg must be given it: `clip:1.avi` is not a protocol, and `-x.avi` no option."""
    return f"file:{path}"
