"""Loss, optimizer, schedules, metrics, train and execution settings, and HPO values."""

import pytest

from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.network import resolve, resolve_network
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from tests.unit.resolving import checked, codes, marked, network, source


def net(extra: str, text: str = "Dense(3)"):
    return network(text, extra=extra)


@pytest.mark.parametrize(
    "text",
    [
        '"Adam"',
        "Adam",
        "adam",
        "ADAM",
        "Adam()",
        '"Adam(learning_rate=0.001)"',
        "Adam(learning_rate=0.001)",
        "Adam(lr: 1e-3)",
        "Adam(0.001)",
        "Adam { learning_rate: 0.001 }",
    ],
)
def test_forms_of_an_optimizer(text: str) -> None:
    optimizer = net(f"optimizer: {text}").optimizer
    assert optimizer.name == "Adam"
    assert optimizer.params["learning_rate"] == 0.001
    assert optimizer.params["beta_2"] == 0.999


@pytest.mark.parametrize(
    "text",
    [
        "Adam(learning_rate=ExponentialDecay(0.1, 1000, 0.96))",
        '"Adam(learning_rate=ExponentialDecay(0.1, 1000, 0.96))"',
        'Adam("ExponentialDecay(0.1, 1000, 0.96)")',
        "Adam { learning_rate: ExponentialDecay(0.1, 1000, decay_rate=0.96) }",
    ],
)
def test_a_schedule_as_learning_rate(text: str) -> None:
    rate = net(f"optimizer: {text}").optimizer.params["learning_rate"]
    assert isinstance(rate, Setting)
    assert rate.name == "ExponentialDecay"
    assert rate.params == {
        "initial_learning_rate": 0.1,
        "decay_steps": 1000,
        "decay_rate": 0.96,
        "staircase": False,
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])", None),
        ("PolynomialDecay(0.1, 1000)", None),
        ("InverseTimeDecay(0.1, 1000, 0.5)", None),
        ("CosineDecay(0.1, 1000)", None),
        ("CosineDecay(decay_steps=1000, warmup_steps=50, warmup_target=0.1)", None),
        ("CosineDecayRestarts(0.1, 1000)", None),
        ("StepDecay(0.1, 10, 0.5)", None),
        ("StepDecay(step_size=10, gamma=0.5)", None),
        ("ReduceLROnPlateau(factor=0.5, patience=3)", None),
        ("ReduceLROnPlateau", None),
    ],
)
def test_every_schedule_of_the_language(text: str, name: str | None) -> None:
    found = net(f"lr_schedule: {text}").lr_schedule
    assert found.name == text.partition("(")[0]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("mse", "mean_squared_error"),
        ('"MSE"', "mean_squared_error"),
        ("MSELoss", "mean_squared_error"),
        ('"mean-squared-error"', "mean_squared_error"),
        ("CrossEntropyLoss", "sparse_categorical_crossentropy"),
        ("SparseCategoricalCrossentropy(from_logits=true)", None),
        ("BCEWithLogitsLoss", "binary_crossentropy"),
        ("huber(delta=2.0)", "huber"),
        ('"huber(2)"', "huber"),
        ("KLDivLoss", "kl_divergence"),
        ("l1_loss", "mean_absolute_error"),
    ],
)
def test_spellings_of_losses(spelling: str, name: str | None) -> None:
    found = net(f"loss: {spelling}").loss
    assert found.name == (name or "sparse_categorical_crossentropy")


def test_metrics_take_a_list_or_one_and_keep_their_order() -> None:
    found = net('metrics: ["accuracy", top_k_categorical_accuracy(k=3), mse]').metrics
    assert [each.name for each in found] == [
        "accuracy",
        "top_k_categorical_accuracy",
        "mean_squared_error",
    ]
    assert found[1].params == {"k": 3}
    assert [each.name for each in net('metrics: "acc"').metrics] == ["accuracy"]


def test_train_keeps_exactly_what_the_file_says_under_canonical_names() -> None:
    found = net(
        "training: { epochs: 10, batch_size: 32 validation_split: 0.2 grad_clip: 1 "
        'shuffle: TRUE mixed_precision: false search_method: "Bayesian" }'
    ).train
    assert found == {
        "epochs": 10,
        "batch_size": 32,
        "validation_split": 0.2,
        "gradient_clip": 1.0,
        "shuffle": True,
        "mixed_precision": False,
        "search_method": "bayesian",
    }


@pytest.mark.parametrize(
    ("text", "patience"),
    [
        ("true", 5),
        ("3", 3),
        ("EarlyStopping(patience=7)", 7),
        ('"EarlyStopping(patience=7)"', 7),
        ("{ patience: 9, monitor: loss }", 9),
        ("false", None),
    ],
)
def test_forms_of_early_stopping(text: str, patience: int | None) -> None:
    found = net(f"train {{ early_stopping: {text} }}").train["early_stopping"]
    assert (found and found.params["patience"]) == patience


