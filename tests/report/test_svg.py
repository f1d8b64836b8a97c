from xml.etree import ElementTree

from markupsafe import Markup

from offramp.report.svg import CIRCLE, element, hint, picture, polyline, text


def test_text_and_attributes_are_escaped():
    made = element("text", '<b>&"', class_='a"b', data_x="<")
    assert made == '<text class="a&#34;b" data-x="&lt;">&lt;b&gt;&amp;&#34;</text>'
    assert ElementTree.fromstring(made).text == '<b>&"'


def test_markup_stays():
    assert element("g", element("a"), Markup("<b></b>")) == "<g><a></a><b></b></g>"


def test_numbers_are_short_and_none_is_left_out():
    assert element("a", x=1.0, y=0.12345, z=-0.001, w=100, v=None) == '<a x="1" y="0.12" z="0" w="100"></a>'
    assert polyline([(1, 2.5), (3.333, 4)], "c") == '<polyline points="1,2.5 3.33,4" class="c"></polyline>'


def test_a_picture_names_and_describes_itself():
    made = ElementTree.fromstring(picture(10, 20, "a <title>", "b & c", text("x", 1, 2, anchor="end"), name="n"))
    assert made.get("viewBox") == "0 0 10 20"
    assert made.get("role") == "img"
    named = {one.get("id"): one.text for one in made if one.get("id")}
    assert [named[name] for name in made.get("aria-labelledby").split()] == ["a <title>", "b & c"]
    assert made.find("text").get("text-anchor") == "end"


def test_shapes_tell_what_they_are():
    made = ElementTree.fromstring(CIRCLE.at(3, 4.5, "here & there"))
    assert made.get("transform") == "translate(3 4.5)"
    assert made.find("title").text == "here & there"
    assert ElementTree.fromstring(CIRCLE.swatch).get("aria-hidden") == "true"
    assert hint("<") == "<title>&lt;</title>"
