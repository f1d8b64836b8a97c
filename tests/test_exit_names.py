from offramp.exit_names import (
    alone,
    end_of_first_window,
    in_column,
    in_window,
    in_window_before,
    is_rival,
    layer_name,
    layer_of,
    names_in_chain,
    part_of,
    stands_alone,
)


def test_layers_stand_in_a_column_as_numbers_and_other_exits_by_name():
    assert in_column(["layer 1", "layer 12"]) == ("after layer", ["1", "12"])
    assert in_column(["words", "layer 1"]) == ("after", ["words", "layer 1"])
    assert in_column([]) == ("after layer", [])


def test_only_names_of_layers_have_layers():
    assert layer_of(layer_name(12)) == 12
    assert [layer_of(name) for name in ("words", "layer", "layer 4 of member 2", "layer x")] == [None] * 4


def test_what_is_whole_where_everything_ends_after_an_exit():
    names = names_in_chain([["layer 2", "layer 4"], ["words", "layer 1", "layer 2"], ["layer 6"]])
    whole = [name for place, name in enumerate(names[:-1]) if stands_alone(names, place)]
    assert list(map(alone, whole)) == ["model 1 alone", "words alone", "model 2 alone"]
    assert [stands_alone(["words", "layer 1", "layer 2"], place) for place in range(2)] == [True, False]
    assert alone("words of model 2") == "words of model 2 alone"


def test_windows_of_long_texts_are_whole_at_their_last_exits():
    layers = ("layer 2", "layer 4")
    names = ["words", *(in_window(name, window) for window in (1, 2, 3) for name in layers)]
    assert names[-1] == "layer 4 of window 3"
    whole = [name for place, name in enumerate(names[:-1]) if stands_alone(names, place)]
    assert list(map(alone, whole)) == ["words alone", "window 1 alone", "windows 1 to 2 alone"]
    rivals = [name for place, name in enumerate(names[:-1]) if is_rival(names, place)]
    assert rivals == ["words", "layer 2 of window 1", "layer 4 of window 1", "layer 4 of window 2"]
    assert in_window_before(names) == [None, None, None, 1, 2, 3, 4]
    assert end_of_first_window(names) == 2
    assert end_of_first_window(["words", *layers]) == 2


def test_a_part_is_a_text_stage_or_an_encoder_with_all_its_windows():
    names = names_in_chain([["layer 2", "layer 4"], ["words", "layer 1"]])
    assert part_of(names) == [0, 0, 1, 2]
    assert part_of(["words", *(in_window(name, window) for window in (1, 2) for name in ("layer 2", "layer 4"))]) == [
        *(0, 1, 1, 1, 1)
    ]
    assert part_of(["layer 1", "layer 2"]) == [0, 0]
