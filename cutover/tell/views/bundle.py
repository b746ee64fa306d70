"""What a person reads of a bundle of evidence: the verdict first, who signed what, and what that does and does not say."""

from collections.abc import Callable, Mapping
from pathlib import Path

from cutover.decide.evidence.manifest import Manifest
from cutover.tell.paper import clean, count
from cutover.words.verdict import Verdict

MEANS = {
    Verdict.PASS: "signed by who may, and everything is as it was signed",
    Verdict.INCONCLUSIVE: "everything is as it was signed, by a key that nobody vouches for",
    Verdict.FAIL: "it is not what was signed, or not signed by who may: it proves nothing",
}


def show_verified(
    bundle: Path, verdict: Verdict, signer: str, key: str, manifest: Manifest | None, records: Mapping[str, int],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Tell a verification in a few lines; its problems are told as every command tells them."""
    lines = [f"{verdict}  {bundle.name}: {MEANS[verdict]}"]
    if manifest is not None:
        who = f"{signer or 'not known'}{f', with {key}' if key else ''}"
        lines += [
            f"  signer       {who}",
            f"  run          {manifest.run} of {manifest.environment}, bundled {manifest.made_at} by {manifest.engineer}",
            f"  holds        {count(len(manifest.files), 'file')}, {size(sum(entry.size for entry in manifest.files))}",
        ]
        for path, head in sorted(manifest.heads.items()):
            read = records.get(path, 0)
            lines.append(f"  {path:12} {count(read, 'record')}, of {head.seq}; its end is {head.hash[:16]}")
        if manifest.fingerprint is not None:
            lines.append(f"  plan         {manifest.fingerprint[:16]}")
    say("\n".join(clean(line) for line in lines))


def size(count_of_bytes: int) -> str:
    """Bytes for people."""
    return f"{count_of_bytes / 1e6:.1f} MB" if count_of_bytes >= 1e6 else f"{count_of_bytes / 1e3:.1f} kB"
