"""RatingsLab: a network adapts to what a user, or the reader, likes."""

from typing import Any, final

import numpy as np

from ..data import DataError
from ..data.load import place
from ..figures import ratings as figure
from ..figures.ratings import RatingsFigure
from ..studies import learned_starts, ratings
from ..studies.learned_starts import LOG_TIMES, STEP, TIMES, nearest
from ..studies.ratings import ITEMS, METHOD, MOST, PROBLEMS, SHOTS, USERS
from .base import AbstractApp
from .controls import choice, log_slider, number, rows, steps, whole

STAND_IN, MOVIELENS = PROBLEMS
HELD, YOURSELF = "a held-out user", "yourself"
_SOURCES = {
    STAND_IN: "tastes: invented songs and users, in place of real ones",
    MOVIELENS: "MovieLens-100K: real users, real films",
}


@final
class RatingsLab(AbstractApp):
    """A few ratings of a user, and a network that predicts the others, on its way along T.

    Step through users held out from meta-training, or choose `yourself` and rate items: a click in
    the map chooses one. Of MovieLens-100K where it is on this computer; its stand-in is always
    there.

    Source: A-MAML (Li et al. 2023), Section 5.3.
    """

    cites = ("amaml",)

    def _make_controls(self) -> dict[str, Any]:
        self._own: dict[int, int] = {}  # the reader's ratings, by item
        self._guesses: dict[int, float] = {}  # what was predicted before
        self._key: tuple | None = None
        self._framed = STAND_IN
        self._asked: tuple[str, int] | None = None  # for all users
        return {
            "problem": choice(
                "ratings", PROBLEMS, _opening(), "Real ratings, or invented ones in their place"
            ),
            "who": choice("of", (HELD, YOURSELF), HELD, "Whose ratings are given"),
            "user": number("user", 0, USERS - 1, 0, "Which held-out user: 0–99"),
            "T": log_slider(
                "T", *LOG_TIMES, 1.0, "How long it adapts, in units of time: 0.01–10", STEP
            ),
            "shots": steps("shots", SHOTS, 10, "Ratings of the user that are given: 1–15"),
            "item": whole("item", 1, ITEMS, 34, "Which item is framed: 1–100, row by row"),
            "rating": whole("your rating", 1, 5, 5, "Of the framed item: 1–5"),
        }

    def _make_picture(self) -> RatingsFigure:
        self._picture = RatingsFigure()
        return self._picture

    def _arrange(self) -> list[Any]:
        self.canvas.make_draggable(self._picture.map, self._choose, "item")
        return rows(self.controls)

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        return [
            ("Rate this item", "Give your rating of the framed item, as yourself", self._rate_it),
            ("Forget my ratings", "Take all your ratings back", self.forget),
            ("All held-out users", "The mean error of all 100 of them: seconds", self._ask_here),
        ]

    def _value(self, name: str) -> Any:
        return self.controls[name].value

    # ------------------------------------------------------------------ what a reader does
    def _choose(self, x: float, y: float) -> None:
        column, row = (int(np.clip(np.rint(place), 0, 9)) for place in (x, y))
        self.controls["item"].value = 10 * row + column + 1

    def _rate_it(self) -> None:
        try:
            self.rate(self._value("item"), self._value("rating"))
        except ValueError as error:  # the picture is none the staler for it
            self._say(str(error))

    def rate(self, item: int, rating: int) -> None:
        """Rate an item, 1 to 100, by 1 to 5, as yourself; the prediction until then is kept.

        **Raises** `ValueError` for an item or a rating that there is not, and for more than 20.
        """
        if not 1 <= item <= ITEMS or not 1 <= rating <= 5:
            raise ValueError(
                f"An item is from 1 to {ITEMS}, a rating from 1 to 5; got {item}, {rating}."
            )
        if len(self._own) == MOST and item - 1 not in self._own:
            raise ValueError(f"{MOST} ratings are the most that are adapted to: forget some.")
        self.controls["who"].value = YOURSELF
        self._updates.flush()
        if item - 1 not in self._own:
            guess = self._record.adapted[nearest(self._value("T")), item - 1]
            self._guesses[item - 1] = float(guess)
        self._own[item - 1] = int(rating)
        self.controls["item"].value = item
        self._updates.request()

    def forget(self) -> None:
        """Forget the reader's ratings."""
        self._own.clear()
        self._guesses.clear()
        self._updates.request()

    def ask_all(self) -> ratings.Everyone:
        """The errors averaged over all held-out users, drawn until ratings or shots change."""
        self._busy("Adapting to 100 users")
        self._asked = self._value("problem"), self._value("shots")
        found = ratings.everyone(*self._asked)
        self._updates.request()
        self._updates.flush()
        return found

    def _ask_here(self) -> None:
        try:
            self.ask_all()
        except DataError as error:
            self._say(str(error))

    # ------------------------------------------------------------------ the picture
    def _update(self) -> str:
        own = self._value("who") == YOURSELF
        for name, useful in (("user", not own), ("shots", not own), ("rating", own)):
            self.controls[name].disabled = not useful
        try:
            self._prepare(own)
        except DataError as error:
            return f"{error} Until then, choose {STAND_IN}."
        record, at, problem = self._record, nearest(self._value("T")), self._value("problem")
        if problem != self._framed:
            self._picture.frame(problem)
            self._framed = problem
        said, which = self._split.held[1], "held out; ○ not adapted"
        items = self._split.held[0]
        pairs = said, record.before[items], record.adapted[at, items]
        if own:
            items = np.array(list(self._guesses), int)
            said = np.array([self._own[item] for item in items], float)
            guesses = np.array(list(self._guesses.values()), float)
            pairs, which = (said, guesses, guesses), "yours, predicted before you said"
        self._picture.show(record, self._errors, at, pairs, which)
        self._picture.show_item(self._value("item") - 1)
        everyone = problem, self._value("shots")
        asked = self._asked == everyone and not own
        self._picture.show_everyone(ratings.everyone(*everyone) if asked else None, at)
        self._picture.write(self._readout())
        return "" if record.ok else "A flow did not come to its end: its network diverged."

    def _prepare(self, own: bool) -> None:
        """See to it that ratings and predictions are those of the controls."""
        problem = self._value("problem")
        given: Any = (
            tuple(self._own.items()) if own else (self._value("user"), self._value("shots"))
        )
        key = (problem, own, given)
        if key == self._key:
            return
        if own:
            nobody = np.empty(0, int), np.empty(0)
            mine = np.array(list(self._own), int), np.array(list(self._own.values()), float)
            parts = ratings.Split(mine, nobody)
        else:
            parts = ratings.split(problem, *given)
        if self._key is None:
            self._busy("Compiling the flows")
        record = ratings.study(problem=problem, items=parts.given[0], ratings=parts.given[1])
        error = lambda predicted: ratings.error(record, predicted, parts.held)
        level = lambda predicted: np.full(len(TIMES), error(predicted[None])[0])
        self._errors = {
            figure.ADAPTED: error(record.adapted),
            figure.BEFORE: level(record.before),
            figure.MEANS: level(record.means),
            figure.UNTRAINED: error(record.untrained),
        }
        self._record, self._split, self._key = record, parts, key
        self._picture.show_user(*parts)

    def _readout(self) -> str:
        at, item = nearest(self._value("T")), self._value("item") - 1
        parts = [f"Ratings: {_SOURCES[self._value('problem')]}."]
        parts.append(
            f"item {item + 1}: predicted {self._record.adapted[at, item]:.1f}, not adapted "
            f"{self._record.before[item]:.1f}, mean of others {self._record.means[item]:.1f}"
        )
        if self._value("who") == HELD:
            error = self._errors[figure.ADAPTED]
            best = int(np.argmin(np.nan_to_num(error, nan=np.inf)))
            parts.append(f"least nRMSE {error[best]:.2f} at T = {TIMES[best]:.2g}")
        elif self._guesses:
            misses = [abs(guess - self._own[item]) for item, guess in self._guesses.items()]
            parts.append(f"{len(misses)} of your ratings, missed by {np.mean(misses):.1f} each")
        return "\n".join([parts[0], "      ".join(parts[1:])])

    def _describe(self) -> str:
        if self._key is None:
            return "Nothing computed yet."
        at, own = nearest(self._value("T")), self._value("who") == YOURSELF
        whose = f"your {len(self._own)} ratings" if own else (
            f"{len(self._split.given[0])} ratings of held-out user {self._value('user')}"
        )  # fmt: skip
        errors = ", ".join(
            f"{name} {course[at]:.2f}"
            for name, course in self._errors.items()
            if np.isfinite(course[at])
        )
        readout = " ".join(self._readout().split())
        known = f" nRMSE on the user's other ratings: {errors}." if errors else ""
        return (
            f"A map of 100 items with the ratings that a network predicts after adapting to "
            f"{whose} until T = {TIMES[at]:.3g}.{known} {readout}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        v = self._value
        head = (
            "from comlnviz.studies import ratings\nfrom comlnviz.studies.learned_starts import "
            f"nearest\n\nproblem, at = {v('problem')!r}, nearest({v('T')!r})\n"
        )
        if v("who") == YOURSELF:
            return (
                head + f"mine = {self._own!r}  # by item, the first being 0\n"
                "record = ratings.study(problem=problem, items=[*mine], ratings=[*mine.values()])\n"
                "print(record.adapted[at].reshape(10, 10).round(1))\n"
            )
        return (
            head + f"given, held = ratings.split(problem, {v('user')!r}, {v('shots')!r})\n"
            "record = ratings.study(problem=problem, items=given[0], ratings=given[1])\n"
            'for name in ("adapted", "untrained"):\n'
            "    errors = ratings.error(record, getattr(record, name), held)\n"
            '    print(f"{name}: nRMSE {errors[at]:.3f}")\n'
        )


def _opening() -> str:
    """MovieLens-100K where it is and has a start to adapt from, otherwise its stand-in."""
    try:
        place(MOVIELENS)
    except DataError:
        return STAND_IN
    return MOVIELENS if learned_starts.place(MOVIELENS, METHOD).is_file() else STAND_IN
