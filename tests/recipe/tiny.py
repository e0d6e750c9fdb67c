"""Raw releases of three tiny stimuli, written byte by byte: no encoder has a say in what they hold.

Two clips in Coutrot's form (raw pictures and PCM in an AVI, in a zip) and one video in DIEM's (a folder). Pictures are
flat grey blocks whose levels change with the frame, sounds are sums of tones, gaze follows closed formulas.
"""

from __future__ import annotations

import io
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
from scipy.io import savemat

BLOCKS = (2, 2)
CLIPS = {"clip_1": 40, "clip_2": 34}  # frames at 25 fps
CLIP_SIZE, CLIP_RATE, CLIP_SOUND_HZ = (64, 80), 25, 16000
DIEM_NAME, DIEM_SIZE, DIEM_RATE, DIEM_FRAMES, DIEM_SOUND_HZ = "blocks_64x48", (48, 64), 30, 45, 44100
SCREEN = (1280, 960)
OBSERVERS = 3
FIXED_DATE = (2010, 1, 1, 0, 0, 0)


def write(folder: Path) -> None:
    """Write `raw/` and `manifests/` below a folder."""
    coutrot, diem = folder / "raw" / "coutrot1", folder / "raw" / "diem" / DIEM_NAME
    for home in (coutrot, *(diem / part for part in ("video", "audio", "event_data"))):
        home.mkdir(parents=True)
    with zipfile.ZipFile(coutrot / "ERB3_Stimuli.zip", "w") as archive:
        for seed, (name, n_frames) in enumerate(CLIPS.items()):
            sound = tones(n_frames / CLIP_RATE, CLIP_SOUND_HZ, seed)
            video = avi(pictures(n_frames, CLIP_SIZE, seed), CLIP_RATE, sound)
            archive.writestr(zipfile.ZipInfo(f"ERB3_Stimuli/{name}.avi", FIXED_DATE), video)
    (coutrot / "coutrot_database1.mat").write_bytes(mat())
    (diem / "video" / f"{DIEM_NAME}.avi").write_bytes(avi(pictures(DIEM_FRAMES, DIEM_SIZE, 7), DIEM_RATE))
    write_wav(diem / "audio" / f"{DIEM_NAME}.wav", tones(DIEM_FRAMES / DIEM_RATE, DIEM_SOUND_HZ, 7))
    for observer in range(OBSERVERS):
        events = diem / "event_data" / f"diem1s{observer + 1:02d}.asc_5_{DIEM_NAME}.txt"
        events.write_bytes(event_text(observer))
    (folder / "manifests").mkdir()
    for name, table in MANIFESTS.items():
        (folder / "manifests" / f"{name}.csv").write_text(table, encoding="utf-8")


def pictures(n_frames: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Grey blocks, uint8 [n, height, width]."""
    levels = 40 + (np.arange(n_frames * 4).reshape(n_frames, *BLOCKS) * 37 + 16 * seed) % 170
    return np.repeat(np.repeat(levels, size[0] // 2, 1), size[1] // 2, 2).astype(np.uint8)


def tones(duration_s: float, rate_hz: int, seed: int) -> np.ndarray:
    """Three steady tones with a slow swell, int16 [n]."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * time_s * (1 + seed % 3))
    sound = sum(np.sin(2 * np.pi * (300 + 200 * seed) * factor * time_s) for factor in (1, 2.5, 4.2))
    return np.rint(6000 * swell * sound).astype("<i2")


def gaze_px(n_frames: int, observer: int, size: tuple[int, int]) -> np.ndarray:
    """Where an observer looks, from the middle of the picture outwards, float64 [n, 2] as (x, y)."""
    frame = np.arange(n_frames)
    reach = np.minimum(frame / n_frames, 0.5)
    angle = frame / 6 + observer
    return np.stack([size[1] * (0.5 + 0.6 * reach * np.cos(angle)), size[0] * (0.5 + 0.6 * reach * np.sin(angle))], 1)


def event_text(observer: int) -> bytes:
    """DIEM's nine columns: a blink, a lost frame, a saccade and a look beside the picture among the fixations."""
    left, top = (SCREEN[0] - DIEM_SIZE[1]) / 2, (SCREEN[1] - DIEM_SIZE[0]) / 2
    lines = []
    for frame, (x_px, y_px) in enumerate(gaze_px(DIEM_FRAMES, observer, DIEM_SIZE)):
        events = {20: "0", 21: "-1", 30: "2"}.get(frame + observer, "1")
        x_px = x_px + 200 if frame + observer == 35 else x_px
        eye = f"{left + x_px:.1f}\t{top + y_px:.1f}\t900.0\t{events}"
        lines.append(f"{frame + 1}\t{eye}\t{eye}\r\n")
    return "".join(lines).encode("ascii")


def mat() -> bytes:
    """A Coutrot database with one condition; one sample in nine is missing."""
    clips = {}
    for name, n_frames in CLIPS.items():
        data = np.stack([gaze_px(n_frames, observer, CLIP_SIZE).T for observer in range(OBSERVERS)], axis=2)
        data[:, 5::9, 0] = np.nan
        height, width = map(float, CLIP_SIZE)
        info = {"fps": float(CLIP_RATE), "nframe": float(n_frames), "vidwidth": width, "vidheight": height}
        clips[name] = {"data": data.round(2), "info": info}
    file = io.BytesIO()
    savemat(file, {"Coutrot_Database1": {"OriginalSounds": clips}}, oned_as="row")
    return b"MATLAB 5.0 MAT-file, tiny".ljust(116) + file.getvalue()[116:]  # the header's text holds the time of day


def write_wav(path: Path, sound: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, DIEM_SOUND_HZ, 0, "NONE", ""))
        file.writeframes(sound.tobytes())


