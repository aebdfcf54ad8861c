"""The models on disk: which is in service, how another takes its place, and how that is undone.

Every generation is two files that never change, `checkpoint_000041.pkl` and `config_000041.json`. `config.json` is the
manifest of the one in service, and is replaced last: whatever dies before that, the old model serves; after it, the
new one does. `checkpoint_latest.pkl` is a copy for whoever looks for a model where the ancestor kept it.

Generation 0 is the prior, which ships with the program. It serves until another takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ai.checkpoint import LARGEST, Checkpoint, decode_checkpoint, encode_checkpoint
from ai.policy import Policy, policy_of
from contract.errors import BadInput, RetryLater, TillerError
from contract.files import make_directory, publish, read_bytes, read_guarded
from contract.journal import KEEP_DAYS
from contract.schema.model import Manifest, encode_manifest, is_the_ancestors, parse_manifest
from contract.schema.names import Root
from contract.system import OperatingSystem, System

PRIOR = Path(__file__).resolve().parent / "prior"
"""Where generation 0 ships."""
KEPT_GENERATIONS = 5

_FILE_OF_A_GENERATION = re.compile(r"(?:checkpoint_(\d{6,12})\.pkl|config_(\d{6,12})\.json)")
_HINT = "roll back to another generation"


@dataclass(frozen=True)
class Stored:
    """A model as it was read: the checkpoint is the one that its manifest names, to the last bit."""

    manifest: Manifest
    checkpoint: Checkpoint

    @property
    def policy(self) -> Policy:
        return policy_of(self.checkpoint)


class Read(Protocol):
    def __call__(self, system: System, path: Path, *, largest: int) -> bytes | None: ...


class Generation(NamedTuple):
    """One that is kept: whole, or with what is wrong with it."""

    number: int
    manifest: Manifest | None
    in_service: bool
    trouble: str = ""


def read_model(system: System, root: Root) -> Stored:
    """The model in service. `BadInput` where it is not whole: whoever has read a good one goes on with that."""
    manifest = _in_service(system, root)
    if manifest is None:
        return read_prior()
    try:
        return _stored(manifest, root.model, _content(system, root.model, manifest))
    except BadInput:
        if _in_service(system, root) == manifest:
            raise
        return read_model(system, root)  # another took its place in between, and its files may have gone since


def read_prior(directory: Path = PRIOR) -> Stored:
    """Generation 0, as it ships. Its files are guarded as well or as badly as the program that reads them."""
    manifest, content = _prior(directory)
    return _stored(manifest, directory, content)


def publish_model(
    system: System,
    root: Root,
    checkpoint: Checkpoint,
    details: Mapping[str, Any],
    now: datetime,
    parent: int | None,
    *,
    keep_generations: int = KEPT_GENERATIONS,
) -> Manifest:
    """Put a checkpoint into service as the next generation, and remove those that nobody can ask for any more.

    Kept are the last ones, the one that was replaced, and all that served while the journals reach back.
    """
    policy_of(checkpoint)
    with _writing(system, root):
        before = _number_in_service(system, root)
        number = max([before, *_files(system, root)]) + 1
        content = encode_checkpoint(checkpoint)
        manifest = replace(_manifest_of(checkpoint, content, number, now, details), parent=parent, replaces=before)
        _put_into_service(system, root, manifest, content)
        with suppress(RetryLater):  # what cannot be looked at now is removed the next time: the new model serves
            _drop_old(system, root, manifest, keep_generations)
    return manifest


def roll_back(system: System, root: Root, generation: int | None = None) -> Manifest:
    """Put an earlier generation into service again: the one named, else the one that the present one replaced."""
    with _writing(system, root):
        wanted = _before_present(system, root) if generation is None else generation
        manifest, content = _generation(system, root, wanted)
        _put_into_service(system, root, manifest, content)
    return manifest


def history(system: System, root: Root) -> tuple[Generation, ...]:
    """Every generation that is kept, oldest first; the prior is always one of them."""
    try:
        present = _number_in_service(system, root)
    except TillerError:
        present = -1
    return tuple(_listed(system, root, number, present) for number in sorted({0, *_files(system, root)}))


def write_prior(checkpoint: Checkpoint, details: Mapping[str, Any], now: datetime, directory: Path = PRIOR) -> Manifest:
    """Make the checkpoint generation 0 of all that is installed from here on."""
    policy_of(checkpoint)
    system, content = OperatingSystem(), encode_checkpoint(checkpoint)
    manifest = _manifest_of(checkpoint, content, 0, now, details)
    publish(system, directory / manifest.checkpoint, content)
    publish(system, directory / "config.json", encode_manifest(manifest))
    return manifest


def sweep_model(system: System, root: Root) -> None:
    """Remove what killed writers left in the directory of the models. Only for the holder of the trainer's lock."""
    with suppress(OSError):
        for name in system.list(root.model):
            if name.startswith(".") and name.endswith(".tmp"):
                system.unlink(root.model / name)


@contextmanager
def _writing(system: System, root: Root) -> Iterator[None]:
    """The trainer publishes, and a person rolls back: one at a time."""
    try:
        make_directory(system, root.runtime)
        system.mkdir(root.locks, 0o700)
        lock = system.lock(root.model_lock)
    except OSError as error:
        reason = f"cannot be locked: {error.strerror}"
        raise RetryLater(reason, path=root.model_lock, hint="see that this user may write there") from error
    if lock is None:
        raise RetryLater("another process is changing the model", path=root.model, hint="try again in a moment")
    try:
        yield
    finally:
        lock.release()


