// The page: the gateway tells when there is something new, and the page asks
// for as much of it as is in sight.

import { get as ask, mayOperate } from "./api.js";
import { Detail } from "./detail.js";
import { panels } from "./destinations.js";
import { showDropped } from "./dropped.js";
import { Feed } from "./feed.js";
import { Filters, replace } from "./filters.js";
import { List } from "./list.js";
import { bulk, discardOne, pause, replayOne } from "./operate.js";
import { connect } from "./stream.js";
import { moment } from "./time.js";

const get = (id) => document.getElementById(id);
const [state, count, freeze, empty, nothing, progress, destinations, dropped, droppedButton, bar] = [
	"state", "count", "freeze", "empty", "nothing", "progress", "destinations", "dropped", "dropped-button", "bulk",
].map(get);

const poll = 5000; // milliseconds: what no change tells of, such as a time that has come

let frozen = false;
let isStored = false;
let known = []; // the destinations' names
const operates = mayOperate();

const filters = new Filters(() => reload());
const list = new List(get("list"));
const feed = new Feed((added = 0) => show(added));
const detail = new Detail(get("detail"), {
	closed: () => open(""),
	open: (id) => open(id),
	...(operates ? { replay: (story, to) => replayOne(story, to).then(changed), discard: (story, delivery) => discardOne(story, delivery).then(changed) } : {}),
});

const offer = bulk(bar, {
	query: () => filters.fixed, text: () => filters.text, destinations: () => known, chosen: () => filters.destination, done: changed,
});

let loaded; // the query of what is shown

function reload() {
	if (loaded !== filters.query) {
		loaded = filters.query;
		list.set([]);
		feed.reset(loaded);
	}
	showEvent();
}

function show(added) {
	list.set(feed.rows, added);
	filters.offerKinds(feed.rows.slice(0, 200).map((row) => row.kind));
	const n = feed.rows.length;
	count.textContent = `${n.toLocaleString("en")}${feed.hasMore ? "+" : ""} ${n === 1 && !feed.hasMore ? "event" : "events"}`;
	const isEmpty = n === 0 && !feed.hasMore;
	const isFiltered = filters.query !== "";
	empty.hidden = !isEmpty || isFiltered || !dropped.hidden;
	nothing.hidden = !isEmpty || !isFiltered || !dropped.hidden;
	progress.textContent = feed.failure ? `${feed.failure}, trying again` : feed.searched ? `searched back to ${moment(feed.searched)} …` : "";
	bar.hidden = !operates || !isStored || n === 0 || !dropped.hidden;
	offer();
	more();
}

function more() {
	if (feed.hasMore && list.isNearEnd && feed.failure === "") {
		feed.more();
	}
}
list.onscroll = more;

// changed asks for what is new, one request after another.
let asking = false;
let again = false;
async function changed() {
	if (asking) {
		again = true;
		return;
	}
	asking = true;
	try {
		do {
			again = false;
			await Promise.all([
				frozen ? undefined : feed.refresh(list.inSight),
				detail.refresh(),
				refreshDestinations(),
				dropped.hidden ? undefined : showDropped(dropped, open).catch(() => undefined),
			]);
		} while (again);
	} finally {
		asking = false;
	}
}

async function refreshDestinations() {
	let all;
	try {
		all = await ask("destinations");
	} catch {
		return;
	}
	isStored = all.stored;
	known = all.destinations.map((d) => d.destination);
	filters.offer(isStored, known);
	panels(destinations, all.destinations, {
		show: (destination, state) => {
			showList();
			filters.set({ destination, state });
		},
		pause: operates ? (destination, paused) => Promise.resolve(pause(destination, paused)).then(changed, changed) : undefined,
	});
}

connect("stream", {
	hello: (h) => filters.offer(h.stored, known),
	changed,
	state(s) {
		state.textContent = state.dataset.state = s;
	},
});
setInterval(() => document.hidden || changed(), poll);

// open shows an event, or none.
function open(id) {
	const address = new URLSearchParams(location.search);
	if (id === (address.get("event") ?? "")) {
		return showEvent();
	}
	if (id) {
		address.set("event", id);
	} else {
		address.delete("event");
	}
	history.pushState(null, "", `?${address}`);
	showEvent();
	return undefined;
}

// showEvent shows the event in the address.
function showEvent() {
	const id = new URLSearchParams(location.search).get("event") ?? "";
	list.mark(id);
	get("columns").classList.toggle("split", id !== "");
	document.body.classList.toggle("reading", id !== "");
	if (id) {
		detail.open(id);
	} else {
		const had = get("detail").contains(document.activeElement);
		detail.close();
		if (had) {
			list.focus();
		}
	}
	list.render();
}

get("list").addEventListener("click", (e) => {
	const link = e.target.closest("a.row");
	if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0) {
		e.preventDefault();
		open(link.dataset.event);
	}
});

function toggleFreeze() {
	frozen = !frozen;
	freeze.setAttribute("aria-pressed", String(frozen));
	freeze.textContent = frozen ? "Unfreeze" : "Freeze";
	changed();
}
freeze.addEventListener("click", toggleFreeze);

// showList shows the events, and showRefused what was dropped.
function showList(isList = true) {
	dropped.hidden = isList;
	get("list").hidden = !isList;
	droppedButton.setAttribute("aria-pressed", String(!isList));
	const address = new URLSearchParams(location.search);
	if (isList) {
		address.delete("view");
	} else {
		address.set("view", "dropped");
		showDropped(dropped, open).catch(() => undefined);
	}
	replace(address);
	show(0);
}
droppedButton.addEventListener("click", () => showList(!dropped.hidden));

const shortcuts = {
	j: () => list.move(1),
	k: () => list.move(-1),
	f: toggleFreeze,
	"/": () => get("f-text").focus(),
	Escape: () => open(""),
};
document.addEventListener("keydown", (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey || get("dialog").open) {
		return;
	}
	if (e.target.matches("input, select, textarea")) {
		if (e.key === "Escape") {
			e.target.blur();
		}
		return;
	}
	if (Object.hasOwn(shortcuts, e.key)) {
		e.preventDefault();
		shortcuts[e.key]();
	}
});

refreshDestinations().finally(() => {
	showList(new URLSearchParams(location.search).get("view") !== "dropped");
	reload();
});
