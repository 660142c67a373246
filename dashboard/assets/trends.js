/* Trends: a zoom by mouse asks for finer data, a picture of the charts is made in the browser. */
(function () {
  "use strict";
  const same = () => window.dash_clientside.no_update;

  /* Times on the axis are texts in the zone of the chart, which is `offset` ms from UTC. */
  const time = (text, offset) => Date.parse(String(text).replace(" ", "T").replace(/Z?$/, "Z")) - offset;

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    zoom(change, drawn, chosen) {
      if (!change || !drawn) return same();
      if (change["xaxis.autorange"]) return "";
      const range = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      const [since, until] = range.map((text) => Math.round(time(text, drawn.offset)));
      if (!Number.isFinite(since) || !Number.isFinite(until) || since < 0) return same();
      const middle = (since + until) / 2, half = Math.max(until - since, 60000) / 2;
      return Math.round(middle - half) + "_" + Math.round(middle + half) + "_" + String(chosen).replace(" ", "");
    },
    screen: () => [matchMedia("(pointer: coarse)").matches && "touch", matchMedia("(max-width: 899.98px)").matches && "narrow"].filter(Boolean).join(" "),
    async picture(asked) {
      const chart = document.querySelector("#pump-trends .js-plotly-plot");
      if (!asked || !chart || !window.Plotly) return same();
      const style = getComputedStyle(document.documentElement);
      const options = { format: "png", filename: asked.name.replace(/\.png$/, ""), width: Math.max(chart.clientWidth, 900), height: chart.clientHeight, scale: 2 };
      const layout = Object.assign({}, chart.layout, { paper_bgcolor: style.getPropertyValue("--surface").trim() });
      await window.Plotly.downloadImage({ data: chart.data, layout, config: { staticPlot: true } }, options);
      return asked.at;
    },
  });
})();
