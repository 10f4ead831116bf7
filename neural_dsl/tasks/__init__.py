"""What models can learn: the examples, prompts, answers and known attention of tasks.

The scripts that train draw the same examples (`templates/tasks`), and a test compares.
"""
