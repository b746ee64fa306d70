"""`report --bundle` and `report --verify`: one signed file of all that a run left, and the judgement of such a file, offline."""

from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import with_ask
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, JudgedFail, Problem, Unjudged, UsageError
from cutover.core.verdict import Verdict
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.evidence.collect import VerifiedBundle


@with_ask
def report(
    ask: Ask, options: RunOptions, *, bundle: bool = False, key: str = "", verify: str = "", signers: str = ""
) -> ExitCode:
    """Draw the report of a run again; with `bundle`, sign and bundle all its evidence; with `verify`, judge such a bundle instead."""
    wrong = {
        "--verify": bool(verify and bundle),
        "--key": bool(key and not bundle),
        "--signers": bool(signers and not verify),
    }
    if any(wrong.values()):
        next_ = "`--bundle [--key PATH] [--run ID]` makes a bundle, `--verify FILE [--signers FILE] [--run ID]` verifies one"
        found = "it cannot be combined with the other options"
        raise UsageError(Problem(found, next_, path=name) for name, is_so in wrong.items() if is_so)
    if verify:
        return _verify(ask, options, verify, signers)
    return _draw(ask, options, key, bundle=bundle)


def _draw(ask: Ask, options: RunOptions, key: str, *, bundle: bool) -> ExitCode:
    from cutover.cli.results import write_all
    from cutover.evidence.collect import make_bundle
    from cutover.timeline.view import view_of

    directory = options.the_run()
    ask.run_id = directory.id
    ask.files.update(write_all(view_of(directory, options.root)))
    if not bundle:
        ask.say(str(directory.report))
        return ExitCode.DONE
    ask.progress("signing; ssh-keygen may ask for the key's passphrase, or for a touch of its token")
    _show(ask, made := make_bundle(directory, options.root, key=key))
    ask.files["evidence"] = str(made.bundle)
    ask.say(str(made.bundle))
    return ExitCode.DONE


def _verify(ask: Ask, options: RunOptions, file: str, signers: str) -> ExitCode:
    from cutover.evidence.collect import verify_bundle

    given = Path(signers).expanduser() if signers else None
    if given is not None and not given.is_file():
        raise UsageError(Problem("there is no such file", "name an allowed_signers file", path=f"--signers {signers}"))
    environment = options.environment.absolute().name if options.hosts or options.inventory else ""
    meant = {"run": options.run, "service": options.service, "environment": environment}
    verified = verify_bundle(Path(file).expanduser(), given, options.root, meant=meant)
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
