"""`python -m web [gunicorn's arguments]`: gunicorn, but what lies in the current folder is not imported."""

from __future__ import annotations

import os

from gunicorn.app.wsgiapp import WSGIApplication


class Server(WSGIApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn without its own change of sys.path, which would put a user's web.py or jobs.py before ours."""

    def chdir(self) -> None:
        """Go to the configured folder, as gunicorn does, and leave sys.path as it is."""
        os.chdir(self.cfg.chdir)


if __name__ == "__main__":
    Server(prog="gunicorn").run()
