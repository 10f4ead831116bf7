"""`neural data`: the problems of a task as files."""

from pathlib import Path

from neural_dsl.cli.program import run

NETWORK = """
network N {{
  task: {task}
  layers:
    Embedding(output_dim=8)
    TransformerEncoder(num_heads=2, ff_dim=8, causal=true)
    Output()
}}
"""


def data(tmp_path: Path, task: str, *options: str) -> tuple[int, Path]:
    """The exit code and the folder that was written."""
    file, folder = tmp_path / "model.neural", tmp_path / "data"
    file.write_text(NETWORK.format(task=task))
    return run(["data", str(file), "--output-dir", str(folder), *options]), folder


def test_three_files_hold_the_problems(tmp_path, capsys):
    code, folder = data(tmp_path, "Arithmetic(max_number=99, train_size=300)")
    assert code == 0
    lines = {p.name: p.read_text().splitlines() for p in folder.iterdir()}
    assert {name: len(each) for name, each in lines.items()} == {
        "train.txt": 300,
        "val.txt": 2_000,
        "test.txt": 1_000,
    }
    for line in lines["test.txt"]:
        problem, answer = line.split("=")
        assert eval(problem) == int(answer)
    assert capsys.readouterr().out == ""


def test_the_same_data_seed_gives_the_same_files_and_another_one_others(tmp_path):
    texts = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        _, folder = data(
            tmp_path / name, f"Copy(length=5, train_size=500, data_seed={seed})"
        )
        texts.append((folder / "test.txt").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_a_network_without_a_task_is_refused(tmp_path, capsys):
    file = tmp_path / "model.neural"
    file.write_text("network N {\n  input: (4,)\n  layers: Output(2)\n}\n")
    assert run(["data", str(file), "--output-dir", str(tmp_path / "data")]) == 1
    assert "NE161" in capsys.readouterr().err and not (tmp_path / "data").exists()


def test_arrays_have_no_text_form(tmp_path, capsys):
    import numpy as np

    np.savez(tmp_path / "train.npz", x=np.eye(30), y=np.arange(30))
    file = tmp_path / "model.neural"
    file.write_text(
        'network N {\n  input: (30,)\n  task: Arrays("train.npz")\n'
        '  layers: Output(30, "softmax")\n  train { steps: 9 }\n}\n'
    )
    assert run(["data", str(file), "--output-dir", str(tmp_path / "data")]) == 1
    assert "NE153" in capsys.readouterr().err and not (tmp_path / "data").exists()


def test_a_task_of_one_s_own_runs_only_with_trust(tmp_path, capsys):
    proof = tmp_path / "ran"
    (tmp_path / "own.py").write_text(
        f"open({str(proof)!r}, 'w').close()\n"
        "from neural_dsl.tasks.base import Task\n"
        "class Own(Task):\n"
        "    symbols, max_length, causal = ['PAD', '1'], 1, False\n"
        "    def size(self, split): return 2\n"
        "    def batch(self, split, indices): return indices, indices\n"
        "    def problem(self, split, index): return f'{split}{index}=', '1'\n"
    )
    file = tmp_path / "model.neural"
    file.write_text(
        'network N {\n  input: (1,)\n  task: Custom("own.py")\n'
        "  layers: Embedding(2, 4)\n    Output(2)\n  train { steps: 9 }\n}\n"
    )
    command = ["data", str(file), "--output-dir", str(tmp_path / "data")]
    assert run(command) == 1 and not proof.exists()
    assert "NE163" in capsys.readouterr().err
    assert run([*command, "--trust"]) == 0 and proof.exists()
    assert (
        tmp_path / "data" / "val.txt"
    ).read_text() == "validation0=1\nvalidation1=1\n"
