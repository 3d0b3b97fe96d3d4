// What a person may change: replay, discard, pause.

import { operate } from "./api.js";
import { ask } from "./dialog.js";
import { button, element } from "./dom.js";
import { words } from "./filters.js";

const atOnce = 500; // events that are changed in one request

// replayOne delivers one event again.
export function replayOne(story, destination) {
	return ask({
		title: `Replay to ${destination}?`,
		text: "The event is delivered again, with the id that it has.",
		yes: "Replay",
		run: () => operate("replay", { to: destination, id: story.id }),
	});
}

// discardOne ends one delivery of an event.
export function discardOne(story, { destination, state }) {
	return ask({
		title: `Discard for ${destination}?`,
		text: `${destination} does not get this event by this delivery, unless it is replayed.`,
		yes: "Discard",
		run: () => operate("discard", { destination, id: story.id, state }),
	});
}

// pause keeps a destination from being delivered to, or lets it go on.
export function pause(destination, paused) {
	const run = () => operate(paused ? "pause" : "resume", { destination });
	if (!paused) {
		return run();
	}
	return ask({
		title: `Pause ${destination}?`,
		text: "Its events wait until it is resumed, also over restarts.",
		yes: "Pause",
		run,
	});
}

// each changes everything that fits, some at a time, and returns how many
// events that were.
async function each(what, to, query, dry, tell) {
	let events = 0;
	let cursor = "";
	do {
		const select = new URLSearchParams(query);
		select.set("limit", String(dry ? 1000 : atOnce));
		if (cursor) {
			select.set("cursor", cursor);
		}
		if (dry) {
			select.set("dry_run", "true");
		}
		if (to) {
			select.set("to", to);
		}
		const changed = await operate(what, select);
		events += changed.events;
		cursor = changed.next ?? "";
		tell(events, cursor !== "");
	} while (cursor);
	return events;
}

const number = (n) => `${n.toLocaleString("en")} ${n === 1 ? "event" : "events"}`;

// all replays or discards everything that fits a query. It counts before it
// asks.
export async function all(what, query, destinations, chosen) {
	const isReplay = what === "replay";
	const to = element("select");
	to.replaceChildren(...destinations.map((name) => new Option(name, name)));
	to.value = chosen || destinations[0] || "";
	const content = [];
	if (isReplay) {
		const label = element("label", "", "To ");
		label.append(to);
		content.push(label);
	}
	const shown = [...query].map(([name, value]) => `${name} ${words(value)}`).join(", ") || "everything";
	content.push(element("p", "", `Selected: ${shown}`));
	let counting = 0;
	await ask({
		title: isReplay ? "Replay all that fit?" : "Discard all that fit?",
		text: "Counting …",
		content,
		yes: isReplay ? "Replay" : "Discard",
		run: async (say) => {
			const changed = await each(what, isReplay ? to.value : "", query, false, (events, more) => say(`${number(events)} so far${more ? " …" : ""}`));
			say(`${number(changed)}.`);
		},
		ready: ({ say, enable }) => {
			const count = async () => {
				const run = ++counting;
				enable(false);
				try {
					const events = await each(what, isReplay ? to.value : "", query, true, (n) => run === counting && say(`${number(n)} …`));
					if (run === counting) {
						say(events === 0 ? "Nothing would change." : `${number(events)} would be ${isReplay ? `delivered to ${to.value} again` : "discarded"}.`);
						enable(events > 0);
					}
				} catch (error) {
					say(error.message);
				}
			};
			to.addEventListener("change", count);
			count();
		},
	});
}

// bulk shows what may be done with everything that fits.
export function bulk(bar, { query, text, destinations, chosen, done }) {
	const act = (what) => async () => {
		await all(what, query(), destinations(), chosen());
		done();
	};
	const replay = button("Replay all that fit …", act("replay"));
	const discard = button("Discard all that fit …", act("discard"));
	const note = element("p", "note");
	bar.replaceChildren(replay, discard, note);
	return () => {
		let why = "";
		if (text() !== "") {
			why = "Without a text in the filter, all that fit can be replayed or discarded.";
		} else if (query().size === 0) {
			why = "With a filter, all that fit can be replayed or discarded.";
		}
		replay.disabled = discard.disabled = why !== "" || destinations().length === 0;
		note.textContent = why;
	};
}
