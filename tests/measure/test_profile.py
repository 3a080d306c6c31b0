"""Where time goes, and what devices exchange: by what the compiler and the clock say."""

import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from effort import often

from comlnviz.algorithms import COMLN
from comlnviz.algorithms.base import ADAPTATION, BACKBONE
from comlnviz.data import load
from comlnviz.measure.profile import part_of, profile, self_seconds
from comlnviz.measure.programs import collectives, gradient_bytes
from comlnviz.measure.throughput import ring_bytes, ring_seconds, simulate
from comlnviz.models import MLP
from comlnviz.tasks import FewShot
from comlnviz.training import meta_train


def test_an_event_counts_without_those_within_it():
    events = [(0.0, 10.0, "loop"), (1.0, 2.0, "dot"), (4.0, 5.0, "call"), (5.0, 1.0, "dot"),
              (10.0, 3.0, "dot")]  # fmt: skip
    assert self_seconds(events) == {"loop": 3.0, "dot": 6.0, "call": 4.0}


def test_an_operation_is_of_the_part_that_is_named_around_it():
    assert part_of("jit(f)/while/body/transpose(jvp(adaptation))/while/body/mul") == "adaptation"
    assert part_of("jit(f)/vmap(jvp(backbone))/dot_general") == "backbone"
    assert part_of("jit(f)/adaptation/backbone/dot_general") == "adaptation"
    assert part_of("jit(f)/data/gather") == "data"
    assert part_of("jit(f)/database/gather") == part_of("") == "the rest"


def training(encoder, T, queries):
    """Steps without end."""
    algorithm = COMLN(encoder, 3, T=T, solver="euler", rtol=None, atol=None, dt0=0.01)
    run = meta_train(
        algorithm, FewShot(load("digits"), 3, 1, queries), num_steps=10**6, batch_size=2,
        optimizer=optax.sgd(0.0), key=jax.random.key(0), progress=False, tasks_at_once=1,
    )  # fmt: skip
    assert run.interrupted


@pytest.mark.slow
@pytest.mark.parametrize("large", [ADAPTATION, BACKBONE][: often(1, 2)])
def test_what_is_made_large_takes_the_time(large, tmp_path):
    long = large == ADAPTATION
    widths, T, queries = ((4,), 5.0, 1) if long else ((512, 512, 512), 0.01, 150)
    encoder = MLP(64, widths, jnp.tanh)
    found = profile(lambda: training(encoder, T, queries), tmp_path, seconds=0.1)
    assert found.trace == tmp_path and list(tmp_path.rglob("*.trace.json.gz"))
    assert sum(found.parts.values()) == pytest.approx(1)
    assert found.parts[large] > 0.5, found.parts
    assert 0 < found.compiling < found.before


@jax.jit
def multiply(x):
    """Operations that last, so that little of a look is anything else."""
    return jax.lax.fori_loop(0, 100, lambda _, y: jnp.tanh(x @ y), x)


def test_an_interrupt_that_is_lost_is_sent_again(tmp_path, monkeypatch):
    monkeypatch.setattr("comlnviz.measure.profile._PATIENCE", 0.2)
    lost = []

    def stubborn():
        while True:
            try:
                while True:
                    multiply(jnp.eye(100)).block_until_ready()
            except KeyboardInterrupt:  # as C code does that calls Python back
                lost.append(None)
                if len(lost) == 2:
                    raise

    assert profile(stubborn, tmp_path, seconds=0.1).trace is not None
    assert len(lost) == 2


def test_it_ends_where_interrupts_are_ignored_and_leaves_them_so(tmp_path):
    def compute():
        while True:
            multiply(jnp.eye(100)).block_until_ready()

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert profile(compute, tmp_path, seconds=0.1).trace is not None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_programs_of_the_same_name_are_told_apart(tmp_path):
    def named(scope, function):
        def same_name(x):
            with jax.named_scope(scope):
                return function(x)

        return jax.jit(same_name)

    x, product = jnp.eye(100), lambda x: multiply(x) @ x
    longer = lambda x: jnp.sort(product(x))
    programs = named(ADAPTATION, longer), named(BACKBONE, product), named(ADAPTATION, longer)
    for program in programs:
        program(x)

    def compute():
        while True:
            programs[1](x).block_until_ready()

    found = profile(compute, tmp_path, seconds=0.1)
    assert found.parts[BACKBONE] > 0.5, found.parts


def test_what_fails_or_ends_at_once_is_no_profile(tmp_path):
    with pytest.raises(ZeroDivisionError):
        profile(lambda: 1 / 0, tmp_path)
    assert profile(lambda: None, tmp_path).trace is None


def test_collectives_are_read_from_a_programs_text():
    text = """
  %all-reduce.7 = (f32[16,64]{1,0}, f32[16]{0}) all-reduce(%a, %b), channel_id=1, \
replica_groups={{0,1,2,3}}, to_apply=%add, metadata={op_name="jit(f)/psum"}
  %ag = (f64[2]{0}, f64[16]{0}) all-gather-start(%c), replica_groups=[1,8]<=[8], dimensions={0}
  ROOT %x = pred[] all-reduce(%d), replica_groups={{0,1}}, to_apply=%or
  %z = s32[8]{0} all-gather(%g), replica_groups=mesh['x'=8,'y'=2] {'x'}, dimensions={0}
  %y = f32[4]{0} add(%all-reduce.7, %e)
""".replace("\\\n", "")
    found = collectives(text)
    assert [(c.kind, c.bytes, c.devices) for c in found] == [
        ("all-reduce", 4 * (16 * 64 + 16), 4), ("all-gather", 128, 8), ("all-reduce", 1, 2),
        ("all-gather", 32, 8),
    ]  # fmt: skip
    assert [c.scope for c in found] == ["jit(f)/psum", "", "", ""]


def test_a_gradient_weighs_what_its_shapes_say():
    algorithm = COMLN(MLP(64, (16,), jnp.tanh), 3)
    key = jax.random.key(0)
    numbers = 16 * 64 + 16 + 3 * 16 + 1
    meta = algorithm.init(key)
    assert gradient_bytes(meta) == numbers * meta.W0.dtype.itemsize
    assert gradient_bytes(eqx.filter_eval_shape(algorithm.init, key)) == gradient_bytes(meta)


def test_a_ring_sends_twice_what_there_is_less_ones_own_share():
    assert (
        ring_bytes(800.0, 1) == 0 and ring_bytes(800.0, 2) == 800 and ring_bytes(800.0, 8) == 1400
    )
    assert ring_seconds(800.0, 8, bandwidth=100.0, latency=0.5) == 14 + 7


def test_equal_tasks_keep_all_devices_busy_and_unequal_ones_wait():
    same = simulate(np.array([0.5]), devices=4, batch_size=8, step_seconds=0.25, num_steps=3)
    assert same.tasks_per_second == pytest.approx(8 / 1.25)
    assert same.efficiency == pytest.approx(1.0 / 1.25)
    # One task each, of 1 or 3 seconds: the longer of two takes 2.5 s on average.
    mixed = simulate(np.array([1.0, 3.0]), devices=2, batch_size=2, num_steps=100_000)
    assert mixed.tasks_per_second == pytest.approx(2 / 2.5, rel=0.01)
    assert mixed.efficiency == pytest.approx(2.0 / 2.5, rel=0.01)
    with pytest.raises(ValueError, match="batch_size must be a multiple of devices; got 9, 4"):
        simulate(np.array([1.0]), devices=4, batch_size=9)
