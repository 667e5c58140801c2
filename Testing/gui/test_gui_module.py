"""The module as Slicer lists it, and what it tells other modules when Slicer has started."""

import sys
from pathlib import Path
from types import SimpleNamespace

import host
import pytest
import slicer
from panel_driver import MODULE


@pytest.fixture
def module(session: host.Session):
    from host.application import LoadedModule

    return LoadedModule(MODULE)


def test_it_is_listed_under_registration_with_help_and_citation(module) -> None:
    assert module.title == "JSSR Registration" and module.categories == ["Registration"]
    assert "research only" in module.helpText
    assert "10.1007/978-3-030-58601-0_16" in module.acknowledgementText
    icons = MODULE.parent / "Resources" / "Icons"
    assert {"JSSRRegistration.png", "JSSRRegistration.svg"} <= {p.name for p in icons.iterdir()}


def test_sample_data_and_terminology_are_registered_after_the_start(module, monkeypatch) -> None:
    sources: list[dict] = []
    made: list[int] = []
    loaded: list[str] = []
    logic = SimpleNamespace(registerCustomSampleDataSource=lambda **source: sources.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
    terms = SimpleNamespace(LoadTerminologyFromFile=lambda path: loaded.append(path))
    slicer.modules.terminologies = SimpleNamespace(logic=lambda: terms)
    slicer.app.startupCompleted.emit()
    (source,) = sources
    assert source["sampleName"] == "JSSRPhantomPatient" and source["uris"] == []
    assert Path(source["thumbnailFileName"]).is_file() and Path(loaded[0]).is_file()

    class Logic:
        def makeSamplePatient(self, seed, callbacks):
            callbacks.progress("Draw the patient", 0.5)
            made.append(seed)

        def close(self):
            made.append(-1)

    monkeypatch.setattr("JSSRRegistrationLib.sample_data.JSSRRegistrationLogic", Logic)
    source["customDownloader"](source)
    assert made == [1, -1]
