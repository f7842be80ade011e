"""`python -m livesale` is `livesale`."""

from livesale.cli import main

main()
