"""Help texts: what a command does, and examples that can be copied."""


def described(text: str, *examples: str) -> str:
    """A help text whose examples keep their line breaks (the backspace asks the formatter)."""
    lines = "\n".join(f"  rfm-streams {example}" for example in examples)
    return f"{text}\n\n\b\nExamples:\n{lines}"
