"""Our TensorFlow training and a Keras model's `fit` in one process, from equal weights."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from peers import keras_fit
from peers.shapes import (
    BETAS,
    CLIP,
    DECAY,
    EPSILON,
    LEARNING_RATE,
    Shape,
    batches,
    examples,
    ours,
    task_of,
)
from peers.turns import Contestant

LONGEST = 3_000  # batches that the data set holds, more than any measurement takes


def contestants(shape: Shape, folder: Path, device: str) -> list[Contestant]:
    """Ours, and `fit`."""
    live = ours(shape, "tensorflow", folder, device)
    model = keras_fit.build(shape, len(task_of(live).symbols))
    model.set_weights(list(keras_fit.weights(live.runtime.weights(), shape)))
    optimizer = keras.optimizers.AdamW(
        LEARNING_RATE, DECAY, *BETAS, EPSILON, global_clipnorm=CLIP
    )
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=-100)
    model.compile(optimizer, loss)
    return [contestant(live), FitContestant(model, live, shape)]


def emitted(shape: Shape, folder: Path, device: str) -> Contestant:
    """Ours alone."""
    return contestant(ours(shape, "tensorflow", folder, device))


def contestant(live: Any) -> Contestant:
    """The emitted training as one that takes its turn."""
    losses = (step.loss for step in live.steps())
    return Contestant("emitted Training", losses, live.runtime.model.count_params())


class FitContestant(Contestant, keras.callbacks.Callback):
    """One call of `fit`, whose epochs are the blocks: it waits before each of them.

    It runs in a thread of its own and never at the same time as another contestant. A
    callback for each step would slow `fit`; one for each epoch does not.
    """

    def __init__(self, model: keras.Model, live: Any, shape: Shape):
        keras.callbacks.Callback.__init__(self)
        Contestant.__init__(self, "keras fit", iter(()), model.count_params())
        x, y = examples(live)
        order = np.concatenate(list(batches(shape.batch, LONGEST)))
        # `fit` makes such a data set of arrays; this one has the batches of the others.
        self.data = (
            tf.data.Dataset.from_tensor_slices(order)
            .batch(shape.batch)
            .map(lambda chosen: (tf.gather(x, chosen), tf.gather(y, chosen)))
            .prefetch(2)
        )
        first = order[: shape.batch]
        self.first = float(model.loss(y[first], model(x[first])))
        self.fitted, self.steps = model, shape.block
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self.fit, daemon=True).start()

    def fit(self) -> None:
        """Train for as long as the process lives."""
        self.fitted.fit(
            self.data,
            epochs=LONGEST // self.steps,
            steps_per_epoch=self.steps,
            shuffle=False,
            verbose=0,
            callbacks=[self],
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Wait for the turn."""
        self.go.acquire()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Let the others have theirs; `last` is the mean loss of the block."""
        self.last = logs["loss"]
        self.done.release()

    def block(self, steps: int) -> float:
        """An epoch; the seconds it took."""
        began = self.clock()
        self.go.release()
        self.done.acquire()
        return self.clock() - began

    def warm_up(self, steps: int) -> None:
        """At least so many steps, in whole epochs."""
        for _ in range(-(-steps // self.steps)):
            self.block(self.steps)
