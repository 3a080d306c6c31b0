"""The device that is measured: named by the reader, or what JAX chooses."""

import os
import platform
from typing import Any

import jax

DEVICES = ("cpu", "gpu")


def find_device(name: str | None = None) -> Any:
    """A device by its kind, "cpu" or "gpu"; the one that JAX uses by default for `None`.

    **Raises** `ValueError` for another name, and where there is no such device.
    """
    if name is None:
        config: Any = jax.config
        return config.jax_default_device or jax.devices()[0]
    if name not in DEVICES:
        raise ValueError(f"There is no device {name!r}: choose from {', '.join(DEVICES)}.")
    try:
        return jax.devices(name)[0]
    except RuntimeError:
        raise ValueError(
            f"JAX {jax.__version__} sees no {name} here; it sees {jax.devices()[0].platform}."
        ) from None


def device_name(device: Any) -> str:
    """As a file name can bear it."""
    if device.platform == "cpu":
        return f"cpu-{os.cpu_count()}-cores-{platform.machine()}"
    return device.device_kind.lower().replace(" ", "-")
