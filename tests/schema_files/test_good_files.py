"""Schema files as people write them, in each of the three formats and layouts."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from ampubsub.machine import Machine, Result, State
from ampubsub.schema_files import load_machines

EXAMPLES = Path(__file__).parents[2] / "examples"

ONE = {
    "toml": """
id = "lamp"
tags = ["room"]
[schema.Power]
[schema.On]
require = ["Power"]
remove = ["Off"]
[schema.Off]
auto = true
multi = true
add = ["Exception"]
after = ["On"]
tags = ["dark"]
""",
    "yaml": """
id: lamp
tags: [room]
schema:
  Power:
  On: {require: [Power], remove: [Off]}
  Off: {auto: yes, multi: true, add: [Exception], after: [On], tags: [dark]}
""",
    "json": """
{"id": "lamp", "tags": ["room"], "schema": {
  "Power": {}, "On": {"require": ["Power"], "remove": ["Off"]},
  "Off": {"auto": true, "multi": true, "add": ["Exception"], "after": ["On"], "tags": ["dark"]}}}
""",
}


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("kind", ONE)
def test_the_same_machine_comes_out_of_each_format_in_the_order_of_the_file(
    tmp_path: Path, kind: str
) -> None:
    (lamp,) = load_machines(write(tmp_path, f"one.{kind}", ONE[kind]))
    assert lamp.id == "lamp"
    assert lamp.tags == ("room",)
    assert lamp.state_names == ("Exception", "Power", "On", "Off")
    assert lamp.schema["On"] == State(require=("Power",), remove=("Off",))
    off = State(auto=True, multi=True, add=("Exception",), after=("On",), tags=("dark",))
    assert lamp.schema["Off"] == off
    assert lamp.schema["Exception"] == State(multi=True)


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.iterdir() if path.suffix != ".py"))
def test_every_example_loads(file: str) -> None:
    machines = load_machines(str(EXAMPLES / file))
    assert machines
    assert all("Exception" in machine.state_names for machine in machines)


def test_a_machine_without_an_id_is_called_like_its_file(tmp_path: Path) -> None:
    (machine,) = load_machines(write(tmp_path, "kettle.yml", "schema: {Hot: {}}"))
    assert machine.id == "kettle"


def test_machines_may_be_a_list_or_a_table_by_id_and_have_parents_above_them(tmp_path: Path) -> None:
    listed = "machines: [{id: a, schema: {X: }}, {id: b, parent: a, schema: {Y: }}]"
    by_id = "machines: {a: {schema: {X: }}, b: {parent: a, schema: {Y: }}}"
    for text in (listed, by_id):
        a, b = load_machines(write(tmp_path, "two.yaml", text))
        assert (a.id, b.id, b.parent_id) == ("a", "b", "a")


def test_yaml_words_that_look_like_truth_values_and_numbers_stay_names(tmp_path: Path) -> None:
    text = """
id: 404
states: [On, Off, No, 1.5]
schema: {On: {remove: [Off, No]}, Off: , No: , 1.5: {auto: no}}
"""
    (machine,) = load_machines(write(tmp_path, "words.yaml", text))
    assert machine.id == "404"
    assert machine.state_names == ("Exception", "On", "Off", "No", "1.5")
    assert machine.schema["On"].remove == ("Off", "No")
    assert not machine.schema["1.5"].auto


def test_states_give_the_index_order_and_active_the_start(tmp_path: Path) -> None:
    text = '{"id": "m", "states": ["B", "Exception", "A"], "active": ["A"], "schema": {"A": {}, "B": {}}}'
    (machine,) = load_machines(write(tmp_path, "m.json", text))
    assert machine.state_names == ("B", "Exception", "A")
    assert tuple(machine.time()) == (0, 0, 1)


def test_loaded_machines_belong_to_no_thread_yet(tmp_path: Path) -> None:
    (machine,) = load_machines(write(tmp_path, "m.json", '{"active": ["A"], "schema": {"A": {}, "B": {}}}'))
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(machine.add("B")))
    thread.start()
    thread.join()
    assert results == [Result.EXECUTED]


def test_yaml_anchors_are_followed(tmp_path: Path) -> None:
    (machine,) = load_machines(write(tmp_path, "m.yaml", "schema: {A: &same {tags: [x]}, B: *same}"))
    assert machine.schema["B"] == State(tags=("x",))


PYTHON = """
from ampubsub.machine import Machine, State
one = Machine({"A": State()}, id="one")
several = [one, Machine({"A": State()}, id="two")]
def made(): return (machine for machine in several)
class Plant:
    lamp = one
"""


@pytest.mark.parametrize(
    ("name", "ids"),
    [("one", ["one"]), ("several", ["one", "two"]), ("made", ["one", "two"]), ("Plant.lamp", ["one"])],
)
def test_python_objects_are_a_machine_several_or_a_callable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ids: list[str]
) -> None:
    write(tmp_path, "plant_models.py", PYTHON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for spec in (f"plant_models:{name}", f"{tmp_path}/plant_models.py:{name}"):
        machines = load_machines(spec)
        assert all(isinstance(machine, Machine) for machine in machines)
        assert [machine.id for machine in machines] == ids
    sys.modules.pop("plant_models")
