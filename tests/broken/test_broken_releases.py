"""One input broken at a time: what the real command says, what goes on, and what the next build makes good."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.signals import media

from .conftest import ASKED, CLIP, FILM, MAT, OTHER_CLIP, TABLES, ZIP, Workshop


@dataclass(frozen=True)
class Case:
    """A way to break RAW, the stage that meets it, the item it fails with which code, and the words of the message.

    `lost` are the stimuli that cannot be published; `unpacked` puts the film into RAW as a folder first.
    """

    hurt: Callable[[Workshop], None]
    stage: str
    item: str
    code: str
    says: tuple[str, ...]
    lost: tuple[str, ...]
    unpacked: bool = False


def cut_the_7z_in_half(shop: Workshop) -> None:
    archive = shop.raw / f"{FILM}.7z"
    os.truncate(archive, archive.stat().st_size // 2)


def pack_a_file_that_climbs_out(shop: Workshop) -> None:
    with zipfile.ZipFile(shop.raw / ZIP, "a") as archive:
        archive.writestr("../../climbed_out.txt", "here I am")


def pack_a_bomb(shop: Workshop) -> None:
    with zipfile.ZipFile(shop.raw / ZIP, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("ERB4_Stimuli/clip_2.avi", bytes(128 << 20))


def put_a_web_page_for_the_mat(shop: Workshop) -> None:
    (shop.raw / MAT).write_text("<!DOCTYPE html><html>Please log in</html>", encoding="utf-8")


def cut_the_mat_in_half(shop: Workshop) -> None:
    os.truncate(shop.raw / MAT, (shop.raw / MAT).stat().st_size // 2)


def event_file(shop: Workshop) -> Path:
    return sorted((shop.raw / FILM / "event_data").glob("*.txt"))[0]


def leave_out_a_column(shop: Workshop) -> None:
    lines = event_file(shop).read_bytes().split(b"\r\n")
    lines[4] = lines[4].rpartition(b"\t")[0]
    event_file(shop).write_bytes(b"\r\n".join(lines))


def write_a_word_for_a_number(shop: Workshop) -> None:
    lines = event_file(shop).read_bytes().split(b"\r\n")
    cells = lines[4].split(b"\t")
    lines[4] = b"\t".join([*cells[:5], b"n/a", *cells[6:]])
    event_file(shop).write_bytes(b"\r\n".join(lines))


def ffmpeg(*words: str | Path) -> None:
    subprocess.run([media.ffmpeg_path(), "-v", "error", "-y", *map(str, words)], check=True, stdin=subprocess.DEVNULL)


def mute_the_clip(shop: Workshop) -> None:
    loud, mute = shop.folder / "clips", shop.folder / "mute.avi"
    with zipfile.ZipFile(shop.raw / ZIP) as archive:
        archive.extractall(loud)
    (clip,) = loud.rglob("clip_2.avi")
    ffmpeg("-i", clip, "-an", "-c:v", "copy", mute)
    mute.replace(clip)
    with zipfile.ZipFile(shop.raw / ZIP, "w") as archive:
        for path in sorted(loud.rglob("*.avi")):
            archive.write(path, path.relative_to(loud))


def film_video(shop: Workshop) -> Path:
    (video,) = (shop.raw / FILM / "video").iterdir()
    return video


def empty_the_video(shop: Workshop) -> None:
    os.truncate(film_video(shop), 0)


def cut_the_video_in_half(shop: Workshop) -> None:
    os.truncate(film_video(shop), film_video(shop).stat().st_size // 2)


def let_the_gaze_go_on(shop: Workshop) -> None:
    for path in (shop.raw / FILM / "event_data").glob("*.txt"):
        lines = path.read_bytes().splitlines()
        last = lines[-1].split(b"\t")
        more = [b"\t".join([b"%d" % (len(lines) + k), *last[1:]]) for k in range(1, 11)]
        path.write_bytes(b"".join(line + b"\r\n" for line in lines + more))


def turn_the_picture(shop: Workshop) -> None:
    turned = shop.folder / "turned.mp4"
    ffmpeg("-i", film_video(shop), "-vf", "scale=240:320", "-c:v", "libx264", "-preset", "ultrafast", turned)
    turned.replace(film_video(shop))


def swap_width_and_height_in_the_mat(shop: Workshop) -> None:
    from scipy.io import loadmat, savemat

    content = loadmat(shop.raw / MAT)
    info = content["Coutrot_Database2"]["AudioVisual"][0, 0]["clip_2"][0, 0]["info"][0, 0]
    width = info["vidwidth"][0, 0].copy()
    info["vidwidth"][0, 0], info["vidheight"][0, 0] = info["vidheight"][0, 0], width
    savemat(shop.raw / MAT, {"Coutrot_Database2": content["Coutrot_Database2"]})


CASES = {
    "a 7z that was cut short": Case(cut_the_7z_in_half, "unpack", FILM, "damaged", (), (FILM,)),
    "a zip with a name that leaves its folder": Case(
        pack_a_file_that_climbs_out, "unpack", "coutrot2/ERB4_Stimuli", "unsafe", (), (CLIP, OTHER_CLIP)
    ),
    "a zip bomb": Case(pack_a_bomb, "unpack", "coutrot2/ERB4_Stimuli", "bomb", (), (CLIP, OTHER_CLIP)),
    "a mat file that is a web page": Case(
        put_a_web_page_for_the_mat, "recordings", CLIP, "mat-file", (), (CLIP, OTHER_CLIP)
    ),
    "a mat file that was cut short": Case(cut_the_mat_in_half, "recordings", CLIP, "mat-file", (), (CLIP, OTHER_CLIP)),
    "an event file with eight columns": Case(leave_out_a_column, "recordings", FILM, "event-file", (), (FILM,), True),
    "a word in a column of numbers": Case(
        write_a_word_for_a_number, "recordings", FILM, "event-file", (), (FILM,), True
    ),
    "a video without sound": Case(mute_the_clip, "curate", CLIP, "no-sound", (), (CLIP,)),
    "a video of 0 bytes": Case(empty_the_video, "frames", FILM, "empty-file", (), (FILM,), True),
    "a video that was cut short": Case(cut_the_video_in_half, "frames", FILM, "not-a-video", (), (FILM,), True),
    "gaze that goes on after the video": Case(let_the_gaze_go_on, "curate", FILM, "frame-count", (), (FILM,), True),
    "a video whose width and height are swapped": Case(
        turn_the_picture, "curate", FILM, "size-mismatch", (), (FILM,), True
    ),
    "gaze whose width and height are swapped": Case(
        swap_width_and_height_in_the_mat, "recordings", CLIP, "placement", (), (CLIP,)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_broken_one_is_explained_the_rest_is_published_and_mending_makes_what_is_missing(
    case: Case, workshop: Workshop, everything: set[tuple[str, str]]
):
    if case.unpacked:
        workshop.unpack_film()
    shutil.copytree(workshop.raw, workshop.folder / "whole")
    case.hurt(workshop)

    broken = workshop.build()
    open("/tmp/br/said.txt", "a").write(f"\n##### {broken.status}\n{broken.said}\n{workshop.rejected()}\n")
    assert broken.status == 1
    for words in case.says:
        assert words in broken.said
    assert f"{case.stage}: {case.code}" in broken.said
    assert workshop.published() == tuple(name for name in ASKED if name not in case.lost)
    level = "source" if case.stage in ("fetch", "unpack") else "stimulus"
    print(workshop.rejected())
    assert workshop.rejected()[level, case.item].startswith(f"failed-{case.code}: ")

    shutil.rmtree(workshop.raw)
    (workshop.folder / "whole").rename(workshop.raw)
    mended = workshop.build()
    assert mended.status == 0
    assert workshop.published() == ASKED
    assert (level, case.item) not in workshop.rejected()
    artifacts = {item for stage, item in mended.made if stage == "fetch"}
    print(artifacts)
    again = {(stage, item) for stage in ("fetch", "unpack") for item in artifacts}
    assert mended.made == (everything - broken.made) | again | TABLES
