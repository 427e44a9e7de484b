"""How tests follow a page of the docs, and compare output."""

from pathlib import Path

import pytest

from tests.pages import Command, File, Shell, matches, steps

PAGE = """# Tutorial

```python title="a.py"
print(1)
```

Text with `$ no command`.

```console
$ mkdir new && cd new
$ cat <<END
> one
> END
one
```

```console
$ pwd
```
"""


def test_a_page_is_read_as_its_files_and_commands_in_order(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    file, *commands = steps(page)
    assert file == File("a.py", "print(1)\n")
    assert commands == [Command("mkdir new && cd new", ""), Command("cat <<END\none\nEND", "one"), Command("pwd", "")]
    shell = Shell(tmp_path, {})
    assert [shell.run(each) for each in commands if isinstance(each, Command)] == [
        (0, ""),
        (0, "one\n"),
        (0, f"{tmp_path}/new\n"),
    ]


@pytest.mark.parametrize(
    ("shown", "output", "is_same"),
    [
        ("a  b", "a b\n", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nd", True),
        ("took … s", "took 1.25 s", True),
        ("…\nAll adds up.", "behind\nAll adds up.", True),
        ("…\nAll adds up.", "behind\nAll adds up. Not.", False),
        ("1 row", "11 row", False),
        ("a.c", "abc", False),
    ],
)
def test_output_is_compared_apart_from_spacing_and_dots(shown: str, output: str, is_same: bool) -> None:
    assert matches(shown, output) is is_same
