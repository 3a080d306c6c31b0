"""A bar that says how far, how well, how fast, how long still."""

import time
from typing import Any

import numpy as np


class Progress:
    """A progress bar over meta-training steps; silent without tqdm, or when not `shown`."""

    def __init__(self, total: int, done: int, batch_size: int, *, shown: bool) -> None:
        self._batch_size, self._bar = batch_size, None
        if shown:
            try:
                from tqdm.auto import tqdm
            except ModuleNotFoundError:
                return
            self._bar = tqdm(total=total, initial=done, unit="step")

    def __enter__(self) -> "Progress":
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, steps: int, records: dict[str, np.ndarray]) -> None:
        """Steps just taken, and what was noted of them."""
        if self._bar is None:
            return
        seconds = max(time.monotonic() - self._began, 1e-9)
        self._began = time.monotonic()
        shown = {name: f"{np.mean(values):.4g}" for name, values in records.items()}
        shown["tasks/s"] = f"{steps * self._batch_size / seconds:.0f}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(steps)

    def say(self, sentence: str) -> None:
        """A line of its own."""
        if self._bar is not None:
            self._bar.write(sentence)
