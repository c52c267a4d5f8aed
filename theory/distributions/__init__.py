"""Exact laws: each gives its table, and whatever of its curve it knows in closed form."""

from theory.distributions.chains import MarkovChain, stationary_law
from theory.distributions.codes import Parity, ReedSolomon
from theory.distributions.exchangeable import NoisyRepeatedBit, RandomPermutation
from theory.distributions.law import Law, SymmetricLaw, TableLaw
from theory.distributions.products import MixtureOfProducts, Product
from theory.distributions.registry import LAWS, build_law, law_parameters
from theory.distributions.rings import IsingRing

__all__ = [
    "LAWS",
    "IsingRing",
    "Law",
    "MarkovChain",
    "MixtureOfProducts",
    "NoisyRepeatedBit",
    "Parity",
    "Product",
    "RandomPermutation",
    "ReedSolomon",
    "SymmetricLaw",
    "TableLaw",
    "build_law",
    "law_parameters",
    "stationary_law",
]
