"""Who signed a bundle of evidence, and whether that person may."""

from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import Problem
from cutover.evidence import manifest as manifests
from cutover.evidence import signing, sshsig
from cutover.evidence.archive import Contents
from cutover.evidence.judging import ALTERED, moment
from cutover.evidence.manifest import Manifest
from cutover.evidence.signing import NAMESPACE

FILE = "allowed_signers"


@dataclass(frozen=True)
class Signer:
    """Whose signature it is by the list (empty: not known), the key where the signature is good by it, and what is wrong."""

    name: str = ""
    key: str = ""
    problems: tuple[Problem, ...] = ()


def signers_of(root: Path, environment: str) -> Path | None:
    """The people whose signatures count in an environment of the checkout; None where it keeps no such list."""
    if not manifests.PLAIN.fullmatch(environment):  # it comes out of a bundle
        return None
    path = root / "inventory" / environment / FILE
    return path if path.is_file() else None


def judge_signer(contents: Contents, manifest: Manifest, signers: Path | None) -> Signer:
    """The signature by itself, and then, where there is a list, by the list."""
    payload, armored = contents.manifest_bytes, contents.signature
    try:
        signature = sshsig.take_apart(armored)
    except ValueError as broken:
        return _not(str(broken))
    if signature.namespace != NAMESPACE:
        found = f"it was made for «{signature.namespace}», and evidence is signed for «{NAMESPACE}»"
        return _not(found, "it is the signature of something else: have the bundle made anew")
    good = signing.check_novalidate(payload, armored)
    if not good.ok:
        return _not(f"it is no signature of this manifest: {good.words}")
    if signature.fingerprint != manifest.key:
        return _not(f"it was made with {signature.fingerprint}, and the manifest names {manifest.key}")
    if signers is None:
        return Signer(key=signature.fingerprint)
    return _allowed(contents, signature, manifest, signers)


def unknown_signer(signer: Signer, manifest: Manifest) -> Problem:
    """What to do where the signature is good, and nobody has said whose key that is."""
    found = f"it is a good signature by {signer.key}, and there is no list that says whose key that is"
    place = f"inventory/{manifest.environment}/{FILE}"
    next_ = f"give --signers FILE, a list that you trust (ALLOWED SIGNERS in `man ssh-keygen`), or keep one in {place}"
    return Problem(found, next_, path=manifests.SIGNATURE)


def _allowed(contents: Contents, signature: sshsig.Signature, manifest: Manifest, signers: Path) -> Signer:
    """Whether the list gives the key to the engineer whom the manifest names, for this purpose and as of when it was made."""
    at = moment(manifest.made_at)
    if at is None:
        return _not(f"as of when its signer is judged is not known: {manifest.made_at!a} is no time in UTC")
    said = signing.verify(contents.manifest_bytes, contents.signature, manifest.engineer, signers, at)
    if said.ok:
        return Signer(manifest.engineer, signature.fingerprint)
    others = [name for name in signing.find_principals(contents.signature, signers, at) if name != manifest.engineer]
    if others:
        found = f"the key {signature.fingerprint} is of {', '.join(others)}, and the manifest names {manifest.engineer}"
    else:
        found = f"the key {signature.fingerprint} is not one with which {manifest.engineer} may sign as of {manifest.made_at}"
    line = f'{manifest.engineer} namespaces="{NAMESPACE}" {sshsig.public_line(signature.key)}'
    next_ = (
        f"have it signed by who may, or, once you know whose key that is, have this line reviewed into the list: {line}"
    )
    return Signer(problems=(Problem(f"{found} ({said.words})", next_, path=str(signers)),))


def _not(found: str, next_: str = ALTERED) -> Signer:
    return Signer(problems=(Problem(found, next_, path=manifests.SIGNATURE),))
