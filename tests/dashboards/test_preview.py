"""The stand-in for Grafana: how it writes values, and how it makes pictures small."""

import math

import pytest
from playwright.sync_api import sync_playwright

from grafana.preview.png import with_a_palette
from grafana.preview.values import Look, written


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.14, "s", "140 ms"),
        (5400, "s", "1.5 h"),
        (3 * 1024**2, "bytes", "3 MiB"),
        (0.999, "percentunit", "99.9 %"),
        (0.0314, "percentunit", "3.14 %"),
        (592.6, "x", "593 ×"),
        (29115, "locale", "29,115"),
        (940_000, "dateTimeFromNow", "1 min ago"),
        (1_030_000, "dateTimeFromNow", "in 30 s"),
        (math.inf, "s", "∞"),
    ],
)
def test_values_are_written_in_their_unit(value: float, unit: str, text: str) -> None:
    assert written(value, unit, now=1000) == text


def test_words_win_over_units_and_thresholds_over_nothing() -> None:
    exact = {"type": "value", "options": {"0": {"text": "never", "color": "orange"}}}
    endless = {"type": "range", "options": {"from": 1e9, "to": None, "result": {"text": "no backup", "color": "red"}}}
    steps = [{"value": None, "color": "green"}, {"value": 1, "color": "red"}]
    look = Look({"unit": "percentunit", "mappings": [exact, endless], "thresholds": {"steps": steps}}, now=0)
    assert [look.text(value) for value in (0, math.inf, 0.5)] == ["never", "no backup", "50 %"]
    assert [look.colour(value) for value in (0, 0.5, 1)] == ["#ff9830", "#73bf69", "#f2495c"]


def test_a_screenshot_with_few_colours_keeps_every_pixel_and_gets_smaller() -> None:
    page = "<body style='margin:0;background:linear-gradient(90deg,#123 50%,#456 50%)'><h1 style='color:#abc'>31 %</h1>"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 120, "height": 60})
        tab.set_content(page)
        before = tab.screenshot()
        after = with_a_palette(before)
        pixels = [tab.evaluate(_PIXELS, list(picture)) for picture in (before, after)]
        browser.close()
    assert len(after) < len(before)
    assert len({tuple(one) for one in pixels}) == 1


_PIXELS = """async bytes => {
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  return Array.from(context.getImageData(0, 0, bitmap.width, bitmap.height).data);
}"""
