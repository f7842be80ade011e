"""The feature "catalogue": goods, their stock, and campaigns."""

from livesale.catalogue import admin_routes, routes, tables
from livesale.catalogue.imports import tables as import_tables
from livesale.catalogue.pictures import tables as picture_tables
from livesale.catalogue.problems import PROBLEMS
from livesale.catalogue.products import tables as product_tables
from livesale.catalogue.service import Campaigns
from livesale.catalogue.skus import routes as sku_routes
from livesale.catalogue.skus.service import Skus
from livesale.catalogue.stock_moves import routes as stock_routes
from livesale.catalogue.stock_moves import tables as stock_tables
from livesale.catalogue.stock_moves.keeper import StockKeeper, StockMetrics
from livesale.catalogue.stock_moves.service import StockMoves
from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.tasks.clock import Clock

feature = Feature(
    name="catalogue",
    routes=(*routes.ROUTES, *admin_routes.ROUTES, *sku_routes.ROUTES, *stock_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        Campaigns: lambda parts: Campaigns(parts.deployment),
        CatalogueView: lambda parts: CatalogueView(parts.deployment, parts[Clock].now_ms),
        Skus: lambda parts: Skus(parts.deployment),
        StockMoves: lambda parts: StockMoves(parts.deployment),
    },
    tables=(
        *(tables.skus, tables.campaigns),
        *(product_tables.products, product_tables.categories, product_tables.asked_prices),
        picture_tables.pictures,
        *(import_tables.imports, import_tables.import_rows),
        *(stock_tables.stock_moves, stock_tables.drop_stock, stock_tables.drop_restocks),
    ),
    jobs={"stock": StockKeeper},
    metrics=(StockMetrics,),
)
