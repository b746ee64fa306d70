"""Pinning host keys: nothing replaced without `replace`, other entries unchanged, and what is trusted afterwards."""

from pathlib import Path

import pytest
from paramiko import ECDSAKey, Ed25519Key, HostKeys, PKey, SSHClient

from cutover.core.errors import Refused, UsageError
from cutover.remote.known_hosts import KnownHosts, ShownKeys, must_be_pinnable, pin, states
from cutover.remote.ssh_config import Hop


def key(number: int) -> PKey:
    parts = (b"ssh-ed25519", bytes([number]) * 32)
    return Ed25519Key(data=b"".join(len(part).to_bytes(4, "big") + part for part in parts))


def shown(*keys: PKey, entry: str = "198.18.0.1", host: str = "web1") -> ShownKeys:
    return ShownKeys(host, entry, {one.get_name(): one for one in keys})


def pinned(path: Path, entry: str) -> dict[str, PKey]:
    return {state.kind: state.pinned for state in states(path, shown(entry=entry)) if state.pinned}


def test_a_new_host_is_pinned_beside_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "inventory" / "known_hosts"
    assert pin(path, [shown(key(1))]) == [f"198.18.0.1 ssh-ed25519 {key(1).get_base64()}"]
    with path.open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    assert len(pin(path, [shown(key(2), entry="[198.18.0.2]:2222")])) == 1
    assert "# a comment\n" in path.read_text(encoding="utf-8")
    assert pinned(path, "198.18.0.1") == {"ssh-ed25519": key(1)}
    assert pinned(path, "[198.18.0.2]:2222") == {"ssh-ed25519": key(2)}
    assert [one.name for one in path.parent.iterdir()] == ["known_hosts"]


def test_pinning_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    pin(path, [shown(key(1))])
    before = path.stat().st_ino
    assert pin(path, [shown(key(1))]) == []
    assert path.stat().st_ino == before


def test_a_different_key_is_refused_for_all_hosts_of_the_call(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    pin(path, [shown(key(1))])
    with pytest.raises(Refused) as caught:
        pin(path, [shown(key(2)), shown(key(3), entry="198.18.0.3", host="web3")])
    (problem,) = caught.value.problems
    assert problem.host == "web1"
    assert key(1).fingerprint in problem.found
    assert key(2).fingerprint in problem.found
    assert pinned(path, "198.18.0.3") == {}


def test_a_pinned_kind_that_is_gone_is_a_conflict_too(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    pin(path, [shown(key(1))])
    with pytest.raises(Refused, match="not shown any more"):
        must_be_pinnable(path, [shown(ECDSAKey.generate())])


def test_with_replace_it_replaces_just_that_host(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"198.18.0.1,web1.example {key(1).get_name()} {key(1).get_base64()} note\n", encoding="utf-8")
    pin(path, [shown(key(2))], replace=True)
    assert path.read_text(encoding="utf-8").splitlines() == [
        f"web1.example {key(1).get_name()} {key(1).get_base64()} note",
        f"198.18.0.1 {key(2).get_name()} {key(2).get_base64()}",
    ]


def test_a_hashed_name_is_found_and_replaced_too(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{HostKeys.hash_host('198.18.0.1')} {key(1).get_name()} {key(1).get_base64()}\n", encoding="utf-8")
    with pytest.raises(Refused, match="another key than the pinned one"):
        pin(path, [shown(key(2))])
    pin(path, [shown(key(2))], replace=True)
    assert path.read_text(encoding="utf-8") == f"198.18.0.1 {key(2).get_name()} {key(2).get_base64()}\n"


def test_a_host_that_showed_nothing_is_never_pinned(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="showed no key"):
        pin(tmp_path / "known_hosts", [shown()], replace=True)


def test_where_a_key_is_pinned_the_system_does_not_count(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    pin(ours, [shown(key(1))])
    pin(theirs, [shown(key(2)), shown(key(3), entry="elsewhere", host="other")])
    known = KnownHosts(ours, system=(theirs,))
    with SSHClient() as client:
        known.teach(client, Hop("web1", "198.18.0.1", 22, "deploy"))
        trusted = client.get_host_keys().lookup("198.18.0.1")
        assert trusted is not None
        assert trusted["ssh-ed25519"].get_base64() == key(1).get_base64()
        assert client.get_host_keys().lookup("elsewhere") is None
        known.teach(client, Hop("x", "elsewhere", 22, "deploy"))
        assert client.get_host_keys().lookup("elsewhere") is not None


def test_a_damaged_line_of_ours_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("# fine\n198.18.0.1 ssh-ed25519 AAAA\nnonsense\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        KnownHosts(path, system=())
    assert [problem.path for problem in caught.value.problems] == [f"{path}:2", f"{path}:3"]
    assert KnownHosts(tmp_path / "none", system=(path,)) is not None
