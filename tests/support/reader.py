"""A reader of the documentation at a shell of their own: types what a page says and looks at what comes of it."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support import pages
from support.patience import PATIENCE_SECONDS, wait_for
from support.servers import accepts_connections

_TESTS: Final = Path(__file__).parents[1]
_FOR_EVER: Final = "sidecar serve"
_CURLRC: Final = "fail-with-body\nno-progress-meter\n"  # else curl ends well whatever the server answers

StandIns = Mapping[str, str | Callable[[], str]]


@dataclass(frozen=True)
class Ended:
    code: int
    output: str


class Reader:
    """Inside `with` there is a bash in which exports, variables and the working directory stay from command to command.

    `stand_ins` are what the reader puts in the place of the page's examples: a host, an id, a path. They are looked up before
    each command, and those that only what it shows speaks of, after it.
    """

    def __init__(self, home: Path, variables: Mapping[str, str], stand_ins: StandIns, port: int) -> None:
        self.home = home
        self._stand_ins = stand_ins
        self._port = port
        self._script = home / ".typed"
        self._output = home / ".output"
        programs = home / ".bin"
        programs.mkdir(parents=True)
        (home / ".curlrc").write_text(_CURLRC)
        _install_mongoimport(programs)
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {**variables, "HOME": str(home), "PATH": path, "SIDECAR_PORT": str(port)}
        self._bash: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            env=self._environment,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that what it leaves in the background ends with it
        )
        self._say("shopt -s expand_aliases")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._bash is not None
        os.killpg(self._bash.pid, signal.SIGKILL)
        with self._bash:
            pass

    # -- following a page ----------------------------------------------------------------------------------------------

    def follow(self, page: Path, scenes: Mapping[str, Callable[[], None]]) -> int:
        """Do everything that a page says and see that it turns out as it says. How many commands that were.

        `scenes` bring about what the page says happened meanwhile.
        """
        done = 0
        for step in pages.steps(page):
            match step:
                case pages.Meanwhile(line, what):
                    assert what in scenes, f"{page.name}:{line}: no scene {what!r} in the test"
                    scenes[what]()
                case pages.Command():
                    self._do(page, step)
                    done += 1
        return done

    def _do(self, page: Path, command: pages.Command) -> None:
        before = self._known(command.text)
        ended = self.type(_replaced(command.text, before))
        here = self._known("\n".join(command.shown)) | before
        missing = pages.lacking(tuple(_replaced(line, here) for line in command.shown), ended.output)
        assert (ended.code, missing) == (command.exit_code, None), (
            f"{page.name}:{command.line}: $ {command.text}\nended with {ended.code}, expected {command.exit_code}; "
            f"the output lacks {missing!r}:\n{ended.output}"
        )

    # -- typing --------------------------------------------------------------------------------------------------------

    def type(self, text: str) -> Ended:
        """One command. `sidecar serve`, which does not end, goes to the background once it listens."""
        is_endless = text.strip() == _FOR_EVER
        self._script.write_text(text + (" &" if is_endless else "") + "\n")
        code = int(self._say(f"source {self._script} >{self._output} 2>&1 </dev/null; echo $?"))
        if is_endless:
            self._wait_for_the_listener()
        return Ended(code, self._output.read_text(errors="replace"))

    def _known(self, text: str) -> dict[str, str]:
        """The examples in a text, each with what stands for it now."""
        found = {example: here for example, here in self._stand_ins.items() if example in text}
        return {example: here if isinstance(here, str) else here() for example, here in found.items()}

    def _say(self, line: str) -> str:
        """What bash says to a line of its own, up to the end of the line."""
        bash = self._bash
        assert bash is not None
        assert bash.stdin is not None
        assert bash.stdout is not None
        bash.stdin.write(line + "\n")
        bash.stdin.flush()
        if "echo" not in line:
            return ""
        with selectors.DefaultSelector() as selector:
            selector.register(bash.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_SECONDS), (
                f"still running after {PATIENCE_SECONDS} s: {self._script.read_text()}"
            )
        return bash.stdout.readline()

    def _wait_for_the_listener(self) -> None:
        wait_for(lambda: accepts_connections(self._port), lambda: self._output.read_text(errors="replace"))


def _replaced(text: str, here: Mapping[str, str]) -> str:
    for example, real in here.items():
        text = text.replace(example, real)
    return text


def _install_mongoimport(programs: Path) -> None:
    """The real one where this machine has it. No registry that CI reaches carries it, so else one that does the same."""
    if shutil.which("mongoimport") is None:
        program = programs / "mongoimport"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={_TESTS} exec {sys.executable} -m support.mongoimport "$@"\n')
        program.chmod(0o755)
