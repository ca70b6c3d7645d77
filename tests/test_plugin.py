import ast
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).parent.parent / "twistd_plugins"


def test_twisted_finds_the_plugin() -> None:
    from twisted.application.service import IServiceMaker
    from twisted.plugin import getPlugins

    makers: list[Any] = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "voicestt"]
    assert [maker.module for maker in makers] == ["voicestt.tap"]
    assert makers[0].options.__name__ == "Options"
    assert makers[0].makeService.__name__ == "makeService"


def test_its_folder_is_no_package_of_ours() -> None:
    # It is installed into Twisted's own: an __init__.py would overwrite Twisted's.
    assert sorted(path.name for path in PLUGINS.glob("*.py")) == ["voicestt_plugin.py"]


def test_it_imports_nothing_of_ours() -> None:
    # twistd loads every plugin at every start, whatever it is started for.
    tree = ast.parse((PLUGINS / "voicestt_plugin.py").read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["twisted.application.service"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
