// The story of one event.

import { get } from "./api.js";
import { button, copy, element, said } from "./dom.js";
import { curl } from "./curl.js";
import { chip } from "./row.js";
import { timeline } from "./timeline.js";
import { tree } from "./tree.js";
import { when } from "./time.js";

export class Detail {
	#box;
	#id = "";
	#text = ""; // of the story that is shown
	#actions;
	#number = 0; // of the request

	// actions.closed is called when it is closed, actions.open to open another
	// event; actions.replay and actions.discard are there if that may be done.
	constructor(box, actions) {
		this.#box = box;
		this.#actions = actions;
	}

	get id() {
		return this.#id;
	}

	// open shows an event.
	async open(id) {
		if (id !== this.#id) {
			this.#id = id;
			this.#text = "";
			this.#box.replaceChildren(this.#head("Loading …"));
		}
		this.#box.hidden = false;
		await this.refresh();
	}

	close() {
		this.#id = "";
		this.#text = "";
		this.#box.hidden = true;
		this.#box.replaceChildren();
	}

	// refresh shows the event as it is by now.
	async refresh() {
		if (this.#id === "") {
			return;
		}
		const number = ++this.#number;
		let stories;
		try {
			stories = await get("event", new URLSearchParams({ id: this.#id }).toString());
		} catch (error) {
			if (number === this.#number && this.#text === "") {
				const said = error.status === 404 || error.status === 400 ? "Nothing is known of this event any more." : `The event could not be loaded: ${error.message}.`;
				this.#box.replaceChildren(this.#head("Event"), element("p", "note", said));
			}
			return;
		}
		const text = JSON.stringify(stories);
		if (number !== this.#number || text === this.#text) {
			return;
		}
		this.#text = text;
		this.#show(stories);
	}

	#show(stories) {
		const [story] = stories;
		const parts = [this.#head(story.sender || (story.original ? "Notification" : story.kind), story.text)];
		for (const [i, one] of stories.entries()) {
			const box = i === 0 ? element("div", "story") : element("details", "story before");
			if (i > 0) {
				box.append(element("summary", "", `The same event, received ${when(one.received)}`));
			}
			box.append(...this.#story(one));
			parts.push(box);
		}
		const { scrollTop } = this.#box;
		this.#keep(parts);
		this.#box.scrollTop = scrollTop;
	}

	// keep replaces what is shown, but for the bodies that have not changed:
	// somebody may have unfolded them.
	#keep(parts) {
		const old = new Map([...this.#box.querySelectorAll(".tree, pre.plain")].map((e) => [e.json, e]));
		const focused = this.#box.contains(document.activeElement) ? document.activeElement.dataset.what : undefined;
		this.#box.replaceChildren(...parts);
		for (const fresh of this.#box.querySelectorAll(".tree, pre.plain")) {
			const known = old.get(fresh.json);
			if (known) {
				fresh.replaceWith(known);
			}
		}
		if (focused) {
			this.#box.querySelector(`[data-what="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
		}
	}

	#head(title, text = "") {
		const head = element("div", "head");
		const close = button("Close", () => this.#actions.closed());
		close.dataset.what = "close";
		close.setAttribute("aria-keyshortcuts", "Escape");
		const words = element("h2", "", title);
		if (text) {
			words.append(": ", element("span", "text", text));
		}
		head.append(words, close);
		return head;
	}

	#story(story) {
		const parts = [facts(story), this.#buttons(story), section("What happened", timeline(story, this.#actions))];
		if (story.parts?.length > 0) {
			parts.push(section("Events in it", this.#parts(story.parts)));
		}
		if (story.too_large) {
			parts.push(element("p", "note", "The payload is larger than max_bytes, and was not kept."));
		} else {
			parts.push(section(story.original ? "What Meta has sent" : "Event", json(story.body, story.mode)));
		}
		if (story.notified) {
			parts.push(section("What Meta has sent", json(story.notified)));
		}
		parts.push(section("Request", headers(story.origin)));
		return parts;
	}

	#buttons(story) {
		const bar = element("div", "actions");
		const add = (text, what, value) => {
			const b = button(text, async (b) => said(b, (await copy(value())) ? "Copied" : "Not copied"));
			b.dataset.what = what;
			bar.append(b);
		};
		add("Copy link", "link", () => new URL(`?${new URLSearchParams({ event: story.id || this.#id })}`, location.href).href);
		if (!story.too_large) {
			add("Copy as JSON", "json", () => story.body);
			add("Copy as curl", "curl", () => curl(story));
		}
		if (story.payload) {
			const download = element("a", "button", "Download");
			download.href = story.payload;
			download.download = "";
			download.dataset.what = "download";
			bar.append(download);
		}
		if (story.original_id) {
			const b = button("Meta's notification", () => this.#actions.open(story.original_id));
			b.dataset.what = "original";
			bar.append(b);
		}
		return bar;
	}

	#parts(parts) {
		const list = element("ul", "parts");
		for (const part of parts) {
			const item = element("li");
			item.append(button(`${part.object} ${part.kind}`, () => this.#actions.open(part.id)), ` ${part.subject ?? ""}`);
			list.append(item);
		}
		return list;
	}
}

function section(title, ...content) {
	const e = element("section", "part");
	e.append(element("h3", "", title), ...content);
	return e;
}

function facts(story) {
	const box = element("div", "about");
	const states = element("p", "states");
	for (const d of latest(story.deliveries ?? [])) {
		const one = element("span", "at");
		if (d.destination) {
			one.append(`${d.destination} `);
		}
		one.append(chip(d));
		states.append(one);
	}
	const list = element("dl");
	const fact = (name, value) => {
		if (value) {
			const pair = element("div");
			pair.append(element("dt", "", name), element("dd", "", value));
			list.append(pair);
		}
	};
	fact("received", when(story.received));
	fact("kind", story.kind);
	fact("object", story.object);
	fact("field", story.field !== story.kind ? story.field : "");
	fact("entry", story.entry);
	fact("subject", story.subject);
	fact("conversation", story.conversation);
	fact("id", story.id);
	if (story.mode) {
		fact("delivered", story.events > 1 ? `${story.mode}, ${story.events} events` : story.mode);
	}
	box.append(states, list);
	return box;
}

// latest returns the last delivery to each destination.
export function latest(deliveries) {
	return [...new Map(deliveries.map((d) => [d.destination ?? "", d])).values()];
}

function json(text, mode = "") {
	const e = mode === "unknown" ? element("pre", "plain", text) : tree(text);
	e.json = text;
	return e;
}

function headers(origin) {
	const list = element("dl", "headers");
	const fact = (name, value) => {
		if (value) {
			const pair = element("div");
			pair.append(element("dt", "", name), element("dd", "", value));
			list.append(pair);
		}
	};
	fact("POST", origin?.uri);
	fact("Host", origin?.host);
	fact("From", origin?.remote);
	for (const [name, values] of Object.entries(origin?.header ?? {})) {
		fact(name, values.join(", "));
	}
	return list;
}
