"""Denoisers: trained networks and exact laws behind one protocol."""

from schedopt.models.callable import CallableDenoiser
from schedopt.models.denoiser import NO_MASK, NO_TOKEN, Denoiser
from schedopt.models.hub import BUNDLED, JUDGES, REPOSITORIES, find_folder
from schedopt.models.law import LawDenoiser
from schedopt.models.load import load_autoregressive, load_model
from schedopt.models.network import NetworkDenoiser
from schedopt.models.tokenizer import ByteTokenizer, Tokenizer, read_tokenizer

__all__ = [
    "BUNDLED",
    "JUDGES",
    "NO_MASK",
    "NO_TOKEN",
    "REPOSITORIES",
    "ByteTokenizer",
    "CallableDenoiser",
    "Denoiser",
    "LawDenoiser",
    "NetworkDenoiser",
    "Tokenizer",
    "find_folder",
    "load_autoregressive",
    "load_model",
    "read_tokenizer",
]
