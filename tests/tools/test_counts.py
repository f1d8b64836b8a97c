import pytest

from tools.counts import Count, counts, main, read

BODY = "\n".join(f"    x{number} = 0" for number in range(61))
SAID = "\n".join(['    """Long', *["    told"] * 80, '    """'])


def counted(place, **files):
    """Counts a package of these files; two underscores in a name stand for a folder."""
    for name, text in files.items():
        file = place / "package" / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {count.what: count for count in counts(read(place / "package"), "package")}


def test_rooms_that_import_each_other_are_found_wherever_the_import_stands(tmp_path):
    found = counted(
        tmp_path,
        upper__one="from package.lower.two import thing\nfrom package.lower import two\n",
        lower__two="def thing():\n    from package import upper\n",
    )
    assert found["pairs of rooms of which one imports the other"].number == 2
    assert found["pairs of rooms that import each other"].found == ("lower and upper",)
    assert not found["pairs of rooms that import each other"].kept


def test_longer_circles_are_found_too(tmp_path):
    files = {"a": "import package.b.x", "b": "import package.c", "c": "from package.a import y"}
    found = counted(tmp_path, **files)
    assert found["pairs of rooms that import each other"].number == 0
    assert found["circles of rooms"].number == 1
    assert not found["circles of rooms"].kept


def test_imports_within_a_room_and_from_elsewhere_are_none(tmp_path):
    found = counted(tmp_path, a__one="import numpy\nfrom package.a import two", a__two="from package import missing")
    assert found["pairs of rooms of which one imports the other"].number == 0


def test_public_classes_of_one_name_are_found(tmp_path):
    found = counted(
        tmp_path, a="class Row: ...\nclass _Hidden: ...", b="class Row: ...\nclass _Hidden: ...\nclass Other: ..."
    )
    assert found["names that several modules have for public classes"].found == ("Row: a, b",)


def test_a_docstring_comments_and_blank_lines_make_no_function_long(tmp_path):
    comments = "    # why\n\n" * 70
    found = counted(
        tmp_path,
        a=f"def long():\n{SAID}\n{BODY}\n",
        b=f"def short():\n{SAID}\n{comments}    return 1\n",
        c=f"class C:\n    def method(self):\n{BODY.replace('    x', '        x')}\n",
    )
    assert found["functions with more than 60 lines of code"].found == ("c.C.method: 61", "a.long: 61")


def test_parameters_of_every_kind_count_but_not_the_object_itself(tmp_path):
    names = ", ".join(f"p{number}" for number in range(15))
    found = counted(
        tmp_path, a=f"class C:\n    def at_most(self, {names}): ...\nasync def above(x, /, *, {names}): ...\n"
    )
    above = found["functions with more than 15 parameters"]
    assert (above.found, above.kept) == (("a.above: 16",), False)


def test_the_main_path_is_what_the_guide_names(tmp_path):
    counted(tmp_path, a__one="x = 1\ny = 2\n", a__two="x = 1\n", a__three="x = 1\n")
    guide = "To follow one `predict()`, read `a/one.py` (first)\nand `a/two.py` (then). `a/three.py` is aside."
    path = counts(read(tmp_path / "package"), "package", guide)[-1]
    assert (path.number, path.found) == (3, ("a.one: 2", "a.two: 1"))


def test_what_is_over_its_limit_fails(tmp_path, monkeypatch, capsys):
    counted(tmp_path, a="import package.b", b="import package.a")
    monkeypatch.setattr("sys.argv", ["counts", str(tmp_path / "package")])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "TOO MANY: pairs of rooms that import each other: 1 (at most 0)\n    a and b\n" in capsys.readouterr().out
    assert str(Count("lines", 1234)) == "lines: 1,234"


def test_this_package_keeps_its_limits(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["counts"])
    main()
    assert "pairs of rooms that import each other: 0 (at most 0)" in capsys.readouterr().out
