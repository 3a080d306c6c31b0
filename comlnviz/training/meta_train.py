"""The outer loop: sample tasks, take their meta-gradients, step; many steps in one program."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from ..algorithms import AbstractAlgorithm
from ..counts import check_counts
from ..integrator import all_finite
from ..tasks import AbstractTasks
from . import checkpoint as files
from .devices import EVERYWHERE, TASKS, Devices, dealt, everywhere, mesh_over, together
from .evaluate import DATA, TrainingError, evaluate
from .progress import Progress

_CHUNK = 20  # steps at most between two looks at what happens


@dataclasses.dataclass(frozen=True)
class Run:
    """A meta-training that has ended.

    **Fields:**

    - `meta`: the meta-parameters; those of the best validation where there was one.
    - `history`: by name, one number a step: `loss`, `score` (of the batch's queries), and whatever
      the algorithm monitors, such as `T`; with validation also `validation_step` and
      `validation_score`.
    - `steps`: how many were taken.
    - `interrupted`: whether the reader stopped it.
    """

    meta: PyTree
    history: dict[str, np.ndarray]
    steps: int
    interrupted: bool


def meta_train(
    algorithm: AbstractAlgorithm,
    tasks: AbstractTasks,
    *,
    num_steps: int,
    batch_size: int,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    validation: AbstractTasks | None = None,
    validate_every: int = 100,
    validation_tasks: int = 200,
    patience: int | None = None,
    tasks_at_once: int | None = None,
    devices: Devices = None,
    progress: bool = True,
) -> Run:
    """Learn to learn: `num_steps` steps of `optimizer` on batches of `batch_size` tasks.

    The tasks of step i are a function of (key, i) alone. Training can be interrupted and, with a
    checkpoint, taken up again by the same call; the result is the same, bit for bit.

    **Arguments:**

    - `algorithm`: what learns, such as `COMLN(...)`.
    - `tasks`: where tasks come from.
    - `num_steps`, `batch_size`: of meta-training, and tasks a step. A later call with the same
      checkpoint may ask for more steps.
    - `optimizer`: any optax transformation.
    - `key`: for the initial meta-parameters and the tasks.
    - `checkpoint`: a file, written every `checkpoint_every` steps and taken up if it is there.
    - `validation`: tasks of other classes, scored every `validate_every` steps on the same
      `validation_tasks` tasks; the best meta-parameters are kept.
    - `patience`: stop after that many validations without a better score.
    - `tasks_at_once`: how many tasks' gradients a device computes at once, which are all of a batch
      unless given. On a CPU, one at a time takes half as long for a convolutional network.
    - `devices`: whom to deal the tasks of a batch out to: "all" devices of all hosts (see
      `join_hosts`), the first so many, or these; one unless given. Each computes the gradients of
      its tasks, and their mean goes to all. The result is that of one device but for the order of
      sums, and a checkpoint can be taken up with another number of devices.
    - `progress`: show a bar.

    **Returns** a `Run`.

    **Raises** `ValueError` for settings out of range, for a batch that the devices do not divide,
    and for a checkpoint of another training; `TrainingError` when loss or gradients cease to be
    finite.

    Source: COMLN (Deleu et al. 2022), Algorithm 1.
    """
    check_counts(
        num_steps=num_steps, batch_size=batch_size, checkpoint_every=checkpoint_every,
        validate_every=validate_every, validation_tasks=validation_tasks,
        tasks_at_once=1 if tasks_at_once is None else tasks_at_once,
    )  # fmt: skip
    mesh, first = mesh_over(devices, batch_size), jax.process_index() == 0
    init_key, task_key = jax.random.split(key)
    meta = algorithm.init(init_key)
    state = _State(meta, optimizer.init(eqx.filter(meta, eqx.is_inexact_array)), meta)
    path = None if checkpoint is None else Path(checkpoint)
    header = files.fingerprint(
        state, algorithm=algorithm, tasks=tasks, batch_size=batch_size,
        tasks_at_once=tasks_at_once,
        key=np.asarray(jax.random.key_data(key)).tolist(), validation=validation,
        validate_every=validate_every if validation is not None else None,
    )  # fmt: skip
    history: dict[str, np.ndarray] = {}
    step, saved_at, best, waited = 0, None, -np.inf, 0
    if path is not None and path.exists():
        state, history, saved = files.load(path, state, header)
        step, best, waited = saved["step"], saved["best"], saved["waited"]
        saved_at = step
    # Of `tasks`, each device gets all: which ones it takes is for the keys to say.
    state, tasks, validation, task_key = everywhere((state, tasks, validation, task_key), mesh)

    def save() -> None:
        nonlocal saved_at
        if path is not None and step != saved_at:
            marks = {"step": step, "best": float(best), "waited": waited}
            if first:
                files.save(path, state, history, {**header, **marks})
            saved_at = step

    interrupted = False
    with Progress(num_steps, step, batch_size, shown=progress and first) as bar:
        try:
            while step < num_steps and not (patience is not None and waited >= patience):
                marks = [num_steps, _next(step, checkpoint_every), step + _CHUNK]
                if validation is not None:
                    marks.append(_next(step, validate_every))
                count = min(marks) - step
                span = jnp.asarray([step, count])
                after, records, failure = _advance(
                    algorithm,
                    tasks,
                    optimizer,
                    (batch_size, tasks_at_once, mesh),
                    state,
                    task_key,
                    everywhere(span, mesh),
                )
                records, failure = jax.device_get((records, failure))
                if failure["step"] >= 0:
                    raise TrainingError(_obituary(failure, path, saved_at))
                taken = {name: values[:count] for name, values in records.items()}
                state, step = after, step + count
                history = _extended(history, taken)
                bar.update(count, taken)
                if validation is not None and step % validate_every == 0:
                    score = evaluate(
                        algorithm, state.meta, validation, num_tasks=validation_tasks,
                        devices=devices,
                    )  # fmt: skip
                    worth = -score.mean if algorithm.criterion.lower_is_better else score.mean
                    waited = 0 if worth > best else waited + 1
                    if worth > best:
                        best, state = worth, eqx.tree_at(lambda s: s.best, state, state.meta)
                    seen = {"validation_step": [step], "validation_score": [score.mean]}
                    history = _extended(history, {k: np.array(v) for k, v in seen.items()})
                if step % checkpoint_every == 0:
                    save()
        except KeyboardInterrupt:
            interrupted = True
            bar.say(f"Interrupted after {step} of {num_steps} steps.")
        save()
    return Run(state.best if best > -np.inf else state.meta, history, step, interrupted)


class _State(eqx.Module):
    meta: PyTree
    optimizer: PyTree
    best: PyTree


def _next(step: int, every: int) -> int:
    return (step // every + 1) * every


def _extended(history: dict[str, np.ndarray], more: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    join = lambda name, new: np.concatenate([history[name], new]) if name in history else new
    return {**history, **{name: join(name, new) for name, new in more.items()}}


# One program whatever the number of steps, so that a resumed training computes the same bits.
@eqx.filter_jit
def _advance(algorithm, tasks, optimizer, sizes, state, key, span) -> tuple:
    """`count` steps from number `start` on; the history; where it failed, if it did."""
    (start, count), (batch_size, at_once, mesh) = span, sizes
    take = lambda state, keys: _step(algorithm, tasks, optimizer, at_once, mesh, state, keys)
    dynamic, static = eqx.partition(state, eqx.is_array)
    sample = lambda i: jax.random.split(jax.random.fold_in(key, i), batch_size)
    shapes = eqx.filter_eval_shape(
        lambda d: take(eqx.combine(d, static), sample(start))[1],
        dynamic,
    )
    empty = jax.tree.map(lambda x: jnp.full((_CHUNK, *x.shape), jnp.nan, x.dtype), shapes)

    def going(carry):
        i, _, _, failed = carry
        return (i < count) & (failed < 0)

    def body(carry):
        i, dynamic, records, _ = carry
        state = eqx.combine(dynamic, static)
        new, record, bad = take(state, sample(start + i))
        failed = jnp.where(jnp.any(bad), jnp.argmax(bad), -1)
        # What a failed step would do to the parameters is undone.
        new = jax.tree.map(
            lambda a, b: jnp.where(failed < 0, a, b), eqx.filter(new, eqx.is_array), dynamic
        )
        records = jax.tree.map(lambda all_, x: all_.at[i].set(x), records, record)
        return i + 1, new, records, failed

    zero = jnp.zeros((), int)
    i, dynamic, records, failed = jax.lax.while_loop(going, body, (zero, dynamic, empty, zero - 1))
    step = start + i - 1
    failure = {
        "step": jnp.where(failed >= 0, step, -1),
        "key": jax.random.key_data(sample(step)[failed]),
        "loss": records["loss"][i - 1],
    }
    dynamic, records, failure = together((dynamic, records, failure), mesh)
    return eqx.combine(dynamic, static), records, failure


def _step(
    algorithm, tasks, optimizer, at_once, mesh, state, keys
) -> tuple[_State, dict[str, Array], Array]:
    """One step on the tasks of `keys`: the state after it, what to note, which tasks failed."""
    with jax.named_scope(DATA):
        batch = jax.vmap(tasks.sample)(keys)
    arrays, static = eqx.partition(state.meta, eqx.is_array)

    def gradients(arrays, batch):
        meta = eqx.combine(arrays, static)
        grad = lambda task: eqx.filter(algorithm.meta_grad(meta, task), eqx.is_array)
        (losses, scores), grads = (
            jax.vmap(grad)(batch)
            if at_once is None
            else jax.lax.map(grad, batch, batch_size=None if at_once == 1 else at_once)
        )
        bad = ~(jnp.isfinite(losses) & jax.vmap(all_finite, axis_size=len(losses))(grads))
        mean = jax.tree.map(lambda g: jnp.mean(g, axis=0), eqx.filter(grads, eqx.is_inexact_array))
        return (losses, scores, bad), mean if mesh is None else jax.lax.pmean(mean, "tasks")

    (losses, scores, bad), mean = dealt(gradients, mesh, (TASKS, EVERYWHERE))(arrays, batch)
    params = eqx.filter(state.meta, eqx.is_inexact_array)
    updates, memory = optimizer.update(mean, state.optimizer, params)
    meta = algorithm.after_step(eqx.apply_updates(state.meta, updates), batch)
    record = {"loss": jnp.mean(losses), "score": jnp.mean(scores), **algorithm.monitor(meta)}
    return _State(meta, memory, state.best), record, bad


def _obituary(failure: dict[str, Any], path: Path | None, saved_at: int | None) -> str:
    kept = (
        f"the last good checkpoint is of step {saved_at}, in {os.fspath(path)}"
        if path is not None and saved_at is not None
        else "there is no checkpoint"
    )
    return (
        f"meta_train: the meta-loss ({failure['loss']:.4g}) or a gradient was not finite at step "
        f"{failure['step']}, first for the task with key {failure['key'].tolist()}; {kept}. "
        "Lower the learning rate, shorten T or the inner steps, or normalize the features."
    )
