"""The command line: pagewalk serve, run, replay, bench."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.language import is_corpus, read_program
from app.programs import ProgramError
from app.rep_traces import SUFFIX as REP_SUFFIX, perform_rep
from app.replay import MACHINES, replay as replay_groups
from app.run import Step, perform_program, print_steps
from app.session_text import machine_of_words
from engine.config import PRESETS, ConfigError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="A simulated 32-bit Linux machine to learn memory on."
)


_CORPUS = {".t": True, ".pw": False}
"""Which language a file is in, by its suffix; of any other its lines decide."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless told.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 8000 unless told.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the journal.")] = None,
) -> None:
    """Runs the playground and the REST API."""
    from app.server import serve as run_server  # noqa: PLC0415 - the web's libraries are slow to import

    typer.echo(f"Pagewalk on http://{host or '127.0.0.1'}:{port or 8000}", err=True)
    run_server(host, port, data)


@app.command()
def run(
    file: Annotated[
        Path,
        typer.Argument(
            help="A program, .pw or in the corpus's .t language, or a malloc-lab trace, .rep; - reads standard input."
        ),
    ],
    preset: Annotated[str | None, typer.Option(help=f"The machine: {', '.join(PRESETS)}; 64mb unless told.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an operation.")] = False,
    trace: Annotated[bool, typer.Option(help="Show what each operation caused.")] = False,
) -> None:
    """Performs a program and prints what happened; of a malloc-lab trace also how well the heap was used."""
    if preset is not None and preset not in PRESETS:
        _fail(f"--preset is {preset!r}; it can be {', '.join(PRESETS)}")
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{file}: {error}")
    console = Console(highlight=False, soft_wrap=True)
    try:
        steps = _steps(file.suffix, text, preset)
        if as_json:
            for step in steps:
                for row in step.rows:
                    typer.echo(json.dumps(row))
        else:
            print_steps(console, steps, trace=trace)
    except (ProgramError, ConfigError) as error:
        _fail(f"{file}: {error}")


def _steps(suffix: str, text: str, preset: str | None) -> Iterator[Step]:
    """The program performed, in the language that the file's name or its text tells. Raises ProgramError, ConfigError."""
    if suffix == REP_SUFFIX:
        return perform_rep(PRESETS[preset] if preset else machine_of_words(""), text)
    program = read_program(text, corpus=_CORPUS.get(suffix))
    config = PRESETS[preset] if preset else machine_of_words(program.directive("machine"))
    return perform_program(config, text, corpus=_CORPUS.get(suffix, is_corpus(text.splitlines())))


@app.command()
def replay(
    groups: Annotated[list[Path], typer.Argument(help="Folders of the corpus, or its machines.json.")],
    out: Annotated[Path, typer.Option(help="Where the answers go, as OUT/GROUP/NAME.jsonl.")],
    processes: Annotated[int, typer.Option("-j", min=1, max=256, help="Programs replayed at once.")] = 1,
) -> None:
    """Replays recorded programs from their start alone, for comparison with what the real machine did.

    A program that cannot be replayed to its end is named at last, and the status is 2; the others have their answers.
    """
    for group in groups:
        if not (group / "_machine.json").is_file() and not (group.name == MACHINES and group.is_file()):
            _fail(f"{group}: is neither a folder with a _machine.json nor a {MACHINES}")
    replayed = replay_groups(groups, out, processes)
    typer.echo(f"{replayed.programs} replayed into {out}")
    if replayed.failures:
        _fail("not replayed to the end:\n" + "\n".join(replayed.failures))


@app.command()
def bench() -> None:
    """Measures the engine against glibc and an empty loop, as ratios in one run."""
    from app.bench import main as run_bench  # noqa: PLC0415 - only here

    run_bench()


def _fail(message: str) -> None:
    """Says what was wrong, and ends with status 2."""
    typer.echo(f"pagewalk: {message}", err=True)
    raise typer.Exit(2)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
