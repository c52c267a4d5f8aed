"""Denoisers: trained networks and exact laws behind one protocol."""

from schedopt.models.denoiser import Denoiser
from schedopt.models.law import LawDenoiser
from schedopt.models.load import BUNDLED, load_model
from schedopt.models.network import NetworkDenoiser
from schedopt.models.tokenizer import ByteTokenizer, Tokenizer

__all__ = [
    "BUNDLED",
    "ByteTokenizer",
    "Denoiser",
    "LawDenoiser",
    "NetworkDenoiser",
    "Tokenizer",
    "load_model",
]
