"""Exact laws: each gives its table, and whatever of its curve it knows in closed form."""

from theory.distributions.affine import AffineSubspace, linear_code, xorsat
from theory.distributions.blocks import IndependentCopies, one_hot_blocks
from theory.distributions.chains import InhomogeneousChain, MarkovChain, stationary_law
from theory.distributions.codes import Parity, ReedSolomon
from theory.distributions.erasure import Erased, GloballySwitched
from theory.distributions.exchangeable import (
    BalancedStrings,
    ExchangeableBits,
    NoisyRepeatedBit,
    PolyaUrn,
    RandomPermutation,
)
from theory.distributions.hidden import HiddenMarkov
from theory.distributions.law import Law, SymmetricLaw, TableLaw
from theory.distributions.pairs import CoordinatewiseProduct
from theory.distributions.products import MixtureOfProducts, Product
from theory.distributions.prototypes import HierarchicalPrototypes
from theory.distributions.registry import LAWS, build_law, law_parameters
from theory.distributions.rings import IsingRing, RingField
from theory.distributions.walks import BernoulliWalk

__all__ = [
    "LAWS",
    "AffineSubspace",
    "BalancedStrings",
    "BernoulliWalk",
    "CoordinatewiseProduct",
    "Erased",
    "ExchangeableBits",
    "GloballySwitched",
    "HiddenMarkov",
    "HierarchicalPrototypes",
    "IndependentCopies",
    "InhomogeneousChain",
    "IsingRing",
    "Law",
    "MarkovChain",
    "MixtureOfProducts",
    "NoisyRepeatedBit",
    "Parity",
    "PolyaUrn",
    "Product",
    "RandomPermutation",
    "ReedSolomon",
    "RingField",
    "SymmetricLaw",
    "TableLaw",
    "build_law",
    "law_parameters",
    "linear_code",
    "one_hot_blocks",
    "stationary_law",
    "xorsat",
]
