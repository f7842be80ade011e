"""The feature "catalogue": goods, their pictures and stock, and campaigns."""

from livesale.catalogue import admin_routes, routes, tables
from livesale.catalogue.goods import routes as goods_routes
from livesale.catalogue.goods.service import GoodsView
from livesale.catalogue.imports import routes as import_routes
from livesale.catalogue.imports import tables as import_tables
from livesale.catalogue.imports.exports import Exports
from livesale.catalogue.imports.keeper import ImportKeeper, ImportMetrics
from livesale.catalogue.imports.service import Imports
from livesale.catalogue.pictures import routes as picture_routes
from livesale.catalogue.pictures import tables as picture_tables
from livesale.catalogue.pictures.choose import make_media_store
from livesale.catalogue.pictures.media_store import MediaStore
from livesale.catalogue.pictures.service import Pictures
from livesale.catalogue.problems import PROBLEMS
from livesale.catalogue.products import admin_routes as product_admin_routes
from livesale.catalogue.products import routes as product_routes
from livesale.catalogue.products import tables as product_tables
from livesale.catalogue.products.categories import Categories
from livesale.catalogue.products.search import ProductSearch
from livesale.catalogue.products.service import Products
from livesale.catalogue.products.view import ProductsView
from livesale.catalogue.service import Campaigns
from livesale.catalogue.skus import routes as sku_routes
from livesale.catalogue.skus.service import Skus
from livesale.catalogue.stock_moves import routes as stock_routes
from livesale.catalogue.stock_moves import tables as stock_tables
from livesale.catalogue.stock_moves.keeper import StockKeeper, StockMetrics
from livesale.catalogue.stock_moves.service import StockMoves
from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.once.tables import creations
from livesale.spreadsheets.service import Spreadsheets
from livesale.tasks.clock import Clock
from livesale.validation.uses import Uses

feature = Feature(
    name="catalogue",
    routes=(
        *(*routes.ROUTES, *product_routes.ROUTES, *picture_routes.ROUTES),
        *(*admin_routes.ROUTES, *product_admin_routes.ROUTES, *sku_routes.ROUTES),
        *(*stock_routes.ROUTES, *import_routes.ROUTES, *goods_routes.ROUTES),
    ),
    problems=PROBLEMS,
    parts={
        Campaigns: lambda parts: Campaigns(parts.deployment, parts[Uses]),
        CatalogueView: lambda parts: CatalogueView(parts.deployment, parts[Clock].now_ms),
        Categories: lambda parts: Categories(parts.deployment),
        Exports: lambda parts: Exports(parts.deployment),
        Imports: lambda parts: Imports(parts.deployment, parts[Spreadsheets]),
        GoodsView: lambda parts: GoodsView(parts.deployment, parts[Pictures], parts[CatalogueView]),
        MediaStore: lambda parts: make_media_store(parts.deployment),
        Pictures: lambda parts: Pictures(parts.deployment, parts[MediaStore]),
        ProductSearch: lambda parts: ProductSearch(parts.deployment),
        Products: lambda parts: Products(parts.deployment, parts[ProductSearch]),
        ProductsView: lambda parts: ProductsView(
            parts.deployment, parts[Pictures], parts[ProductSearch], parts[CatalogueView]
        ),
        Skus: lambda parts: Skus(parts.deployment),
        StockMoves: lambda parts: StockMoves(parts.deployment),
    },
    running=(MediaStore,),
    tables=(
        *(tables.skus, tables.campaigns, creations),
        *(product_tables.products, product_tables.categories, product_tables.asked_prices),
        picture_tables.pictures,
        *(import_tables.imports, import_tables.import_rows),
        *(stock_tables.stock_moves, stock_tables.drop_stock, stock_tables.drop_restocks),
    ),
    jobs={"stock": StockKeeper, "imports": ImportKeeper},
    metrics=(StockMetrics, ImportMetrics),
)
