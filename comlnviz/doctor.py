"""Is this installation sound? Versions, widget front ends, JAX's devices, caches."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from .cache import cache_environment, cache_folder

_PACKAGES = (
    "comlnviz", "jax", "jaxlib", "diffrax", "equinox", "optax", "lineax", "numpy",
    "matplotlib", "ipywidgets", "anywidget", "jupyterlab",
)  # fmt: skip

# A package of widgets: (the package that ships its front end, the front end's name in Jupyter).
FRONT_ENDS = {
    "ipywidgets": ("jupyterlab_widgets", "@jupyter-widgets/jupyterlab-manager"),
    "anywidget": ("anywidget", "anywidget"),
}


@dataclass
class Examination:
    """What `examine` found: lines to read, and sentences each of which says what to repair."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def examine() -> Examination:
    """Look at everything; change nothing, and leave the accelerator's memory alone."""
    examination = Examination()
    for part in (_versions, _front_ends, _devices, _caches):
        part(examination)
    return examination


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _versions(examination: Examination) -> None:
    examination.notes.append(
        f"Python {platform.python_version()} on {platform.platform()}: {sys.executable}"
    )
    found = {package: _installed(package) for package in _PACKAGES}
    examination.notes.append(", ".join(f"{name} {v}" for name, v in found.items() if v))
    if not found["jupyterlab"]:
        examination.notes.append(
            'The book needs JupyterLab: pip install "comlnviz[lab]" brings it.'
        )
    if importlib.util.find_spec("packaging") is None:  # it comes with Jupyter
        return
    for text in metadata.requires("comlnviz") or []:
        if sentence := unmet(text):
            examination.problems.append(sentence)


def unmet(text: str) -> str | None:
    """Return a sentence when what is installed does not meet the requirement ``text``."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker and not requirement.marker.evaluate({"extra": "lab"}):
        return None
    optional = requirement.marker and not requirement.marker.evaluate({"extra": ""})
    installed = _installed(requirement.name)
    if installed is None and optional:
        return None
    if installed and requirement.specifier.contains(installed, prereleases=True):
        return None
    return (
        f"{requirement.name} is {installed or 'not installed'}, and comlnviz needs "
        f"{requirement.name}{requirement.specifier}; install comlnviz again."
    )


def _front_ends(examination: Examination) -> None:
    """Compare the front end that Jupyter would load with the one that came with the Python side.

    An older copy in a folder that Jupyter reads first gives the reader "Error displaying widget".
    """
    if importlib.util.find_spec("jupyter_core") is None:
        return
    from jupyter_core.paths import jupyter_path

    for package, (carrier, name) in FRONT_ENDS.items():
        if _installed(package) is None:
            continue
        folders = [Path(folder, name) for folder in jupyter_path("labextensions")]
        loaded = next((folder for folder in folders if (folder / "package.json").is_file()), None)
        shipped = _shipped_front_end(carrier, name)
        if loaded is None:
            examination.problems.append(
                f"Jupyter finds no front end for {package}; install {carrier} again."
            )
        elif shipped is None:
            examination.problems.append(
                f"{carrier}, the front end of {package}, is not whole; install it again."
            )
        elif (ours := _front_end_version(shipped)) != (theirs := _front_end_version(loaded)):
            examination.problems.append(
                f"Jupyter loads the front end {theirs} of {package} from {loaded}, and {package} "
                f"{_installed(package)} comes with {ours}; remove that folder."
            )
        else:
            examination.notes.append(
                f"Front end of {package}: {theirs}, the one that {package} came with"
            )


def _shipped_front_end(carrier: str, name: str) -> Path | None:
    ending = f"labextensions/{name}/package.json"
    try:
        files = metadata.files(carrier) or []
    except metadata.PackageNotFoundError:
        return None
    path = next(
        (Path(str(file.locate())) for file in files if file.as_posix().endswith(ending)), None
    )
    return path.parent if path and path.is_file() else None


def _front_end_version(folder: Path) -> str:
    try:
        return str(json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return "unreadable"


def _devices(examination: Examination) -> None:
    # In a process of its own, which gives the memory back, and with the user's own settings first.
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    command = [sys.executable, "-c", "import jax; print(', '.join(str(d) for d in jax.devices()))"]
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        examination.problems.append("JAX found no device in 120 s; another process may hold it.")
        return
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        examination.problems.append(f"JAX cannot start: {reason}")
        return
    devices = result.stdout.strip().splitlines()[-1]
    examination.notes.append(f"JAX devices: {devices}")
    if shutil.which("nvidia-smi") and "cuda" not in devices.lower():
        examination.notes.append(
            "An NVIDIA driver is here, but JAX runs on the CPU; "
            'pip install "comlnviz[cuda]" adds the GPU.'
        )
    if "cuda" in devices.lower():
        precision = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION")
        examination.notes.append(
            f"JAX_DEFAULT_MATMUL_PRECISION is {precision or 'not set'}: unless it is highest, many "
            "GPUs multiply float32 numbers of networks with 11 binary digits instead of 24 (TF32)."
        )
    preallocate = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE")
    examination.notes.append(
        f"XLA_PYTHON_CLIENT_PREALLOCATE is {preallocate or 'not set'}: unless it is false, JAX "
        "takes three quarters of a GPU's memory at first use, so that a second notebook finds "
        "too little; it must be set before Jupyter starts."
    )


def _caches(examination: Examination) -> None:
    if data := os.environ.get("COMLNVIZ_DATA"):
        examination.notes.append(f"Datasets (COMLNVIZ_DATA): {data}")
        if not Path(data).is_dir():
            examination.problems.append(
                f"COMLNVIZ_DATA is {data}, which is no folder; create or unset it."
            )
    if chosen := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        examination.notes.append(
            f"Compiled programs: {chosen}, as you set JAX_COMPILATION_CACHE_DIR"
        )
    elif settings := cache_environment():
        folder = Path(settings["JAX_COMPILATION_CACHE_DIR"])
        size = sum(entry.stat().st_size for entry in folder.glob("*-cache")) / 2**20
        examination.notes.append(
            f"Compiled programs: {folder}, {size:.0f} MiB; it is safe to delete"
        )
    elif importlib.util.find_spec("platformdirs"):
        examination.problems.append(
            f"{cache_folder()} cannot be written, so every kernel compiles afresh; "
            "set COMLNVIZ_CACHE to a folder of yours."
        )
    else:
        examination.notes.append(
            'Compiled programs are not kept; pip install "comlnviz[lab]" brings the cache.'
        )
