"""What models can learn: the prompts, answers and known attention of every task.

The examples themselves are those of the scripts that train (`templates/tasks`), drawn by
their own code: nothing here draws any. `base.py` is what tasks of a user's own build on.
"""
