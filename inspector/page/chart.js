// A small drawing of an hour: what was delivered in each minute, and, where it
// is known, what has waited.

import { svg } from "./dom.js";

const width = 180;
const height = 36;

// chart returns the drawing of two rows of numbers, the latest last.
export function chart(delivered, backlog) {
	const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", preserveAspectRatio: "none" });
	const total = delivered.reduce((sum, n) => sum + n, 0);
	const title = svg("title");
	title.textContent = `${total.toLocaleString("en")} delivered in the last hour` +
		(backlog.length > 0 ? `; at most ${Math.max(...backlog).toLocaleString("en")} waiting` : "");
	drawing.append(title);
	const step = width / 60;
	const most = Math.max(1, ...delivered);
	delivered.forEach((n, i) => {
		if (n > 0) {
			const h = Math.max(1, (n / most) * (height - 2));
			const x = (60 - delivered.length + i) * step;
			drawing.append(svg("rect", { x: x.toFixed(2), y: (height - h).toFixed(2), width: (step * 0.8).toFixed(2), height: h.toFixed(2), class: "delivered" }));
		}
	});
	if (backlog.length > 1) {
		const highest = Math.max(1, ...backlog);
		const points = backlog.map((n, i) =>
			`${((60 - backlog.length + i + 0.5) * step).toFixed(2)},${(height - 1 - (n / highest) * (height - 2)).toFixed(2)}`);
		drawing.append(svg("polyline", { points: points.join(" "), class: "backlog" }));
	}
	drawing.append(svg("line", { x1: 0, y1: height - 0.5, x2: width, y2: height - 0.5, class: "axis" }));
	return drawing;
}
