"""`check` accepts a file with searches if and only if it accepts each file in which one of
them has become one of its values, and the others their first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.resolving import checked

VALUES = {
    "units": ("4", "8", "12", "0", '"x"', "2.5"),
    "heads": ("1", "2", "3", "4", "7"),
    "rate": ("0", "0.5", "1", "-0.1"),
    "times": ("1", "2", "3", "0"),
    "activation": ('"relu"', "gelu", '"rleu"', "None"),
    "optimizer": ("Adam", "SGD(0.1)", "Adam(-1)", "Adamm"),
}
TEMPLATES = (
    "Dense({units}) Dense({units}, {activation})",
    "ResidualConnection {{ Dense({units}) }}",
    "MultiHeadAttention(num_heads={heads}) Dropout({rate})",
    "Dense(8) * {times} LayerNormalization()",
    "Block({units}, {heads})",
    "Dense(2 * {units} + 4) Reshape((-1, {heads}))",
)
BEFORE = (
    "define Block(n, h) { Dense($n) TransformerEncoder(num_heads=$h, ff_dim=$n * 2) }"
)


class Holes(dict):
    """Fills a template, and remembers which kinds it asked for."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw
        self.spaces: list[tuple[str, ...]] = []

    def __missing__(self, kind):
        values = self.draw(
            st.lists(st.sampled_from(VALUES[kind]), min_size=1, max_size=3)
        )
        self.spaces.append(tuple(values))
        return f"\0{len(self.spaces) - 1}\0"


@st.composite
def files(draw):
    """The text with a mark for each value, and what stands there."""
    holes = Holes(draw)
    parts = draw(st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=3))
    body = " ".join(
        part.format_map(holes)
        for part in parts  # each hole is asked for anew
    )
    optimizer = "{optimizer}".format_map(holes)
    text = (
        f"{BEFORE} network N {{ input: (6, 8) layers: {body} optimizer: {optimizer} }}"
    )
    return text, holes.spaces


def filled(text: str, values) -> str:
    for number, value in enumerate(values):
        text = text.replace(f"\0{number}\0", value)
    return text


def accepted(text: str) -> bool:
    return not any(each.severity == "error" for each in checked(text))


@settings(max_examples=150)
@given(files())
def test_a_search_is_accepted_if_and_only_if_each_of_its_values_is(file) -> None:
    text, spaces = file
    searched = filled(text, (f"HPO(choice({', '.join(values)}))" for values in spaces))
    first = [values[0] for values in spaces]
    singles = [first] + [
        [*first[:number], value, *first[number + 1 :]]
        for number, values in enumerate(spaces)
        for value in values[1:]
    ]
    assert accepted(searched) == all(accepted(filled(text, each)) for each in singles)


def test_every_value_of_a_nested_search_is_reached() -> None:
    def network(low: int) -> str:
        layer = f"Dense(HPO(choice(8, HPO(choice(4, HPO(range({low}, 6)))))))"
        return f"network N {{ input: (8,) layers: {layer} }}"

    assert accepted(network(1))
    assert not accepted(network(-1))


def test_a_search_for_a_bound_of_a_search_is_two_searches() -> None:
    text = "network N { input: (8,) layers: Dense(HPO(range(HPO(choice(1, -3)), 8))) }"
    (error,) = (each for each in checked(text) if each.severity == "error")
    assert error.code == "NE027" and "-3" in error.message
    text = "network N { input: (8,) layers: Dense(HPO(range(1, 8, step=HPO(choice(1, 2))))) }"
    assert accepted(text)
