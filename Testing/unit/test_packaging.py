"""What is shipped: CMake's lists, the extension's descriptions, the wheel."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "JSSRRegistration"
SCHEMA_URL = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
SLICER_STAND_IN = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/use.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
"""
USE_FILE = """
include(CMakeParseArguments)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${MY_SCRIPTS} ${MY_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "no file ${file}")
    endif()
  endforeach()
  list(LENGTH MY_SCRIPTS scripts)
  message(STATUS "module ${MY_NAME} of ${PROJECT_NAME}: ${scripts} scripts")
endmacro()
function(slicer_add_python_unittest)
  message(STATUS "unit test ${ARGN}")
endfunction()
function(slicer_add_python_test)
  cmake_parse_arguments(MY "" "SCRIPT" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT})
    message(FATAL_ERROR "no file ${MY_SCRIPT}")
  endif()
  get_filename_component(name ${MY_SCRIPT} NAME_WE)
  add_test(NAME py_${name} COMMAND ${CMAKE_COMMAND} -E true)
  message(STATUS "script test ${MY_SCRIPT} with ${MY_SLICER_ARGS}")
endfunction()
"""


def _cmake(path: Path) -> dict[str, str]:
    """The variables that a CMakeLists.txt sets on one line."""
    return dict(re.findall(r'^set\((\w+) "?([^"\n]*?)"?\)$', path.read_text("utf-8"), re.MULTILINE))


def _cmake_list(variable: str) -> list[str]:
    text = (MODULE / "CMakeLists.txt").read_text("utf-8")
    (block,) = re.findall(rf"^set\({variable}\n([^)]*)\)", text, re.MULTILINE)
    return block.split()


def _module_files() -> set[str]:
    """Files under the module that Slicer must install: neither caches nor build products."""
    files = set()
    for folder, folders, names in os.walk(MODULE):
        folders[:] = [
            name
            for name in folders
            if name != "__pycache__" and not name.startswith(".") and not name.endswith(".egg-info")
        ]
        files |= {
            (Path(folder) / name).relative_to(MODULE).as_posix()
            for name in names
            if not name.startswith(".")
        }
    return files - {"CMakeLists.txt"}


