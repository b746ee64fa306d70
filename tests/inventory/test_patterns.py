"""Host patterns and host ranges, as Ansible has them; and which environment a pattern means."""

from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.inventory.hosts import BadRangeError, expand
from cutover.inventory.load import locate
from cutover.inventory.patterns import choose

HOSTS = ("web1", "web2", "web10", "db1", "db2", "lone.example.internal")
GROUPS = {
    "all": HOSTS,
    "web": ("web1", "web2", "web10"),
    "db": ("db1", "db2"),
    "prod": ("web1", "db1"),
    "empty": (),
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("all", "web1 web2 web10 db1 db2 lone.example.internal"),
        ("prod", "web1 db1"),
        ("db:web1", "web1 db1 db2"),
        ("web*:&prod:!db1", "web1"),
        ("!web:all", "db1 db2 lone.example.internal"),
        ("all:!*nothing*", "web1 web2 web10 db1 db2 lone.example.internal"),
        ("*.example.internal", "lone.example.internal"),
        ("~web1$", "web1"),
        ("~(web|db)1$", "web1 db1"),
        (r"~web\d{1,2}$", "web1 web2 web10"),
        ("~eb", ""),
        ("web[0]", "web1"),
        ("web[-1]", "web10"),
        ("web[0-1]", "web1 web2"),
        ("web[1:]", "web2 web10"),
        ("all:!web[1:]", "web1 db1 db2 lone.example.internal"),
        ("web*[0]", "web1"),
        ("web[3]", ""),
        ("prod:!all", ""),
        ("wep", ""),
        ("all:&prd", ""),
        ("~(", ""),
        ("", ""),
    ],
)
def test_a_pattern_picks_hosts_in_order_or_is_refused(pattern: str, expected: str) -> None:
    if expected:
        assert " ".join(choose(pattern, "--hosts", GROUPS, HOSTS)) == expected
    else:
        with pytest.raises(UsageError):
            choose(pattern, "--hosts", GROUPS, HOSTS)


def test_a_refusal_lists_what_there_is_and_what_is_close() -> None:
    with pytest.raises(UsageError) as caught:
        choose("wbe1:prd", "--limit", GROUPS, HOSTS)
    first, second = caught.value.problems
    assert (first.path, first.found) == ("--limit", "`wbe1` matches no group and no host")
    assert second.next.startswith("did you mean prod? groups: all, web, db, prod; hosts: web1, web2")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("web", "web"),
        ("web[1:3]", "web1 web2 web3"),
        ("web[01:03].x", "web01.x web02.x web03.x"),
        ("node[1:9:4]", "node1 node5 node9"),
        ("db[a:c]", "dba dbb dbc"),
        ("r[1:2]h[a:b]", "r1ha r1hb r2ha r2hb"),
        ("web[9:11]", "web9 web10 web11"),
    ],
)
def test_a_range_expands(entry: str, expected: str) -> None:
    assert expand(entry) == (tuple(expected.split()), None)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("web[1:3", "not closed"),
        ("web[1:]", "is not [first:last]"),
        ("web[3:1]", "downward"),
        ("web[1:9:0]", "is not [first:last]"),
        ("web[01:100]", "differ in length"),
        ("web[-1:3]", "is not [first:last]"),
        ("web[0:999999999999]", "more than"),
    ],
)
def test_a_malformed_range_says_why(entry: str, reason: str) -> None:
    with pytest.raises(BadRangeError) as caught:
        expand(entry)
    assert reason in str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("lab", "prod", "staging"):
        (tmp_path / "inventory" / name).mkdir(parents=True)
        (tmp_path / "inventory" / name / "hosts.yml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "option", "default", "expected"),
    [
        ("prod", "", "", "prod"),
        ("prod:&web", "", "lab", "prod"),
        ("web*:&prod:!db1", "", "", "prod"),
        ("web", "", "lab", "lab"),
        ("", "", "inventory/lab", "lab"),
        ("prod", "inventory/staging", "", "staging"),
        ("prod:staging", "staging", "", "staging"),
        ("web", "inventory/lab/hosts.yml", "", "lab"),
    ],
)
def test_the_environment_of_a_pattern(root: Path, pattern: str, option: str, default: str, expected: str) -> None:
    assert locate(pattern, option, root, default) == root / "inventory" / expected


@pytest.mark.parametrize(
    ("pattern", "option", "found"),
    [
        ("prod:staging", "", "spans the environments prod and staging"),
        ("prdo", "", "names no environment"),
        ("", "", "no environment is given"),
        ("prod", "inventory/stagin", "no inventory at inventory/stagin"),
    ],
)
def test_an_environment_that_is_not_clear(root: Path, pattern: str, option: str, found: str) -> None:
    with pytest.raises(UsageError, match=found):
        locate(pattern, option, root)
