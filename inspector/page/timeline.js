// What has happened to an event, in order.

import { button, element } from "./dom.js";
import { words } from "./filters.js";
import { ago, duration, moment, when } from "./time.js";

// timeline returns the list of what has happened, with what a person may do
// about it.
export function timeline(story, actions) {
	const steps = [{ at: story.received, what: "Received", detail: story.deliveries.length === 0 ? "no destination wanted it" : "" }];
	for (const d of story.deliveries) {
		steps.push(...stepsOf(d, actions, story));
	}
	for (const repeat of story.repeats ?? []) {
		steps.push({ at: repeat.last, what: repeat.times > 1 ? `Came again ${repeat.times} times` : "Came again", detail: "dropped as a repeat", state: "repeat" });
	}
	const ordered = steps.map((step, i) => ({ ...step, i })).sort((a, b) => Date.parse(a.at ?? "9999") - Date.parse(b.at ?? "9999") || a.i - b.i);
	const list = element("ol", "timeline");
	list.append(...ordered.map(show));
	return list;
}

function stepsOf(d, actions, story) {
	const to = d.destination ? ` ${d.destination}` : "";
	const steps = [];
	if (d.replay) {
		steps.push({ at: d.since, what: `Replayed to${to}`, state: "replay" });
	}
	d.attempts.forEach((a, i) => {
		const failed = Boolean(a.cause || a.error) || a.status < 200 || a.status > 299;
		steps.push({
			at: a.started,
			what: `Attempt ${i + 1}${to ? ` at${to}` : ""}`,
			result: a.status ? String(a.status) : a.cause || (failed && a.error ? "failed" : ""),
			failed: failed && Boolean(a.status || a.cause || a.error),
			detail: [a.took ? `in ${duration(a.took)}` : "", a.cause && a.status && a.cause !== `http_${a.status}` ? a.cause : "", a.error ?? ""].filter(Boolean).join(" · "),
			answer: a.answer,
		});
	});
	const end = { waiting: "Waiting for", under_way: "Under way to", dead: "Dead at", discarded: "Discarded for", done: "Delivered to" }[d.state];
	if (end && d.destination) {
		const step = { at: d.settled, what: `${end}${to}`, state: d.state, buttons: buttons(d, actions, story) };
		if (d.state === "dead") {
			const rest = isLast(d, story) ? "given up; a person decides" : "replayed since; counts as dead until it is discarded";
			step.detail = [d.attempts.at(-1)?.cause, rest].filter(Boolean).join(" · ");
		} else if (d.state === "waiting" && d.due) {
			step.detail = `next attempt ${ago(d.due)}`;
		} else if (d.state === "waiting") {
			step.detail = "next attempt as soon as its conversation and the destination allow";
		}
		steps.push(step);
	}
	return steps;
}

// buttons returns what a person may do about a delivery.
function buttons(d, actions, story) {
	const list = [];
	if (actions.replay && ["done", "dead", "discarded"].includes(d.state) && isLast(d, story)) {
		const b = button("Replay", () => actions.replay(story, d.destination));
		b.dataset.what = `replay ${d.destination}`;
		list.push(b);
	}
	// a delivery that has died before the last one is discarded when that is done
	if (actions.discard && ["waiting", "dead"].includes(d.state) && (isLast(d, story) || last(d, story).state === "done")) {
		const b = button("Discard", () => actions.discard(story, d));
		b.dataset.what = `discard ${d.destination}`;
		list.push(b);
	}
	return list;
}

// last returns the last delivery to the same destination.
function last(d, story) {
	return story.deliveries.filter((other) => other.destination === d.destination).at(-1);
}

function isLast(d, story) {
	return last(d, story) === d;
}

function show(step) {
	const item = element("li", step.failed ? "step failed" : "step");
	if (step.state) {
		item.dataset.state = step.state;
	}
	const line = element("p");
	const time = element("time", "time", step.at ? moment(step.at) : "now");
	if (step.at) {
		time.dateTime = step.at;
		time.title = when(step.at);
	}
	line.append(time, element("b", "", words(step.what)));
	if (step.result) {
		line.append(element("span", "result", step.result));
	}
	if (step.detail) {
		line.append(element("span", "note", step.detail));
	}
	line.append(...(step.buttons ?? []));
	item.append(line);
	if (step.answer) {
		item.append(element("pre", "answer", step.answer));
	}
	return item;
}
