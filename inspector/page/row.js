// One event in the list: a line, and below it, once it is opened, the whole.

import { button, copy, element } from "./dom.js";
import { tree } from "./tree.js";

const longest = 200; // characters of anything in the line

// row returns the list item of an event.
export function row(event) {
	const item = element("li");
	const details = element("details", "event");
	details.dataset.key = event.key;
	details.append(line(event));
	if (event.open) {
		details.open = true;
		details.append(body(event));
	}
	details.addEventListener("toggle", () => {
		event.open = details.open;
		if (details.open && details.children.length === 1) {
			details.append(body(event));
		}
	});
	item.append(details);
	return item;
}

function line(event) {
	const summary = element("summary");
	const time = element("time", "time", clock(event.received));
	time.dateTime = event.received.toISOString();
	time.title = `received ${event.received.toLocaleString()}`;
	summary.append(
		time,
		element("span", "object", short(event.object)),
		element("span", "kind", short(event.kind)),
		element("span", "id", event.id ? short(event.id) : ""),
		element("span", "mode", delivered(event)),
	);
	if (event.answer || event.failure) {
		summary.append(element("span", failed(event) ? "answer failed" : "answer", String(event.answer || "failed")));
	}
	return summary;
}

function body(event) {
	const box = element("div", "body");
	const facts = element("dl");
	const fact = (name, value) => {
		if (value) {
			const pair = element("div");
			pair.append(element("dt", "", name), element("dd", "", value));
			facts.append(pair);
		}
	};
	if (event.too_large) { // of what there is to say, the payload says nothing
		fact("id", event.id);
		fact("type", event.type);
		fact("time", event.time);
		fact("entry", event.entry);
		fact("field", event.field);
		fact("subject", event.subject);
	}
	fact("received", event.received.toISOString());
	fact("delivered", `${delivered(event)}, to ${event.uri}`);
	fact("size", bytes(event.size));
	if (event.answer || event.failure) {
		const how = [event.answer, event.failure].filter(Boolean).join(": ");
		fact("answer", `${how}, after ${event.took ?? 0} ms`);
	}
	box.append(facts);
	if (event.too_large) {
		box.append(element("p", "note", "The payload is larger than max_bytes, and was not kept."));
		return box;
	}
	const isJSON = event.mode !== "unknown";
	box.append(actions(event), isJSON ? tree(event.payload) : element("pre", "tree", event.payload));
	return box;
}

function actions(event) {
	const bar = element("div", "actions");
	bar.append(
		button("Copy event", async (b) => {
			b.textContent = (await copy(event.payload)) ? "Copied" : "Not copied";
			setTimeout(() => (b.textContent = "Copy event"), 1500);
		}),
	);
	const download = element("a", "button", "Download payload");
	download.href = `payload?of=${encodeURIComponent(event.key)}`;
	download.download = "";
	bar.append(download);
	return bar;
}

// delivered says how the event was delivered, and with how many others.
function delivered(event) {
	return event.events > 1 ? `${event.mode}, ${event.events}` : event.mode;
}

function failed(event) {
	return Boolean(event.failure) || event.answer < 200 || event.answer > 299;
}

function short(text) {
	return text.length > longest ? text.slice(0, longest) + "…" : text;
}

function clock(date) {
	const two = (n) => String(n).padStart(2, "0");
	const ms = String(date.getMilliseconds()).padStart(3, "0");
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

function bytes(n) {
	return `${n.toLocaleString("en")} bytes`;
}
