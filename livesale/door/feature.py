"""The feature "door"."""

from livesale.catalogue.view import CatalogueView
from livesale.door.routes import ROUTES
from livesale.door.service import DoorFiles, DoorView
from livesale.faces.files import built_folder, page_headers
from livesale.feature import Feature
from livesale.line.view import LineView
from livesale.tasks.clock import Clock

feature = Feature(
    name="door",
    routes=tuple(ROUTES),
    parts={
        # Caches may keep the page for a minute, and longer while we are away.
        DoorFiles: lambda _: DoorFiles(
            built_folder("door"),
            {**page_headers(()), "Cache-Control": "public, max-age=60, stale-if-error=86400"},
        ),
        DoorView: lambda parts: DoorView(
            parts.deployment, parts[CatalogueView], parts[LineView], parts[Clock]
        ),
    },
)
