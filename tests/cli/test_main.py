"""The entry of the command line: how it ends."""

import sys

import pytest
import typer

from imgan import cli


def test_ctrl_c_with_nothing_to_keep_says_a_word(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def work():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["imgan"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "imgan: stopped; the same command begins anew" in capsys.readouterr().err
