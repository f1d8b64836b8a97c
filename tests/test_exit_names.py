from offramp.exit_names import in_column, layer_name, layer_of


def test_layers_stand_in_a_column_as_numbers_and_other_exits_by_name():
    assert in_column(["layer 1", "layer 12"]) == ("after layer", ["1", "12"])
    assert in_column(["words", "layer 1"]) == ("after", ["words", "layer 1"])
    assert in_column([]) == ("after layer", [])


def test_only_names_of_layers_have_layers():
    assert layer_of(layer_name(12)) == 12
    assert [layer_of(name) for name in ("words", "layer", "layer 4 of member 2", "layer x")] == [None] * 4
