// One event in the list: who, what, where to, and how it went.

import { cut, element } from "./dom.js";
import { words } from "./filters.js";
import { ago, moment, when } from "./time.js";

// row returns the list item of an event.
export function row(event) {
	const item = element("li");
	const link = element("a", "row");
	link.href = `?${new URLSearchParams({ event: event.id || event.key })}`;
	link.dataset.event = event.id || event.key;
	const time = element("time", "time", moment(event.received));
	time.dateTime = event.received;
	time.title = `received ${when(event.received)}`;
	const what = element("span", "what");
	if (event.sender) {
		what.append(element("b", "sender", cut(event.sender)), " ");
	}
	what.append(element("span", "text", event.text ? cut(event.text) : event.original ? "notification" : event.sender ? "" : cut(event.kind)));
	const facts = element("span", "facts");
	facts.append(element("span", "kind", cut(event.kind || "several kinds")), element("span", "object", cut(event.object || "")));
	if (event.subject || event.conversation) {
		facts.append(element("span", "id", cut(event.subject || event.conversation)));
	}
	link.append(time, chip(event), what, facts, element("span", "to", event.destination ?? (event.mode ? delivered(event) : "")), outcome(event));
	item.append(link);
	return item;
}

// chip returns what shows the state of an event.
export function chip(event) {
	const e = element("span", "chip", words(event.state));
	e.dataset.state = event.state;
	if (event.replay) {
		e.append(element("span", "again", " replay"));
	}
	return e;
}

// outcome returns how the last attempt went.
function outcome(event) {
	const failed = event.cause || event.state === "failed";
	const e = element("span", failed ? "outcome failed" : "outcome");
	const parts = [];
	if (event.status || event.cause || event.error) {
		parts.push(String(event.status || event.cause || "failed"));
	}
	if (event.attempts > 1) {
		parts.push(`×${event.attempts}`);
	}
	e.textContent = parts.join(" ");
	if (event.due) {
		e.append(element("span", "due", `${parts.length > 0 ? " · " : ""}${ago(event.due)}`));
	}
	e.title = [event.cause, event.error].filter(Boolean).join(": ");
	return e;
}

// delivered says how an event was delivered inline, and with how many others.
function delivered(event) {
	return event.events > 1 ? `${event.mode}, ${event.events}` : event.mode;
}
