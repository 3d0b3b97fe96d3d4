// The events that the page knows, and which of them to show.

export class Store {
	#events = []; // the oldest first
	#chars = 0;
	#added = 0;
	#bounds = { max_events: 1000, max_bytes: 16e6 };

	set bounds(bounds) {
		this.#bounds = bounds;
	}

	get size() {
		return this.#events.length;
	}

	// add adds events, and forgets the oldest, as the server does.
	add(events) {
		for (const event of events) {
			event.order = this.#added++;
			this.#events.push(event);
			this.#chars += event.payload.length;
		}
		let drop = 0;
		while (
			drop < this.#events.length - 1 &&
			(this.#events.length - drop > this.#bounds.max_events || this.#chars > this.#bounds.max_bytes)
		) {
			this.#chars -= this.#events[drop].payload.length;
			drop++;
		}
		this.#events.splice(0, drop);
	}

	// has reports whether an event that was added is not forgotten.
	has(event) {
		return this.#events.length > 0 && event.order >= this.#events[0].order;
	}

	// newest returns up to most events that match, the newest first, and
	// whether there are more.
	newest(matches, most) {
		const found = [];
		for (let i = this.#events.length - 1; i >= 0; i--) {
			if (!matches(this.#events[i])) {
				continue;
			}
			if (found.length === most) {
				return { found, more: true };
			}
			found.push(this.#events[i]);
		}
		return { found, more: false };
	}

	// count returns how many events match.
	count(matches) {
		return this.#events.reduce((n, event) => n + (matches(event) ? 1 : 0), 0);
	}
}

// filter returns what tells whether an event is of an object and of a kind,
// and has a text in it, in whatever case. The empty string is any.
export function filter({ object, kind, text }) {
	const wanted = text.trim().toLowerCase();
	return (event) =>
		(object === "" || event.object === object) &&
		(kind === "" || event.kind === kind) &&
		(wanted === "" || searchable(event).includes(wanted));
}

// searchable returns the text of an event in lower case: as it was sent, and
// with its escapes, of which Meta makes many, read.
function searchable(event) {
	if (event.searchable === undefined) {
		let text = event.payload;
		if (text.includes("\\")) {
			text += "\n" + unescaped(text);
		}
		const { uri, answer, failure, payload } = event;
		event.searchable = [payload ? "" : event.id, uri, answer, failure, text].join("\n").toLowerCase();
	}
	return event.searchable;
}

const short = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function unescaped(text) {
	return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex, char) =>
		hex ? String.fromCharCode(parseInt(hex, 16)) : (short[char] ?? char),
	);
}
