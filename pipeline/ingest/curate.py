"""Admit or refuse one stimulus, and cut its gaze to the frames that picture and gaze share.

A stimulus is admitted when its observers heard its sound, some of them looked at the picture, and its soundtrack is
not silent and as long as the picture. A refusal is data: a row of rejected.parquet and no files downstream. A broken
file is an error, and may be mended: gaze and picture of different size or length, no soundtrack where sound was heard.

Conventions
-----------
Frames count from 0 and are the video's. Gaze frame k + `frame_offset` was on screen with video frame k.
Times are on our clock: 0 s is the presentation time of the first decoded picture. Levels are dB below
full scale. The sample accounting law holds for every admitted stimulus: all samples that the tracker
gave are fixations of the published table, or are counted in a rejection of level "sample".

Files: `fixations.parquet`, `timeline.json`, `stimulus.json` (admitted only), `rejected.json`, `audit.json`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import GazeError, MediaError
from pipeline.ingest.audit import DIFFERS, audit_row
from pipeline.ingest.claims import compare_claims
from pipeline.records import DiemVideo, Geometry, Rejection, StimulusEntry
from pipeline.schemas import FIXATIONS, STIMULI
from pipeline.signals import audio, media
from pipeline.store.job import Job

BEYOND_VIDEO = "beyond-video"  # a fixation on a frame that the picture does not have
WHY_NO_FIXATION = {
    "lost": "the tracker lost the eye or dropped the sample",
    "blink": "an eye was closed",
    "saccade": "an eye was moving between fixations",
    "missing": "no coordinates",
    "outside-picture": "the fixation lies outside the picture",
    BEYOND_VIDEO: "the fixation lies on a frame without a picture",
}


@dataclass(frozen=True)
class Claims:
    """What is known about one stimulus before its sound is looked at.

    `recordings` and `video` are the JSON files of these stages; `max_frame_difference` None takes the
    smaller number of frames whatever the difference is.
    """

    entry: StimulusEntry
    geometry: Geometry
    recordings: Mapping[str, Any]
    video: Mapping[str, Any]
    diem_video: DiemVideo | None
    max_frame_difference: int | None

    @property
    def gaze_frames(self) -> int:
        """Frames that the gaze has, counted from the first picture on."""
        return self.recordings["n_frames"] - self.entry.frame_offset

    @property
    def n_frames(self) -> int:
        """Frames that have both picture and gaze."""
        return max(0, min(self.video["n_frames"], self.gaze_frames))

    @property
    def rejections(self) -> list[Rejection]:
        """What the reader of the gaze rejected."""
        return [Rejection(**row) for row in self.recordings["rejections"]]


@dataclass(frozen=True)
class Sound:
    """What was measured of a soundtrack, placed on our clock. Levels are None for digital silence."""

    rate_hz: int
    channels: int
    duration_s: float
    level_dbfs: float | None
    peak_dbfs: float | None


def build_item(job: Job) -> dict[str, Any]:
    """Admit or refuse the stimulus `job.item`; see the module's docstring for the files.

    Raises
    ------
    GazeError
        If gaze and picture cannot belong together (see `require_one_video`).
    MediaError
        If there is no soundtrack (code "no-sound"), or none that can be decoded.
    """
    values, params = job.values, job.params
    claims = Claims(
        entry=StimulusEntry(**values["entry"]),
        geometry=Geometry(**values["geometry"]),
        recordings=_read_json(job.files["recordings"]),
        video=_read_json(job.files["video"]),
        diem_video=DiemVideo(**values["diem_video"]) if values["diem_video"] else None,
        max_frame_difference=values["max_frame_difference"],
    )
    fixations, lost = cut_to_video(pq.read_table(job.files["fixations"]), claims)
    sound_start_s = claims.video["first_time_s"] if values["sound_is_video"] else 0.0
    sound, refusal = judge(claims, fixations.num_rows, job.files["sound"], sound_start_s, **params)

    rejections = claims.rejections
    if refusal is not None:
        rejections += [] if refusal in rejections else [refusal]
    elif sound is not None:
        rejections += _recording_rejections(claims, fixations, rejections, lost)
        _check_accounting(claims, fixations.num_rows, rejections)
        pq.write_table(fixations, job.out / "fixations.parquet", compression="zstd")
        _write_json(job.out / "timeline.json", timeline(claims, sound_start_s))
        _write_json(job.out / "stimulus.json", stimulus_row(claims, sound, fixations, values["licence"]))
    _write_json(job.out / "rejected.json", [asdict(rejection) for rejection in rejections])
    _write_json(job.out / "audit.json", _audit_rows(claims, sound, refusal, params["max_sound_difference_s"]))
    return {"admitted": refusal is None, "reason": refusal.reason if refusal else "", "n_frames": claims.n_frames}


def judge(
    claims: Claims, n_fixations: int, sound_path: Path, sound_start_s: float, **limits: float
) -> tuple[Sound | None, Rejection | None]:
    """The first reason to refuse the stimulus, if there is one; the sound is decoded only when all else is well.

    `limits` are those of `sound_refusals`. Raises what `require_one_video` and `measure_sound` raise.
    """
    refusal = refused_by_claims(claims)
    if refusal is None:
        require_one_video(claims)
        if n_fixations == 0:
            refusal = _refusal(
                claims,
                "no-fixations",
                f"None of {len(claims.recordings['observers'])} recordings has a fixation inside the picture. "
                "Look at the raw gaze, and at the placement in manifests/geometry.csv.",
            )
    if refusal is not None:
        return None, refusal
    try:
        sound = measure_sound(sound_path, sound_start_s)
    except MediaError as error:
        if error.code != "no-sound":
            raise
        raise MediaError(
            f"{claims.entry.stimulus}: {error.message} "
            f"Expected the sound that was heard ({claims.entry.audio_evidence}).",
            remedy="Get video and sound of the release again. If nobody heard it, say so in manifests/stimuli.csv "
            "(column audio_presented).",
            code=error.code,
        ) from error
    return sound, next(sound_refusals(claims, sound, **limits), None)


def refused_by_claims(claims: Claims) -> Rejection | None:
    """The refusal that needs no look at the picture: the reader's own, or sound that nobody heard."""
    for rejection in claims.rejections:
        if rejection.level == "stimulus":
            return rejection
    if claims.entry.audio_presented == "no":
        return _refusal(
            claims,
            "audio-not-presented",
            f"Observers did not hear the sound ({claims.entry.audio_evidence}). If they did, correct audio_presented "
            "and audio_evidence of this row in manifests/stimuli.csv.",
        )
    return None


