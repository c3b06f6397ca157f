"""What the repository's own files promise: locked, vendored by hash, of no particular machine, and telling one version."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = ("requirements.txt", "requirements-test.txt")
VENDORED: Final = {
    "htmx-4.0.1.min.js": "Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
}
"""Other people's files under static/vendor, each as its maker published it: the sha384 in base64."""

# Written so that no pattern is its own find.
OF_ONE_MACHINE: Final = re.compile(r"(?:^|[^\w./-])/(?:work|farm|root|home)/\w", re.MULTILINE)
REGISTRIES: Final = re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.]org|deb[.]debian[.]org")
TEMPORARY: Final = re.compile(r"(?:^|[^\w./-])/tmp/\w", re.MULTILINE)
PINNED: Final = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?P<rest>(?:.*\\\n)*.*)", re.MULTILINE)


def committed() -> list[Path]:
    """Every file that git follows and the working tree still has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    """The committed text files by path; pictures and other bytes are left out."""
    found = {}
    for path in committed():
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def pins(lock: str) -> dict[str, str]:
    """The version that `lock` pins of each distribution."""
    return {found["name"]: found["version"] for found in PINNED.finditer((ROOT / lock).read_text())}


def pyproject() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("pattern", [OF_ONE_MACHINE, REGISTRIES], ids=["a path of one machine", "a registry's host"])
def test_no_committed_text_names(pattern: re.Pattern[str]) -> None:
    assert {name: found.group() for name, text in texts().items() if (found := pattern.search(text))} == {}


def test_temporary_paths_are_the_simulated_machines_alone() -> None:
    named = {name for name, text in texts().items() if TEMPORARY.search(text)}
    assert {name for name in named if not name.startswith(("engine/", "tests/", "docs/", "app/content/"))} == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_a_hash_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = list(PINNED.finditer(text))
    assert len(requirements) == len(re.findall(r"^\w", text, re.MULTILINE)) > 20
    assert [found["name"] for found in requirements if "--hash=sha256:" not in found["rest"]] == []
    assert "://" not in text
    assert "--index-url" not in text


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = pyproject()["project"]
    asked = project["dependencies"]
    assert isinstance(asked, list)
    pinned = pins("requirements.txt")
    wanted = [Requirement(line) for line in asked]
    assert [str(one) for one in wanted if not one.specifier.contains(pinned.get(one.name, "0"))] == []


def test_the_tests_run_on_the_versions_that_users_get() -> None:
    tested = pins("requirements-test.txt")
    assert {name: version for name, version in pins("requirements.txt").items() if tested.get(name) != version} == {}


def test_the_newest_version_of_the_changelog_is_the_projects() -> None:
    versions = re.findall(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == pyproject()["project"]["version"]


def test_vendored_files_are_as_their_makers_published_them() -> None:
    folder = ROOT / "static/vendor"
    scripts = {path.name: path for path in folder.iterdir() if path.suffix in {".js", ".css"}}
    assert set(scripts) == set(VENDORED)
    for name, digest in VENDORED.items():
        assert base64.b64encode(hashlib.sha384(scripts[name].read_bytes()).digest()).decode() == digest
        assert (folder / f"{name.removesuffix('.min.js')}.LICENSE").is_file()


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_a_script_is_executable_posix_shell(script: str) -> None:
    path = ROOT / script
    assert path.read_text().startswith("#!/bin/sh\n")
    assert os.access(path, os.X_OK)
    shell = shutil.which("dash") or "sh"
    assert subprocess.run([shell, "-n", path], check=False, capture_output=True).stderr == b""


def test_every_relative_link_of_the_documents_leads_somewhere() -> None:
    dead = [
        f"{name}: {link}"
        for name, text in texts().items()
        if name.endswith(".md")
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        if not (ROOT / name).parent.joinpath(link).exists()
    ]
    assert dead == []
