"""The header in a browser: who has most pages has them in one line with the way out, in the longer languages too."""

import pytest
from tests.e2e.conftest import log_in, visit

pytestmark = pytest.mark.anyio


async def test_the_way_out_stands_in_the_first_line_of_the_header_whatever_the_width(browser, street):
    for language in ("ru", "kk"):
        async with visit(browser, street, "/#/account", language=language) as page:
            await log_in(page, "prosecutor")
            await page.wait_for_selector("header nav a")
            for width, lines in ((1280, 1), (1024, 2)):
                await page.set_viewport_size({"width": width, "height": 768})
                out = await page.locator("header > button").last.bounding_box()
                whole = await page.locator("header").bounding_box()
                assert out["y"] + out["height"] < 56, (language, width, out)
                assert out["x"] + out["width"] <= width, (language, width, out)
                assert whole["height"] < 60 * lines, (language, width, whole)
