"""The form page: HTML that works without scripts, with a screen reader, on a phone, and in a frame of another site."""

from collections.abc import Mapping
from html import escape
from string import Template

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --line: #6b7686; --accent: #0b57d0; --error: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaee; --paper: #16191f; --line: #97a1b0; --accent: #a8c7fa; --error: #ffb4ab; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
fieldset { border: 0; margin: 1.25rem 0; padding: 0; }
legend, label { font-weight: 600; padding: 0; }
.hint { display: block; font-weight: 400; font-size: .9375rem; }
.stars { display: flex; gap: .5rem; margin-top: .5rem; }
.stars label { flex: 1; text-align: center; border: 2px solid var(--line); border-radius: .5rem; padding: .5rem 0; }
.stars label { cursor: pointer; }
.stars input { display: block; margin: 0 auto .25rem; width: 1.25rem; height: 1.25rem; accent-color: var(--accent); }
.stars label:has(:checked) { border-color: var(--accent); }
textarea, input[type=text] { display: block; width: 100%; margin-top: .5rem; padding: .625rem; font: inherit;
  color: inherit; background: transparent; border: 2px solid var(--line); border-radius: .5rem; }
textarea { min-height: 8rem; resize: vertical; }
button { width: 100%; min-height: 3rem; margin-top: 1.25rem; font: inherit; font-weight: 600; border: 0;
  border-radius: .5rem; background: var(--accent); color: var(--paper); cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h1:focus-visible { outline: 0; }
.error { border-left: .25rem solid var(--error); color: var(--error); padding: .5rem .75rem; margin: 1rem 0; }
.trap { position: absolute; left: -100vw; }
"""
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style nonce="$nonce">$style</style>
</head>
<body><main>
$body
</main></body>
</html>
""")
_FORM = Template("""<h1>How was it?</h1>
<p>Stars, words, or both. We read all of it.</p>
$error
<form method="post" accept-charset="utf-8">
<input type="hidden" name="key" value="$key">
<input type="hidden" name="subject" value="$subject">
<input type="hidden" name="product_id" value="$product_id">
<fieldset>
<legend>Your rating <span class="hint">1 is poor, 5 is excellent</span></legend>
<div class="stars">$stars</div>
</fieldset>
<label for="text">Your feedback</label>
<textarea id="text" name="text" maxlength="20000"$described>$text</textarea>
$customer
<div class="trap" aria-hidden="true"><label for="website">Leave this empty</label>
<input type="text" id="website" name="website" tabindex="-1" autocomplete="off"></div>
<button type="submit">Send feedback</button>
</form>""")
_THANKS = Template("""<h1 tabindex="-1" autofocus>Thank you</h1>
<p role="status">Your feedback has been received.</p>
<p class="hint">Reference: $key</p>
<p><a href="">Give more feedback</a></p>""")


def form_page(nonce: str, key: str, fields: Mapping[str, str], error: str | None = None) -> str:
    """The form, filled in with `fields`; `error` comes first, so that a screen reader begins with it."""
    chosen = fields.get("rating")
    stars = "".join(
        f'<label><input type="radio" name="rating" value="{n}"{" checked" if chosen == str(n) else ""}>{n}</label>'
        for n in range(1, 6)
    )
    shown = f'<p class="error" role="alert" id="error">{escape(error)}</p>' if error else ""
    body = _FORM.substitute(
        error=shown,
        described=' aria-describedby="error"' if error else "",
        stars=stars,
        key=escape(key),
        customer=_customer(fields),
        **{name: escape(fields.get(name, "")) for name in ("subject", "product_id", "text")},
    )
    return _PAGE.substitute(title="Error: feedback" if error else "Feedback", nonce=nonce, style=_STYLE, body=body)


def _customer(fields: Mapping[str, str]) -> str:
    """The customer number of the link by which the form was opened, with what proves it; else nothing."""
    number, token = escape(fields.get("customer_id", "")), escape(fields.get("customer_token", ""))
    if not number:
        return ""
    return (
        f'<p class="hint">Customer number: {number}</p>\n'
        f'<input type="hidden" name="customer_id" value="{number}">'
        f'<input type="hidden" name="customer_token" value="{token}">'
    )


def thanks_page(nonce: str, key: str) -> str:
    """Confirms to the person that it was received."""
    body = _THANKS.substitute(key=escape(key))
    return _PAGE.substitute(title="Thank you", nonce=nonce, style=_STYLE, body=body)
