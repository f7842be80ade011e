"""A media server and a publisher for tests: nginx with its RTMP module, and ffmpeg, on loopback.

nginx runs with config/nginx-rtmp.conf: only addresses and folders are exchanged for the test's.
"""

import shutil
import subprocess
from pathlib import Path

from livesale.tasks.pdeathsig import die_with_parent
from tests.nginx import HOST, NginxServer
from tests.ports import free_port


class Nginx(NginxServer):
    """RTMP in, HLS out. Say where its hooks go before it is started."""

    def __init__(self) -> None:
        super().__init__()
        self.port = self.rtmp_port = free_port()
        self.http_port = free_port()
        self.proxy_port = free_port()
        self.push_url = f"rtmp://{HOST}:{self.rtmp_port}/live"
        self.hls_url = f"http://{HOST}:{self.http_port}/hls/{{room_id}}.m3u8"

    def hook(self, livesale: str, secret: str) -> None:
        """Send the hooks to `livesale`, as host:port, with this secret."""
        changes = {
            "127.0.0.1:8080": livesale,
            "127.0.0.1:8089": f"{HOST}:{self.proxy_port}",
            "HOOK_SECRET;": f"{secret};",
            "listen 1935;": f"listen {HOST}:{self.rtmp_port};",
            "listen 8088;": f"listen {HOST}:{self.http_port};",
            "/var/lib/livesale": str(self.folder),
            "/var/log/nginx/livesale-rtmp.log": f"{self.folder / 'nginx.log'} info",
            "/run/nginx-livesale.pid": str(self.folder / "pid"),
            "notify_update_timeout 5s;": "notify_update_timeout 500ms;",
        }
        self.write("nginx-rtmp.conf", changes)


class FFmpeg:
    """ffmpeg with some arguments, until it ends by itself or is ended."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise RuntimeError("install ffmpeg: `make test` does it where it may")
        with (folder / f"ffmpeg-{id(self)}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [ffmpeg, "-nostdin", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """End it as a person would."""
        self.process.terminate()
        self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Push(FFmpeg):
    """Sends a test picture and a tone to an address until it is stopped."""

    def __init__(self, url: str, folder: Path) -> None:
        picture = ("-re", "-f", "lavfi", "-i", "testsrc=size=128x96:rate=10")
        tone = ("-re", "-f", "lavfi", "-i", "sine=sample_rate=44100")
        video = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10")
        audio = ("-c:a", "aac", "-b:a", "32k", "-f", "flv", url)
        arguments = [*picture, *tone, *video, "-pix_fmt", "yuv420p", "-threads", "1", *audio]
        super().__init__(arguments, folder)


class Watch(FFmpeg):
    """Watches a few pictures of a stream."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(["-i", url, "-frames:v", "3", "-f", "null", "-"], folder)
