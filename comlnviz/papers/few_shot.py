"""Few-shot experiments: which methods, with what settings, trained how."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from .. import algorithms as al
from ..data import Dataset, load
from ..models import AbstractEncoder, Classifier
from ..tasks import FewShot
from ..training import Run, Score, TrainingError, evaluate, meta_train, sgd_nesterov

WAYS = 5
STEP_SIZES = (0.03, 0.1, 0.3)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How every method of an experiment is meta-trained and judged.

    **Fields:**

    - `data`: the dataset, by name; `loaded`: (split) → Dataset, where it is made otherwise.
    - `encoder`: the embedding network's recipe.
    - `queries`: of each class, in meta-training; at test `test_queries`.
    - `num_steps`, `batch_size`, `optimizer`: of meta-training.
    - `selection_steps`: after so many, the best of a method's candidates on validation goes on.
    - `validate_every`, `validation_tasks`: the best validation's meta-parameters are kept.
    - `test_tasks`: the same for all methods.
    """

    data: str
    encoder: AbstractEncoder
    queries: int
    num_steps: int
    batch_size: int
    optimizer: str
    selection_steps: int
    validate_every: int
    validation_tasks: int
    test_queries: int = 15
    test_tasks: int = 1000
    seed: int = 0
    ways: int = WAYS
    loaded: Callable[[str], Any] | None = None

    def tasks(self, split: str, shots: int, queries: int) -> FewShot:
        """Tasks of a split."""
        data = load(self.data, split=split) if self.loaded is None else self.loaded(split)
        return FewShot(data, self.ways, shots, queries)

    def described(self) -> dict[str, Any]:
        """For the record."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["loaded"]
        return {**fields, "encoder": str(self.encoder), "step_sizes": STEP_SIZES}


def turned(data: str, split: str) -> Dataset:
    """With each character turned by 90, 180 and 270 degrees as a class of its own, as in MAML."""
    return load(data, split=split, rotations=True)


def methods(
    encoder: AbstractEncoder, ways: int = WAYS
) -> Mapping[str, tuple[al.AbstractAlgorithm, ...]]:
    """Each method's candidates; those to choose from differ in step size.

    Steps, contexts and proximal terms are those of the methods' papers for Omniglot (CAVIA's and
    LEAP's: for miniImageNet and in general).
    """
    model = Classifier(encoder, ways)
    sizes = lambda make: tuple(make(a) for a in STEP_SIZES)
    return {
        "MAML": sizes(lambda a: al.MAML(model, a, 5)),
        "FOMAML": sizes(lambda a: al.FOMAML(model, a, 5)),
        "Reptile": sizes(lambda a: al.Reptile(model, a, 5)),
        "LEAP": sizes(lambda a: al.LEAP(model, a, 5)),
        "ANIL": sizes(lambda a: al.ANIL(encoder, ways, a, 5)),
        "MetaSGD": sizes(lambda a: al.MetaSGD(model, a, 1)),
        "CAVIA": tuple(al.CAVIA(encoder, ways, 100, a, 2) for a in (0.1, 1.0)),
        "IMAML": sizes(lambda a: al.IMAML(model, 2.0, a, 16, 5)),
        "R2D2": (al.R2D2(encoder, ways),),
        "LRD2": (al.LRD2(encoder, ways),),
        "MetaOptNetRR": (al.MetaOptNetRR(encoder, ways),),
        "MetaOptNetSVM": (al.MetaOptNetSVM(encoder, ways),),
        "ProtoNet": (al.ProtoNet(encoder, ways),),
        "LEO": (al.LEO(encoder, ways),),
        "COMLN": (al.COMLN(encoder, ways),),
    }


GRADIENT_BASED = ("MAML", "FOMAML", "Reptile", "LEAP", "ANIL", "MetaSGD", "CAVIA", "IMAML", "COMLN")


@dataclasses.dataclass(frozen=True)
class Trained:
    """A method after meta-training; `chosen` is the candidate that was best on validation."""

    algorithm: al.AbstractAlgorithm
    chosen: int
    run: Run


def train(
    candidates: tuple[al.AbstractAlgorithm, ...], protocol: Protocol, shots: int, files: Path
) -> Trained:
    """Meta-train the candidates for a while, and the best of them to the end.

    A candidate that diverges drops out; **raises** `TrainingError` when all do. What was trained
    before and lies in `files`, a checkpoint each, is taken up.
    """
    scores, failure = [], None
    for number, algorithm in enumerate(candidates):
        steps = protocol.num_steps if len(candidates) == 1 else protocol.selection_steps
        try:
            run = _train(algorithm, protocol, shots, steps, files / f"{number}.npz")
            scores.append(np.max(run.history["validation_score"]))
        except TrainingError as error:
            scores.append(-np.inf)
            failure = error
    chosen = int(np.argmax(scores))
    if failure is not None and scores[chosen] == -np.inf:
        raise failure
    run = _train(candidates[chosen], protocol, shots, protocol.num_steps, files / f"{chosen}.npz")
    return Trained(candidates[chosen], chosen, run)


def _train(algorithm, protocol: Protocol, shots: int, num_steps: int, file: Path) -> Run:
    run = meta_train(
        algorithm,
        protocol.tasks("train", shots, protocol.queries),
        num_steps=num_steps,
        batch_size=protocol.batch_size,
        optimizer=_optimizer(protocol),
        key=jax.random.key(protocol.seed),
        tasks_at_once=1 if jax.default_backend() == "cpu" else None,
        checkpoint=file,
        checkpoint_every=protocol.validate_every,
        validation=protocol.tasks("validation", shots, protocol.test_queries),
        validate_every=protocol.validate_every,
        validation_tasks=protocol.validation_tasks,
    )
    if run.interrupted:
        raise KeyboardInterrupt
    return run


def _optimizer(protocol: Protocol) -> optax.GradientTransformation:
    name, rate = protocol.optimizer.split()
    if name == "adam":
        return optax.adam(float(rate))
    return sgd_nesterov(protocol.num_steps, learning_rate=float(rate))


def trained_and_tested(
    candidates: tuple[al.AbstractAlgorithm, ...], protocol: Protocol, shots: int, files: Path
) -> tuple[Run, dict[str, Any]]:
    """`train`, then `test`: the run, and the record of the score and of the step size chosen."""
    trained = train(candidates, protocol, shots, files)
    record: dict[str, Any] = numbers(test(trained.algorithm, trained.run.meta, protocol, shots))
    if len(candidates) > 1:
        record["step_size"] = float(trained.algorithm.step_size)  # pyright: ignore[reportAttributeAccessIssue]
    return trained.run, record


def test(algorithm, meta, protocol: Protocol, shots: int) -> Score:
    """Accuracy on the test tasks, which are the same for every method."""
    tasks = protocol.tasks("test", shots, protocol.test_queries)
    return evaluate(algorithm, meta, tasks, num_tasks=protocol.test_tasks)


def counted(shots: int) -> str:
    """For a sentence."""
    return "1 shot" if shots == 1 else f"{shots} shots"


def numbers(score: Score) -> dict[str, float]:
    """A score in per cent, as the papers print it."""
    return {"mean": round(100 * score.mean, 2), "ci95": round(100 * score.ci95, 2)}
