// What came and was not delivered: refused requests, and events that were
// delivered before.

import { get } from "./api.js";
import { button, cut, element } from "./dom.js";
import { moment, when } from "./time.js";

// showDropped asks for it, and shows it.
export async function showDropped(section, open) {
	const { refusals, repeats } = await get("dropped");
	const parts = [element("h2", "", "Refused requests")];
	parts.push(refusals?.length > 0
		? table(["Last", "Times", "Answer", "Reason", "From"], refusals.map((f) => [time(f.last), text(f.times), text(f.status), text(f.reason), text(f.client)]))
		: element("p", "note", "None since the process began."));
	parts.push(element("h2", "", "Repeated events"));
	parts.push(repeats?.length > 0
		? table(["Last", "Times", "Event", "Subject"], repeats.map((r) => [time(r.last), text(r.times), link(r, open), text(r.subject)]))
		: element("p", "note", "None since the process began."));
	section.replaceChildren(...parts);
}

function table(names, rows) {
	const box = element("div", "scroll");
	const e = element("table");
	const head = element("tr");
	head.append(...names.map((name) => element("th", "", name)));
	e.append(head);
	for (const cells of rows) {
		const line = element("tr");
		for (const cell of cells) {
			const box = element("td");
			box.append(cell);
			line.append(box);
		}
		e.append(line);
	}
	box.append(e);
	return box;
}

function text(value) {
	return cut(String(value ?? ""));
}

function time(at) {
	const e = element("time", "time", moment(at));
	e.title = when(at);
	return e;
}

function link(repeat, open) {
	return button(cut(`${repeat.object} ${repeat.kind}`), () => open(repeat.id));
}
