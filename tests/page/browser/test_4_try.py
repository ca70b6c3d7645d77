"""Try it: the browser's microphone and a dropped file go the whole way, as mu-law made in the page."""

import base64
import random

from playwright.sync_api import expect

from tests.page.browser.conftest import NewVisitor
from tests.page.browser.stage import HEBREW, PageStage
from voicestt.audio import mulaw

_ENCODED = """
async (samples) => {
  const { encoded } = await import("/page/static/mulaw.js");
  return samples.map((sample) => encoded(sample / 32768));
}
"""
_RESAMPLED = """
async ([rate, pitch]) => {
  const { Downsampler } = await import("/page/static/mulaw.js");
  const down = new Downsampler(rate);
  const made = [];
  for (let from = 0; from < rate; from += 128) {
    const tone = (i) => Math.sin((2 * Math.PI * pitch * (from + i)) / rate);
    made.push(...down.take(Float32Array.from({ length: 128 }, (_, i) => tone(i))));
  }
  const middle = made.slice(2000, 6000);
  return [made.length, Math.sqrt(middle.reduce((sum, each) => sum + each * each, 0) / middle.length)];
}
"""
_DROP = """
(content) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "call.wav", { type: "audio/wav" }));
  document.querySelector(".try").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}
"""


def test_what_is_said_into_the_microphone_is_read_on_the_page(visitor: NewVisitor) -> None:
    window = visitor()
    page = window.log_in(view="try")
    page.get_by_role("button", name="Speak").click()
    words = page.get_by_role("log")
    expect(words.locator("li.partial")).to_contain_text("שלום")
    expect(words.locator("li.final").first).to_contain_text(HEBREW.split("}, ")[1])
    window.picture("try")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-phase=idle]")).to_be_attached()


def test_a_dropped_file_is_heard_to_its_end(stage: PageStage, visitor: NewVisitor) -> None:
    page = visitor().log_in(view="try")
    page.evaluate(_DROP, base64.b64encode((stage.folder / "microphone.wav").read_bytes()).decode())
    words = page.get_by_role("log")
    expect(words.locator("li.final").nth(1)).to_be_visible()
    expect(page.locator("[data-phase=idle]")).to_be_attached()


def test_the_pages_mulaw_is_that_of_the_server(visitor: NewVisitor) -> None:
    page = visitor().log_in(view="try")
    samples = [*range(-32_768, 32_768, 61), *random.Random(0).choices(range(-32_768, 32_768), k=1_000)]
    heard = mulaw.decode(bytes(page.evaluate(_ENCODED, samples)))
    decoded = [int.from_bytes(heard[at : at + 2], "little", signed=True) for at in range(0, len(heard), 2)]
    # Half of the widest step of its segment: what G.711 promises.
    assert all(abs(was - now) <= max(16, abs(was) / 16 + 8) for was, now in zip(samples, decoded, strict=True))


def test_speech_stays_and_what_a_telephone_cannot_carry_goes(visitor: NewVisitor) -> None:
    page = visitor().log_in(view="try")
    for rate in (48_000, 44_100):
        length, loud = page.evaluate(_RESAMPLED, [rate, 1_000])
        assert 7_950 <= length <= 8_000
        assert abs(loud - 0.707) < 0.01
        _, left = page.evaluate(_RESAMPLED, [rate, 5_000])
        assert left < 0.01
