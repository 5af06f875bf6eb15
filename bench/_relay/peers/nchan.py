"""nchan, the module for nginx that does nothing but fan out: the yardstick of the relay."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.launch.listening import Listener, listen
from tests.support.nginx import PROGRAM
from tests.support.process import Process
from tests.support.stack import wait_for
from tests.support.up import clean_environment

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_CONFIGURATION = """
load_module {module};
daemon off; {as_root}
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  keepalive_requests 100000000;
  nchan_shared_memory_size 512M;
  server {{
    listen {listen};
    location ~ /pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 20; }}
    location ~ /sub/(.+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; }}
  }}
}}
"""


@contextmanager
def nchan() -> Iterator[tuple[Listener, Process]]:
    """A private nginx with one process for all channels, `/pub/NAME` and `/sub/NAME`."""
    listener = listen("127.0.0.1", 0)
    with tempfile.TemporaryDirectory() as place:
        as_root = "user root;" if os.geteuid() == 0 else ""
        configuration = Path(place) / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                module=MODULE, place=place, as_root=as_root, listen=f"{listener.host}:{listener.port}"
            )
        )
        environment = clean_environment(NGINX=f"{listener.fd};")
        process = Process(
            [PROGRAM or "nginx", "-c", str(configuration)], Path(place) / "log", environment, (listener.fd,)
        )
        try:
            wait_for(lambda: (Path(place) / "nginx.pid").exists() or not process.is_running)
            assert process.is_running, process.exit_reason
            yield listener, process
        finally:
            process.kill()
            listener.socket.close()
