"""Silence for what TensorFlow and Keras say of things that are as they should be."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def one_key_is_fine() -> Iterator[None]:
    """Without Keras' warning of a softmax over an axis of size 1, for scores (B, H, Q, K).

    It takes that for a classifier with a single class. Over a sequence of one token it is
    what attention does: its only key gets the weight 1.
    """
    scores = (
        r"You are using a softmax over axis -1 of a tensor of shape \((\w+, ){3}1\)"
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", scores, UserWarning)
        yield


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep stderr clean while a framework loads; when that fails, show what it wrote.

    TensorFlow reports every missing GPU library before any of its settings for logging
    is read, so only the descriptor itself can be silenced.
    """
    with tempfile.TemporaryFile() as kept:
        try:
            sys.stderr.flush()
            stderr = os.dup(2)
        except (AttributeError, OSError, ValueError):  # there is no stderr
            yield
            return
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            with suppress(AttributeError, OSError, ValueError):
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                kept.seek(0)
                with suppress(OSError):
                    os.write(2, kept.read())
