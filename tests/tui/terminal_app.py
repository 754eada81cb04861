"""The screen over the fixed history, for tests that need a real terminal: `python -m tests.tui.terminal_app`."""

from __future__ import annotations

import os
import sys

from amdbg_tui.app import App
from amdbg_tui.settings import Settings
from tests.tui.fixed_history import NOW, fixed_history
from tests.tui.pictures import AnsweringNode


def main() -> None:
    for name in ("COLUMNS", "LINES"):  # Textual would rather believe these than the terminal
        os.environ.pop(name, None)
    app = App(fixed_history(), AnsweringNode(), settings=Settings(theme="dark"), now=lambda: NOW)
    app.run()
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
