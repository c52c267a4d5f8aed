"""What a user may ask of an exporter."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may ask of an exporter; each target names those that it takes.

    Args:
        gen_length: Positions to generate, without the prompt; one block, or all that the
            schedule lists, where None.
        sizes_only: Take the step sizes and leave the order to the consumer.
        seed: Draws a random order once, for a consumer that needs its positions in advance.

    Example:
        >>> Options(gen_length=64)
        Options(gen_length=64, sizes_only=False, seed=None)
    """

    gen_length: int | None = None
    sizes_only: bool = False
    seed: int | None = None

    def given(self) -> tuple[str, ...]:
        """Names of the options that are not at their defaults.

        Example:
            >>> Options(seed=0).given()
            ('seed',)
        """
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)
