"""Settings that TensorFlow and Keras read when they are first imported."""

import os
import sys

from neural_dsl.backends.quiet import quiet_stderr

# Keras takes its backend from here; one that is imported already is checked in runtime.
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"
# Without these TensorFlow greets on stderr, and its sums depend on the machine's threads.
chatty = "TF_CPP_MIN_LOG_LEVEL" in os.environ  # someone wants to read it
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

if "tensorflow" not in sys.modules and not chatty:
    with quiet_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()  # looks for GPUs, and complains
