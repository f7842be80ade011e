"""The built files of the console, as `livesale.faces.files` sends them."""

from livesale.faces.files import FaceFiles, built_folder, page_headers


class ConsoleFiles(FaceFiles):
    """It shows no video and asks no other host."""

    def __init__(self) -> None:
        super().__init__(built_folder("console"), page_headers([]))