def require_one_video(claims: Claims) -> None:
    """Stop where gaze and picture cannot be of the same video.

    Raises
    ------
    GazeError
        Code "size-mismatch" or "frame-count".
    """
    stimulus, video = claims.entry.stimulus, claims.video
    decoded = (video["width_px"], video["height_px"])
    gaze = (claims.recordings["width_px"], claims.recordings["height_px"])
    table = (claims.diem_video.width_px, claims.diem_video.height_px) if claims.diem_video else decoded
    for claimed, who in ((gaze, "the gaze was recorded on"), (table, "manifests/diem_videos.csv lists")):
        if claimed != decoded:
            swapped = " (width and height are swapped)" if claimed == decoded[::-1] else ""
            raise GazeError(
                f"{stimulus}: the video shows {decoded[0]} x {decoded[1]} pixels, {who} {claimed[0]} x {claimed[1]}"
                f"{swapped}. Expected the same size.",
                remedy="Put the video of the original size in place, not a scaled or turned copy.",
                code="size-mismatch",
            )
    difference, allowed = abs(claims.gaze_frames - video["n_frames"]), claims.max_frame_difference
    if claims.n_frames == 0 or (allowed is not None and difference > allowed):
        offset = f" after frame_offset {claims.entry.frame_offset}" if claims.entry.frame_offset else ""
        expected = "at least one frame that both have" if allowed is None else f"a difference of at most {allowed}"
        raise GazeError(
            f"{stimulus}: {claims.gaze_frames} gaze frames{offset}, but the video decodes to {video['n_frames']}. "
            f"Expected {expected}.",
            remedy="Fetch the video again, or enter the shift in manifests/stimuli.csv (column frame_offset).",
            code="frame-count",
        )


