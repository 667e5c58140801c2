"""Write the lists of installed files into the Slicer module's CMakeLists.txt.

python tools/cmake_lists.py

Run it after adding, moving or removing a file under JSSRRegistration/.
"""

import re
from pathlib import Path

MODULE = Path(__file__).parents[1] / "JSSRRegistration"


def installed_files() -> list[str]:
    """Every file that Slicer must install, as paths below the module, sorted."""
    return sorted(
        path.relative_to(MODULE).as_posix()
        for path in MODULE.rglob("*")
        if path.is_file() and _is_installed(path.relative_to(MODULE))
    )


def _is_installed(path: Path) -> bool:
    if path == Path("CMakeLists.txt"):
        return False
    return not any(
        part == "__pycache__" or part.startswith(".") or part.endswith(".egg-info")
        for part in path.parts
    )


def with_list(text: str, variable: str, files: list[str]) -> str:
    """``text`` with the files of ``set(variable ...)`` replaced."""
    block = "\n".join([f"set({variable}", *(f"  {file}" for file in files), "  )"])
    replaced, count = re.subn(rf"set\({variable}\n[^)]*\)", lambda _: block, text)
    if count != 1:
        raise SystemExit(f"CMakeLists.txt must set {variable} exactly once")
    return replaced


def main() -> None:
    """Rewrite both lists."""
    path = MODULE / "CMakeLists.txt"
    files = installed_files()
    scripts = [file for file in files if file.endswith(".py")]
    text = with_list(path.read_text("utf-8"), "MODULE_PYTHON_SCRIPTS", scripts)
    resources = [file for file in files if not file.endswith(".py")]
    path.write_text(with_list(text, "MODULE_PYTHON_RESOURCES", resources), "utf-8")


if __name__ == "__main__":
    main()
