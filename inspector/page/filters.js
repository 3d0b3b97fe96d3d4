// What is shown, which stands in the address of the page, so that a view can be
// shared.

const names = ["state", "destination", "object", "kind", "conversation", "since", "from", "until", "text"];

const states = {
	stored: ["waiting", "under_way", "done", "dead", "discarded", "unmatched"],
	inline: ["done", "failed"],
};

const get = (id) => document.getElementById(id);
const fields = Object.fromEntries(["state", "destination", "kind", "since", "from", "until", "text"].map((name) => [name, get(`f-${name}`)]));

// words returns a state as people read it.
export function words(state) {
	return state.replaceAll("_", " ");
}

export class Filters {
	#changed;
	#also = {}; // what the address selects, and no field shows
	#isStored = false;

	// changed is called when somebody has changed what is shown.
	constructor(changed) {
		this.#changed = changed;
		let typing = 0;
		const soon = () => {
			clearTimeout(typing);
			typing = setTimeout(() => this.#apply(), 250);
		};
		fields.text.addEventListener("input", soon);
		fields.kind.addEventListener("input", soon);
		for (const name of ["state", "destination", "since", "from", "until"]) {
			fields[name].addEventListener("change", () => this.#apply());
		}
		this.#offerStates();
		this.read();
		addEventListener("popstate", () => {
			this.read();
			this.#changed();
		});
	}

	// read sets the fields by the address.
	read() {
		const query = new URLSearchParams(location.search);
		this.#also = {};
		for (const name of ["object", "conversation"]) {
			if (query.get(name)) {
				this.#also[name] = query.get(name);
			}
		}
		choose(fields.state, query.get("state") ?? "");
		choose(fields.destination, query.get("destination") ?? "");
		fields.kind.value = query.get("kind") ?? "";
		fields.text.value = query.get("text") ?? "";
		const between = query.has("from") || query.has("until");
		choose(fields.since, between ? "between" : (query.get("since") ?? ""));
		fields.from.value = local(query.get("from"));
		fields.until.value = local(query.get("until"));
		this.#show();
	}

	// set changes some of what is shown.
	set(values) {
		for (const [name, value] of Object.entries(values)) {
			if (name in fields) {
				choose(fields[name], value);
			} else if (value) {
				this.#also[name] = value;
			} else {
				delete this.#also[name];
			}
		}
		this.#apply();
	}

	#apply() {
		this.#show();
		const address = new URLSearchParams(location.search);
		const query = this.#query();
		for (const name of names) {
			if (query.has(name)) {
				address.set(name, query.get(name));
			} else {
				address.delete(name);
			}
		}
		replace(address);
		this.#changed();
	}

	#show() {
		for (const label of document.querySelectorAll(".between")) {
			label.hidden = fields.since.value !== "between";
		}
		const also = get("also");
		also.replaceChildren();
		for (const [name, value] of Object.entries(this.#also)) {
			const b = document.createElement("button");
			b.type = "button";
			b.textContent = `${name} ${value} ×`;
			b.title = "show all";
			b.addEventListener("click", () => this.set({ [name]: "" }));
			also.append(b);
		}
		also.hidden = also.children.length === 0;
	}

	#query() {
		const query = new URLSearchParams();
		const add = (name, value) => value && query.set(name, value);
		add("state", fields.state.value);
		add("destination", this.#isStored ? fields.destination.value : (new URLSearchParams(location.search).get("destination") ?? ""));
		add("kind", fields.kind.value.trim());
		add("text", fields.text.value.trim());
		if (fields.since.value === "between") {
			add("from", utc(fields.from.value));
			add("until", utc(fields.until.value));
		} else {
			add("since", fields.since.value);
		}
		for (const [name, value] of Object.entries(this.#also)) {
			add(name, value);
		}
		return query;
	}

	// query returns the query for what is shown.
	get query() {
		return this.#query().toString();
	}

	get text() {
		return fields.text.value.trim();
	}

	get destination() {
		return fields.destination.value;
	}

	// fixed returns the query for what is shown, with a time that stays.
	get fixed() {
		const query = this.#query();
		const since = /^(\d+)([mhd])$/.exec(query.get("since") ?? "");
		if (since) {
			const unit = { m: 60e3, h: 3600e3, d: 86400e3 }[since[2]];
			query.delete("since");
			query.set("from", new Date(Date.now() - Number(since[1]) * unit).toISOString());
		}
		return query;
	}

	// offer says what there is to choose: whether events are stored, and the
	// destinations.
	offer(isStored, destinations) {
		if (this.#isStored !== isStored) {
			this.#isStored = isStored;
			this.#offerStates();
		}
		get("by-destination").hidden = !isStored;
		const known = new Set([...fields.destination.options].map((option) => option.value));
		for (const name of destinations.filter((name) => !known.has(name))) {
			fields.destination.add(new Option(name, name));
		}
	}

	// offerKinds adds kinds to those that a person may choose.
	offerKinds(kinds) {
		const list = get("kinds");
		const known = new Set([...list.options].map((option) => option.value));
		for (const kind of new Set(kinds)) {
			if (kind && !known.has(kind) && list.options.length < 200) {
				list.append(new Option(kind, kind));
			}
		}
	}

	#offerStates() {
		const chosen = fields.state.value;
		fields.state.replaceChildren(new Option("all", ""));
		for (const state of states[this.#isStored ? "stored" : "inline"]) {
			fields.state.add(new Option(words(state), state));
		}
		choose(fields.state, chosen);
	}
}

// replace changes the address of the page.
export function replace(query) {
	const text = query.toString();
	history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

// choose sets a field, to a value that may not be known yet.
function choose(field, value) {
	if (field instanceof HTMLSelectElement && ![...field.options].some((option) => option.value === value)) {
		field.add(new Option(field.id === "f-state" ? words(value) : value, value));
	}
	field.value = value;
}

// local returns a time as a field shows it, and utc as a query has it.
function local(time) {
	const date = new Date(time ?? "");
	if (Number.isNaN(date.getTime())) {
		return "";
	}
	return new Date(date.getTime() - date.getTimezoneOffset() * 60e3).toISOString().slice(0, 19);
}

function utc(value) {
	const date = new Date(value);
	return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}