def sound_refusals(
    claims: Claims, sound: Sound, *, max_sound_difference_s: float, silence_dbfs: float
) -> Iterator[Rejection]:
    """Reasons to refuse a soundtrack that exists: silent, or not as long as the picture."""
    if sound.level_dbfs is None or sound.level_dbfs < silence_dbfs:
        measured = (
            "is digital silence"
            if sound.level_dbfs is None
            else f"has a level of {sound.level_dbfs:.1f} dBFS (peak {sound.peak_dbfs:.1f})"
        )
        yield _refusal(
            claims,
            "silent",
            f"The soundtrack {measured}; {silence_dbfs:g} dBFS or more is taken as sound. "
            "Check that this is the soundtrack the video was shown with.",
        )
    difference_s = sound.duration_s - claims.video["duration_s"]
    if abs(difference_s) > max_sound_difference_s:
        yield _refusal(
            claims,
            "sound-length",
            f"The sound ends at {sound.duration_s:.3f} s, the picture at {claims.video['duration_s']:.3f} s; "
            f"{max_sound_difference_s:g} s of difference are allowed. Fetch video and sound again, or raise "
            "max_sound_difference_s where the difference is known to be harmless.",
        )


def cut_to_video(fixations: pa.Table, claims: Claims) -> tuple[pa.Table, Counter[str]]:
    """Move gaze frames onto video frames and keep those that have a picture.

    Returns
    -------
    fixations : Table, schema FIXATIONS
        Frames in [0, n_frames), in the order given.
    lost : Counter
        Fixations of each observer on frames without a picture.
    """
    frame = fixations.column("frame").to_numpy() - np.int32(claims.entry.frame_offset)
    inside = (frame >= 0) & (frame < claims.n_frames)
    lost = Counter(fixations.column("observer").filter(pa.array(~inside)).to_pylist())
    moved = fixations.set_column(fixations.schema.get_field_index("frame"), "frame", pa.array(frame, pa.int32()))
    return moved.filter(pa.array(inside)).select(FIXATIONS.names).cast(FIXATIONS), lost


def measure_sound(path: Path, start_s: float) -> Sound:
    """Length and level of a soundtrack from container time `start_s` on.

    Raises
    ------
    MediaError
        Code "no-sound" where there is no soundtrack; other codes where it cannot be decoded.
    """
    waveform, rate_hz = media.read_soundtrack(path, start_s=start_s)
    # 8-bit sound may be silent at 127 of 255: a constant is nothing to hear, however large
    waveform = waveform - waveform.mean(dtype=np.float64).astype(waveform.dtype) if len(waveform) else waveform
    peak = float(np.abs(waveform).max(initial=0.0))
    return Sound(
        rate_hz=int(rate_hz),
        channels=int(media.probe(path).sound_channels),
        duration_s=len(waveform) / rate_hz,
        level_dbfs=float(audio.level_dbfs(waveform)) if peak > 0 else None,
        peak_dbfs=20 * math.log10(peak) if peak > 0 else None,
    )


def timeline(claims: Claims, sound_start_s: float) -> dict[str, Any]:
    """When each frame was on screen, and where the sound starts: all that later stages need of the video."""
    video = claims.video
    return {
        "n_frames": claims.n_frames,
        "width_px": video["width_px"],
        "height_px": video["height_px"],
        "rate": video["rate"],
        "px_per_dva": claims.geometry.px_per_dva,
        "times_s": video["times_s"][: claims.n_frames],
        "sound_start_s": sound_start_s,
    }


