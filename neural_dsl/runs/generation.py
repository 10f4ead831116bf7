"""Text from a language model."""

from __future__ import annotations

import shlex

import numpy as np

from neural_dsl.diagnostics import refusal
from neural_dsl.runs.decoding import sample
from neural_dsl.runs.loaded import LoadedRun, instead
from neural_dsl.tasks.custom import has_answers


def generate_text(
    run: LoadedRun,
    prompt: str,
    max_tokens: int = 100,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> str:
    """The prompt and `max_tokens` tokens that go on from it, drawn with `seed`.

    Raises NeuralError: NE160 for a run that is no language model, NE159 for a prompt
    that its tokenizer cannot read.
    """
    task = run.task
    tokenizer = getattr(task, "tokenizer", None)
    if tokenizer is None:
        raise refusal(
            "NE160",
            f"the task `{type(task).__name__}` is no language model",
            help=f"`neural predict {shlex.quote(str(run.folder))} --prompt …` "
            "answers prompts"
            if has_answers(task)
            else instead(run),
        )
    try:
        ids = tokenizer.encode(prompt)
        if not ids:
            raise ValueError("it is empty")
    except ValueError as error:
        raise refusal(
            "NE159", f"the prompt {prompt!r} cannot be read: {error}"
        ) from error
    more = sample(
        run.logits,
        ids,
        max_tokens,
        window=task.max_length,
        rng=np.random.default_rng(seed),
        temperature=temperature,
        top_k=top_k,
        fixed=run.input_length,
    )
    text: str = tokenizer.decode([*ids, *more])
    return text
