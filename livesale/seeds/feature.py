"""The feature "seeds"."""

from livesale.feature import Feature
from livesale.seeds import tables
from livesale.seeds.keeper import make_seeds

feature = Feature(name="seeds", tables=(tables.seeds,), jobs={"seeds": make_seeds})
