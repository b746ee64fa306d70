"""The people of an environment, from the variables of the role `people`; everything that is wrong with them at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover.decide.people.contacts import Contacts, contacts
from cutover.decide.people.escalation import Escalation, matrix, severities
from cutover.decide.people.reading import Reading
from cutover.words.errors import Problem, UsageError

VARIABLES = ("people_channels", "people_roles", "people_severities", "people_matrix")


@dataclass(frozen=True)
class People:
    """Who there is, and who is told what."""

    contacts: Contacts
    escalation: Escalation


def people(values: Mapping[str, object], origins: Mapping[str, str]) -> People:
    """The people that the variables name; UsageError with all that does not fit together. `origins`: where each was written."""
    problems: list[Problem] = []
    reading = {name: Reading.of_variable(name, origins.get(name, ""), problems) for name in VARIABLES}
    known = contacts(
        reading["people_roles"], values["people_roles"], reading["people_channels"], values["people_channels"]
    )
    grave = severities(reading["people_severities"], values["people_severities"])
    told = matrix(reading["people_matrix"], values["people_matrix"], grave, known)
    if problems:
        raise UsageError(problems)
    return People(known, Escalation(grave, told))