def test_loss_and_optimizer_may_stand_inside_train() -> None:
    found = net("train { epochs: 3 loss: mse optimizer: SGD(0.1, momentum=0.9) }")
    assert found.loss.name == "mean_squared_error"
    assert found.optimizer.params["momentum"] == 0.9
    assert found.train == {"epochs": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('device: "auto"', {"device": "auto"}),
        ('device: "GPU:1"', {"device": "cuda:1"}),
        ("device: cuda", {"device": "cuda"}),
        ("backend: torch", {"backend": "pytorch"}),
        ('backend: "TF"', {"backend": "tensorflow"}),
    ],
)
def test_execution(text: str, expected: dict[str, str]) -> None:
    assert net(f"execute {{ {text} }}").execution == expected


@pytest.mark.parametrize(
    ("extra", "code", "underlined"),
    [
        ("los: mse", "NE060", "los"),
        ("data: x", "NE061", "data"),
        ("task { name: copy }", "NE068", "task"),
        ("optimizer: Ftrl", "NE061", "Ftrl"),
        ("loss: dice", "NE061", "dice"),
        ("loss: msee", "NE062", "msee"),
        ("optimizer: Adamm", "NE063", "Adamm"),
        ('optimizer: "Adamm(0.1)"', "NE063", "Adamm"),
        ("optimizer: Adam(ExpDecay(1))", "NE064", "ExpDecay"),
        ("lr_schedule: StepDekay(0.1, 3)", "NE064", "StepDekay"),
        ("metrics: [acuracy]", "NE065", "acuracy"),
        ("optimizer: Adam(learning=1)", "NE066", "learning"),
        ("train { epoch: 3 }", "NE066", "epoch"),
        ("execution { devize: cpu }", "NE066", "devize"),
        ("lr_schedule: ExponentialDecay(0.1)", "NE067", "ExponentialDecay"),
        ("optimizer: 3", "NE068", "3"),
        ("loss: [mse, mae]", "NE068", "[mse, mae]"),
        ("loss { a: mse }", "NE068", "loss"),
        ("train: 3", "NE068", "train"),
        ("train { epochs: 2.5 }", "NE068", "epochs: 2.5"),
        ("train { early_stopping: [1] }", "NE068", None),
        ("train { shuffle: 1 }", "NE068", "shuffle: 1"),
        ("optimizer: Adam(0)", "NE069", "0"),
        ("optimizer: Adam(beta_1=1.0)", "NE069", "beta_1=1.0"),
        ("train { validation_split: 1.0 }", "NE069", "validation_split: 1.0"),
        ("train { early_stopping: 0 }", "NE069", None),
        ("train { seed: -1 }", "NE069", "seed: -1"),
        ("train { seed: 4294967296 }", "NE069", "seed: 4294967296"),
        ("execution { seed: -1 }", "NE069", "seed: -1"),
        ("execution { device: toaster }", "NE069", "device: toaster"),
        ("execution { backend: jax }", "NE069", "backend: jax"),
        ("lr_schedule: PiecewiseConstantDecay([1, 2], [1, 2])", "NE069", "[1, 2]"),
        ("lr_schedule: PiecewiseConstantDecay([2, 1], [1, 2, 3])", "NE069", "[2, 1]"),
        ("optimizer: Adam(0.1, learning_rate=0.2)", "NE070", "learning_rate=0.2"),
        ("train { epochs: 3 epochs: 4 }", "NE070", "epochs: 4"),
        (
            "loss: sparse_categorical_crossentropy metrics: [acc, accuracy]",
            "NE070",
            "accuracy",
        ),
        (
            "optimizer: Adam(CosineDecay(0.1, 9)) lr_schedule: CosineDecay(0.1, 9)",
            "NE070",
            "CosineDecay(0.1, 9)",
        ),
        ("loss: huber(1, 2)", "NE071", "2"),
        ("loss: mse loss: mae", "NE052", "loss"),
        ("loss: mse train { loss: mae }", "NE052", "loss"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(extra, code, underlined) -> None:
    found = marked("Dense(3)", extra=extra)
    assert [each for each, _ in found] == [code]
    if underlined is not None:
        assert found[0][1] == underlined


# --- HPO ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "chosen", "kind", "arguments"),
    [
        ("choice(32, 64)", 32, "choice", {"values": (32, 64)}),
        ("choice([32, 64])", 32, "choice", {"values": (32, 64)}),
        ("categorical(8, 16)", 8, "categorical", {"values": (8, 16)}),
        ("int_range(4, 8)", 4, "int_range", {"low": 4, "high": 8}),
        ("range(4, 8, step=2)", 4, "range", {"low": 4, "high": 8, "step": 2}),
        ("range(min=4, max=8)", 4, "range", {"low": 4, "high": 8}),
    ],
)
def test_search_values_in_layers(space, chosen, kind, arguments) -> None:
    found = network(f"Dropout(0.1) Dense(2) Dense(HPO({space}))")
    assert list(found.layers())[-1].params["units"] == chosen
    (search,) = found.search
    assert (search.place, search.kind) == ("dense_1.units", kind)
    assert (dict(search.arguments), search.chosen) == (arguments, chosen)


def test_search_values_anywhere_are_named_by_a_warning() -> None:
    text = "Dense(HPO(choice(8, 16)), HPO(choice(relu, tanh))) Dropout(HPO(range(0.1, 0.5)))"
    extra = (
        "optimizer: Adam(learning_rate=HPO(log_range(1e-4, 1e-2))) "
        "train { batch_size: HPO(choice(32, 64)) }"
    )
    found = network(text, extra=extra)
    assert [each.place for each in found.search] == [
        "dense.units",
        "dense.activation",
        "dropout.rate",
        "optimizer.learning_rate",
        "train.batch_size",
    ]
    assert codes(text, extra=extra) == ["NW060"] * 5


def test_search_over_whole_optimizers_takes_the_first() -> None:
    extra = "optimizer: HPO(choice(SGD(HPO(range(0.1, 0.5))), Adam(0.3)))"
    found = net(extra)
    assert (found.optimizer.name, found.optimizer.params["learning_rate"]) == (
        "SGD",
        0.1,
    )
    assert codes("Dense(3)", extra=extra) == ["NW060", "NW060"]


def test_one_search_value_in_copies_and_macros_is_one() -> None:
    before = "define Block(n) { Dense($n) }"
    found = network(
        "Block(HPO(choice(8, 4))) * 3 Dense(HPO(choice(8, 4))) * 2", before=before
    )
    assert [each.place for each in found.search] == ["Block.n", "dense_3.units"]


@pytest.mark.parametrize(
    "space",
    [
        "choice()",
        "choice(a=1)",
        "range(1)",
        "range(2, 1)",
        "range(1, 1)",
        "range(1, 2, 3, 4)",
        "range(1, 2, step=0)",
        "int_range(1.5, 2)",
        "log_range(0, 1)",
        "log_range(-1, 1)",
        "gaussian(0, 1)",
        "range(a, b)",
        "3",
        "",
    ],
)
def test_impossible_search_spaces(space: str) -> None:
    assert codes(f"Dense(HPO({space}))") == ["NE072"]


def wrong_choices(layers: str, **parts: str) -> list[tuple[str, str]]:
    """Code and text of every error that `check` finds, in order."""
    text = source(layers, **parts)
    errors = [each for each in checked(text) if each.severity == "error"]
    assert all(each.span is not None for each in errors)
    return [(each.code, text[each.span.start : each.span.end]) for each in errors]


@pytest.mark.parametrize(
    ("layers", "wrong"),
    [
        ("Dense(HPO(choice(0, 4)))", [("NE027", "HPO(choice(0, 4))")]),
        ("Dense(HPO(choice(4, 0, 8, -2)))", [("NE027", "0"), ("NE027", "-2")]),
        ('Dense(HPO(choice([8, "x"])))', [("NE026", '"x"')]),
        ("Dense(8, HPO(choice(relu, rleu)))", [("NE029", "rleu")]),
        ("Dropout(HPO(range(0.1, 1.5)))", [("NE027", "1.5")]),
        (
            "Dropout(HPO(range(high=0.5, low=-1)))",
            [("NE027", "HPO(range(high=0.5, low=-1))")],
        ),
        ("Dense(HPO(range(2, 7.5)))", [("NE026", "7.5")]),
        ("Dense(HPO(range(2, 8, step=0.5)))", [("NE026", "0.5")]),
        ("Dense(HPO(choice(8, HPO(choice(4, 0)))))", [("NE027", "0")]),
        ("Dense(2 * HPO(choice(4, -8)) + 1)", [("NE027", "-8")]),
        ('Dense(2 * HPO(choice(4, "x")))', [("NE046", '"x"')]),
        ("Dense(4) * HPO(choice(2, 0))", [("NE047", "0")]),
        ("Reshape(target_shape=(HPO(choice(2, 0)), -1))", [("NE027", "0")]),
    ],
)
def test_every_value_of_a_search_is_checked_where_it_stands(layers, wrong) -> None:
    assert wrong_choices(layers) == wrong


@pytest.mark.parametrize(
    "layers",
    [
        "Dense(HPO(range(2, 8, step=2)))",
        "Dropout(HPO(choice(0, 0.5)))",
        "Dense(HPO(log_range(1, 64)))",
        "Dense(HPO(choice(8, 4)), HPO(choice(None, relu)))",
        "Dense(10 / HPO(choice(5, 2)))",
    ],
)
def test_searches_over_fitting_values_are_only_warned_about(layers) -> None:
    assert set(codes(layers)) == {"NW060"}


def test_choices_given_to_a_macro_are_checked_where_they_are_used() -> None:
    before = "define Block(n, r) { Dense($n) Dropout($r) Dense($n - $n + 1) }"
    wrong = wrong_choices(
        "Block(HPO(choice(8, 0)), HPO(choice(0.1, 1, 0.2)))", before=before
    )
    assert wrong == [("NE027", "$n"), ("NE027", "$r")]
    # One choice is the same wherever it reaches: 4 - 4 + 1, never 8 - 4 + 1.
    assert wrong_choices("Block(HPO(choice(8, 4)), 0.1)", before=before) == []
    nested = before + " define Outer(m) { Block($m * 2, 0.1) }"
    assert wrong_choices("Outer(HPO(choice(1, -3)))", before=nested) == [
        ("NE027", "$n")
    ]


@pytest.mark.parametrize("choices", ["4, 7", "7, 4"])
def test_a_choice_that_breaks_a_layers_rule_is_refused_whichever_comes_first(choices):
    head = f"TransformerEncoder(num_heads=HPO(choice({choices})), ff_dim=8)"
    ((code, text),) = wrong_choices(head, input="(10, 8)")
    assert code == "NE021" and "7" in text


def test_choices_are_tried_one_at_a_time() -> None:
    # 4 heads with 12 features would do, but every search is tried beside the first.
    text = "Dense(HPO(choice(8, 12))) MultiHeadAttention(HPO(choice(4, 3)))"
    assert [text for _, text in wrong_choices(text)] == ["3"]


def test_the_cost_of_many_searches_does_not_multiply(monkeypatch) -> None:
    from neural_dsl.resolve import checking

    runs = 0
    resolve_network = checking.resolve_network

    def counted(*arguments, **options):
        nonlocal runs
        runs += 1
        return resolve_network(*arguments, **options)

    monkeypatch.setattr(checking, "resolve_network", counted)
    checked(source("Dense(HPO(choice(2, 3, 4))) " * 20))
    assert runs == 1 + 20 * 2


@pytest.mark.parametrize(
    ("space", "points"),
    [
        ("range(2, 5)", [2, 3, 4, 5]),
        ("int_range(1, 9, step=4)", [1, 5, 9]),
        ("range(1, 4, step=2)", [1, 3, 4]),
        ("int_range(1, 1000)", [1, 2, 500, 1000]),
        ("log_range(2, 64)", [2, 64]),
    ],
)
def test_a_range_is_tried_at_its_bounds_and_a_few_points_between(space, points) -> None:
    tree = parse(Source("x", source(f"Dense(HPO({space}))")))
    run = Findings(tree.source)
    resolve_network(tree.items[0], Macros([], run), run)
    ((span, values),) = run.spaces.items()
    found = [
        next(resolve(tree, None, {span: number})[0].layers()).params["units"]
        for number in range(len(values))
    ]
    assert found == points


@pytest.mark.parametrize(
    ("extra", "wrong"),
    [
        ("train { batch_size: HPO(choice(32, 0)) }", [("NE069", "0")]),
        (
            "train { early_stopping: { patience: HPO(choice(3, -1)) } }",
            [("NE069", "-1")],
        ),
        (
            "optimizer: Adam(lr=HPO(log_range(0.1, 2)), beta_1=HPO(choice(0.9, 1)))",
            [("NE069", "1")],
        ),
        (
            "optimizer: HPO(choice(Adam, SGD(HPO(range(-1, 0.5))), Adamm))",
            [("NE069", "HPO(range(-1, 0.5))"), ("NE063", "Adamm")],
        ),
        (
            "optimizer: Adam(lr=HPO(choice(0.1, ExponentialDecay(0.1, 0, 0.9))))",
            [("NE069", "0")],
        ),
        ('loss: HPO(choice("mse", "nope"))', [("NE062", '"nope"')]),
    ],
)
def test_choices_in_settings_are_checked_too(extra, wrong) -> None:
    assert wrong_choices("Dense(3)", extra=extra) == wrong


@pytest.mark.parametrize(
    "text", ['"Adam("', '"Adam(0.1))"', '"Adam(0.1"', '"("', '"Adam(\\"x"', '"A(){{}}"']
)
def test_strings_that_are_no_calls_are_errors_inside_the_string(text: str) -> None:
    found = marked("Dense(3)", extra=f"optimizer: {text}")
    assert found
    assert all(code.startswith("NE") for code, _ in found)
