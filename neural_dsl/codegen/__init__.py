"""The model graph, written as a Python file."""
