"""The built page of the door. Caches keep it for a minute, and longer while we are away."""

from livesale.faces.files import FaceFiles, built_folder, page_headers

_KEPT = {"Cache-Control": "public, max-age=60, stale-if-error=86400"}


class DoorFiles(FaceFiles):
    """One per process."""

    def __init__(self) -> None:
        super().__init__(built_folder("door"), {**page_headers(()), **_KEPT})
