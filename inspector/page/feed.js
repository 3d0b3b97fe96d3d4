// The events that the page knows: the newest that fit, and as many before them
// as somebody has scrolled to.

import { get } from "./api.js";

const size = 100; // events that are asked for at once

export class Feed {
	rows = []; // the newest first
	searched = null; // how far back the search has got, while it finds nothing
	failure = ""; // of the last request

	#query = "";
	#next = ""; // the cursor of the next page
	#ended = false;
	#abort = new AbortController();
	#loading = false;
	#changed;

	// changed is called when there is something else to show.
	constructor(changed) {
		this.#changed = changed;
	}

	// hasMore reports whether there may be events before those that are known.
	get hasMore() {
		return !this.#ended;
	}

	// reset forgets everything, and asks for what fits a query.
	async reset(query) {
		this.#abort.abort();
		this.#abort = new AbortController();
		this.#query = query;
		this.#next = "";
		this.#ended = false;
		this.#loading = false;
		this.rows = [];
		this.searched = null;
		await this.more();
	}

	// more asks for another page, until something is found.
	async more() {
		if (this.#loading || this.#ended) {
			return;
		}
		this.#loading = true;
		const { signal } = this.#abort;
		try {
			const before = this.rows.length;
			while (!this.#ended && this.rows.length < before + size / 2) {
				const cursor = this.#next;
				const page = await this.#page(cursor, signal);
				if (cursor !== this.#next) {
					continue; // the rows are others by now, and the page does not follow them
				}
				const known = new Set(this.rows.map((row) => row.key));
				this.rows = this.rows.concat(page.events.filter((row) => !known.has(row.key)));
				this.#next = page.next;
				this.#ended = page.next === "";
				this.searched = this.#ended ? null : (page.searched ?? this.searched ?? "");
				this.failure = "";
				this.#changed();
			}
			this.searched = null;
		} catch (error) {
			if (signal.aborted) {
				return;
			}
			this.failure = error.message;
		} finally {
			if (!signal.aborted) {
				this.#loading = false;
				this.#changed();
			}
		}
	}

	#page(cursor, signal) {
		const query = new URLSearchParams(this.#query);
		query.set("limit", String(size));
		if (cursor) {
			query.set("cursor", cursor);
		}
		return get("events", query.toString(), signal);
	}

	// refresh asks for the newest, which say what has come and what has left,
	// and for those of some rows beyond.
	async refresh(others) {
		if (this.#loading) {
			return;
		}
		const { signal } = this.#abort;
		try {
			const page = await this.#page("", signal);
			if (signal.aborted) {
				return;
			}
			const added = this.#merge(page);
			const fresh = new Set(page.events.map((row) => row.key));
			const ids = [...new Set(others.filter((row) => row.id && !fresh.has(row.key)).map((row) => row.id))].slice(0, 60);
			if (ids.length > 0) {
				const query = new URLSearchParams(ids.map((id) => ["id", id]));
				query.set("limit", "1000");
				this.#update((await get("events", query.toString(), signal)).events);
			}
			this.failure = "";
			this.#changed(added);
		} catch (error) {
			if (!signal.aborted) {
				this.failure = error.message;
				this.#changed();
			}
		}
	}

	// merge has the newest page take the place of what was known of its time,
	// and returns how many rows are new on top.
	#merge(page) {
		const first = this.rows[0]?.key;
		if (page.next === "" && page.events.length < size) {
			this.rows = this.#kept(page.events);
			this.#ended = true;
		} else {
			const last = page.events.at(-1)?.key;
			const end = this.rows.findIndex((row) => row.key === last);
			if (last !== undefined && end >= 0) {
				this.rows = this.#kept(page.events).concat(this.rows.slice(end + 1));
			} else if (page.events.length > 0) { // so much has come that the rest is asked for anew
				this.rows = page.events;
				this.#next = page.next;
				this.#ended = page.next === "";
			}
		}
		return Math.max(0, this.rows.findIndex((row) => row.key === first));
	}

	// kept returns rows, as those that are known where nothing has changed.
	#kept(fresh) {
		const known = new Map(this.rows.map((row) => [row.key, row]));
		return fresh.map((row) => {
			const old = known.get(row.key);
			return old && same(old, row) ? old : row;
		});
	}

	#update(fresh) {
		const by = new Map(fresh.map((row) => [row.key, row]));
		this.rows = this.rows.map((row) => {
			const now = by.get(row.key);
			return now && !same(row, now) ? now : row;
		});
	}
}

// same reports whether a row looks as it did.
function same(a, b) {
	return a.state === b.state && a.attempts === b.attempts && a.status === b.status && a.due === b.due && a.text === b.text && a.cause === b.cause;
}
