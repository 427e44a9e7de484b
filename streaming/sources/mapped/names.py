"""By which names files call the fields of the contracts, for the guess of a mapping: a list to extend."""

import re

NAMES: dict[str, tuple[str, ...]] = {
    "event_time": (
        *(
            "event time",
            "created at",
            "order date",
            "date",
            "datetime",
            "timestamp",
            "time",
            "purchase date",
            "date created",
        ),
        *("submit date", "submitted at", "invoice date", "placed at", "ordered at", "datum", "bestelldatum", "fecha"),
        *("zeitpunkt", "zeitstempel", "date de commande", "data"),
    ),
    "order_id": (
        *("order id", "order number", "order no", "order", "order name", "invoice no", "invoice", "invoice number"),
        *("increment id", "bestellnummer", "bestellung", "auftragsnummer", "auftrag", "rechnungsnummer", "pedido"),
        *("numéro de commande", "commande", "name", "id"),
    ),
    "customer_id": (
        *("customer id", "customer", "customer no", "customer number", "client id", "user id", "kundennummer", "kunde"),
        *("customer email", "email", "e mail", "email address", "client", "cliente"),
    ),
    "currency": ("currency", "order currency", "currency code", "währung", "devise", "moneda", "valuta"),
    "country": (
        *(
            "country",
            "billing country",
            "shipping country",
            "billing country code",
            "country code",
            "land",
            "pays",
            "país",
        ),
    ),
    "total": (
        *(
            "total",
            "order total",
            "grand total",
            "subtotal",
            "amount",
            "gesamt",
            "gesamtbetrag",
            "summe",
            "betrag",
            "importe",
        ),
    ),
    "kind": ("kind", "type", "order type", "document type", "typ"),
    "channel": ("channel", "sales channel"),
    "sku": (
        *(
            "sku",
            "lineitem sku",
            "item sku",
            "product sku",
            "stock code",
            "article number",
            "artikelnummer",
            "product id",
        ),
        *("product code", "ean", "item", "product", "artikel", "article", "lineitem name", "artículo"),
    ),
    "description": (
        *(
            "description",
            "lineitem name",
            "item name",
            "product name",
            "product title",
            "name",
            "bezeichnung",
            "beschreibung",
        ),
    ),
    "quantity": (
        *(
            "quantity",
            "qty",
            "lineitem quantity",
            "item quantity",
            "qty ordered",
            "units",
            "menge",
            "anzahl",
            "quantité",
        ),
        *("cantidad",),
    ),
    "unit_price": (
        *(
            "unit price",
            "price",
            "lineitem price",
            "item price",
            "preis",
            "einzelpreis",
            "stückpreis",
            "prix",
            "precio",
        ),
    ),
    "feedback_id": ("feedback id", "response id", "review id", "submission id", "token", "id", "#"),
    "rating": ("rating", "stars", "score", "bewertung", "sterne", "note"),
    "title": ("title", "subject line", "headline", "titel", "review title"),
    "text": (
        "text",
        "review",
        "review text",
        "comment",
        "comments",
        "feedback",
        "message",
        "body",
        "kommentar",
        "tweet",
    ),
    "subject": ("subject", "topic", "department", "department name", "category"),
    "product_id": ("product id", "product", "sku", "clothing id", "item id"),
    "label": ("label", "sentiment", "class"),
    "language": ("language", "lang", "sprache"),
    "post_id": ("post id", "id", "tweet id", "status id"),
    "platform": ("platform", "network"),
    "author": ("author", "user", "username", "user name", "account", "screen name"),
    "registered_at": ("registered at", "created at", "signup date", "customer since", "registered", "sign up date"),
    "station": ("station", "station id", "station name", "location", "city", "place", "origin"),
    "temperature_c": ("temperature", "temp", "temperature c", "air temperature", "temp c"),
    "precipitation_mm": ("precipitation", "rain", "precipitation mm", "rainfall"),
    "wind_speed_ms": ("wind speed", "wind speed ms"),
    "relative_humidity_pct": ("humidity", "relative humidity"),
    "pressure_hpa": ("pressure", "pressure hpa"),
}
"""The most telling name first. The field's own name always counts."""

TOTAL_WORDS = frozenset(
    {"total", "totals", "grand total", "sum", "gesamt", "gesamtsumme", "summe", "totale", "total general", "somme"}
)

CURRENCY_SIGNS = {"€": "EUR", "EUR": "EUR", "USD": "USD", "GBP": "GBP", "CHF": "CHF"}
"""Signs that are of one currency only. `$`, `£` and `kr` are of several."""


def normalized(name: str) -> str:
    """A name without case, and with one blank in place of all that is no letter or digit."""
    if name.strip() == "#":
        return "#"
    spaced = re.sub(r"(?<=[a-zäöüé])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"\w+", spaced.replace("_", " ").casefold()))


def best_match(field: str, columns: list[str]) -> str | None:
    """The column that a field is most likely in, by its name alone."""
    known = {normalized(column): column for column in reversed(columns) if column}
    # A path in JSON also counts by its last part.
    known = {normalized(column.rsplit(".", 1)[-1]): column for column in reversed(columns) if "." in column} | known
    for name in (normalized(field), *map(normalized, NAMES.get(field, ()))):
        if name in known:
            return known[name]
    return None
