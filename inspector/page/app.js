// The page: events come from the stream, wait for the next frame, and are then
// shown all at once, so that a flood of them costs no more than a few frames.

import { element } from "./dom.js";
import { List } from "./list.js";
import { filter, Store } from "./store.js";
import { connect } from "./stream.js";

const get = (id) => document.getElementById(id);
const [state, count, object, kind, text, pause, empty, nothing] = [
	"state", "count", "object", "kind", "text", "pause", "empty", "nothing",
].map(get);

const store = new Store();
const list = new List(get("list"), get("more"), store);

let paused = false;
let waiting = []; // events that are not shown yet
let chars = 0; // of their payloads
let bounds = { max_events: 1000, max_bytes: 16e6 };
let frame = 0;
let matches = filter({ object: "", kind: "", text: "" });

connect("events", {
	event(event) {
		waiting.push(event);
		chars += event.payload.length;
		while (waiting.length > 1 && (waiting.length > bounds.max_events || chars > bounds.max_bytes)) {
			chars -= waiting.shift().payload.length;
		}
		schedule();
	},
	bounds(b) {
		bounds = store.bounds = b;
	},
	state(s) {
		state.textContent = state.dataset.state = s;
	},
});

// schedule has the page updated, in the next frame or, where the browser makes
// none because nobody looks, a second later.
function schedule() {
	if (frame !== 0) {
		return;
	}
	const update = () => {
		cancelAnimationFrame(frame);
		clearTimeout(timer);
		frame = 0;
		show();
	};
	const timer = setTimeout(update, 1000);
	frame = requestAnimationFrame(update);
}

function show() {
	if (!paused && waiting.length > 0) {
		const events = waiting;
		waiting = [];
		chars = 0;
		store.add(events);
		offer(object, events.map((event) => event.object));
		offer(kind, events.map((event) => event.kind));
		list.add(events);
	}
	tell();
}

// offer adds values to a choice, in order.
function offer(select, values) {
	const known = new Set([...select.options].map((option) => option.value));
	for (const value of new Set(values)) {
		if (known.has(value) || known.size > 200) {
			continue;
		}
		known.add(value);
		const option = element("option", "", value);
		option.value = value;
		select.insertBefore(option, [...select.options].find((other) => other.value > value) ?? null);
	}
}

// tell says how many events there are.
function tell() {
	const isFiltered = object.value !== "" || kind.value !== "" || text.value.trim() !== "";
	const events = (n) => `${n.toLocaleString("en")} ${n === 1 ? "event" : "events"}`;
	let told = isFiltered ? `${store.count(matches).toLocaleString("en")} of ${events(store.size)}` : events(store.size);
	if (paused) {
		told += `, ${waiting.length.toLocaleString("en")} waiting`;
	}
	count.textContent = told;
	empty.hidden = store.size > 0;
	nothing.hidden = store.size === 0 || !list.isEmpty;
}

function refilter() {
	matches = filter({ object: object.value, kind: kind.value, text: text.value });
	list.render(matches);
	tell();
}

let typing = 0;
text.addEventListener("input", () => {
	clearTimeout(typing);
	typing = setTimeout(refilter, 150);
});
object.addEventListener("change", refilter);
kind.addEventListener("change", refilter);

function togglePause() {
	paused = !paused;
	pause.setAttribute("aria-pressed", String(paused));
	pause.textContent = paused ? "Resume" : "Pause";
	show();
}
pause.addEventListener("click", togglePause);

const shortcuts = {
	j: () => list.move(1),
	k: () => list.move(-1),
	p: togglePause,
	"/": () => text.focus(),
};
document.addEventListener("keydown", (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey) {
		return;
	}
	if (e.target.matches("input, select, textarea")) {
		if (e.key === "Escape") {
			e.target.blur();
		}
		return;
	}
	if (Object.hasOwn(shortcuts, e.key)) {
		e.preventDefault();
		shortcuts[e.key]();
	}
});

tell();
