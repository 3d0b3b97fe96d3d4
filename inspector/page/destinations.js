// A panel per destination: what waits there, and how it goes.

import { chart } from "./chart.js";
import { button, element } from "./dom.js";
import { words } from "./filters.js";
import { ago } from "./time.js";

// panels shows the destinations. With actions, what they hold can be shown
// alone, and they can be paused.
export function panels(section, destinations, actions) {
	section.hidden = destinations.length === 0;
	const old = new Map([...section.children].map((card) => [card.dataset.name, card]));
	const cards = destinations.map((d) => {
		const text = JSON.stringify(d);
		const known = old.get(d.destination);
		if (known?.text === text) {
			return known;
		}
		const card = panel(d, actions);
		card.text = text;
		return card;
	});
	const same = cards.length === section.children.length && cards.every((card, i) => card === section.children[i]);
	if (same) {
		return;
	}
	const focused = document.activeElement?.closest?.(".destination")?.dataset.name;
	const what = document.activeElement?.dataset?.what;
	section.replaceChildren(...cards);
	if (focused !== undefined && what) {
		cards.find((card) => card.dataset.name === focused)?.querySelector(`[data-what="${CSS.escape(what)}"]`)?.focus();
	}
}

function panel(d, actions) {
	const card = element("article", "destination");
	card.dataset.name = d.destination;
	const head = element("div", "head");
	const state = element("span", "chip", words(d.state));
	state.dataset.state = d.state;
	head.append(element("h2", "", d.destination), state);
	if (actions.pause) {
		const paused = d.state === "paused";
		const b = button(paused ? "Resume" : "Pause", () => actions.pause(d.destination, !paused));
		b.dataset.what = "pause";
		head.append(b);
	}
	const numbers = element("div", "numbers");
	const number = (state, n, title) => {
		const b = button("", () => actions.show(d.destination, state));
		b.dataset.what = state;
		b.className = n > 0 && state === "dead" ? "figure bad" : "figure";
		b.title = title;
		b.append(element("b", "", n.toLocaleString("en")), ` ${words(state)}`);
		numbers.append(b);
	};
	const causes = Object.entries(d.causes ?? {}).map(([cause, n]) => `${cause}: ${n}`).join(", ");
	number("waiting", d.waiting, d.oldest ? `the oldest since ${ago(d.oldest).replace(" ago", "")}` : "");
	number("under_way", d.under_way, "");
	number("dead", d.dead, causes);
	card.append(head, numbers, chart(d.delivered ?? [], d.backlog ?? []));
	const foot = element("p", "foot", `${rate(d)} delivered now`);
	if (d.oldest) {
		foot.append(` · oldest ${ago(d.oldest)}`);
	}
	if (d.state === "probing" || d.state === "down") {
		foot.append(` · down${d.since ? ` since ${ago(d.since).replace(" ago", "")}` : ""}${d.cause ? `, ${d.cause}` : ""}`);
	}
	if (causes) {
		foot.append(` · ${causes}`);
	}
	card.append(foot);
	return card;
}

// rate returns how fast events are delivered, by the last minute that is full.
function rate(d) {
	const perSecond = d.rate ?? ((d.delivered?.at(-2) ?? 0) / 60);
	if (perSecond >= 1 || perSecond === 0) {
		return `${perSecond.toLocaleString("en", { maximumFractionDigits: 1 })}/s`;
	}
	return `${(perSecond * 60).toLocaleString("en", { maximumFractionDigits: 1 })}/min`;
}
