"""Labels against the model itself: which inputs change the vector at a position?

Networks are random, but nothing in them mixes positions in passing: attention adds nothing
(its projections are zero), and a convolution reads one position. Then a query or key
belongs to exactly the tokens whose change alone changes its vector.
"""

import random

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.compiler import analyse

pytestmark = pytest.mark.needs("torch")

torch = pytest.importorskip("torch")

LENGTHS = {"x": 4, "y": 4, "z": 3}


class Writer:
    """Writes random bodies of layers that take and give (length, 4)."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.memory = False

    def sequence(self, length, depth=2):
        """Some layers; the text, and the length that they leave."""
        texts = []
        for _ in range(self.random.randint(1, 3)):
            text, length = self.step(length, depth)
            texts.append(text)
        return "\n".join(texts), length

    def step(self, length, depth):
        choice = self.random.choice
        nested = ["branches", "residual", "alone", "repeat"] if depth else []
        kind = choice(["plain", "plain", "new", "attention", *nested])
        if kind == "attention":
            cross = ["TransformerDecoder(2, 4)", CROSS] if self.memory else []
            return choice(["TransformerEncoder(2, 4)", SELF, "Inner()", *cross]), length
        if kind == "branches":
            return self.branches(length, depth)
        if kind == "alone":
            text, end = self.sequence(length, 0)
            return f"alone: {{ {text} }} TransformerDecoder(2, 4)", end
        if kind == "repeat":
            memory = self.memory
            text, end = self.sequence(length, depth - 1)
            self.memory = memory  # branches inside are a memory inside alone
            return (
                f"Dropout(0.1) * 1 {{ {text} }}{' * 2' if end == length else ' * 1'}",
                end,
            )
        if kind == "residual":
            paths = [f"{name}: {{ {self.plain(length)} }}" for name in "lr"]
            inside = " ".join([*paths, "Add()"])
            return f"ResidualConnection {{ {inside} }}", length
        if kind == "new":
            wide = 2 * length
            half = f"Reshape((2, {wide})) Dense({wide}) Reshape(({length}, 4))"
            pool = "GlobalAveragePooling1D"
            return choice(
                [
                    (f"{pool} Dense({4 * length}) Reshape(({length}, 4))", length),
                    (f"Flatten Dense({4 * length}) Reshape(({length}, 4))", length),
                    (half, length),
                    ("Conv1D(4, 2)", length - 1)
                    if length > 2
                    else ("Conv1D(4, 1)", length),
                    ("Conv1D(4, 1, strides=2)", (length - 1) // 2 + 1),
                ]
            )
        return self.plain(length), length

    def plain(self, length):
        """A layer that keeps positions apart."""
        return self.random.choice(PLAIN).replace("LENGTH", str(length))

    def branches(self, length, depth):
        """Paths side by side and what merges them."""
        join = self.random.choice([*MERGES, TIME, "target"])
        memory = self.memory
        paths, ends = [], []
        for name in "lr":
            self.memory = memory
            text, end = self.sequence(length, 0)
            paths.append(f"{name}: {{ {text} }}")
            ends.append(end)
        self.memory = memory
        if join == "target":
            self.memory = True
            return " ".join([*paths, "TransformerDecoder(2, 4)"]), ends[1]
        if join == TIME:
            return " ".join([*paths, TIME]), sum(ends)
        if ends[0] != ends[1]:
            return self.step(length, 0)
        return " ".join([*paths, join]), ends[0]

    def network(self):
        names = self.random.choice([["x"], ["x", "y"], ["x", "z"], ["x", "y"]])
        shapes = ", ".join(f"{name}: ({LENGTHS[name]}, 4)" for name in names)
        text, length = "", LENGTHS["x"]
        if len(names) > 1:
            last = LENGTHS[names[-1]]
            joins = [("TransformerDecoder(2, 4)", last), (TIME, length + last)]
            if last == length:
                joins += [(merge, length) for merge in MERGES]
            join, length = self.random.choice(joins)
            self.memory = join.startswith("Transformer")
            paths = [f"{name}: {{ {self.plain(LENGTHS[name])} }}" for name in names]
            text = " ".join([*paths, join])
        body, _ = self.sequence(length)
        ends = "TransformerEncoder(2, 4)"
        if self.memory:
            ends += " TransformerDecoder(2, 4)"
        text = f"{text}\n{body}\n{ends} GlobalAveragePooling1D Output(2)"
        return INNER + f"network N {{ input: {{{shapes}}} layers: {text} }}", names


PLAIN = [
    "Dense(4)",
    "LayerNormalization Dense(4)",
    'Conv1D(4, 3, padding="same")',
    'Conv1D(4, 2, padding="causal") BatchNormalization',
    "PositionalEncoding",
    "Reshape((LENGTH, 2, 2)) Dense(2) Reshape((LENGTH, 4))",
]
SELF = "ResidualConnection { MultiHeadAttention(2) }"
CROSS = 'ResidualConnection { MultiHeadAttention(2, mode="cross") }'
MERGES = ["Add()", "Concatenate() Dense(4)", "ResidualConnection { Add() Dense(4) }"]
INNER = """define Inner() {
  l: { Dense(4) } r: { Dense(4) } TransformerDecoder(2, 4) * 2
}
"""
TIME = "Concatenate(axis=1)"


def unmix(module):
    """Let no layer carry anything from one position to another in passing."""
    with torch.no_grad():
        for name, part in module.named_modules():
            if name.endswith("projection"):
                part.weight.zero_()
                part.bias.zero_()
            if isinstance(part, torch.nn.Conv1d):
                size = part.kernel_size[0]
                same = part.padding == "same"
                taken = (size - 1) // 2 if same else size - 1
                part.weight[:, :, [t for t in range(size) if t != taken]] = 0


def vectors(model, arrays):
    """What every attention asks with and is asked about, in the order of the model."""
    found, hooks = [], []

    def keep(module, arguments):
        found.append(arguments[0][0].detach().numpy().copy())

    for name, part in model.runtime.model.named_modules():
        if name.endswith((".query", ".key")) or name in ("query", "key"):
            hooks.append(part.register_forward_pre_hook(keep))
    model.runtime.run(arrays)
    for hook in hooks:
        hook.remove()
    return found


def owners(model, arrays, generator):
    """For each of those arrays, for each position: the inputs' positions behind it."""
    before = vectors(model, arrays)
    behind = [[set() for _ in array] for array in before]
    for name, array in arrays.items():
        for position in range(array.shape[1]):
            changed = array.copy()
            changed[0, position] = generator.standard_normal(array.shape[2])
            after = vectors(model, {**arrays, name: changed})
            for each, old, new in zip(behind, before, after, strict=True):
                for place in np.flatnonzero((np.abs(old - new) > 1e-6).any(axis=1)):
                    each[place].add(f"{name}{position}")
    return behind


