// Elements. Whatever comes from an event gets into one as text.

// element returns a new element with a class and a text.
export function element(name, className = "", text = "") {
	const e = document.createElement(name);
	if (className !== "") {
		e.className = className;
	}
	if (text !== "") {
		e.textContent = text;
	}
	return e;
}

// button returns a button with a text that does something.
export function button(text, does) {
	const b = element("button", "", text);
	b.type = "button";
	b.addEventListener("click", () => does(b));
	return b;
}

// copy copies a text, also where the browser keeps the clipboard from pages
// that came over plain HTTP.
export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const area = element("textarea", "offscreen");
		area.value = text;
		document.body.append(area);
		const focused = document.activeElement;
		area.select();
		const done = document.execCommand("copy");
		area.remove();
		focused?.focus();
		return done;
	}
}

// said has a button say something for a moment.
export function said(b, text) {
	const was = b.dataset.says ?? b.textContent;
	b.dataset.says = was;
	b.textContent = text;
	setTimeout(() => (b.textContent = was), 1500);
}

// svg returns a new element of a drawing, with attributes.
export function svg(name, attributes = {}) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes)) {
		e.setAttribute(key, value);
	}
	return e;
}

// cut returns a text that is no longer than some characters.
export function cut(text, longest = 200) {
	return text.length > longest ? text.slice(0, longest) + "…" : text;
}
