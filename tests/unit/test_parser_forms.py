"""Every form of the language, what it parses to, and where each node stands."""

import pytest

from neural_dsl.syntax import nodes as n
from tests.unit.syntax_help import outline, tree


def sections(text: str) -> tuple[n.Section, ...]:
    (network,) = tree(f"network N {{ {text} }}").items
    assert isinstance(network, n.NetworkNode)
    return network.sections


def short(node: object, text: str) -> str:
    """A node as `Kind«its text»`, so that the text proves the place."""
    kind, own, _ = outline(node, text)
    return f"{kind}«{own}»"


LAYERS = {
    "Dense(128)": ["LayerNode«Dense(128)»"],
    "Flatten": ["LayerNode«Flatten»"],
    "Flatten()": ["LayerNode«Flatten()»"],
    "flatten DENSE(1)": ["LayerNode«flatten»", "LayerNode«DENSE(1)»"],
    "A() B();C(),D": [f"LayerNode«{x}»" for x in ("A()", "B()", "C()", "D")],
    ";;A,;B,": ["LayerNode«A»", "LayerNode«B»"],
    "A\n\n  (1\n)B": ["LayerNode«A\n\n  (1\n)»", "LayerNode«B»"],
    "[ A(), B() ]": ["GroupNode«[ A(), B() ]»"],
    "{ A B }": ["GroupNode«{ A B }»"],
    "{ A B } * 3": ["GroupNode«{ A B } * 3»"],
    "[A] * $n { B }": ["GroupNode«[A] * $n»", "GroupNode«{ B }»"],
    "A(8) * 6 B": ["LayerNode«A(8) * 6»", "LayerNode«B»"],
    "A * $n * 2 B": ["LayerNode«A * $n * 2»", "LayerNode«B»"],
    "A * HPO(choice(1, 2)) B()": ["LayerNode«A * HPO(choice(1, 2))»", "LayerNode«B()»"],
    "Residual { A }": ["LayerNode«Residual { A }»"],
    "Residual() { A } * 2": ["LayerNode«Residual() { A } * 2»"],
    "T(h=8) { A } B": ["LayerNode«T(h=8) { A }»", "LayerNode«B»"],
    "A(1) * (2) { B }": ["LayerNode«A(1) * (2)»", "GroupNode«{ B }»"],
    "A; { B }": ["LayerNode«A»", "GroupNode«{ B }»"],
    'C(64, (7,7)) @ "cuda:0"': ['LayerNode«C(64, (7,7)) @ "cuda:0"»'],
    'A @ "x" * 2 B': ['LayerNode«A @ "x" * 2»', "LayerNode«B»"],
    "A * 2 @ 'x' B": ["LayerNode«A * 2 @ 'x'»", "LayerNode«B»"],
    "A @ cuda": ["LayerNode«A @ cuda»"],
    "image: { A } text: { B } C": [
        "BranchNode«image: { A }»",
        "BranchNode«text: { B }»",
        "LayerNode«C»",
    ],
    "a: { b: { C } D }": ["BranchNode«a: { b: { C } D }»"],
    "input: { Dense(1) } layers: { A() }": [
        "BranchNode«input: { Dense(1) }»",
        "BranchNode«layers: { A() }»",
    ],
    "a /* x: { y */ : # {\n { A }": ["BranchNode«a /* x: { y */ : # {\n { A }»"],
    "TimeDistributed(Dense(10))": ["LayerNode«TimeDistributed(Dense(10))»"],
    "train() layers(1) network define(2) input": [
        f"LayerNode«{x}»"
        for x in ("train()", "layers(1)", "network", "define(2)", "input")
    ],
}


@pytest.mark.parametrize("form", LAYERS)
@pytest.mark.parametrize("around", ["layers: {}", 'layers: {} loss: "mse"'])
def test_layers(form: str, around: str) -> None:
    text = around.replace("{}", form)
    whole = f"network N {{ {text} }}"
    layers = sections(text)[0]
    assert isinstance(layers, n.LayersSection)
    assert [short(node, whole) for node in layers.body] == LAYERS[form]


VALUES = {
    "1": 1,
    "-1": -1,
    "1_000": 1000,
    "007": 7,
    ".5": 0.5,
    "5.": 5.0,
    "1e-4": 1e-4,
    "1.5E3": 1500.0,
    "-1e-2": -0.01,
    "9223372036854775807": 2**63 - 1,
    '"a"': "a",
    "'a'": "a",
    '""': "",
    '"# no // comment /* "': "# no // comment /* ",
    '"it\'s"': "it's",
    r'"\n\t\r\0\\\"\'"': "\n\t\r\0\\\"'",
    r"'\x41\u00e9\U0001F600'": "Aé😀",
    '"日本語"': "日本語",
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "FALSE": False,
    "None": None,
    "none": None,
    "NONE": None,
}


@pytest.mark.parametrize("text", VALUES)
def test_a_literal_is_the_value_it_spells(text: str) -> None:
    (setting,) = sections(f"x: {text}")
    assert isinstance(setting, n.Setting)
    assert isinstance(setting.value, n.LiteralValue)
    assert setting.value.value == VALUES[text]
    assert type(setting.value.value) is type(VALUES[text])


