"""A progress line on terminals; plain, rarer lines elsewhere."""

from __future__ import annotations

import sys
import time


class ProgressBar:
    """Shows steps, a short text and the time that is left, on standard error."""

    def __init__(self, total: int, enabled: bool, every: float = 20.0):
        self.total, self.enabled, self.every = total, enabled, every
        self.terminal = sys.stderr.isatty()
        self.begin, self.first, self.last_shown = time.monotonic(), None, -every

    def show(self, step: int, text: str) -> None:
        """Updates the line; off a terminal at most once in `every` seconds."""
        now = time.monotonic() - self.begin
        if self.first is None:
            self.first = (step, now)
        if not self.enabled or (not self.terminal and now - self.last_shown < self.every):
            return
        self.last_shown = now
        done = step - self.first[0]
        left = (now - self.first[1]) / done * (self.total - step) if done else 0
        filled = 24 * step // self.total
        eta = f"{int(left) // 60}:{int(left) % 60:02d} left" if done else "..."
        line = f"[{'#' * filled}{'.' * (24 - filled)}] {step}/{self.total}  {text}  {eta}"
        print(f"\r\x1b[K{line}" if self.terminal else line, end="" if self.terminal else "\n",
              file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self.enabled:
            print(f"\r\x1b[K{text}" if self.terminal else text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self.enabled and self.terminal:
            print(file=sys.stderr)
