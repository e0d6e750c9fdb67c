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

from .workshop import ASKED, CLIP, FILM, MAT, OTHER_CLIP, OTHER_FILM, TABLES, ZIP, Workshop


@dataclass(frozen=True)
class Case:
    """A way to break RAW, the stage that meets it, the item it fails with which code, and the words of the message.

    `lost` are the stimuli that cannot be published; `unpacked` puts the film into RAW as a folder first; `again` is
    what the mended release makes anew beside the broken one, because it reads the same file.
    """

    hurt: Callable[[Workshop], None]
    stage: str
    item: str
    code: str
    says: tuple[str, ...]
    lost: tuple[str, ...]
    unpacked: bool = False
    again: tuple[tuple[str, str], ...] = ()


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


def leave_out_the_video(shop: Workshop) -> None:
    film_video(shop).unlink()


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
    "a 7z that was cut short": Case(
        cut_the_7z_in_half,
        *("unpack", FILM, "damaged"),
        ("clock_workshop_320x240.7z: the archive at", "damaged or cut short", "delete it, fetch it again"),
        lost=(FILM,),
    ),
    "a zip with a name that leaves its folder": Case(
        pack_a_file_that_climbs_out,
        *("unpack", "coutrot2/ERB4_Stimuli", "unsafe"),
        (
            "'../../climbed_out.txt' (leaves the target folder)",
            "Expected plain files with relative names",
            "Nothing was unpacked. Get the archive from its owner again",
        ),
        lost=(CLIP, OTHER_CLIP),
    ),
    "a zip bomb": Case(
        pack_a_bomb,
        *("unpack", "coutrot2/ERB4_Stimuli", "bomb"),
        ("looks like a bomb", "134217728 bytes packed into", "at most 200 to 1", "Nothing was unpacked."),
        lost=(CLIP, OTHER_CLIP),
    ),
    "a mat file that is a web page": Case(
        put_a_web_page_for_the_mat,
        *("recordings", CLIP, "mat-file"),
        (
            "coutrot2/clip_2: coutrot_database2.mat: not a MATLAB v5 file; it starts with b'<!DOCTYPE html>",
            "Expected a MATLAB v5 file with the variable Coutrot_Database2; get coutrot_database2.mat again.",
        ),
        lost=(CLIP, OTHER_CLIP),
    ),
    "a mat file that was cut short": Case(
        cut_the_mat_in_half,
        *("recordings", CLIP, "mat-file"),
        ("coutrot_database2.mat: cannot be read to its end", "get coutrot_database2.mat again"),
        lost=(CLIP, OTHER_CLIP),
    ),
    "an event file with eight columns": Case(
        leave_out_a_column,
        *("recordings", FILM, "event-file"),
        (
            f"{FILM}: diem1s01.asc_",
            "_clock_workshop_320x240.txt, line 5: 8 columns; expected 9.",
            "Get the file again.",
        ),
        lost=(FILM,),
        unpacked=True,
    ),
    "a word in a column of numbers": Case(
        write_a_word_for_a_number,
        *("recordings", FILM, "event-file"),
        ("_clock_workshop_320x240.txt, line 5: right x is 'n/a'; expected a number.", "Get the file again."),
        lost=(FILM,),
        unpacked=True,
    ),
    "a video without sound": Case(
        mute_the_clip,
        *("curate", CLIP, "no-sound"),
        (
            "coutrot2/clip_2: clip_2.avi: has no soundtrack. Expected the sound that was heard (condition AudioVisual:",
            "Get video and sound of the release again. If nobody heard it, say so in manifests/stimuli.csv",
        ),
        lost=(CLIP,),
        again=(("frames", CLIP),),
    ),
    "gaze without its video": Case(
        leave_out_the_video,
        *("recordings", FILM, "media-missing"),
        (
            f"{FILM}: 12 gaze files but no video; looked for video/clock_workshop_320x240.mp4",
            "Get the whole archive clock_workshop_320x240.7z; or unpack what you have into RAW/diem/",
        ),
        lost=(FILM,),
        unpacked=True,
    ),
    "a video of 0 bytes": Case(
        empty_the_video,
        *("frames", FILM, "empty-file"),
        (f"{FILM}: clock_workshop_320x240.mp4: the file is empty (0 bytes).", "Fetch it again."),
        lost=(FILM,),
        unpacked=True,
    ),
    "a video that was cut short": Case(
        cut_the_video_in_half,
        *("frames", FILM, "not-a-video"),
        ("clock_workshop_320x240.mp4: neither a video", "moov atom not found", "fetch it again and compare its size"),
        lost=(FILM,),
        unpacked=True,
    ),
    "gaze that goes on after the video": Case(
        let_the_gaze_go_on,
        *("curate", FILM, "frame-count"),
        (
            f"{FILM}: 74 gaze frames, but the video decodes to 63. Expected a difference of at most 2.",
            "Fetch the video again, or enter the shift in manifests/stimuli.csv (column frame_offset).",
        ),
        lost=(FILM,),
        unpacked=True,
        again=(("recordings", FILM),),
    ),
    "a video whose width and height are swapped": Case(
        turn_the_picture,
        *("curate", FILM, "size-mismatch"),
        (
            f"{FILM}: the video shows 240 x 320 pixels, the gaze was recorded on 320 x 240 (width and height are "
            "swapped). Expected the same size.",
            "Put the video of the original size in place",
        ),
        lost=(FILM,),
        unpacked=True,
        again=(("frames", FILM),),
    ),
    "gaze whose width and height are swapped": Case(
        swap_width_and_height_in_the_mat,
        *("recordings", CLIP, "placement"),
        (
            "coutrot2/clip_2: read as video px (the declared placement), 13.9% of the fixations inside",
            "read as width and height of the picture swapped, 99.9% of the fixations inside",
            "Expected the declared placement to fit best.",
            "Correct the placement in manifests/geometry.csv, or get gaze and video of the original release.",
        ),
        lost=(CLIP,),
        again=(("recordings", OTHER_CLIP),),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_explained_the_rest_goes_on_and_mending_makes_just_what_is_missing(
    case: Case, workshop: Workshop, everything: set[tuple[str, str]]
):
    if case.unpacked:
        workshop.unpack_film()
    shutil.copytree(workshop.raw, workshop.folder / "whole")
    case.hurt(workshop)

    broken = workshop.build()
    assert broken.status == 1
    assert broken.table.count(f"{case.stage}: {case.code} (") == 1
    for words in case.says:
        assert words in broken.table
    assert workshop.published() == tuple(name for name in ASKED if name not in case.lost)
    level = "source" if case.stage in ("fetch", "unpack") else "stimulus"
    assert workshop.rejected()[level, case.item].startswith(f"failed-{case.code}: ")
    assert {subject for _, subject in workshop.rejected()} == {case.item, *case.lost}

    shutil.rmtree(workshop.raw)
    (workshop.folder / "whole").rename(workshop.raw)
    mended = workshop.build()
    assert (mended.status, mended.table) == (0, "")
    assert workshop.published() == ASKED
    assert workshop.rejected() == {}
    artifacts = {item for stage, item in mended.made if stage == "fetch"}
    fetched = {(stage, item) for stage in ("fetch", "unpack") for item in artifacts}
    assert mended.made == (everything - broken.made) | fetched | set(case.again) | TABLES
    assert workshop.build().made == set()


def test_a_partial_build_goes_on_without_a_video_that_is_not_there(workshop: Workshop):
    workshop.unpack_film()
    leave_out_the_video(workshop)
    partial = workshop.build("--partial")
    assert (partial.status, partial.table) == (0, "")
    assert workshop.published() == (CLIP, OTHER_CLIP, OTHER_FILM)
    assert workshop.rejected()["stimulus", FILM].startswith("media-missing: diem/clock_workshop_320x240: 12 gaze files")


def test_shards_of_a_corpus_that_lost_a_stimulus_are_refused_unless_that_is_tolerated(workshop: Workshop):
    workshop.unpack_film()
    leave_out_a_column(workshop)
    assert workshop.build().status == 1
    export = ["--store", str(workshop.store), "--format", "wds", "--executor", "serial"]

    refused = workshop.run("export", *export)
    assert refused.status == 1
    assert "shards: incomplete (1)" in refused.table
    assert "diem: 1 of 2 stimuli failed, so its shards would be incomplete." in refused.table
    assert "Mend them and build again, or allow it: --tolerance 0.5" in refused.table
    assert {item for stage, item in refused.made if stage == "shards"} == {"coutrot2/val.wds", "coutrot2/test.wds"}
    assert workshop.rejected().keys() == {("stimulus", FILM)}

    tolerated = workshop.run("export", *export, "--tolerance", "0.5")
    assert tolerated.status == 1
    assert "shards: " not in tolerated.table
    assert {item for stage, item in tolerated.made if stage == "shards"} == {"diem/val.wds"}
    assert workshop.rejected().keys() == {("stimulus", FILM)}
