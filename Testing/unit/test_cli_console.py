"""What the commands show: tables, verdicts, progress, errors."""

import pytest

from jssr.cli.console import progress_bar, show_section, tell_error, verdict_line
from jssr.registration.result import Verdict, VerdictLevel
from jssr.section import Section


def test_a_table_has_its_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("liver", "0.9", "a"), ("right kidney", "10.25", "[b]")]
    show_section(Section("Organs", ("organ", "Dice", "note"), rows))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Organs"
    liver, kidney = (next(line for line in lines if name in line) for name in ("liver", "right"))
    assert liver.index("0.9") + 3 == kidney.index("10.25") + 5
    assert liver.index(" a") == kidney.index(" [b]")  # brackets are no markup


def test_a_note_stands_below_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_section(Section("Organs", ("organ", "Dice"), [("liver", "0.9")], "Before: [undeformed]."))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["Before: [undeformed].", ""] and "liver" in lines[-4]


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        ((), "Verdict: failed"),
        (("one",), "Verdict: failed (one)"),
        (("one", "two", "three"), "Verdict: failed (one; two; three)"),
        (("one", "two", "three", "4", "5"), "Verdict: failed (one; two; three; and 2 more)"),
    ],
)
def test_the_verdict_is_one_line(reasons: tuple[str, ...], line: str) -> None:
    assert verdict_line(Verdict(VerdictLevel.FAILED, reasons)) == line


def test_errors_and_progress_stay_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error("There is no file.")
    with progress_bar() as progress:
        progress("Pre-align", 0.25)
        progress("Check", 1.0)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("jssr: There is no file.\n")


def test_an_interrupted_bar_lets_the_interruption_through() -> None:
    with pytest.raises(KeyboardInterrupt), progress_bar() as progress:
        progress("Pre-align", 0.25)
        raise KeyboardInterrupt
