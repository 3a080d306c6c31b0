"""Meta-training: the steps it takes, and that it can be stopped anywhere."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from effort import often

from comlnviz.algorithms import COMLN, ProtoNet
from comlnviz.data import Dataset, load
from comlnviz.models import MLP, Identity
from comlnviz.tasks import FewShot
from comlnviz.training import TrainingError, evaluate, meta_train, sgd_nesterov
from comlnviz.training.meta_train import _CHUNK

ENCODER = MLP(64, (8,), jnp.tanh)
TASKS = FewShot(load("digits"), 3, 1, 3)
OTHERS = FewShot(load("digits", split="test"), 3, 1, 3)
DIGITS = load("digits")
EMBEDDED = Dataset(DIGITS.images.reshape(5, -1, 64).astype(np.float32), DIGITS.names)
PROTO = ProtoNet(ENCODER, 3)
KEY = jax.random.key(11)
ADAM = optax.adam(0.01)
SETTINGS = dict(batch_size=2, optimizer=ADAM, key=KEY, progress=False)


def equal(left, right):
    leaves = lambda tree: jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return all((a == b).all() for a, b in zip(leaves(left), leaves(right), strict=True))


def test_one_step_is_the_optimizer_on_the_mean_of_the_tasks_meta_gradients():
    run = meta_train(PROTO, TASKS, num_steps=1, **{**SETTINGS, "optimizer": optax.sgd(0.3)})
    init_key, task_key = jax.random.split(KEY)
    meta = PROTO.init(init_key)
    keys = jax.random.split(jax.random.fold_in(task_key, 0), 2)
    each = [PROTO.meta_grad(meta, TASKS.sample(k)) for k in keys]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *(eqx.filter(g, eqx.is_array) for _, g in each))
    expected = eqx.apply_updates(meta, jax.tree.map(lambda g: -0.3 * g, mean))
    for a, b in zip(jax.tree.leaves(run.meta), jax.tree.leaves(expected), strict=True):
        if eqx.is_array(a):
            np.testing.assert_allclose(a, b, atol=1e-13)
    assert run.history["loss"][0] == pytest.approx(np.mean([float(r[0]) for r, _ in each]))
    assert run.history["score"][0] == pytest.approx(np.mean([float(r[1]) for r, _ in each]))


def test_training_learns_and_its_history_has_a_number_a_step():
    algorithm = COMLN(ENCODER, 3, T=0.5)
    run = meta_train(algorithm, TASKS, num_steps=150, **SETTINGS)
    assert run.steps == 150 and not run.interrupted
    assert {name: len(values) for name, values in run.history.items()} == dict(
        loss=150, score=150, T=150
    )
    assert np.isfinite(run.history["loss"]).all()
    assert run.history["loss"][-50:].mean() < run.history["loss"][:50].mean()
    assert run.history["T"][-1] == pytest.approx(float(jnp.exp(run.meta.log_T)))


def test_nothing_is_compiled_twice():
    settings = {**SETTINGS, "key": jax.random.key(5)}
    meta_train(PROTO, TASKS, num_steps=3, **settings)
    evaluate(PROTO, PROTO.init(KEY), TASKS, num_tasks=9)
    compiled = []
    heard = lambda event, duration, **_: compiled.append(event)
    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        meta_train(PROTO, TASKS, num_steps=2 * _CHUNK + 7, **settings)
        evaluate(PROTO, PROTO.init(KEY), TASKS, num_tasks=9)
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    assert not [e for e in compiled if e == "/jax/core/compile/backend_compile_duration"]


def test_resumed_training_gives_the_same_bits(tmp_path):
    settings = {**SETTINGS, "checkpoint_every": 7}
    whole = meta_train(PROTO, TASKS, num_steps=60, **settings)
    file = tmp_path / "new" / "run.npz"
    for steps in (5, 23, 60):
        run = meta_train(PROTO, TASKS, num_steps=steps, checkpoint=file, **settings)
        assert run.steps == steps
    assert equal(run.meta, whole.meta)
    assert all((run.history[name] == whole.history[name]).all() for name in whole.history)
    again = meta_train(PROTO, TASKS, num_steps=60, checkpoint=file, **settings)
    assert equal(again.meta, whole.meta)
    assert [p.name for p in file.parent.iterdir()] == ["run.npz"]


CHILD = """
import sys
sys.path[:0] = sys.argv[3:]
import jax
jax.config.update("jax_enable_x64", True)
import test_training as t
run = t.meta_train(t.PROTO, t.TASKS, num_steps=int(sys.argv[2]), checkpoint=sys.argv[1],
                   checkpoint_every=2, **t.SETTINGS)