def stimulus_row(claims: Claims, sound: Sound, fixations: pa.Table, licence: str) -> dict[str, Any]:
    """One row of stimuli.parquet."""
    entry, rate = claims.entry, Fraction(*claims.video["rate"])
    row = {
        "stimulus": entry.stimulus,
        "corpus": entry.corpus,
        "name": entry.name,
        "split": entry.split,
        "category": entry.category,
        "rate_num": rate.numerator,
        "rate_den": rate.denominator,
        "n_frames": claims.n_frames,
        "duration_s": float(claims.n_frames / rate),
        "width_px": claims.video["width_px"],
        "height_px": claims.video["height_px"],
        "audio_rate_hz": sound.rate_hz,
        "audio_channels": sound.channels,
        "audio_presented": entry.audio_evidence,
        "px_per_dva": claims.geometry.px_per_dva,
        "n_observers": pc.count_distinct(fixations.column("observer")).as_py(),
        "n_fixations": fixations.num_rows,
        "licence": licence,
    }
    return {name: row[name] for name in STIMULI.names}


def _recording_rejections(
    claims: Claims, fixations: pa.Table, known: list[Rejection], samples_lost: Counter[str]
) -> list[Rejection]:
    """Samples that are no fixations of the table, per observer and reason, and recordings left without any."""
    stimulus = claims.entry.stimulus
    admitted = set(pc.unique(fixations.column("observer")).to_pylist())
    explained = {rejection.subject for rejection in known if rejection.level == "recording"}
    rejections = []
    for recording in claims.recordings["observers"]:
        subject = f"{stimulus}/{recording['observer']}"
        counts = Counter(recording["rejected"])
        counts[BEYOND_VIDEO] += samples_lost[recording["observer"]]
        rejections += [
            Rejection("sample", subject, reason, count, WHY_NO_FIXATION.get(reason, ""))
            for reason, count in sorted(counts.items())
            if count
        ]
        if recording["observer"] not in admitted and subject not in explained:
            detail = f"none of its {recording['n_samples']} samples is a fixation inside the picture"
            rejections.append(Rejection("recording", subject, "no-fixations", 1, detail))
    return rejections


def _check_accounting(claims: Claims, n_fixations: int, rejections: list[Rejection]) -> None:
    """Stop on a sample that is neither a fixation nor rejected: that is a bug here or in the reader."""
    n_samples = sum(recording["n_samples"] for recording in claims.recordings["observers"])
    n_rejected = sum(rejection.count for rejection in rejections if rejection.level == "sample")
    if n_samples != n_fixations + n_rejected:
        raise AssertionError(
            f"{claims.entry.stimulus}: {n_samples} samples, but {n_fixations} fixations and {n_rejected} rejected"
        )


def _audit_rows(
    claims: Claims, sound: Sound | None, refusal: Rejection | None, max_sound_difference_s: float
) -> list[dict[str, Any]]:
    """The stimulus's part of the audit; a refusal comes first."""
    stimulus = claims.entry.stimulus
    rows = []
    if refusal is not None:
        rows.append(audit_row("admitted", stimulus, 1, 0, DIFFERS, note=refusal.reason, source="manifests/stimuli.csv"))
    return rows + compare_claims(
        stimulus,
        recordings=claims.recordings,
        video=claims.video,
        geometry=claims.geometry,
        frame_offset=claims.entry.frame_offset,
        frames_reported=claims.entry.frames_reported,
        sound_minus_picture_s=sound.duration_s - claims.video["duration_s"] if sound else None,
        max_sound_difference_s=max_sound_difference_s,
        sound_level_dbfs=sound.level_dbfs if sound else None,
    )


def _refusal(claims: Claims, reason: str, detail: str) -> Rejection:
    """A refused stimulus loses all the frames that its video has."""
    return Rejection("stimulus", claims.entry.stimulus, reason, claims.video["n_frames"], detail)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