def avi(grey: np.ndarray, rate: int, sound: np.ndarray | None = None) -> bytes:
    """An AVI of raw 24-bit pictures, with 16-bit mono PCM where `sound` is given, a chunk a frame each."""
    n_frames, height, width = grey.shape
    frames = [np.repeat(picture[::-1, :, None], 3, 2).tobytes() for picture in grey]  # bottom row first, BGR
    streams = [_stream(b"vids", b"DIB ", rate, n_frames, 0, _bitmap(width, height), len(frames[0]))]
    chunks = [[_chunk(b"00db", frame)] for frame in frames]
    if sound is not None:
        format_pcm = struct.pack("<HHIIHH", 1, 1, CLIP_SOUND_HZ, 2 * CLIP_SOUND_HZ, 2, 16)
        streams.append(_stream(b"auds", bytes(4), CLIP_SOUND_HZ, sound.size, 2, format_pcm, CLIP_SOUND_HZ))
        for pair, part in zip(chunks, np.split(sound, n_frames), strict=True):
            pair.append(_chunk(b"01wb", part.tobytes()))
    head = struct.pack("<14I", 1_000_000 // rate, 0, 0, 0x10, n_frames, 0, len(streams), 0, width, height, 0, 0, 0, 0)
    header = _list(b"hdrl", _chunk(b"avih", head), *streams)
    movie = [piece for pair in chunks for piece in pair]
    index, place = b"", 4
    for piece in movie:
        index += piece[:4] + struct.pack("<II", 0x10, place) + piece[4:8]
        place += len(piece)
    body = b"AVI " + header + _list(b"movi", *movie) + _chunk(b"idx1", index)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(chunks))


def _stream(kind: bytes, handler: bytes, rate: int, length: int, sample_bytes: int, form: bytes, buffer: int) -> bytes:
    head = struct.pack("<3I", 0, 0, 0) + struct.pack("<7I", 1, rate, 0, length, buffer, 0, sample_bytes) + bytes(8)
    return _list(b"strl", _chunk(b"strh", kind + handler + head), _chunk(b"strf", form))


def _bitmap(width: int, height: int) -> bytes:
    return struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 3 * width * height, 0, 0, 0, 0)


MANIFESTS = {  # the project's tables, in words that no other part of the project may change
    "sources": """corpus,artifact,kind,urls,size_bytes,checksum,how_to,note
diem,{name}.7z,manual,https://example.org,,unknown,by hand,
coutrot1,ERB3_Stimuli.zip,manual,https://example.org,,unknown,by hand,
coutrot1,coutrot_database1.mat,manual,https://example.org,,unknown,by hand,
""",
    "licences": """corpus,title,licence,terms,citation,homepage
diem,Blocks,CC0-1.0,none,none,
coutrot1,More blocks,CC0-1.0,none,none,
""",
    "stimuli": """corpus,name,ave_name,category,split,category_sheet,split_sheet,audio_presented,\
audio_evidence,frame_offset,frames_reported,note
diem,blocks_64x48,blocks_64x48,nature,train,Nature,train,yes,made so,0,,
coutrot1,clip_1,clip_1,social,train,Social,train,yes,made so,0,,
coutrot1,clip_2,clip_2,misc,val,Other,val,yes,made so,0,,
""",
    "geometry": """corpus,placement,px_per_dva,px_per_dva_low,px_per_dva_high,screen_width_px,screen_height_px,\
screen_width_cm,screen_height_cm,distance_cm,source,confidence
diem,centred,8,,,1280,960,,,,made so,high
coutrot1,video,10,,,,,,,,made so,high
""",
    "diem_videos": """name,width_px,height_px,n_frames,in_ave,why_out
blocks_64x48,64,48,45,yes,
""",
    "published": """quantity,scope,value,tolerance,source,note
stimuli,all,4,0,made so,one too many
""",
}
