"""The feature "door"."""

from livesale.catalogue.view import CatalogueView
from livesale.door.files import DoorFiles
from livesale.door.routes import ROUTES
from livesale.door.service import DoorView
from livesale.feature import Feature
from livesale.line.view import LineView
from livesale.tasks.clock import Clock

feature = Feature(
    name="door",
    routes=tuple(ROUTES),
    parts={
        DoorFiles: lambda _: DoorFiles(),
        DoorView: lambda parts: DoorView(
            parts.deployment, parts[CatalogueView], parts[LineView], parts[Clock]
        ),
    },
)
