"""The MATLAB code of ViNet's checkout, run by one Octave process that stays: pictures in once, scores out at each call.

At equal sizes MATLAB's `imresize` has nothing to do. It and `corr2`, which Octave alone lacks, get stand-ins, so that
no package is needed and no time goes into a resizing that changes nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import scipy.io
from numpy.typing import NDArray

NAMES = ("nss", "auc_judd", "sauc", "cc", "sim", "kld", "ig")
FILES = {
    "imresize": "function picture = imresize(picture, varargin)\nend\n",
    "corr2": "function r = corr2(a, b)\na = a - mean(a(:)); b = b - mean(b(:));\n"
    "r = sum(sum(a .* b)) / sqrt(sum(sum(a .* a)) * sum(sum(b .* b)));\nend\n",
    # in the order of NAMES
    "seven": "function scores = seven(f)\n"
    "scores = [NSS(f.saliency, f.fixations), AUC_Judd(f.saliency, f.fixations), "
    "AUC_shuffled(f.saliency, f.fixations, f.negatives), CC(f.saliency, f.density), "
    "similarity(f.saliency, f.density), KLdiv(f.saliency, f.density), "
    "InfoGain(f.saliency, f.fixations, f.baseline)];\nend\n",
    "serve": "while true\n  asked = input('', 's');\n  if strcmp(asked, 'end'), break; end\n  eval(asked);\n"
    "  fflush(stdout);\nend\n",
}


def program() -> str | None:
    """Where Octave is, if anywhere."""
    return shutil.which("octave-cli") or shutil.which("octave")


class Octave:
    """An Octave process with the checkout's metrics.

    Parameters
    ----------
    metrics : Path
        The folder of the .m files.
    folder : Path
        Where scripts and pictures may be written.
    """

    def __init__(self, metrics: Path, folder: Path):
        for name, content in FILES.items():
            (folder / f"{name}.m").write_text(content, encoding="ascii")
        self._folder = folder
        command = [program() or "octave-cli", "--no-gui", "--quiet", "--no-init-file", "--path", str(metrics)]
        # our folder last and so first on the path: stand-ins for what lies elsewhere
        command += ["--path", str(folder), str(folder / "serve.m")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def take(self, frames: Sequence[Mapping[str, NDArray]]) -> None:
        """Hand over the frames' pictures; they are kept until others come."""
        scipy.io.savemat(self._folder / "frames.mat", {f"f{k}": dict(frame) for k, frame in enumerate(frames)})
        loaded = " ".join(f"frames{{{k + 1}}} = all.f{k};" for k in range(len(frames)))
        self._ask(f"frames = {{}}; all = load('{self._folder / 'frames.mat'}'); {loaded} disp(numel(frames))")

    def scores(self) -> list[dict[str, float]]:
        """The seven of each frame, computed anew."""
        answer = self._ask(r"cellfun(@(f) printf('%.17g ', seven(f)), frames); printf('\n')")
        numbers = [float(word) for word in answer.split()]
        starts = range(0, len(numbers), len(NAMES))
        return [dict(zip(NAMES, numbers[start : start + len(NAMES)], strict=True)) for start in starts]

    def cpu_s(self) -> float:
        """Processor seconds that it has used so far."""
        return float(self._ask(r"printf('%.9f\n', cputime)"))

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"Octave ended at: {what}")
        return answer
