"""Tasks in the language: their parameters, and what a network takes from them."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.dump import dump
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.resolve.network import resolve
from neural_dsl.rules.common import training_problems
from neural_dsl.rules.learning import looks_ahead
from neural_dsl.runs.task_files import run_task
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source
from neural_dsl.tasks import TASKS, task_spec
from neural_dsl.tasks.problems import ProblemSpec
from tests.layer_examples import (
    each_example,
    example_layer,
    keeps_positions,
    reads_one_sequence,
)
from tests.unit.resolving import diagnostics, resolved

EXAMPLES = sorted((Path(__file__).parents[2] / "examples/tasks").glob("*.neural"))
LAYERS = (
    "Embedding(output_dim=32) PositionalEncoding() TransformerDecoder(4, 64) Output()"
)
TWO = LAYERS.replace("64)", "64) * 2")
ALIGNED = LAYERS.replace("Decoder", "Encoder")


def text(task: str, layers: str = LAYERS, extra: str = "") -> str:
    return f"network Test {{ task: {task}\n layers: {layers}\n {extra} }}"


def net(task: str, layers: str = LAYERS, extra: str = "") -> Network:
    return resolved(text(task, layers, extra))


def found(task: str, layers: str = LAYERS, extra: str = "") -> list[str]:
    return [each.code for each in diagnostics(text(task, layers, extra))]


def marked(task: str, layers: str = LAYERS, extra: str = "") -> list[tuple[str, str]]:
    whole = text(task, layers, extra)
    return [
        (each.code, whole[each.span.start : each.span.end])
        for each in diagnostics(whole)
    ]


def sizes(network: Network) -> dict[str, int]:
    """Rows of the Embedding, positions, units of the Output."""
    params = {layer.type: layer.params for layer in network.layers()}
    return {
        "input_dim": params["Embedding"]["input_dim"],
        "max_len": params["PositionalEncoding"]["max_len"],
        "units": params["Output"]["units"],
    }


# --- the section ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "Copy",
        '"Copy"',
        "copy()",
        "CopyTask",
        "Copy(8)",
        '"Copy(length=8)"',
        "Copy(seq_len: 8, vocab_size=20,)",
        "Copy { length: 8 }",
        "Copy((8, 8))",
    ],
)
def test_forms_of_a_task(form: str) -> None:
    task = net(form).task
    assert task is not None
    assert task.name == "Copy"
    assert task.params == {
        "length": 8,
        "vocabulary": 20,
        "unique": False,
        "framing": False,
        "layout": "sequence",
        "train_size": 20_000,
        "validation_size": 2_000,
        "test_size": 1_000,
        "data_seed": 0,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", {"operations": ("add", "subtract"), "max_number": 99}),
        ("operations=[add]", {"operations": ("add",)}),
        ('operation="+"', {"operations": ("add",)}),
        ('("subtract", "add")', {"operations": ("subtract", "add")}),
        ("digits=3", {"max_number": 999}),
        ("max_number=500, reverse_digits=true", {"reverse_digits": True}),
    ],
)
def test_parameters_of_arithmetic(given: str, expected: dict[str, object]) -> None:
    params = net(f"Arithmetic({given})").task.params
    assert {key: params[key] for key in expected} == expected
    assert "digits" not in params


def test_a_range_of_lengths_stays_a_pair() -> None:
    assert net("Sort(length=(4, 8))").task.params["length"] == (4, 8)


def test_a_searched_parameter_is_compiled_with_its_first_value() -> None:
    network = net("Copy(length=HPO(choice(6, 8)))")
    assert network.task.params["length"] == 6
    assert [each.place for each in network.search] == ["task.length"]


def test_the_dump_shows_the_task() -> None:
    line = dump(net("Double(3)")).splitlines()[1]
    assert line.startswith("  task Double(length=3, vocabulary=20, unique=False")


@pytest.mark.parametrize(
    ("task", "code", "underlined"),
    [
        ("Copi", "NE073", "Copi"),
        ("3", "NE068", "3"),
        ("Copy(lenght=3)", "NE066", "lenght"),
        ("Copy(length=8.5)", "NE068", "length=8.5"),
        ("Copy(length=(1, 2, 3))", "NE068", "length=(1, 2, 3)"),
        ("Copy(length=(8, 4))", "NE069", "length=(8, 4)"),
        ("Copy(length=0)", "NE069", "length=0"),
        ("Copy(layout=sideways)", "NE069", "layout=sideways"),
        ("Double(layout=aligned)", "NE066", "layout"),
        ("Copy(8, length=8)", "NE070", "length=8"),
        ("Arithmetic(operations=(add, add))", "NE069", "operations=(add, add)"),
        ("Arithmetic(operations=multiply)", "NE069", "operations=multiply"),
        ("Arithmetic(operations=())", "NE069", "operations=()"),
        ("Arithmetic(digits=3, max_number=9)", "NE074", "digits=3"),
        ("Arithmetic(digits=19)", "NE069", "digits=19"),
        ("Arithmetic(max_number=5)", "NE074", "max_number=5"),
        ("Copy(21, unique=true)", "NE074", "unique=true"),
        ("Copy(2, vocabulary=5)", "NE074", "vocabulary=5"),
        ("PatternCompletion(length=1)", "NE074", "length=1"),
        ("Text", "NE067", "Text"),
        ('Text("a.txt", vocabulary=500)', "NE074", "vocabulary=500"),
        ('Text("a.txt", tokenizer=bpe, vocabulary=256)', "NE074", "vocabulary=256"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(task, code, underlined) -> None:
    assert marked(task) == [(code, underlined)]


def test_a_wrong_task_hides_no_other_mistake_and_makes_none() -> None:
    assert found("Copi", LAYERS.replace("4, 64", "7, 64")) == ["NE073"]
    assert found("Copi", f"Dense() {LAYERS}") == ["NE073", "NE025"]


# --- what the network takes from it ---------------------------------------------------


def test_input_sizes_and_loss_follow_from_the_task() -> None:
    network = net("Copy(length=8, vocabulary=20)")
    (given,) = network.inputs
    assert (given.name, given.tensor.dtype, given.tensor.shape) == (
        "input",
        "ids",
        (None,),
    )
    assert given.vocabulary == 22
    assert sizes(network) == {"input_dim": 22, "max_len": 16, "units": 22}
    assert network.output.shape == (None, 22)
    assert network.loss.name == "sparse_categorical_crossentropy"


def test_right_sizes_may_be_given() -> None:
    layers = (
        "Embedding(22, 32) PositionalEncoding(64) TransformerDecoder(4, 64) Output(22)"
    )
    network = net("Copy(length=8, vocabulary=20)", layers, "input: (None,)")
    assert sizes(network) == {"input_dim": 22, "max_len": 64, "units": 22}


def test_a_declared_length_must_be_the_task_s() -> None:
    assert net("Copy", extra="input: (16,)").inputs[0].tensor.shape == (16,)
    assert marked("Copy", extra="input: (12,)") == [("NE057", "(12,)")]


def test_sizes_inside_a_macro_are_filled_in_and_checked() -> None:
    before = "define Ends(rows) { Embedding($rows, 32) } "
    body = "PositionalEncoding() TransformerDecoder(4, 64) Output()"
    whole = before + text("Copy", f"Ends(21) {body}")
    (error,) = diagnostics(whole)
    assert (error.code, whole[error.span.start : error.span.end]) == ("NE076", "$rows")
    assert resolved(before + text("Copy", f"Ends(22) {body}")).task is not None


@pytest.mark.parametrize(
    ("layers", "underlined"),
    [
        (LAYERS.replace("output_dim=32", "20, 32"), "20"),
        (LAYERS.replace("output_dim=32", "23, 32"), "23"),
        (LAYERS.replace("Encoding()", "Encoding(max_len=15)"), "max_len=15"),
        (LAYERS.replace("Output()", "Output(units=20)"), "units=20"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(layers: str, underlined: str) -> None:
    assert marked("Copy", layers) == [("NE076", underlined)]


def test_the_symbols_are_listed_where_the_number_is_wrong() -> None:
    (error,) = diagnostics(text("Copy", LAYERS.replace("Output()", "Output(20)")))
    assert error.message == "`units` is 20, but the task `Copy` has 22 symbols"
    assert error.help.endswith("padding, `a` to `t`, `:`")
    (error,) = diagnostics(
        text(
            "Copy(vocabulary=30, framing=true)", LAYERS.replace("Output()", "Output(9)")
        )
    )
    assert error.help.endswith("padding, `1` to `30`, `START`, `END`")


@pytest.mark.parametrize(
    ("layers", "extra"),
    [
        ("Embedding(output_dim=32) TransformerDecoder(4, 64) Dense(5)", ""),
        (f"{LAYERS[:-9]} GlobalMaxPooling1D() Output()", ""),
        (f"{LAYERS[:-9]} Conv1D(8, 2, padding=causal, strides=2) Output()", ""),
        ("TransformerDecoder(4, 64) Output()", "input: (16, 32)"),
        (
            "a: { Embedding(output_dim=32) } b: { Embedding(output_dim=32) } Add() "
            "TransformerDecoder(4, 64) Output()",
            "inputs: { a: (None,) b: (None,) }",
        ),
    ],
)
def test_ends_that_do_not_fit_are_refused(layers: str, extra: str) -> None:
    assert found("Copy", layers, extra) == ["NE057"]


def test_without_a_task_sizes_must_be_given() -> None:
    whole = text("Copy").replace("task: Copy", "input: (16,)")
    assert [each.code for each in diagnostics(whole)] == ["NE025", "NE025"]


# --- what a layout cannot learn ---------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        "TransformerEncoder(4, 64)",
        "ResidualConnection { MultiHeadAttention(4) }",
        'Conv1D(32, 3, padding="same")',
        "a: { Dense(32) } b: { Dense(32) } TransformerDecoder(4, 64)",
    ],
)
@pytest.mark.parametrize("task", ["Copy", "Double(4)", "Arithmetic"])
def test_a_model_that_sees_the_answer_is_refused(task: str, layer: str) -> None:
    layers = LAYERS.replace("Output", f"{layer} Output")
    assert found(task, layers) == ["NE077"]


@each_example(
    lambda spec, example: (
        keeps_positions(spec, example)
        and reads_one_sequence(spec, example)
        and example.reads[0][1] == 16
    )
)
def test_any_layer_is_refused_where_it_sees_the_answer(spec, example) -> None:
    """test_layers.py finds out by running whether a layer does."""
    layers = f"Embedding(output_dim=16) {example.written(spec.name)} Output()"
    refused = "NE077" in found("Copy", layers)
    assert refused == looks_ahead(example_layer(spec, example))


def test_aligned_copy_is_solved_without_attention() -> None:
    assert found("Copy(layout=aligned)", ALIGNED) == ["NW073"]


@pytest.mark.parametrize("task", ["Reverse", "Sort"])
def test_aligned_answers_need_later_positions(task: str) -> None:
    aligned = f"{task}(layout=aligned)"
    assert found(aligned, LAYERS) == ["NW078"]
    assert found(aligned, ALIGNED) == []
    assert found(aligned, ALIGNED.replace("PositionalEncoding()", "")) == ["NW078"]


def test_aligned_sequences_of_several_lengths_need_a_mask() -> None:
    aligned = "Sort(length=(4, 8), layout=aligned)"
    assert found(aligned, ALIGNED) == ["NW077"]
    masked = ALIGNED.replace("output_dim=32", "output_dim=32, mask_zero=true")
    assert found(aligned, masked) == []


def test_no_attention_is_worth_a_warning() -> None:
    assert found("Sort", "Embedding(output_dim=32) Dense(32) Output()") == ["NW074"]


def test_induction_takes_two_layers_where_lengths_differ() -> None:
    assert found("PatternCompletion(length=(4, 12))") == ["NW076"]
    assert found("PatternCompletion(length=(4, 12))", TWO) == []
    assert found("PatternCompletion(length=8)") == []


# --- training settings ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stopping", "monitor", "target"),
    [
        ("true", "exact_match", None),
        ("EarlyStopping(target=1.0)", "exact_match", 1.0),
        ('EarlyStopping(monitor="val_loss")', "loss", None),
        ("{ monitor: val_exact_match, target: 0.99 }", "exact_match", 0.99),
    ],
)
def test_early_stopping_watches_a_measure_of_the_task(
    stopping, monitor, target
) -> None:
    given = net("Copy", extra=f"train {{ early_stopping: {stopping} }}")
    params = given.train["early_stopping"].params
    assert (params["monitor"], params["target"]) == (monitor, target)


def test_new_keys_of_train_and_schedules() -> None:
    network = net(
        "Copy",
        extra="train { validate_every: 50 label_smoothing: 0.1 scheduled_sampling: 0.3 "
        "attention_snapshots: 20 } optimizer: AdamW(WarmupLinear(0.01, 20)) ",
    )
    assert network.train == {
        "validate_every": 50,
        "label_smoothing": 0.1,
        "scheduled_sampling": 0.3,
        "attention_snapshots": 20,
    }
    rate = network.optimizer.params["learning_rate"]
    assert isinstance(rate, Setting)
    assert rate.params == {"initial_learning_rate": 0.01, "warmup_steps": 20}
    schedule = net("Copy", extra="lr_schedule: WarmupCosine").lr_schedule
    assert schedule.params == {"initial_learning_rate": None, "warmup_steps": 50}


def test_execution_settings_that_mean_training_count() -> None:
    network = net("Copy", extra="execution { seed: 3 precision: mixed }")
    assert network.train == {"seed": 3, "mixed_precision": True}
    extra = "train { seed: 4 } execution { seed: 3 }"
    assert marked("Copy", extra=extra) == [("NE070", "seed: 3")]


@pytest.mark.parametrize(
    ("extra", "code", "underlined"),
    [
        ("loss: mse", "NE058", "mse"),
        ("loss: categorical_crossentropy", "NE058", "categorical_crossentropy"),
        (
            "optimizer: Adam(clipnorm=1, clipvalue=1)",
            "NE074",
            "Adam(clipnorm=1, clipvalue=1)",
        ),
        (
            "optimizer: Adam(global_clipnorm=1) train { gradient_clip: 1.0 }",
            "NE074",
            "Adam(global_clipnorm=1)",
        ),
        (
            "lr_schedule: ReduceLROnPlateau(min_lr=0.1)",
            "NE074",
            "ReduceLROnPlateau(min_lr=0.1)",
        ),
        ("train { steps: 5 epochs: 5 }", "NE074", "steps: 5"),
        ("train { early_stopping: EarlyStopping(monitor=f1) }", "NE079", None),
        ("train { early_stopping: EarlyStopping(target=2) }", "NE079", None),
        ("train { early_stopping: EarlyStopping(mode=min) }", "NE079", None),
        ("lr_schedule: ReduceLROnPlateau(monitor=f1)", "NE079", None),
        ("metrics: [exact_match, f1]", "NW075", "f1"),
        ("train { validation_split: 0.1 }", "NW075", "validation_split: 0.1"),
        ("train { num_workers: 2 }", "NW075", "num_workers: 2"),
        ("train { save_best: false }", "NW075", "save_best: false"),
        ("execution { precision: float16 }", "NE059", "precision: float16"),
        (
            "train { early_stopping: EarlyStopping(monitor=accuracy) }",
            "NE079",
            None,
        ),
    ],
)
def test_what_training_cannot_honour_is_said(extra, code, underlined) -> None:
    said = marked("Copy", extra=extra)
    assert [each for each, _ in said] == [code]
    assert underlined is None or said[0][1] == underlined


@pytest.mark.parametrize(
    "extra",
    [
        "optimizer: Muon",
        "optimizer: Adam(clipnorm=1)",
        "optimizer: Adam(clipvalue=1)",
        "lr_schedule: ReduceLROnPlateau(min_lr=0.0001, cooldown=3)",
        "lr_schedule: ReduceLROnPlateau train { early_stopping: 3 }",
        "train { gradient_accumulation_steps: 2 mixed_precision: true }",
        "train { gradient_accumulation_steps: 2 scheduled_sampling: 0.5 }",
        "train { early_stopping: EarlyStopping(restore_best_weights=true) }",
        "metrics: [accuracy, perplexity, exact_match]",
        "metrics: [accuracy] train { early_stopping: EarlyStopping(monitor=accuracy) }",
    ],
)
def test_what_training_honours_needs_no_words(extra: str) -> None:
    assert marked("Copy", extra=extra) == []


def test_muon_without_a_hidden_matrix_is_refused() -> None:
    flat = "Embedding(output_dim=8) Output(name=head)"
    assert found("Copy", flat, "optimizer: Muon")[-1] == "NE074"


def test_16_bits_are_refused_on_tensorflow_wherever_they_are_asked_for() -> None:
    for extra in (
        "train { mixed_precision: true }",
        "execution { mixed_precision: true }",
        "execution { precision: bfloat16 }",
    ):
        network = net("Copy", extra=extra)
        assert training_problems(network, "pytorch") == []
        (problem,) = training_problems(network, "tensorflow")
        assert problem.code == "NE059"
        assert "precision: " in network.source.slice(problem.span)


def test_nothing_is_fed_back_where_all_is_answered_at_once() -> None:
    extra = "train { scheduled_sampling: 0.5 }"
    assert found("Sort(layout=aligned)", ALIGNED, extra) == ["NE074"]


def test_examples_that_are_drawn_for_ever_have_no_order_to_keep() -> None:
    assert found("Copy", extra="train { shuffle: false }") == ["NW075"]
    assert found("Copy", extra="train { shuffle: true }") == []


def test_without_a_task_what_fit_cannot_use_is_told() -> None:
    extra = (
        "loss: mse optimizer: Muon(clipnorm=1) metrics: [f1] train { validation_split: "
        '0.1 num_workers: 2 early_stopping: EarlyStopping(monitor="val_f1") }'
    )
    whole = f"network Test {{ input: (4,) layers: Output(2) {extra} }}"
    assert [each.code for each in diagnostics(whole)] == ["NW075"] * 4
    stopping = resolved(whole.replace('(monitor="val_f1")', "()")).train
    assert stopping["early_stopping"].params["monitor"] == "val_loss"


def test_accuracy_without_a_task_is_that_of_classes_and_one_backend_holds_out() -> None:
    text = "network Test {{ input: (4,) layers: Output(2{}) {} }}"
    asked = "metrics: [accuracy]"
    assert not diagnostics(text.format(", softmax", asked))
    (told,) = diagnostics(text.format("", asked))
    assert told.code == "NW075" and "`mean_squared_error`" in told.help
    assert not diagnostics(text.format("", f"loss: scce {asked}"))
    (told,) = diagnostics(text.format("", "train { validation_split: 0.1 }"))
    assert told.code == "NW075" and "for pytorch" in told.message


def test_an_optimizer_of_one_backend_is_refused_by_the_other() -> None:
    network = net("Copy", extra="optimizer: Lion")
    assert training_problems(network, "tensorflow") == []
    (problem,) = training_problems(network, "pytorch")
    assert problem.code == "NE059"
    assert network.source.slice(problem.span) == "Lion"


# --- tasks from files -----------------------------------------------------------------


def from_file(
    folder: Path, task: str, layers: str = LAYERS, extra: str = ""
) -> Network:
    path = folder / "model.neural"
    path.write_text(text(task, layers, extra), encoding="utf-8")
    return resolve(parse(read_source(path)))[0]


def code_of(folder: Path, task: str, layers: str = LAYERS, extra: str = "") -> str:
    with pytest.raises(NeuralError) as error:
        from_file(folder, task, layers, extra)
    (problem,) = error.value.diagnostics
    assert problem.span is not None
    return problem.code


def test_a_text_s_characters_are_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc\r\nab\n" * 100)
    network = from_file(tmp_path, 'Text("a.txt", context=16)')
    assert sizes(network) == {"input_dim": 5, "max_len": 16, "units": 5}
    assert found('Text("a.txt")') == ["NE075"]  # not in the working directory


def test_byte_pairs_and_tokenizer_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc " * 500, encoding="utf-8")
    extra = "train { steps: 10 }"
    network = from_file(tmp_path, 'Text("a.txt", tokenizer=bpe)', extra=extra)
    assert network.task.params["vocabulary"] == 1000
    assert sizes(network)["units"] == 1001
    content = {
        "model": {"vocab": {"a": 0, "b": 1, "ab": 2}},
        "added_tokens": [{"id": 3, "content": "<end>"}],
    }
    (tmp_path / "t.json").write_text(json.dumps(content), encoding="utf-8")
    own = 'Text("a.txt", tokenizer="t.json")'
    assert sizes(from_file(tmp_path, own, extra=extra))["units"] == 5
    assert code_of(tmp_path, own) == "NE067"  # how long is an epoch?


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"abc\0def" * 99, b"\xff\xfe" * 99, b"short"]
)
def test_a_text_that_cannot_be_used_is_refused(tmp_path: Path, content) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    assert code_of(tmp_path, 'Text("a.txt")') == "NE075"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize("task", ['Text("{}")', 'Arrays("{}")', 'Custom("{}")'])
@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_a_task_reads_regular_files_alone(tmp_path: Path, task, name) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path, task.format(name), "Flatten() Output(3)") == "NE075"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": {"vocab": []}}', "7"])
def test_a_tokenizer_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text("abc " * 500, encoding="utf-8")
    (tmp_path / "t.json").write_text(content, encoding="utf-8")
    extra = "train { steps: 10 }"
    task = 'Text("a.txt", tokenizer="t.json")'
    assert code_of(tmp_path, task, extra=extra) == "NE075"


def test_arrays_are_told_which_inputs_the_network_reads(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(9))
    extra = "input: (8, 4) train { steps: 5 }"
    alone = from_file(tmp_path, 'Arrays("a.npz")', "Flatten() Output(3)", extra)
    assert (alone.task.params["inputs"], alone.task.params["ids"]) == (("x",), ())
    several = from_file(
        tmp_path,
        'Arrays("a.npz")',
        "words: { Embedding(9, 4) Flatten() } size: { Dense(4) } Concatenate() Output(3)",
        "input: { words: (8,) size: (2,) } train { steps: 5 }",
    )
    assert several.task.params["inputs"] == ("words", "size")
    assert several.task.params["ids"] == ("words",)


def test_arrays_need_a_file_of_arrays_and_given_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no zip")
    extra = "input: (8, 4) train { steps: 5 }"
    assert code_of(tmp_path, 'Arrays("a.npz")', "Flatten() Output(3)", extra) == "NE075"
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(9))
    assert code_of(tmp_path, 'Arrays("a.npz")', "Flatten() Output()", extra) == "NE025"
    steps = "train { steps: 5 }"
    assert code_of(tmp_path, 'Arrays("a.npz")', "Dense(3)", steps) == "NE050"


def test_arrays_take_the_losses_that_scripts_know(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(9))
    task, layers = 'Arrays("a.npz")', "Flatten() Output(3)"
    extra = "input: (8, 4) train { steps: 5 } loss: "
    network = from_file(tmp_path, task, layers, extra + "huber(delta=2)")
    assert network.loss.name == "huber"
    assert code_of(tmp_path, task, layers, extra + "poisson") == "NE059"


# --- the catalogue tells what the classes do --------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        f"{spec.name}({example})"
        for spec in TASKS.specs
        if isinstance(spec, ProblemSpec)
        for example in ("", *spec.examples)
    ],
)
def test_a_task_s_class_has_the_sizes_that_the_catalogue_tells(call: str) -> None:
    layers = ALIGNED if "aligned" in call else TWO
    given = net(call, layers).task
    spec = task_spec(given.name)
    task = run_task(net(call, layers))
    folder = Path()
    assert [*spec.symbols(given.params, folder)] == [*task.symbols]
    assert spec.vocabulary_size(given.params) == len(task.symbols)
    assert spec.max_length(given.params) == task.max_length
    assert spec.train_size(given.params) == task.size("train")
    assert spec.causal(given.params) == task.causal
    assert spec.measure == task.measure
    inputs, _ = task.batch("train", [0, 1])
    assert inputs.shape[1] == task.max_length


@pytest.mark.parametrize(
    "call",
    [
        "Copy(3, vocabulary=16, test_size=1000, validation_size=1000)",
        "Sort((1, 3), vocabulary=16, test_size=1092, validation_size=1092)",
        "Copy(3, vocabulary=16, unique=true, test_size=840, validation_size=1)",
        "Arithmetic(add, max_number=40, test_size=400, validation_size=400)",
    ],
)
def test_a_quarter_of_the_problems_can_be_held_out_and_never_a_third(call: str) -> None:
    assert found(call) == []
    size = int(re.search(r"test_size=(\d+)", call)[1])
    assert "NE074" in found(
        call.replace(f"test_size={size}", f"test_size={size * 4 // 3}")
    )


def test_text_and_arrays_have_the_parameters_of_their_classes(tmp_path: Path) -> None:
    words = "the cat sat on the mat\n" * 50
    (tmp_path / "a.txt").write_text(words, encoding="utf-8")
    network = from_file(tmp_path, 'Text("a.txt", context=16)')
    spec, params = TASKS.find("Text"), network.task.params
    task = run_task(network)
    assert spec.symbols(params, tmp_path) == task.symbols
    assert spec.train_size(params, tmp_path) == task.size("train")
    assert spec.max_length(params, tmp_path) == task.max_length
    assert spec.causal(params) == task.causal
    assert spec.measure == task.measure


# --- examples -------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_resolve_without_a_word(path: Path) -> None:
    network, said = resolve(parse(read_source(path)))
    assert said == ()
    assert network.train["early_stopping"].params["target"] == 1.0
    assert sizes(network)["units"] == sizes(network)["input_dim"]


def test_there_is_an_example_of_each_kind() -> None:
    assert {path.stem for path in EXAMPLES} >= {
        "addition",
        "subtraction",
        "arithmetic",
        "copy",
        "reverse",
        "sort",
        "induction",
    }


def test_a_source_without_a_folder_looks_for_files_where_it_is_run() -> None:
    whole = text('Text("no_such_file.txt")')
    with pytest.raises(NeuralError) as error:
        resolve(parse(Source("<text>", whole)))
    assert [each.code for each in error.value.diagnostics] == ["NE075"]
