"""`report --bundle` and `report --verify`: one signed file of all that a run left, and the judgement of such a file, offline."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import end
from cutover.cli.judge import report as draw
from cutover.console.ask import Ask
from cutover.core.errors import CutoverError, ExitCode, Problem, Unjudged, UsageError
from cutover.core.verdict import Verdict
from cutover.run.options import Where

if TYPE_CHECKING:
    from cutover.evidence.collect import Verified


class Altered(CutoverError):
    """A bundle of evidence is not what was signed, or not signed by who may."""

    exit_code = ExitCode.JUDGED_FAIL


@dataclass(frozen=True)
class EvidenceOptions:
    """The options of `report` that are about evidence."""

    bundle: bool = False
    key: str = ""
    verify: str = ""
    signers: str = ""

    def contradictions(self, run: str) -> list[Problem]:
        """Options that are given and would mean nothing."""
        wrong = {
            "--verify": bool(self.verify and (self.bundle or run)),
            "--key": bool(self.key and not self.bundle),
            "--signers": bool(self.signers and not self.verify),
        }
        next_ = "`--bundle [--key PATH] [--run ID]` makes a bundle, `--verify FILE [--signers FILE]` judges one"
        return [
            Problem("it means nothing beside the other options", next_, path=name)
            for name, is_so in wrong.items()
            if is_so
        ]


def report(where: Where, asked: EvidenceOptions) -> ExitCode:
    """Draw the report of a run anew; with --bundle, sign and bundle all its evidence; with --verify, judge such a bundle instead."""
    if asked == EvidenceOptions():
        return draw(where)
    return end(where.ask(), lambda ask: _evidence(where, ask, asked))


def _evidence(where: Where, ask: Ask, asked: EvidenceOptions) -> ExitCode:
    if wrong := asked.contradictions(where.run):
        raise UsageError(wrong)
    return _verify(where, ask, asked.verify, asked.signers) if asked.verify else _bundle(where, ask, asked.key)


def _bundle(where: Where, ask: Ask, key: str) -> ExitCode:
    from cutover.cli.results import write_all
    from cutover.evidence.collect import make_bundle

    directory = where.the_run()
    ask.run_id = directory.id
    ask.files.update(write_all(where.root, directory).files)
    ask.progress("signing; ssh-keygen may ask for the key's passphrase, or for a touch of its token")
    _show(ask, made := make_bundle(directory, where.root, key=key, signers=_signers(where)))
    ask.files["evidence"] = str(made.bundle)
    ask.say(str(made.bundle))
    return ExitCode.DONE


def _signers(where: Where) -> Path | None:
    """Who may sign in the environment; of a run that is named, its inventory may be gone by now (a lab's)."""
    from cutover.evidence.signers import FILE

    try:
        file = where.environment / FILE
    except UsageError:
        if not where.run or where.hosts or where.inventory:
            raise
        return None
    return file if file.is_file() else None


def _verify(where: Where, ask: Ask, file: str, signers: str) -> ExitCode:
    from cutover.evidence.collect import verify_bundle

    given = Path(signers).expanduser() if signers else None
    if given is not None and not given.is_file():
        raise UsageError(Problem("there is no such file", "name an allowed_signers file", path=f"--signers {signers}"))
    verified = verify_bundle(Path(file).expanduser(), given, where.root)
    ask.run_id = verified.manifest.run if verified.manifest is not None else ""
    _show(ask, verified)
    if verified.verdict is Verdict.FAIL:
        raise Altered(verified.problems)
    if verified.verdict is not Verdict.PASS:
        raise Unjudged(verified.problems)
    return verified.verdict.exit_code


MEANING = {
    Verdict.PASS: "signed by who may, and everything is as it was signed",
    Verdict.INCONCLUSIVE: "everything is as it was signed, by a key that nobody vouches for",
    Verdict.FAIL: "it is not what was signed, or not signed by who may: it proves nothing",
}


def _show(ask: Ask, verified: "Verified") -> None:
    """A verification in a few lines: the verdict first, who signed what. Its problems are shown as those of every command."""
    from cutover.console.text import clean, count

    manifest = verified.manifest
    lines = [f"{verified.verdict}  {verified.bundle.name}: {MEANING[verified.verdict]}"]
    if manifest is not None:
        who = f"{verified.signer or 'not known'}{f', with {verified.key}' if verified.key else ''}"
        lines += [
            f"  signer       {who}",
            f"  run          {manifest.run} of {manifest.environment}, bundled {manifest.made_at} by {manifest.engineer}",
            f"  holds        {count(len(manifest.files), 'file')}, {_size(sum(entry.size for entry in manifest.files))}",
        ]
        for path, head in sorted(manifest.heads.items()):
            read = verified.records.get(path, 0)
            lines.append(f"  {path:12} {count(read, 'record')}, of {head.seq}; its end is {head.hash[:16]}")
        if manifest.fingerprint is not None:
            lines.append(f"  plan         {manifest.fingerprint[:16]}")
    ask.say("\n".join(clean(line) for line in lines))


def _size(count_of_bytes: int) -> str:
    """Bytes for people."""
    return f"{count_of_bytes / 1e6:.1f} MB" if count_of_bytes >= 1e6 else f"{count_of_bytes / 1e3:.1f} kB"
