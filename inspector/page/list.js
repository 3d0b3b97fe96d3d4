// The list of events on the screen: as many rows as are in sight, whatever
// there are.

import { row } from "./row.js";

const beyond = 15; // rows above and below what is in sight

export class List {
	#list;
	#rows = [];
	#shown = new Map(); // elements by key
	#height = 0; // of a row
	#selected = ""; // key of the row that was last moved to
	#open = ""; // event that is open

	constructor(list) {
		this.#list = list;
		addEventListener("scroll", () => this.#soon(), { passive: true });
		addEventListener("resize", () => {
			this.#height = 0;
			this.#soon();
		});
		list.addEventListener("focusin", (e) => (this.#selected = e.target.closest("li")?.dataset.key ?? this.#selected));
	}

	#frame = 0;
	#soon() {
		if (this.#frame === 0) {
			this.#frame = requestAnimationFrame(() => {
				this.#frame = 0;
				this.render();
				this.onscroll?.();
			});
		}
	}

	// set sets the rows, of which some are new on top. What is in sight stays
	// where it is, unless that is the top.
	set(rows, added = 0) {
		const away = this.#list.getBoundingClientRect().top < -this.#height && added > 0;
		this.#rows = rows;
		if (away) {
			scrollBy({ top: added * this.#height, behavior: "instant" });
		}
		this.render();
	}

	// mark marks the row of an event as open.
	mark(event) {
		this.#open = event;
		for (const item of this.#shown.values()) {
			this.#mark(item);
		}
	}

	#mark(item) {
		const link = item.firstElementChild;
		if (item.row.id === this.#open || item.row.key === this.#open) {
			link.setAttribute("aria-current", "true");
		} else {
			link.removeAttribute("aria-current");
		}
	}

	// sight returns the numbers of the first row in sight, and of the one after
	// the last.
	#sight() {
		if (this.#height === 0) {
			this.#height = this.#list.firstElementChild?.getBoundingClientRect().height || 0;
		}
		const height = this.#height || 56;
		const top = this.#list.getBoundingClientRect().top;
		const first = Math.floor(Math.max(0, -top) / height);
		const last = Math.ceil(Math.max(0, innerHeight - top) / height);
		return [Math.min(first, this.#rows.length), Math.min(last, this.#rows.length)];
	}

	// inSight returns the rows in sight.
	get inSight() {
		return this.#rows.slice(...this.#sight());
	}

	// isNearEnd reports whether the last row is about to be seen.
	get isNearEnd() {
		return this.#sight()[1] > this.#rows.length - 2 * beyond;
	}

	render() {
		let [first, last] = this.#sight();
		first = Math.max(0, first - beyond);
		last = Math.min(this.#rows.length, last + beyond);
		const wanted = this.#rows.slice(first, last);
		const keys = new Set(wanted.map((one) => one.key));
		for (const [key, item] of this.#shown) {
			if (!keys.has(key)) {
				item.remove();
				this.#shown.delete(key);
			}
		}
		let at = this.#list.firstElementChild;
		wanted.forEach((one, i) => {
			let item = this.#shown.get(one.key);
			if (item && item.row !== one) {
				const had = item.contains(document.activeElement);
				const fresh = this.#make(one);
				item.replaceWith(fresh);
				if (at === item) {
					at = fresh;
				}
				item = fresh;
				if (had) {
					fresh.firstElementChild.focus({ preventScroll: true });
				}
			}
			item ??= this.#make(one);
			item.setAttribute("aria-posinset", String(first + i + 1));
			item.setAttribute("aria-setsize", String(this.#rows.length));
			if (item === at) {
				at = at.nextElementSibling;
			} else {
				this.#list.insertBefore(item, at);
			}
		});
		const height = this.#height || 56;
		this.#list.style.paddingTop = `${first * height}px`;
		this.#list.style.paddingBottom = `${(this.#rows.length - last) * height}px`;
		if (this.#height === 0 && wanted.length > 0) {
			this.#soon(); // now that a row can be measured
		}
	}

	#make(one) {
		const item = row(one);
		item.row = one;
		item.dataset.key = one.key;
		this.#mark(item);
		this.#shown.set(one.key, item);
		return item;
	}

	// move moves the focus by a number of rows.
	move(by) {
		if (this.#rows.length === 0) {
			return;
		}
		const at = this.#rows.findIndex((one) => one.key === this.#selected);
		const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.#rows.length - 1);
		this.#selected = this.#rows[to].key;
		const height = this.#height || 56;
		const top = this.#list.getBoundingClientRect().top + to * height;
		const above = document.querySelector("header").getBoundingClientRect().bottom;
		if (top < above) {
			scrollBy({ top: top - above, behavior: "instant" });
		} else if (top + height > innerHeight) {
			scrollBy({ top: top + height - innerHeight, behavior: "instant" });
		}
		this.render();
		this.focus();
	}

	// focus focuses the row that was last moved to.
	focus() {
		this.#shown.get(this.#selected)?.firstElementChild.focus({ preventScroll: true });
	}
}
