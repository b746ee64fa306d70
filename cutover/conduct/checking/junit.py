"""The JUnit file of checks: it must be writable before anybody is asked, and who could not be asked is in it as an error."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from cutover.decide.gate import Finding
from cutover.words.errors import Problem, UsageError
from cutover.words.verdict import Verdict


def refuse_unwritable(path: Path) -> None:
    """UsageError where the file cannot be written. What it held is gone from here on: it says nothing of the hosts now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    except OSError as refused:
        why = f"{path.parent} is no directory" if isinstance(refused, FileExistsError) else refused.strerror
        found = f"{path} cannot be written: {why or refused}"
        raise UsageError(Problem(path="--junit", found=found, next="name a file in a directory of yours")) from refused


def add_errors(path: Path | None, about: str, findings: Sequence[Finding], no_room: str) -> list[Finding]:
    """Add a testcase with an error for each finding, so that a CI that reads only this file sees them; a finding where it cannot be."""
    if path is None or not findings:
        return []
    suites = _read(path)
    suite = suites.find("testsuite")
    if suite is None:
        suite = ET.SubElement(suites, "testsuite", {"name": "pytest"})
    for name in ("tests", "errors"):
        suite.set(name, str(int(suite.get(name, "0")) + len(findings)))
    for finding in findings:
        case = {"classname": f"roles.{about}.checks", "name": f"{finding.name.partition('.')[2]}[{finding.host}]"}
        error = ET.SubElement(ET.SubElement(suite, "testcase", case), "error", {"message": finding.message})
        error.text = str(finding.problem())
    try:
        ET.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as refused:
        return [unwritten(about, path, str(refused), no_room)]
    return []


def unwritten(about: str, path: Path, why: str, advice: str) -> Finding:
    """That the checks were judged and their file is missing. A full disk here keeps no host from its version."""
    found = f"the checks were judged, but {path.name} could not be written: {why}"
    return Finding("", f"{about}.evidence", Verdict.WARN, found, advice)


def _read(path: Path) -> ET.Element:
    """What pytest has written; a new document where it has written none."""
    try:
        return ET.parse(path).getroot()  # noqa: S314 - our own file
    except (OSError, ET.ParseError):
        return ET.Element("testsuites", {"name": "pytest tests"})
