"""Read a bundle once, from its first byte to its last, in little memory, trusting nothing in it and writing nothing of it anywhere."""

from dataclasses import dataclass, field
from pathlib import Path

from cutover.core.errors import Problem, UsageError
from cutover.evidence import manifest as manifests
from cutover.evidence import tar
from cutover.evidence.chains import Chain, follow
from cutover.evidence.judging import ALTERED, FOREIGN, PLAN, PlanRead, is_journal, read_plan
from cutover.evidence.manifest import Entry, Manifest

LARGEST_MANIFEST, LARGEST_SIGNATURE, LARGEST_PLAN, LONGEST_LINE = 16 << 20, 64 << 10, 64 << 20, 32 << 20


@dataclass
class Contents:
    """What was read: the signed bytes and the signature, what the parts say, and all that is wrong with the whole."""

    manifest_bytes: bytes = b""
    manifest: Manifest | None = None
    signature: str = ""
    chains: dict[str, Chain] = field(default_factory=dict)
    plan: PlanRead | None = None
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, found: str, next_: str = ALTERED) -> None:
        """One more thing that is wrong."""
        self.problems.append(Problem(found, next_, path=path if path.isprintable() else ascii(path)))


class Reader:
    """Takes the members of one bundle as they come."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._seen: set[str] = set()
        self._order: list[str] = []  # those that the manifest names, as they lie in the bundle
        self._entries: dict[str, Entry] = {}
        self.contents = Contents()

    def read(self) -> Contents:
        """Read it all; what cannot be read is a problem of the bundle like any other."""
        try:
            with self._bundle.open("rb") as file:
                for number, member in enumerate(tar.walk(file)):
                    if isinstance(member, tar.Flaw):
                        self.contents.wrong(self._bundle.name, member.found)
                    else:
                        self._take(number, member)
        except FileNotFoundError:
            next_ = "name the bundle itself: .cutover/runs/RUN/evidence-RUN.tar"
            raise UsageError(Problem("there is no such file", next_, path=str(self._bundle))) from None
        except OSError as unreadable:
            self.contents.wrong(self._bundle.name, f"it could not be read to its end: {unreadable}", "copy it anew")
        self._compare()
        return self.contents

    def _take(self, number: int, member: tar.Member) -> None:
        """One member, for what it must be at its place."""
        if member.wrong:
            self.contents.wrong(member.name, member.wrong)
        if member.name in self._seen:
            self.contents.wrong(member.name, "it is in the bundle twice")
        elif number == 0 and member.name == manifests.NAME:
            self._take_manifest(member)
        elif number == 1 and member.name == manifests.SIGNATURE:
            self._take_signature(member)
        elif member.name in self._entries:
            self._order.append(member.name)
            self._take_file(member, self._entries[member.name])
        elif self.contents.manifest is not None or number < 2:
            self.contents.wrong(member.name, "the manifest does not name it, or it is not at its place", FOREIGN)
        self._seen.add(member.name)

    def _take_manifest(self, member: tar.Member) -> None:
        contents = self.contents
        try:
            contents.manifest_bytes = member.content.whole(LARGEST_MANIFEST)
        except ValueError as unreadable:
            contents.wrong(member.name, str(unreadable))
            return
        contents.manifest, found = manifests.read(contents.manifest_bytes)
        for one in found:
            contents.wrong(member.name, one)
        if contents.manifest is not None:
            self._entries = {entry.path: entry for entry in contents.manifest.files}

    def _take_signature(self, member: tar.Member) -> None:
        try:
            self.contents.signature = member.content.whole(LARGEST_SIGNATURE).decode("ascii")
        except ValueError as unreadable:
            self.contents.wrong(member.name, f"it is no SSH signature: {unreadable}")

    def _take_file(self, member: tar.Member, entry: Entry) -> None:
        """A file of the run: what it says, where it is one that says something, and whether it is the one that was signed."""
        if is_journal(member.name):
            self.contents.chains[member.name] = follow(member.content.lines(LONGEST_LINE), member.name)
        elif member.name == PLAN:
            try:
                self.contents.plan = read_plan(member.content.whole(LARGEST_PLAN))
            except ValueError as unreadable:
                self.contents.wrong(member.name, str(unreadable))
        if member.content.size != entry.size:
            found = f"it has {member.content.size} bytes, {entry.size} by the manifest"
            self.contents.wrong(member.name, found)
        elif (digest := member.content.sha256()) != entry.sha256:
            found = f"its digest is {digest[:12]}, {entry.sha256[:12]} by the manifest"
            self.contents.wrong(member.name, found)

    def _compare(self) -> None:
        """What the manifest names and the bundle lacks, and what lies at another place than it was put."""
        contents = self.contents
        if manifests.NAME not in self._seen:
            contents.wrong(
                manifests.NAME, "the bundle does not begin with its manifest: this is no evidence of a run", FOREIGN
            )
            return
        if not contents.signature:
            contents.wrong(manifests.SIGNATURE, "the bundle has no signature at its place", FOREIGN)
        for path in self._entries:
            if path not in self._seen:
                contents.wrong(path, "it is not in the bundle, and the manifest names it")
        expected = [path for path in self._entries if path in self._seen]
        moved = next((path for path, meant in zip(self._order, expected, strict=False) if path != meant), None)
        if moved is not None:
            contents.wrong(moved, "it is not at its place: the files of the bundle were put in another order")


def read(bundle: Path) -> Contents:
    """Everything that a bundle says and everything that is wrong with it."""
    return Reader(bundle).read()
