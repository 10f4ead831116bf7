"""Package data; see setup.py for how it is installed inside `neural_dsl`."""
