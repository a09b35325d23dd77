"""How a page of the documentation is read: what counts as a command, and that nothing slips by untried."""

from pathlib import Path

import pytest

from support.pages import Command, Meanwhile, NotRun, lacking, steps

PAGE = """\
Say this:

```console
$ sidecar list
│ seed_… │ ✔ valid │

$ sidecar verify \\
  ID    # exits with 3
```
<!-- meanwhile: it rains -->
- and in a list

    ```sh
    # nothing
    export A=1 B=2

    cd $A
    ```
<!-- not run: it never ends -->
```sh
sidecar serve
```
```json
{"not": "a command"}
```
"""


def page(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text)
    return path


def test_a_page_is_read_in_its_order(tmp_path: Path) -> None:
    assert steps(page(tmp_path, PAGE)) == [
        Command(4, "sidecar list", ("│ seed_… │ ✔ valid │",)),
        Command(7, "sidecar verify   ID    # exits with 3"),
        Meanwhile(10, "it rains"),
        Command(15, "export A=1 B=2"),
        Command(17, "cd $A"),
        NotRun(21, "sidecar serve", "it never ends"),
    ]
    assert [one.exit_code for one in steps(page(tmp_path, PAGE)) if isinstance(one, Command)] == [0, 3, 0, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```\nls\n```\n", "page.md:2: say the block's language"),
        ("```bash\nls\n```\n", "page.md:2: say the block's language"),
        ("```console\nls\n```\n", "page.md:2: a console block begins with"),
        ("\n\n    ls\n", "page.md:3: an indented block"),
    ],
)
def test_a_block_that_could_be_a_command_or_not_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        steps(page(tmp_path, text))


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ((), None),
        (("│ users │ 5 │",), None),
        (("first", "│ users │ … │"), None),
        (("users … buses",), "users … buses"),
        (("│ users │ 5 │", "first"), "first"),
        (("│ users │ 6 │",), "│ users │ 6 │"),
    ],
)
def test_the_output_must_have_the_lines_that_are_shown_in_their_order(
    shown: tuple[str, ...], missing: str | None
) -> None:
    assert lacking(shown, "the first line\n│ users │    5 │\n│ buses │ 2 │\n") == missing
