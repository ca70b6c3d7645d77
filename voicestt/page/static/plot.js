// A plot by uPlot, which is loaded when the first one is drawn.

import { language, minuteTime, number, t } from "./format.js";
import { Component, createRef, html } from "./ui.js";

const HEIGHT = 170;
const dark = matchMedia("(prefers-color-scheme: dark)");
let library = null;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Plot extends Component {
  constructor() {
    super();
    this.box = createRef();
    this.again = () => this._draw(true);
  }

  componentDidMount() {
    this.sizes = new ResizeObserver(() => this.plot?.setSize({ width: this._width(), height: HEIGHT }));
    this.sizes.observe(this.box.current);
    dark.addEventListener("change", this.again);
    this._draw();
  }

  componentDidUpdate() {
    this._draw();
  }

  componentWillUnmount() {
    this.sizes.disconnect();
    dark.removeEventListener("change", this.again);
    this.plot?.destroy();
    this.plot = null;
    this.isGone = true;
  }

  _width() {
    return Math.max(200, this.box.current.clientWidth);
  }

  async _draw(isNew = false) {
    library ??= import("./vendor/uPlot.esm.js");
    const { default: UPlot } = await library;
    if (this.isGone) return;
    const { x, series } = this.props;
    const data = [x, ...series.map((each) => each.values)];
    if (this.plot && !isNew) return this.plot.setData(data);
    this.plot?.destroy();
    this.plot = new UPlot(this._options(), data, this.box.current);
  }

  _options() {
    const { series, points, format = (value) => minuteTime(value * 1000), unit } = this.props;
    const [ink, grid] = [colour("--quiet"), colour("--rule")];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    return {
      width: this._width(),
      height: HEIGHT,
      scales: { x: { time: false }, y: { range: (_plot, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.1] } },
      axes: [
        { ...axis, values: (_plot, splits) => splits.map(format), space: 60, incrs: STEPS },
        { ...axis, values: (_plot, splits) => splits.map(number), size: 54 },
      ],
      series: [
        { label: t("plot.time"), value: (_plot, value) => (value == null ? "–" : format(value)) },
        ...series.map((each) => ({
          label: each.label,
          stroke: colour(each.colour),
          ...(points ? { paths: () => null, points: { show: true, size: 7, fill: colour(each.colour) } } : { width: 1.5 }),
          value: (_plot, value) => (value == null ? "–" : `${number(value)}${each.unit ?? (unit ? ` ${unit}` : "")}`),
        })),
      ],
      legend: { live: true },
      cursor: { y: false },
    };
  }

  render({ title, series }) {
    const last = series.map((each) => `${each.label}: ${number(each.values.findLast((value) => value != null))}`);
    return html`
      <section class="plot">
        <h2>${title}</h2>
        <div class="canvas" dir="ltr" lang=${language.name} role="img" aria-label=${`${title}. ${last.join(", ")}`} ref=${this.box}></div>
      </section>`;
  }
}

// Seconds between two labels: full minutes and hours.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];