print("done", run.steps)
"""


@pytest.mark.slow
def test_killed_many_times_nothing_is_lost_but_steps_since_the_last_checkpoint(tmp_path):
    steps, file = 4000, tmp_path / "run.npz"
    folders = map(str, Path(__file__).parents[:2])
    command = [sys.executable, "-c", CHILD, str(file), str(steps), *folders]
    random = np.random.default_rng(0)
    reached = []
    for _ in range(often(2, 20)):
        before = file.stat().st_mtime_ns if file.exists() else None
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while child.poll() is None:  # until it has got further
            if file.exists() and file.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        child.wait()
        with np.load(file) as saved:  # whole, whenever the blow fell
            reached.append(len(saved["history loss"]))
            assert np.isfinite(saved["history loss"]).all()
    assert all(a < b for a, b in itertools.pairwise(reached))
    assert reached[-1] < steps, "the training was killed, not finished"
    settings = {**SETTINGS, "checkpoint_every": 2}
    resumed = meta_train(PROTO, TASKS, num_steps=reached[-1] + 5, checkpoint=file, **settings)
    whole = meta_train(PROTO, TASKS, num_steps=reached[-1] + 5, **settings)
    assert equal(resumed.meta, whole.meta)
    assert (resumed.history["loss"] == whole.history["loss"]).all()


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    file = tmp_path / "run.npz"
    meta_train(PROTO, TASKS, num_steps=2, checkpoint=file, **SETTINGS)
    for change, words in [
        (dict(batch_size=3), "its batch_size is 2, here it is 3"),
        (dict(key=jax.random.key(1)), r"its key is \[0, 11\], here it is \[0, 1\]"),
        (dict(optimizer=optax.sgd(0.1)), "its state is"),
    ]:
        with pytest.raises(ValueError, match=words):
            meta_train(PROTO, TASKS, num_steps=2, checkpoint=file, **{**SETTINGS, **change})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"something else"])
def test_a_damaged_checkpoint_is_named_with_the_fix(tmp_path, content):
    file = tmp_path / "run.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"run.npz is not a checkpoint .* delete it to start anew"):
        meta_train(PROTO, TASKS, num_steps=2, checkpoint=file, **SETTINGS)


class Exploding(ProtoNet.__base__):
    """A ProtoNet whose tasks fail once its parameters have moved."""

    encoder: MLP = ENCODER
    ways: int = eqx.field(static=True, default=3)

    def init(self, key):
        return PROTO.init(key)

    def adapt_head(self, meta, features, labels):
        return PROTO.adapt_head(meta, features, labels)

    def classify(self, meta, head, features):
        weight, _ = meta.encoder.layers[0]
        first = PROTO.init(jax.random.split(KEY)[0]).encoder.layers[0][0]
        moved = jnp.max(jnp.abs(weight - first)) > 0.025  # three steps of Adam at 0.01
        return jnp.where(moved, jnp.nan, 1.0) * PROTO.classify(meta, head, features)


def test_a_meta_loss_that_is_no_number_stops_with_step_task_and_checkpoint(tmp_path):
    file = tmp_path / "run.npz"
    message = r"not finite at step 3, first for the task with key \[\d+, \d+\]; the last good "
    message += r"checkpoint is of step 2, in .*run.npz\. Lower the learning rate"
    with pytest.raises(TrainingError, match=message):
        meta_train(
            Exploding(), TASKS, num_steps=30, checkpoint=file, checkpoint_every=2, **SETTINGS
        )
    with np.load(file) as saved:
        assert len(saved["history loss"]) == 2 and np.isfinite(saved["state0"]).all()
    with pytest.raises(TrainingError, match="there is no checkpoint"):
        meta_train(Exploding(), TASKS, num_steps=30, **SETTINGS)


def test_an_interrupted_training_keeps_what_it_has_and_goes_on_later(tmp_path, monkeypatch):
    from comlnviz.training import meta_train as function

    module = sys.modules[function.__module__]
    advance, calls = module._advance, []

    def interrupted(*args):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return advance(*args)

    monkeypatch.setattr(module, "_advance", interrupted)
    file = tmp_path / "run.npz"
    run = meta_train(PROTO, TASKS, num_steps=100, checkpoint=file, **SETTINGS)
    assert run.interrupted and run.steps == 2 * _CHUNK == len(run.history["loss"])
    rest = meta_train(PROTO, TASKS, num_steps=100, checkpoint=file, **SETTINGS)
    assert not rest.interrupted
    assert equal(rest.meta, meta_train(PROTO, TASKS, num_steps=100, **SETTINGS).meta)


def test_validation_keeps_the_best_and_patience_stops():
    settings = {**SETTINGS, "optimizer": optax.sgd(300.0)}  # it only gets worse
    run = meta_train(
        PROTO, TASKS, num_steps=100, validation=OTHERS, validate_every=5, validation_tasks=50,
        patience=3, **settings,
    )  # fmt: skip
    scores = run.history["validation_score"]
    assert run.history["validation_step"].tolist() == [5 * (i + 1) for i in range(len(scores))]
    assert run.steps == 5 * len(scores) < 100
    assert np.argmax(scores) == len(scores) - 4
    best = evaluate(PROTO, run.meta, OTHERS, num_tasks=50)
    assert best.mean == pytest.approx(scores.max())


def test_evaluation_is_a_mean_with_its_interval_over_the_same_tasks_for_all():
    meta = PROTO.init(KEY)
    score = evaluate(PROTO, meta, OTHERS, num_tasks=100)
    keys = jax.random.split(jax.random.key(0), 100)
    alone = [float(PROTO.score(meta, OTHERS.sample(k))) for k in keys[:5]]
    np.testing.assert_allclose(score.per_task[:5], alone)
    assert score.mean == pytest.approx(score.per_task.mean())
    assert score.ci95 == pytest.approx(1.96 * score.per_task.std(ddof=1) / 10)
    assert str(score) == f"{100 * score.mean:.2f} ± {100 * score.ci95:.2f} %"
    other = evaluate(PROTO, meta, OTHERS, num_tasks=100, batch_size=7)
    np.testing.assert_allclose(other.per_task, score.per_task)


def test_an_evaluation_in_which_tasks_fail_says_so():
    meta = jax.tree.map(lambda x: x * jnp.nan if eqx.is_array(x) else x, PROTO.init(KEY))
    with pytest.raises(RuntimeError, match="ProtoNet failed to adapt on 4 of 4 tasks"):
        evaluate(PROTO, meta, OTHERS, num_tasks=4)
    with pytest.raises(ValueError, match="num_tasks must be at least 2 for an interval; got 1"):
        evaluate(PROTO, meta, OTHERS, num_tasks=1)


def test_settings_out_of_range_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        meta_train(PROTO, TASKS, num_steps=2, **{**SETTINGS, "batch_size": 0})


def test_the_papers_schedule_falls_at_20_40_and_50_of_60_epochs():
    optimizer = sgd_nesterov(60)
    params = jnp.array(0.0)
    state, rates = optimizer.init(params), []
    for _ in range(60):
        before = state[1][0].trace
        update, state = optimizer.update(jnp.array(1.0), state, params)
        rates.append(float(-update / (1.0 + 0.9 * (1.0 + 0.9 * before))))  # Nesterov's look ahead
    np.testing.assert_allclose(np.array(rates)[[0, 19]], 0.1)
    np.testing.assert_allclose(np.array(rates)[[20, 39]], 0.006)
    np.testing.assert_allclose(np.array(rates)[[40, 49]], 0.0012)
    np.testing.assert_allclose(np.array(rates)[[50, 59]], 0.00024)


def test_a_bar_shows_loss_accuracy_T_and_tasks_a_second(capsys):
    algorithm = COMLN(ENCODER, 3, T=0.5)
    meta_train(algorithm, TASKS, num_steps=4, **{**SETTINGS, "progress": True})
    shown = capsys.readouterr().err
    for word in ("4/4", "loss=", "score=", "T=0.", "tasks/s="):
        assert word in shown


def test_a_method_with_nothing_to_learn_is_judged_all_the_same():
    run = meta_train(
        ProtoNet(Identity(64), 3),
        FewShot(EMBEDDED, 3, 1, 3),
        num_steps=2,
        tasks_at_once=1,
        **SETTINGS,
    )
    assert np.isfinite(run.history["loss"]).all() and len(run.history["loss"]) == 2
