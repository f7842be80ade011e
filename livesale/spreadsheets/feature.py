"""The feature "spreadsheets": no routes of its own; others read and write tables with it."""

from livesale.feature import Feature
from livesale.spreadsheets.problems import PROBLEMS
from livesale.spreadsheets.service import Spreadsheets

feature = Feature(
    name="spreadsheets",
    problems=PROBLEMS,
    parts={Spreadsheets: lambda _: Spreadsheets()},
)
