"""The store of pictures that the settings name."""

from pathlib import Path

from livesale.catalogue.pictures.folder_store import FolderStore
from livesale.catalogue.pictures.media_store import MediaStore
from livesale.catalogue.pictures.s3 import S3Store
from livesale.folders.private import real_path
from livesale.resources import Deployment

FOLDER = "media"


def make_media_store(deployment: Deployment) -> MediaStore:
    settings = deployment.settings
    if settings.media.s3_url:
        return S3Store(settings.media)
    if settings.media.folder:
        return FolderStore(Path(settings.media.folder))
    return FolderStore(real_path(settings.data_dir) / FOLDER)
