"""`report --bundle` and `report --verify`: one signed file of all that a run left, and the judgement of such a file, offline."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import end
from cutover.cli.judge import report as draw
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, JudgedFail, Problem, Unjudged, UsageError
from cutover.core.verdict import Verdict
from cutover.run.options import Where

if TYPE_CHECKING:
    from cutover.evidence.collect import VerifiedBundle


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
        next_ = "`--bundle [--key PATH] [--run ID]` makes a bundle, `--verify FILE [--signers FILE]` verifies one"
        return [
            Problem("it cannot be combined with the other options", next_, path=name)
            for name, is_so in wrong.items()
            if is_so
        ]


def report(where: Where, asked: EvidenceOptions) -> ExitCode:
    """Draw the report of a run again; with --bundle, sign and bundle all its evidence; with --verify, judge such a bundle instead."""
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
    from cutover.evidence.signing import SIGNERS

    try:
        file = where.environment / SIGNERS
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
        raise JudgedFail(verified.problems)
    if verified.verdict is not Verdict.PASS:
        raise Unjudged(verified.problems)
    return ExitCode.of(verified.verdict)


MEANING = {
    Verdict.PASS: "unchanged since it was signed, by an allowed signer",
    Verdict.INCONCLUSIVE: "unchanged since it was signed, by a key that no list names",
    Verdict.FAIL: "altered, or not signed by an allowed signer: it proves nothing",
}


def _show(ask: Ask, verified: "VerifiedBundle") -> None:
    """A verification in a few lines: the verdict first, who signed what. Its problems are shown as those of every command."""
    from cutover.console.text import clean, count, size

    manifest = verified.manifest
    lines = [f"{verified.verdict}  {verified.bundle.name}: {MEANING[verified.verdict]}"]
    if manifest is not None:
        who = f"{verified.signer or 'unknown'}{f', with {verified.key}' if verified.key else ''}"
        lines += [
            f"  signer       {who}",
            f"  run          {manifest.run} of {manifest.service} on {manifest.environment}",
            f"  bundled      {manifest.made_at} by {manifest.engineer}",
            f"  holds        {count(len(manifest.files), 'file')}, {size(sum(entry.size for entry in manifest.files))}",
        ]
        for path, head in sorted(manifest.heads.items()):
            lines.append(f"  {path:12} {count(head.seq, 'record')}, ends with {head.hash[:16]}")
        if manifest.fingerprint is not None:
            lines.append(f"  plan         {manifest.fingerprint[:16]}")
    ask.say("\n".join(clean(line) for line in lines))
