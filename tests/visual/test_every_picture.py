"""What holds of every picture that is registered: it says what it shows, all of it can be
read, and it depends on nothing else."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass, field, replace
from functools import cache

import matplotlib
import pytest

from neural_dsl.visualize.figures import FORMATS
from neural_dsl.visualize.loss_curves import loss_curves
from neural_dsl.visualize.pictures import drawings, pictures
from neural_dsl.visualize.views import Moment, Training, View, deepest
from tests.attention_records import PROVENANCE, RECORDS, training, views
from tests.visual.looking import check_texts, pictured

ORIGIN = replace(PROVENANCE, inputs="the file x.npy")
LONG = replace(
    ORIGIN,
    model="M" * 300,
    weights="weights from " + "w/" * 90,
    inputs="x" * 100 + " and " + "y" * 100,
)


def record(name, origin=ORIGIN):
    return replace(RECORDS[name], provenance=origin)


def course(name, origin=ORIGIN, run="runs/x", count=3):
    """A training in which nothing changes."""
    moments = [Moment(10**i - 1, record(name, origin), "loss 1") for i in range(count)]
    return Training(run, moments, [{"step": 1, "loss": 2.0}])


OF_A_USER = {
    "font.family": "serif",
    "text.parse_math": True,
    "savefig.dpi": 30,
    "savefig.facecolor": "black",
    "axes.facecolor": "black",
    "axes.grid": True,
}


@dataclass(frozen=True)
class Case:
    of: str
    shown: list[View] | Training
    wishes: dict[str, object] = field(default_factory=dict)

    @property
    def origins(self):
        """Whose model, weights and input the pictures name."""
        if isinstance(self.shown, Training):
            first, last = self.shown.moments[0], self.shown.moments[-1]
            steps = f"run {self.shown.run}, steps {first.step:,} to {last.step:,}"
            return [replace(last.record.provenance, weights=steps)]
        return [view.record.provenance for view in self.shown]


CASES = {
    **{name: Case("attention", [View("", record(name))]) for name in RECORDS},
    **{
        f"heads of {name}": Case(
            "attention", [View("", record(name))], {"heads": [0, 1], "head": 1}
        )
        for name in ("layers", "hostile")
    },
    "item of a batch": Case("attention", [View("the second", record("padded"), 1)]),
    "long": Case("attention", [View("long " * 60, record("words", LONG))]),
    "several": Case("attention", views()),
    "several items": Case(
        "attention", [View("a", record("padded")), View("b", record("padded"), 1)]
    ),
    "several, hostile": Case(
        "attention", [View("</script><b>", record("hostile")), views()[1]]
    ),
    "several, long": Case(
        "attention", [View("long " * 60, record("cross", LONG)), views()[0]]
    ),
    "training": Case("evolution", training(5)),
    "training, one step": Case("evolution", course("layers", count=1)),
    "training, hostile": Case("evolution", course("hostile", count=2)),
    "training, long": Case("evolution", course("words", LONG, "r/" * 90)),
}


@cache
def drawn(name):
    """The pictures of a case: drawn once, for all who look at them."""
    return pictured(CASES[name].of, CASES[name].shown, **CASES[name].wishes)


def found(name, file):
    """The files of one picture; of many attentions two, the others are alike."""
    shown = CASES[name].shown
    layers = deepest(shown.moments if isinstance(shown, Training) else shown).layers
    files = dict.fromkeys(file.format(layer=one.name, form="png") for one in layers[:2])
    return {one: drawn(name)[one] for one in files}


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_it_shows_and_all_of_it_can_be_read(name):
    case = CASES[name]
    for file in pictures(case.of):
        for one, picture in found(name, file).items():
            for figure in picture.figures:
                check_texts(figure)
            for page in picture.pages:
                for origin in case.origins:
                    for what in (origin.model, origin.weights, origin.inputs):
                        said = "".join(what.split())
                        assert said in page, f"{one} does not say {what!r}"


def test_the_loss_of_a_run_with_a_long_name_can_be_read():
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    figure = loss_curves(lines, "runs/" + "long_name_" * 30)
    figure.draw_without_rendering()
    check_texts(figure)


@pytest.mark.parametrize("file", pictures("attention"))
def test_several_views_are_told_apart(file):
    first = next(iter(found("several", file).values()))  # the attention that both have
    for page in first.pages:
        for view in CASES["several"].shown:
            assert "".join(view.caption.split()) in page


@pytest.mark.parametrize(
    ("name", "form"),
    [*(("hostile", form) for form in FORMATS), ("training, hostile", "pdf")],
)
def test_any_token_gives_the_same_bytes_twice_whatever_a_user_sets(name, form):
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = dict(drawings(case.of, case.shown, form))
        assert len(first) == len(pictures(case.of)) and all(first.values())
        with matplotlib.rc_context(OF_A_USER):
            for file, content in drawings(case.of, case.shown, form):
                assert content == first[file], file


def test_drawing_needs_neither_pyplot_nor_a_framework():
    code = """if True:
        import sys
        from neural_dsl.visualize.pictures import drawings
        from tests.attention_records import training, views
        assert dict(drawings("attention", views(), "png"))
        assert dict(drawings("evolution", training(3), "png"))
        heavy = {"matplotlib.pyplot", "torch", "tensorflow", "keras"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """
    subprocess.run([sys.executable, "-c", code], check=True)
