"""The pytorch backend; nothing else in the package imports torch."""