def _manifest_of(
    checkpoint: Checkpoint, content: bytes, number: int, now: datetime, details: Mapping[str, Any]
) -> Manifest:
    return Manifest(
        generation=number,
        checkpoint=f"checkpoint_{number:06d}.pkl",
        sha256=sha256(content).hexdigest(),
        size=len(content),
        features=checkpoint.features,
        trained_at=now,
        parent=None,
        details=details,
    )


def _put_into_service(system: System, root: Root, manifest: Manifest, content: bytes) -> None:
    """The order is what makes it safe: see the top of the file."""
    described = encode_manifest(manifest)
    publish(system, root.generation(manifest.generation), content)
    publish(system, root.checkpoint, content)
    publish(system, root.generation_manifest(manifest.generation), described)
    publish(system, root.manifest, described)


def _drop_old(system: System, root: Root, present: Manifest, keep_generations: int) -> None:
    """And what a killed publication left, which never served."""
    files = _files(system, root)
    numbers = sorted(files)
    manifests = {number: _described(system, root, number) for number in numbers} | {present.generation: present}
    named = present.trained_at - timedelta(days=KEEP_DAYS)
    for number in numbers[:-1]:
        manifest, checkpoint = root.generation_manifest(number), root.generation(number)
        never_served = manifest.name not in files[number]
        old = number in numbers[:-keep_generations] and number != present.replaces
        if never_served or (old and _served_until(number, manifests) < named):
            with suppress(OSError):
                for path in (manifest, checkpoint):
                    with suppress(FileNotFoundError):
                        system.unlink(path)


def _served_until(number: int, manifests: Mapping[int, Manifest | None]) -> datetime:
    """When a generation left the service for the last time, or some moment after that.

    One that was rolled back had left it when the next one came, and one that was rolled back to served until some
    later one replaced it.
    """
    later = [manifest for other, manifest in sorted(manifests.items()) if other > number and manifest]
    return max(manifest.trained_at for manifest in later if manifest is later[0] or manifest.replaces == number)


def _described(system: System, root: Root, number: int) -> Manifest | None:
    """None where its manifest is missing or damaged."""
    path = root.generation_manifest(number)
    with suppress(BadInput):
        described = read_guarded(system, path)
        return None if described is None else parse_manifest(described, path)
    return None


def _in_service(system: System, root: Root) -> Manifest | None:
    content = read_guarded(system, root.manifest)
    if content is None or is_the_ancestors(content, root.manifest):
        return None
    return parse_manifest(content, root.manifest)


def _number_in_service(system: System, root: Root) -> int:
    manifest = _in_service(system, root)
    return 0 if manifest is None else manifest.generation


def _before_present(system: System, root: Root) -> int:
    manifest = _in_service(system, root)
    if manifest is None or manifest.generation == 0:
        raise BadInput("generation 0 serves: there is none before it", path=root.model, hint="name another generation")
    return manifest.replaces or 0


def _files(system: System, root: Root) -> dict[int, set[str]]:
    """The names of the files that there are of each generation."""
    try:
        names = system.list(root.model)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:  # to take it for empty would be to give a number that another model has
        reason = f"cannot be listed: {error.strerror}"
        raise RetryLater(reason, path=root.model, hint="see that this user may read and write there") from error
    files: dict[int, set[str]] = {}
    for match in filter(None, map(_FILE_OF_A_GENERATION.fullmatch, names)):
        files.setdefault(int(match[1] or match[2]), set()).add(match[0])
    return files


def _generation(system: System, root: Root, number: int) -> tuple[Manifest, bytes]:
    """A generation that is whole, with the content of its checkpoint."""
    path = root.generation_manifest(number)
    described = read_guarded(system, path)
    if described is None and number == 0:
        return _prior(PRIOR)
    if described is None:
        hint = "python3 ai/rl_trainer.py --history lists them"
        raise BadInput(f"there is no generation {number}", path=root.model, hint=hint)
    manifest = parse_manifest(described, path)
    content = _content(system, root.model, manifest)
    _stored(manifest, root.model, content)
    return manifest, content


def _prior(directory: Path) -> tuple[Manifest, bytes]:
    path = directory / "config.json"
    described = read_bytes(OperatingSystem(), path)
    if described is None:
        raise BadInput("the prior is missing", path=path, hint="install the program again")
    manifest = parse_manifest(described, path)
    return manifest, _content(OperatingSystem(), directory, manifest, read_bytes)


def _listed(system: System, root: Root, number: int, present: int) -> Generation:
    try:
        return Generation(number, _generation(system, root, number)[0], number == present)
    except TillerError as error:
        return Generation(number, None, number == present, str(error))


def _content(system: System, directory: Path, manifest: Manifest, read: Read = read_guarded) -> bytes:
    """The bytes of the checkpoint that the manifest names, read once and verified."""
    path = directory / manifest.checkpoint
    content = read(system, path, largest=LARGEST)
    if content is None:
        raise BadInput("is missing", path=path, hint=_HINT)
    if len(content) != manifest.size or sha256(content).hexdigest() != manifest.sha256:
        raise BadInput("is not the checkpoint that its manifest names", path=path, hint=_HINT)
    return content


def _stored(manifest: Manifest, directory: Path, content: bytes) -> Stored:
    """The model in verified bytes, which can decide: `BadInput` for one that was made for other features, say."""
    path = directory / manifest.checkpoint
    checkpoint = decode_checkpoint(content, path)
    if checkpoint.features != manifest.features:
        raise BadInput("has other features than its manifest says", path=path, hint=_HINT)
    try:
        policy_of(checkpoint)
    except BadInput as error:
        raise BadInput(error.message, path=path, hint=error.hint or _HINT) from None
    return Stored(manifest, checkpoint)
