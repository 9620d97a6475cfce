"""Class lists: the four spellings, what is refused, and ids for names."""

import pytest
from factories_formats import put

from tsmfeat.errors import InputError
from tsmfeat.formats.classes import ClassList, as_class_list, read_classes
from tsmfeat.values.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("text", "names", "ids"),
    [
        ("walking\noperating phone\n\n pouring \n", ("walking", "operating phone", "pouring"), (1, 2, 3)),
        ("7 BaseballPitch\n9\tBasketballDunk\n", ("BaseballPitch", "BasketballDunk"), (7, 9)),
        ("2 b\n0 a c\n", ("a c", "b"), (0, 2)),
        ("1: walking\n2,running\n", ("walking", "running"), (1, 2)),
        ("3 pointer\nlayup\n", ("3 pointer", "layup"), (1, 2)),  # not every line has a number
        ('["walking", "3 pointer"]', ("walking", "3 pointer"), (1, 2)),
        ('{"2": "b", "1": "a"}', ("a", "b"), (1, 2)),
        ('{"b": 2, "a": 1}', ("a", "b"), (1, 2)),
        ("\ufeffwalking\r\nrunning\r\n", ("walking", "running"), (1, 2)),
    ],
)
def test_the_spellings_of_a_class_list(tmp_path, text, names, ids):
    found = read_classes(put(tmp_path / "classes", text))
    assert (found.vocabulary.names, found.ids) == (names, ids)
    for class_id, name in zip(ids, names, strict=True):
        assert (found.name_of(class_id), found.id_of(name)) == (name, class_id)


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("", "empty"),
        ("[]", "no class in it"),
        ("a\nb\na\n", "class name 'a' occurs twice"),
        ("1 a\n1 b\n", "id 1 occurs twice"),
        ('{"1": "a", "01": "b"}', "id 1 occurs twice"),
        ('{"1": "a", "1": "b"}', "key '1' occurs twice"),
        ('["a", ""]', "a class without a name"),
        ('["a", 3]', "3 with id 2; a class is a text"),
        ('{"x": "a"}', '"a" with id "x"'),
        ('{"a": true}', '"a" with id true'),
        ('{"a": -1}', '"a" with id -1'),
        ('["\\ud800"]', "class 1: '\\ud800' is not a valid Unicode text"),
        ("[", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_no_class_list_is_refused(tmp_path, text, story):
    path = put(tmp_path / "classes", text)
    with pytest.raises(InputError) as caught:
        read_classes(path)
    assert str(path) in caught.value.message
    assert story in caught.value.message


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_classes(tmp_path / "none")


def test_ids_of_names_that_are_not_there():
    actions = ClassList(Vocabulary(("walking", "12")))
    assert (actions.id_of("12"), actions.id_of("13"), actions.name_of(2), actions.name_of(0)) == (2, 13, "12", "0")
    with pytest.raises(InputError, match="unknown class 'wlaking'") as caught:
        actions.id_of("wlaking")
    assert caught.value.hint == "did you mean 'walking'?"


def test_lists_come_from_files_values_or_nothing(tmp_path):
    names = Vocabulary(("a", "b"))
    listed = ClassList(names)
    assert as_class_list(None) is None
    assert as_class_list(listed) is listed
    assert as_class_list(names) == listed == as_class_list(str(put(tmp_path / "c", "a\nb\n")))
