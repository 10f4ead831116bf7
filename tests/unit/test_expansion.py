"""Small files that stand for large networks: counted and checked without writing them out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.resolve.structure import LayerResolver
from tests.unit.resolving import checked, codes, network, source


def doubling(times: int, leaf: str = "Dense(8)") -> str:
    macros = [f"define M0 {{ {leaf} }}"]
    macros += [f"define M{n} {{ M{n - 1} M{n - 1} }}" for n in range(1, times + 1)]
    return "\n".join(macros)


@pytest.fixture
def expansions(monkeypatch) -> list[str]:
    """The macros whose bodies are resolved."""
    found: list[str] = []
    expand = LayerResolver.expand

    def counted(self, define, flow, scope):
        found.append(define.name.text)
        return expand(self, define, flow, scope)

    monkeypatch.setattr(LayerResolver, "expand", counted)
    return found


def test_a_macro_is_not_expanded_again_for_equal_calls(expansions) -> None:
    text = doubling(12) + " network N { input: (4, 8) layers: M12 }"
    assert checked(text) == ()
    assert len(expansions) == 13 + 12  # on the input at first, then on what leaves it


def test_a_hundred_networks_of_one_macro_expand_it_once(expansions) -> None:
    networks = (f"network N{n} {{ input: (4, 8) layers: M12 }}" for n in range(100))
    assert checked(doubling(12) + " ".join(networks)) == ()
    assert len(expansions) == 13 + 12


def test_a_mistake_in_a_macro_is_not_looked_for_again(expansions) -> None:
    search = "Dense(HPO(choice(8, 0, 9)))"
    text = doubling(12, search) + " network N { input: (4, 8) layers: M12 }"
    assert [each.code for each in checked(text)] == ["NW060", "NE027"]
    assert len(expansions) < 3 * 3 * 13


def test_what_is_remembered_holds_for_its_inputs_and_task_alone() -> None:
    """The macro's branch reads another input in each network, its Embedding another task."""
    before = (
        "define A { a: { Dense(4) } b: { } Concatenate } define E { Embedding(9, 4) }"
    )
    text = before + " ".join(
        f"network N{n} {{ input: {{ a: (3, {n}), b: (3, 4) }} layers: A {more} }}"
        for n, more in ((1, ""), (2, "Reshape((3, 8)) Dense(0)"))
    )
    text += "network T { task: Copy(vocabulary=5) layers: E TransformerDecoder(2, 4) Output() }"
    text += "network U { input: (7,) layers: E Flatten Output(3) }"
    assert [each.code for each in checked(text)] == ["NE076", "NE027"]


def searching(calls: int, layers: int, values: str) -> str:
    row = " ".join(f"Dense(HPO(choice({values})))" for _ in range(layers))
    called = " ".join(f"B({n + 1})" for n in range(calls))
    return source(called, "(8, 16)", before=f"define B(u) {{ Dense($u) {row} }}")


def test_another_value_of_a_search_resolves_anew_only_what_it_reaches(monkeypatch):
    resolved: list[str] = []
    layer = LayerResolver.layer

    def counted(self, spec, *rest):
        resolved.append(spec.name)
        return layer(self, spec, *rest)

    monkeypatch.setattr(LayerResolver, "layer", counted)
    found = checked(searching(5, 30, "8, 16, 24"))
    assert {each.code for each in found} == {"NW060"}
    # Of 150 layers at 60 other values, the two that a value reaches, and those beside.
    assert len(resolved) < 150 + 60 * 10
    wrong = checked(searching(5, 30, "8, 16, 0"))
    assert [each.code for each in wrong].count("NE027") == 30


ROW = st.lists(
    st.sampled_from(
        [
            "Dense(HPO(choice(8, 4, 0)))",
            "Dense(8)",
            "MultiHeadAttention(HPO(choice(2, 3)))",
            "Dropout(HPO(choice(0.1, $n)))",
            "Inner(HPO(choice(4, 8)))",
            "ResidualConnection { Dense(HPO(choice(8, 6))) }",
            "{ Dense($n) Dense(8) } * HPO(choice(1, 2, 0))",
            "a: { Dense($n) } b: { } Concatenate(axis=HPO(choice(-1, 1)))",
            'Dense($n, name=HPO(choice("d", "e")))',
            "Output(HPO(choice(3, 8)))",
        ]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(ROW, ROW)
def test_what_is_remembered_hides_no_finding(body, row) -> None:
    before = "define Inner(m) { Dense($m) Dense(HPO(choice(8, 7))) }"
    before += f" define B(n) {{ {body} }}"
    text = source(row.replace("$n", "8") + " B(8) B(4) B(8)", "(6, 8)", before=before)
    text += source("B(8) Dense(3)", "(6, 8)").replace("Test", "Other")
    told = checked(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LayerResolver, "remembered", lambda *given: given[-1]())
        assert checked(text) == told


def test_what_is_not_resolved_again_is_the_same_network() -> None:
    before = "define A(n) { Dense($n) B Dense(8) } define B { LayerNormalization }"
    calls = network(
        "A(4) A(6) A(4) a: { A(4) } b: { A(6) } Add()", "(5, 8)", before=before
    )
    body = "Dense({}) LayerNormalization Dense(8) "
    by_hand = "".join(map(body.format, (4, 6, 4)))
    by_hand += f"a: {{ {body.format(4)} }} b: {{ {body.format(6)} }} Add()"
    plain = network(by_hand, "(5, 8)")
    assert [
        (each.name, each.params, each.inputs, each.output) for each in calls.layers()
    ] == [(each.name, each.params, each.inputs, each.output) for each in plain.layers()]


def test_a_name_given_in_a_macro_is_numbered_in_every_call() -> None:
    before = doubling(2, 'Dense(8, name="d")')
    found = [each.name for each in network("M2", "(4, 8)", before=before).layers()]
    assert found == ["d_0", "d_1", "d_2", "d_3"]


def test_the_limit_counts_calls_that_are_not_resolved_again() -> None:
    assert codes("M17", "(4, 8)", before=doubling(17)) == ["NE048"]


def test_the_limit_says_of_what_there_is_too_much() -> None:
    """2 ** 16 layers are fewer than 100,000; with the calls around them the steps are
    more. Repeated, there are too many layers and few steps."""
    for body, before, what in (
        ("M16", doubling(16), "takes more than 100,000 steps"),
        ("Dense(4) * 100001", "", "more than 100,000 layers"),
    ):
        (error,) = (
            e for e in checked(source(body, before=before)) if e.code == "NE048"
        )
        assert what in error.message


@pytest.mark.parametrize(
    "macro",
    [
        "define Dense { Dense(8) * 1000000000 }",
        "define Dense { Dense(8) Dense(8) * 999999 }",
    ],
)
def test_a_macro_named_after_its_layer_may_repeat_it_too_often(macro) -> None:
    (found,) = (each for each in checked(macro) if each.code != "NE054")
    assert found.code == "NE048"
    assert codes("Dense", before=macro) == ["NE048"]


def test_masks_made_of_masks_are_compared_in_one_step() -> None:
    def nested(depth: int) -> Mask:
        mask = Mask("input", input="x")
        for _ in range(depth):
            mask = Mask("concat", parts=(mask, mask))
        return mask

    assert nested(60) is nested(60)
    assert hash(nested(60)) != hash(nested(59))
    layer = "a: { Dense(8) } b: { Dense(8) } Concatenate(axis=1) "
    found = network(f"Embedding(9, 8, mask_zero=true) {layer * 12}", "(2,)")
    assert found.output.shape == (2 * 2**12, 8)