@pytest.mark.parametrize("seed", range(80))
def test_every_label_names_the_position_whose_change_changes_the_vector(seed):
    text, names = Writer(seed).network()
    generator = np.random.default_rng(seed)
    labelled = names if seed % 3 else names[:1]
    tokens = {n: [f"{n}{i}" for i in range(LENGTHS[n])] for n in labelled}
    model = nd.load(text, "pytorch", seed=seed)
    record = nd.capture(model, tokens=tokens)
    unmix(model.runtime.model)
    arrays = {
        name: generator.standard_normal((1, LENGTHS[name], 4)).astype(np.float32)
        for name in names
    }
    behind = owners(model, arrays, generator)
    sides = [
        side for one in record.layers for side in (one.query_tokens, one.key_tokens)
    ]
    assert len(sides) == len(behind), text
    given = {word for words in tokens.values() for word in words}
    for side, positions in zip(sides, behind, strict=True):
        told = [found & given for found in positions]
        if side is not None:
            shown = [{word} & given for word in side[0]]
            assert shown == told, (text, side, positions)
        else:  # nothing to say, or something that one word cannot say
            whole = [
                [set() for _ in told],
                *([{w} for w in t] for t in tokens.values()),
            ]
            assert told not in whole[1:], (text, positions)


def test_branches_inside_a_macro_are_a_memory_inside_alone():
    text = (
        INNER + "network N { input: (3, 4) layers: Inner() TransformerDecoder(2, 4) }"
    )
    names = [name for name, _, _ in analyse(text).attentions()]
    assert [name for name in names if name.endswith("cross_attention")] == [
        "transformer_decoder_0.cross_attention",
        "transformer_decoder_1.cross_attention",
    ]
    assert nd.load(text, "pytorch").run().shape == (1, 3, 4)


def test_a_residual_of_two_branches_adds_the_last_to_what_merges_them():
    text = (
        "network N { input: {y: (3, 4), x: (3, 4)} layers: y: { Activation(linear) } "
        "x: { Activation(linear) } ResidualConnection { Add() } }"
    )
    arrays = {
        name: np.random.default_rng(seed).standard_normal((2, 3, 4), np.float32)
        for seed, name in enumerate("yx")
    }
    given = arrays["y"] + 2 * arrays["x"]
    for backend in BACKENDS:
        result = nd.load(text, backend).run(arrays)
        np.testing.assert_allclose(result, given, atol=1e-6)
