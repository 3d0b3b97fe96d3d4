// The list of events on the screen, which has a bounded number of rows.

import { row } from "./row.js";

const step = 50; // rows at first, and how many come with each click

export class List {
	#list;
	#more;
	#limit = step;
	#shown = []; // the newest first
	#store;
	#matches = () => true;

	constructor(list, more, store) {
		this.#list = list;
		this.#more = more;
		this.#store = store;
		more.addEventListener("click", () => {
			const last = list.lastElementChild;
			this.#limit += step;
			this.render(this.#matches);
			(list.children[this.#limit - step] ?? last)?.querySelector("summary").focus();
		});
	}

	// render shows the newest events that match.
	render(matches) {
		if (matches !== this.#matches) {
			this.#limit = step;
			this.#matches = matches;
		}
		const { found, more } = this.#store.newest(matches, this.#limit);
		this.#shown = found;
		this.#list.replaceChildren(...found.map(row));
		this.#more.hidden = !more;
	}

	// add puts new events on top, the oldest of them first, and drops from the
	// end what is too much, or forgotten.
	add(events) {
		const matching = events.filter(this.#matches);
		const fresh = matching.slice(-this.#limit).reverse();
		this.#shown.unshift(...fresh);
		this.#list.prepend(...fresh.map(row));
		let isMore = matching.length > fresh.length;
		while (this.#shown.length > this.#limit || (this.#shown.length > 0 && !this.#store.has(this.#shown.at(-1)))) {
			const last = this.#shown.pop();
			isMore ||= this.#store.has(last);
			this.#list.lastElementChild.remove();
		}
		if (isMore) {
			this.#more.hidden = false;
		}
	}

	get isEmpty() {
		return this.#shown.length === 0;
	}

	// move moves the focus by a number of rows.
	move(by) {
		const rows = [...this.#list.children];
		const at = rows.findIndex((item) => item.contains(document.activeElement));
		const next = rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)];
		next?.querySelector("summary").focus();
	}
}
