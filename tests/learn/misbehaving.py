"""A child process that does what `job.params["does"]` says: for the tests of `pipeline.learn.launch`."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from pipeline.errors import ModelError
from pipeline.learn.launch import child_main
from pipeline.store.job import Job


def work(job: Job) -> None:
    does = job.params["does"]
    if does == "write":
        (job.out / "seen.txt").write_text(f"{job.item} {job.files['shards']['diem/train'].name} {job.values['n']}")
    elif does == "refuse":
        raise ModelError("The width is 0; expected more.", remedy="Ask for 8.", code="width")
    elif does == "crash":
        print("step 1\nstep 2", flush=True)
        raise RuntimeError("a bug, not bad input")
    elif does == "be killed":
        os.kill(os.getpid(), 9)
    elif does == "hang":
        nested = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (job.out / "pids.part").write_text(f"{os.getpid()} {nested.pid}")
        (job.out / "pids.part").replace(job.out / "pids")
        time.sleep(600)


if __name__ == "__main__":
    sys.exit(child_main(work))
