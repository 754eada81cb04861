"""Broken schema files and objects: each ends in one line that names the file, the place and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ampubsub.schema_files import FileLimits, SchemaFileError, load_machines

BROKEN = {
    "unknown key": (
        "m.yaml",
        "id: m\nschema:\n  A:\n    requires: [B]\n  B:\n",
        "{file}:4: machine m, state A: unknown key 'requires'; did you mean 'require'?",
    ),
    "unknown state in a relation": (
        "m.yaml",
        "id: order\nschema:\n  Paid:\n    require: [Placd]\n  Placed:\n",
        "{file}:4: machine order, state Paid: `require` names the unknown state 'Placd'; "
        "did you mean 'Placed'?",
    ),
    "unknown state in TOML, where lines are not known": (
        "m.toml",
        'id = "m"\n[schema.A]\nadd = ["Zebra"]\n',
        "{file}: machine m, state A: `add` names the unknown state 'Zebra'; known: Exception, A",
    ),
    "a word where a list belongs": (
        "m.json",
        '{"id": "m", "schema": {"A": {"remove": "B"}, "B": {}}}',
        "{file}: machine m, state A: `remove` is a list of names, not the word 'B'; write [\"B\"]",
    ),
    "a number in a list of names": (
        "m.json",
        '{"id": "m", "schema": {"A": {"tags": [3]}}}',
        "{file}: machine m, state A: `tags` needs a name, not the number 3",
    ),
    "a word where a truth value belongs": (
        "m.yaml",
        "id: m\nschema: {A: {auto: maybe}}",
        "{file}:2: machine m, state A: `auto` is true or false, not the word 'maybe'",
    ),
    "a state that is a list": (
        "m.yaml",
        "id: m\nschema:\n  A: [B]\n",
        "{file}:3: machine m, state A: a state is a table, not a list",
    ),
    "requires and removes": (
        "m.yaml",
        "id: m\nschema:\n  A:\n    require: [B]\n    remove: [B]\n  B:\n",
        "{file}:5: machine m, state A: both requires and removes B; drop one of the two",
    ),
    "no schema": ("m.toml", 'id = "m"\n', "{file}: has neither `machines` nor a `schema`"),
    "empty schema": ("m.yaml", "id: m\nschema: {}\n", "{file}:2: machine m: its `schema` has no states"),
    "empty file": ("m.yaml", "", "{file}: is empty; it needs at least one machine with an id and a schema"),
    "no machines": (
        "m.yaml",
        "machines: []\n",
        "{file}:1: has no machines; give at least one an id and a schema",
    ),
    "a list at the top": ("m.json", "[1]", "{file}: needs a table at the top, not a list"),
    "a machine without an id": (
        "m.yaml",
        "machines:\n  - schema: {A: }\n",
        '{file}: machine number 1: has no `id`; give it one, such as id = "order"',
    ),
    "two of one id": (
        "m.yaml",
        "machines:\n  - {id: a, schema: {A: }}\n  - {id: a, schema: {A: }}\n",
        "{file}:3: two machines have the id 'a'; give each its own",
    ),
    "a parent that comes later": (
        "m.yaml",
        "machines:\n  - {id: a, parent: b, schema: {A: }}\n  - {id: b, schema: {A: }}\n",
        "{file}:2: machine a: its parent 'b' is not a machine above it in this file",
    ),
    "states that are the schema": (
        "m.yaml",
        "machines:\n  - id: a\n    schema: {A: }\n    states: {A: }\n",
        "{file}:4: machine a: `states` is the list of names in index order; the states themselves go under",
    ),
    "states not whole": (
        "m.yaml",
        "id: a\nschema: {A: , B: }\nstates: [A]\n",
        "{file}:3: machine a: `states` leaves out B; name all or none",
    ),
    "states twice": (
        "m.yaml",
        "id: a\nschema: {A: }\nstates: [A, A]\n",
        "{file}:3: machine a: `states` has A twice",
    ),
    "a start that relations forbid": (
        "m.yaml",
        "id: a\nschema: {A: {require: [B]}, B: }\nactive: [A]\n",
        "{file}:3: machine a: its relations do not let A be active at the start",
    ),
    "an unprintable name": (
        "m.json",
        '{"id": "a\\u001b[2J", "schema": {"A": {}}}',
        "{file}: 'a\\x1b[2J' cannot be a name: it is empty, has outer blanks or unprintable characters",
    ),
    "not TOML": ("m.toml", 'id = "m"\nschema = \n', "{file}:2: not valid TOML: Invalid value"),
    "not JSON": ("m.json", '{"id": "m",\n}', "{file}:"),
    "not YAML": ("m.yaml", "id: m\nschema: [\n", "{file}:3: not valid YAML: "),
    "twice in YAML": (
        "m.yaml",
        "id: m\nschema:\n  A:\n  A:\n",
        "{file}:4: 'A' is written twice; keep one of them",
    ),
    "twice in JSON": (
        "m.json",
        '{"id": "m", "schema": {"A": {}, "A": {}}}',
        "{file}: 'A' is written twice in one object; keep one of them",
    ),
    "too deep YAML": ("m.yaml", "[" * 10_000, "{file}:1: nested too deeply (at most 12 levels)"),
    "too deep JSON": (
        "m.json",
        "[" * 100_000 + "]" * 100_000,
        "{file}: nested too deeply (at most 12 levels)",
    ),
    "too deep TOML": (
        "m.toml",
        "a = " + "[" * 20 + "]" * 20,
        "{file}: nested too deeply (at most 12 levels)",
    ),
    "an alias that holds itself": ("m.yaml", "id: m\nschema: &s {A: *s}\n", "{file}:2: "),
    "a list of a list": ("m.yaml", "id: m\nschema: {A: {add: [[B]]}}\n", "{file}:2: machine m, state A: "),
    "a huge number": ("m.json", '{"schema": ' + "9" * 5000 + "}", "{file}: not valid JSON: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    name, text, expected = BROKEN[case]
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SchemaFileError) as caught:
        load_machines(str(file))
    said = str(caught.value)
    assert said.startswith(expected.format(file=file)), said
    assert "\n" not in said
    assert len(said) < 400 + len(str(file))


def test_a_file_of_many_aliases_ends_at_the_limit(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "many.yaml").write_text("\n".join(lines))
    with pytest.raises(SchemaFileError, match="more than 200000 values, aliases counted"):
        load_machines(str(tmp_path / "many.yaml"))


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"id: m\nschema: {K\xe4se: }\n")
    (tmp_path / "big.toml").write_text("# " + "x" * (1 << 20))
    for name, expected in {
        "missing.toml": ": no such file",
        "folder.yaml": ": is a folder; name a file in it",
        "latin.yaml": ":2: not UTF-8 text",
        "big.toml": ": larger than 1024 KiB, the most a schema file may have",
    }.items():
        with pytest.raises(SchemaFileError) as caught:
            load_machines(str(tmp_path / name))
        assert str(caught.value) == f"{tmp_path / name}{expected}"


def test_limits_bound_machines_states_names_and_their_length(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    limits = FileLimits(machines=2, states=3, names=2, name_length=8)
    for text, expected in {
        "machines: {a: {schema: {A: }}, b: {schema: {A: }}, c: {schema: {A: }}}": "has 3 machines; the most",
        "{id: m, schema: {A: , B: , C: , D: }}": "has 4 states; the most is 3",
        "{id: m, schema: {A: {tags: [a, b, c]}}}": "`tags` has 3 names; the most is 2",
        "{id: m, schema: {Abcdefghijk: }}": "the name Abcdefghijk... has 11 characters, more than 8",
    }.items():
        file.write_text(text)
        with pytest.raises(SchemaFileError) as caught:
            load_machines(str(file), limits=limits)
        assert expected in str(caught.value)


MODULES = {
    "import_fails.py": "import no_such_package_here\n",
    "raises.py": "x = 1\n\nraise ValueError('two\\nlines')\n",
    "bad_syntax.py": "def (:\n",
    "leaves.py": "raise SystemExit(3)\n",
    "fine.py": "number = 3\nnothing = []\nmixed = [1]\nasync def later(): ...\ndef broken(): return 1 // 0\n",
}

WRONG_SPECS = {
    "absent_module_zz:x": "absent_module_zz:x: no module 'absent_module_zz' here; run from the folder that",
    "import_fails:x": "import_fails:x: import_fails cannot be imported: ModuleNotFoundError: No module named",
    "raises:x": "raises:x: raises cannot be imported: ValueError: two lines (raises.py line 3)",
    "bad_syntax:x": "bad_syntax:x: bad_syntax cannot be imported: SyntaxError: ",
    "leaves:x": "leaves:x: leaves cannot be imported: SystemExit: 3",
    "fine:absent": "fine:absent: fine has no 'absent'",
    "fine:number": "fine:number: gives a int where an ampubsub.machine.Machine is wanted",
    "fine:nothing": "fine:nothing: has no machines in it",
    "fine:mixed": "fine:mixed: gives a int where an ampubsub.machine.Machine is wanted",
    "fine:later": "fine:later: later is async; give a plain function, a machine or a list",
    "fine:broken": "fine:broken: calling broken failed: ZeroDivisionError: ",
    "fine.py": "fine.py: name the object in it as well: fine.py:NAME",
    "absent.py:x": "absent.py:x: absent.py: no such file",
    ":x": ":x: needs a module and an object, such as shop.models:machines",
    "fine:": "fine:: needs a module and an object, such as shop.models:machines",
    "notes.txt": "notes.txt: not a schema file (.toml, .yaml, .yml, .json) and not of the form module:object",
}


@pytest.mark.parametrize("spec", WRONG_SPECS)
def test_a_wrong_object_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SchemaFileError) as caught:
        load_machines(spec)
    sys.modules.pop(spec.partition(":")[0], None)
    assert str(caught.value).startswith(WRONG_SPECS[spec]), str(caught.value)
    assert "\n" not in str(caught.value)
