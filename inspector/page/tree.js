// A tree of a JSON value, coloured and foldable, that is built as it is opened.

import { element } from "./dom.js";
import { kindOf, members, plain, trim } from "./json.js";

const atOnce = 100; // members of one value
const longest = 2000; // characters of one string
const unfolded = 200; // members that are shown without being asked for

// tree returns an element that shows a text of JSON.
export function tree(text) {
	const value = trim(text);
	const budget = { left: unfolded };
	const root = element("div", "tree");
	root.append(node(null, value, budget, true));
	return root;
}

// node returns an element for a value and its name, if it has one.
function node(name, value, budget, open) {
	const kind = kindOf(value);
	const label = name === null ? [] : [key(name), ": "];
	if (kind !== "object" && kind !== "array") {
		const line = element("div", "leaf");
		line.append(...label, scalar(kind, value));
		return line;
	}
	const [start, end] = kind === "object" ? "{}" : "[]";
	const iterator = members(value);
	const first = take(iterator, atOnce + 1);
	if (first.length === 0) {
		const line = element("div", "leaf");
		line.append(...label, element("span", "mark", start + end));
		return line;
	}
	const fold = element("details", "fold");
	const line = element("summary");
	const size = first.length > atOnce ? `more than ${atOnce}` : String(first.length);
	line.append(...label, element("span", "mark", start), element("span", "size", `${size} ${end}`));
	fold.append(line);

	const build = () => {
		const inside = element("div", "inside");
		append(inside, first, iterator, kind, budget);
		fold.append(inside, element("div", "mark end", end));
	};
	if (open && budget.left > 0) {
		fold.open = true;
		build();
	} else {
		fold.addEventListener("toggle", build, { once: true });
	}
	return fold;
}

// append appends the next members, and a button for what is left.
function append(to, ready, iterator, kind, budget) {
	const shown = ready.slice(0, atOnce);
	budget.left -= shown.length;
	for (const { name, value } of shown) {
		to.append(node(kind === "object" ? name : null, value, budget, true));
	}
	const next = ready.slice(atOnce);
	if (next.length === 0) {
		return;
	}
	const more = element("button", "more", `Show ${atOnce} more`);
	more.type = "button";
	more.addEventListener("click", () => {
		const at = to.children.length - 1;
		more.remove();
		append(to, [...next, ...take(iterator, atOnce)], iterator, kind, { left: 0 });
		focusable(to.children[at])?.focus();
	});
	to.append(more);
}

function focusable(of) {
	return of?.matches("button") ? of : of?.querySelector("summary, button");
}

// take returns up to a number of what an iterator has left.
function take(iterator, most) {
	const taken = [];
	while (taken.length < most) {
		const { done, value } = iterator.next();
		if (done) {
			break;
		}
		taken.push(value);
	}
	return taken;
}

function key(name) {
	return element("span", "key", JSON.stringify(name));
}

function scalar(kind, value) {
	if (kind !== "string") {
		return element("span", kind, value);
	}
	const text = JSON.stringify(plain(value));
	if (text.length <= longest) {
		return element("span", "string", text);
	}
	const whole = element("span", "string", text.slice(0, longest));
	const more = element("button", "more", `Show all ${text.length.toLocaleString("en")} characters`);
	more.type = "button";
	more.addEventListener("click", () => {
		whole.textContent = text;
		more.remove();
	});
	const both = element("span");
	both.append(whole, more);
	return both;
}