def test_zeros_in_front_make_no_number_too_long() -> None:
    (setting,) = sections(f"x: {'0' * 5000}7")
    assert isinstance(setting, n.Setting)
    assert setting.value.value == 7  # type: ignore[union-attr]


NESTED = {  # text -> as a plain structure: tuples, lists, dicts, calls, operations
    "relu": "relu",
    "$units": "$units",
    "()": ("(",),
    "(10)": ("(", 10),
    "(10,)": ("(", 10),
    "(1, 2, )": ("(", 1, 2),
    "(None, 28)": ("(", None, 28),
    "((1, 2), (3,))": ("(", ("(", 1, 2), ("(", 3)),
    "[]": ("[",),
    "[1, [2], ]": ("[", 1, ("[", 2)),
    "{}": {},
    "{a: 1, 'b': 2}": {"a": 1, "b": 2},
    "{a: 1 b: {c: 2};}": {"a": 1, "b": {"c": 2}},
    "{a = 1 b = relu}": {"a": 1, "b": "relu"},
    "{0: 1.5, 1: 2}": {"0": 1.5, "1": 2},
    "f()": ("f", []),
    "f(1, a=2, b: 3,)": ("f", [1, ("a", 2), ("b", 3)]),
    "HPO(log_range(1e-4, 1e-2))": ("HPO", [("log_range", [1e-4, 1e-2])]),
    "Adam { learning_rate: 0.1 decay = 2 }": (
        "Adam",
        [("learning_rate", 0.1), ("decay", 2)],
    ),
    "f(x={a: 1})": ("f", [("x", {"a": 1})]),
    "f(Adam { lr: 1 })": ("f", [("Adam", [("lr", 1)])]),
    "$a * 4": ("*", "$a", 4),
    "1 + 2 * 3": ("+", 1, ("*", 2, 3)),
    "(1 + 2) * 3": ("*", ("+", 1, 2), 3),
    "1 - 2 - 3": ("-", ("-", 1, 2), 3),
    "8 / 4 / 2": ("/", ("/", 8, 4), 2),
    "-$a": ("-", None, "$a"),
    "-(1 + $a)": ("-", None, ("+", 1, "$a")),
    "--1": 1,
    "($a + 1)": ("+", "$a", 1),
    "(5) * 2": ("*", 5, 2),
    "2 * (5,)": ("*", 2, ("(", 5)),
    "f(g(h(1)))": ("f", [("g", [("h", [1])])]),
    "f(input=1, layers: 2, network=3, define=4, loss: 5)": (
        "f",
        [("input", 1), ("layers", 2), ("network", 3), ("define", 4), ("loss", 5)],
    ),
}


def plain(value: n.Value | n.Argument) -> object:
    match value:
        case n.LiteralValue():
            return value.value
        case n.Word():
            return value.text
        case n.MacroParameter():
            return f"${value.name}"
        case n.Sequence():
            return (value.brackets, *map(plain, value.items))
        case n.Mapping():
            return {name.text: plain(inner) for name, inner in value.entries}
        case n.Call():
            return value.name.text, [plain(argument) for argument in value.arguments]
        case n.Operation():
            left = None if value.left is None else plain(value.left)
            return value.operator, left, plain(value.right)
        case n.Argument(name=None):
            return plain(value.value)
        case n.Argument(name=n.Name(text=text)):
            return text, plain(value.value)


@pytest.mark.parametrize("text", NESTED)
def test_a_value_has_the_structure_it_spells(text: str) -> None:
    layers = sections(f"layers: L(v={text}) loss: mse")[0]
    assert isinstance(layers, n.LayersSection)
    (layer,) = layers.body
    assert isinstance(layer, n.LayerNode)
    assert layer.arguments is not None
    assert plain(layer.arguments[0].value) == NESTED[text]


INPUTS = {
    "input: (50, 256)": [(None, ("(", 50, 256))],
    "input: (200,)": [(None, ("(", 200))],
    "input: (10)": [(None, ("(", 10))],
    "input: (None, 28, 28)": [(None, ("(", None, 28, 28))],
    "input: (10), (20)": [(None, ("(", 10)), (None, ("(", 20))],
    "input: (10) (20);": [(None, ("(", 10)), (None, ("(", 20))],
    "inputs: {image: (28,28,1), text: (100,)}": [
        ("image", ("(", 28, 28, 1)),
        ("text", ("(", 100)),
    ],
    "input: {a: (1)\n b: (2)\n}": [("a", ("(", 1)), ("b", ("(", 2))],
    "input: {input: (1), layers: (2), loss: (3)}": [
        ("input", ("(", 1)),
        ("layers", ("(", 2)),
        ("loss", ("(", 3)),
    ],
    "input: shape(1, 28, 28)": [(None, ("shape", [1, 28, 28]))],
    "input: None": [(None, None)],
    "input: 784,": [(None, 784)],
}


