"""The maps of ``theory`` and of its laws leave nothing out, and name what is there."""

from __future__ import annotations

import inspect
import pkgutil
import re

import theory
from theory import distributions
from theory.distributions import Law, SymmetricLaw


def test_the_map_has_every_module() -> None:
    doc = str(theory.__doc__)
    listed = set(re.findall(r"- ``(\w+)``", doc)) | {"compiled"}
    assert listed == {module.name for module in pkgutil.iter_modules(theory.__path__)}


def rows() -> dict[str, str]:
    """What the docstring says of the curve of each law; of a chain, for the lowest order."""
    found: dict[str, str] = {}
    for line in str(distributions.__doc__).splitlines():
        if row := re.fullmatch(r"([A-Z]\w+)(?:, order \S.*?)?  +(.*)", line):
            found.setdefault(*row.groups())
    return found


def test_the_table_of_laws_is_true() -> None:
    laws = {
        name: law
        for name in distributions.__all__
        if inspect.isclass(law := getattr(distributions, name))
        and issubclass(law, Law)
        and not inspect.isabstract(law)
    }
    found = rows()
    assert found.keys() == laws.keys()
    for name, law in laws.items():
        enumerated = law.conditional_entropy_curve is Law.conditional_entropy_curve
        assert found[name].startswith("the table") == enumerated
        assert found[name].endswith("by the size of S") == issubclass(law, SymmetricLaw)
