"""`python -m neural_dsl`, the same program as `neural`."""


def main() -> None:
    """Run the program. Ctrl-C while it is still being imported ends it quietly too."""
    try:
        from neural_dsl.cli.program import main as program
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as the program itself ends then
    program()


if __name__ == "__main__":
    main()
