"""The feature "faces"."""

from urllib.parse import urlsplit

from livesale.faces import routes
from livesale.faces.files import FaceFiles, built_folder, page_headers
from livesale.faces.problems import PROBLEMS
from livesale.feature import Feature
from livesale.settings import IngestSettings


def video_hosts(ingest: IngestSettings) -> set[str]:
    """Where the addresses for viewers lead."""
    found = (urlsplit(address) for address in (ingest.hls_url, ingest.flv_url) if address)
    return {f"{url.scheme}://{url.netloc}" for url in found}


feature = Feature(
    name="faces",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        FaceFiles: lambda parts: FaceFiles(
            built_folder("h5"), page_headers(video_hosts(parts.deployment.settings.ingest))
        ),
    },
)
