"""`python -m neural_dsl`, the same program as `neural`."""

from neural_dsl.cli.program import main

if __name__ == "__main__":
    main()