@pytest.mark.parametrize("text", INPUTS)
@pytest.mark.parametrize("behind", ["", "loss: mse", "layers: A(1)", "train { a: 1 }"])
def test_inputs(text: str, behind: str) -> None:
    section = sections(f"{text} {behind}")[0]
    assert isinstance(section, n.InputSection)
    found = [(i.name and i.name.text, plain(i.shape)) for i in section.inputs]
    assert found == INPUTS[text]


SECTIONS = {  # text -> the kinds of sections, with the text that each covers
    'loss: "mse"': ['Setting«loss: "mse"»'],
    "loss: mse,": ["Setting«loss: mse»"],
    "loss: focal(gamma=2)": ["Setting«loss: focal(gamma=2)»"],
    "optimizer: Adam": ["Setting«optimizer: Adam»"],
    'optimizer: "Adam(learning_rate=1e-4)"': [
        'Setting«optimizer: "Adam(learning_rate=1e-4)"»'
    ],
    "optimizer: Adam { learning_rate: 0.1 } loss: mse": [
        "Setting«optimizer: Adam { learning_rate: 0.1 }»",
        "Setting«loss: mse»",
    ],
    "optimizer: Adam train { epochs: 1 }": [
        "Setting«optimizer: Adam»",
        "BlockSection«train { epochs: 1 }»",
    ],
    "lr_schedule: StepDecay(1) metrics: []": [
        "Setting«lr_schedule: StepDecay(1)»",
        "Setting«metrics: []»",
    ],
    "train { epochs: 10 batch_size: 32, shuffle: true; }": [
        "BlockSection«train { epochs: 10 batch_size: 32, shuffle: true; }»"
    ],
    "training: { epochs: 10 }": ["BlockSection«training: { epochs: 10 }»"],
    "train {}": ["BlockSection«train {}»"],
    "training: {} execution {}": [
        "BlockSection«training: {}»",
        "BlockSection«execution {}»",
    ],
    'execution { device: "auto" }': ['BlockSection«execution { device: "auto" }»'],
    'execute { device: "cuda" }': ['BlockSection«execute { device: "cuda" }»'],
    "task: Copy(length=8)": ["Setting«task: Copy(length=8)»"],
    "lss: mse": ["Setting«lss: mse»"],
    "layers: { A } loss: mse": ["LayersSection«layers: { A }»", "Setting«loss: mse»"],
    "layers: loss: mse": ["LayersSection«layers:»", "Setting«loss: mse»"],
    "layers: A train { stop: { patience: 3 } }": [
        "LayersSection«layers: A»",
        "BlockSection«train { stop: { patience: 3 } }»",
    ],
    "layers: A input: (3)": ["LayersSection«layers: A»", "InputSection«input: (3)»"],
}


@pytest.mark.parametrize("text", SECTIONS)
def test_sections(text: str) -> None:
    whole = f"network N {{ {text} }}"
    assert [short(node, whole) for node in sections(text)] == SECTIONS[text]


def test_settings_of_a_block_keep_names_values_and_places() -> None:
    whole = "network N { train { epochs: 10, stop { patience: 3 } } }"
    (network,) = tree(whole).items
    (block,) = network.sections  # type: ignore[union-attr]
    assert [short(setting, whole) for setting in block.settings] == [
        "Setting«epochs: 10»",
        "Setting«stop { patience: 3 }»",
    ]
    assert plain(block.settings[1].value) == {"patience": 3}


ITEMS = {
    "define B { Dense(1) }": ("B", [], 1),
    "define B(units, rate,) { A C }": ("B", ["units", "rate"], 2),
    "define B() { x: { A } }": ("B", [], 1),
    "macro B { A }": ("B", [], 1),
    "define network { A }": ("network", [], 1),
}


@pytest.mark.parametrize("text", ITEMS)
def test_macros(text: str) -> None:
    (macro,) = tree(text + ";").items
    assert isinstance(macro, n.Define)
    name, parameters, length = ITEMS[text]
    assert short(macro, text) == f"Define«{text}»"
    assert macro.name.text == name
    assert [parameter.text for parameter in macro.parameters] == parameters
    assert len(macro.body) == length


def test_networks_of_one_name_stay_apart_and_in_order() -> None:
    items = tree("network A { } define B { C } network A { input: (1) }").items
    assert [item.name.text for item in items] == ["A", "B", "A"]
    assert [type(item).__name__ for item in items] == [
        "NetworkNode",
        "Define",
        "NetworkNode",
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_comments_end_where_they_should(newline: str) -> None:
    text = newline.join(
        (
            "# network X {",
            "network A { // }",
            "input: (1) /* layers: B */ # x",
            "/* over",
            " lines **/ layers: D }",
        )
    )
    (network,) = tree(text).items
    assert [type(section).__name__ for section in network.sections] == [  # type: ignore[union-attr]
        "InputSection",
        "LayersSection",
    ]


def test_names_may_use_any_script() -> None:
    (network,) = tree("network Größe_模型 { layers: Größe(größe=1) 层() }").items
    assert network.name.text == "Größe_模型"
    (layers,) = network.sections  # type: ignore[union-attr]
    assert [layer.name.text for layer in layers.body] == ["Größe", "层"]