def _s4ext() -> dict[str, str]:
    lines = (ROOT / "JSSR.s4ext").read_text("utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def _tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a git checkout")
    # The checkout may be another user's, as where it is mounted into a container.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listing = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_cmake_lists_every_file_once() -> None:
    scripts = _cmake_list("MODULE_PYTHON_SCRIPTS")
    resources = _cmake_list("MODULE_PYTHON_RESOURCES")
    listed = scripts + resources
    assert len(listed) == len(set(listed))
    assert set(listed) == _module_files(), "run: python tools/cmake_lists.py"
    assert {Path(name).suffix for name in scripts} == {".py"}
    assert ".py" not in {Path(name).suffix for name in resources}


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_cmake_configures_against_a_stand_in_for_slicer(tmp_path: Path) -> None:
    (tmp_path / "SlicerConfig.cmake").write_text(SLICER_STAND_IN)
    (tmp_path / "use.cmake").write_text(USE_FILE)
    (tmp_path / "empty.cmake").write_text("")
    command = ["cmake", "-S", str(ROOT), "-B", str(tmp_path / "build")]
    options = [f"-DSlicer_DIR={tmp_path}", "-DBUILD_TESTING=ON"]
    done = subprocess.run([*command, *options], check=False, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    count = len(_cmake_list("MODULE_PYTHON_SCRIPTS"))
    assert f"module JSSRRegistration of JSSR: {count} scripts" in done.stdout
    assert "unit test SCRIPT;JSSRRegistration.py" in done.stdout
    assert "script test JSSRNoMainWindowTest.py with --no-main-window" in done.stdout


def test_json_follows_the_schema_of_the_extension_index() -> None:
    entry = json.loads((ROOT / "JSSR.json").read_text("utf-8"))
    kinds = {
        "$schema": str,
        "category": str,
        "scm_url": str,
        "scm_revision": str,
        "scm_type": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "enabled": bool,
        "tier": int,
    }
    assert {"$schema", "category", "scm_url"} <= set(entry) <= set(kinds)
    assert all(isinstance(value, kinds[key]) for key, value in entry.items())
    assert entry["$schema"] == SCHEMA_URL
    assert entry.get("scm_type", "git") in ("git", "local")
    assert entry.get("tier", 5) in (1, 3, 5)
    assert all(isinstance(name, str) for name in entry.get("build_dependencies", []))


def test_json_s4ext_and_cmake_agree() -> None:
    entry = json.loads((ROOT / "JSSR.json").read_text("utf-8"))
    s4ext = _s4ext()
    cmake = _cmake(ROOT / "CMakeLists.txt")
    assert re.search(
        r"^project\(JSSR\)$", (ROOT / "CMakeLists.txt").read_text("utf-8"), re.MULTILINE
    )
    assert cmake["EXTENSION_CATEGORY"] == s4ext["category"] == entry["category"] == "Registration"
    assert cmake["EXTENSION_HOMEPAGE"] == s4ext["homepage"] == entry["scm_url"].removesuffix(".git")
    assert s4ext["scmurl"] == entry["scm_url"]
    assert s4ext["scmrevision"] == entry["scm_revision"]
    assert s4ext["scm"] == entry["scm_type"]
    assert s4ext["build_subdirectory"] == entry["build_subdirectory"]
    dependencies = cmake["EXTENSION_DEPENDS"].split()
    assert dependencies == s4ext["depends"].split() == entry["build_dependencies"]
    assert cmake["EXTENSION_CONTRIBUTORS"] == s4ext["contributors"]
    assert cmake["EXTENSION_DESCRIPTION"] == s4ext["description"]
    assert cmake["EXTENSION_ICONURL"] == s4ext["iconurl"]
    assert cmake["EXTENSION_SCREENSHOTURLS"] == s4ext["screenshoturls"]


@pytest.mark.parametrize("variable", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_of_the_extension_are_in_the_repository(variable: str) -> None:
    for url in _cmake(ROOT / "CMakeLists.txt")[variable].split():
        assert (ROOT / url.partition("/main/")[2]).is_file(), url


def test_extension_description_is_one_sentence() -> None:
    description = _cmake(ROOT / "CMakeLists.txt")["EXTENSION_DESCRIPTION"]
    assert description.endswith(".")
    assert description.count(". ") == 0


def test_checkout_is_small_and_has_unix_line_ends() -> None:
    files = _tracked_files()
    assert sum(path.stat().st_size for path in files) < 100e6
    for path in files:
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            assert b"\r\n" not in content, path


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_of_the_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    missing = [
        link
        for link in links
        if not link.startswith(("http:", "https:")) and not (page.parent / link).exists()
    ]
    assert not missing


def test_license_is_apache() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")[:200]
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(MODULE, copy / "JSSRRegistration", ignore=unwanted)
    program = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", program], cwd=copy, check=True, capture_output=True)
    (path,) = (copy / "dist").glob("jssr-*.whl")
    return path


def test_wheel_holds_the_package_whole_and_nothing_of_slicer(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in _module_files() if name.startswith("jssr/")}
    assert "jssr/models/default/model.json" in names


def test_installed_wheel_runs_the_command_with_its_own_bundle(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    entry_points = next(tmp_path.glob("*.dist-info")) / "entry_points.txt"
    assert "jssr = jssr.cli.main:main" in entry_points.read_text("utf-8")
    program = (
        "import jssr; from jssr.bundle.verify import verify_bundle; verify_bundle();"
        "print(jssr.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for arguments in (["-c", program], ["-m", "jssr.cli", "--version"]):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
        if arguments[0] == "-c":
            assert done.stdout.startswith(str(tmp_path))


def test_command_starts_without_what_only_its_work_needs() -> None:
    extras = ("yaml", "lightning_fabric", "tensorboard", "itk", "ants", "convexAdam", "scipy")
    heavy = ("torch", "numpy", "SimpleITK", "matplotlib", "h5py")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({extras + heavy}));"
        "from jssr.cli.main import main; sys.argv = ['jssr', '--help']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(MODULE)},
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    for command in ("register", "warp", "info", "demo", "train", "evaluate", "batch"):
        assert command in done.stdout
