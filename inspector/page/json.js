// JSON as it is written. A number stays the text that it is: ids of Meta's are
// larger than what a number of JavaScript can hold. Only what a person looks
// at is read, one level at a time.

const space = /[ \t\n\r]*/y;
const scalar = /[^ \t\n\r,\]}]*/y;

function skip(pattern, text, at) {
	pattern.lastIndex = at;
	pattern.exec(text);
	return pattern.lastIndex;
}

// endOfString returns where the string that begins at a place ends.
function endOfString(text, at) {
	for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
		let first = end;
		while (text[first - 1] === "\\") {
			first--;
		}
		if ((end - first) % 2 === 0) {
			return end + 1;
		}
	}
	return text.length;
}

const bracket = /["[\]{}]/g;

// endOf returns where the value that begins at a place ends.
function endOf(text, at) {
	if (text[at] === '"') {
		return endOfString(text, at);
	}
	if (text[at] !== "{" && text[at] !== "[") {
		return skip(scalar, text, at);
	}
	let depth = 0;
	bracket.lastIndex = at;
	for (let found = bracket.exec(text); found; found = bracket.exec(text)) {
		switch (found[0]) {
			case '"':
				bracket.lastIndex = endOfString(text, found.index);
				break;
			case "{":
			case "[":
				depth++;
				break;
			default:
				if (--depth === 0) {
					return bracket.lastIndex;
				}
		}
	}
	return text.length;
}

// kindOf returns object, array, string, number, or word for true, false and
// null.
export function kindOf(text) {
	switch (text[0]) {
		case "{":
			return "object";
		case "[":
			return "array";
		case '"':
			return "string";
		case "t":
		case "f":
		case "n":
			return "word";
		default:
			return "number";
	}
}

// trim returns a value without the space around it.
export function trim(text) {
	return text.slice(skip(space, text, 0)).trimEnd();
}

// members yields the name and the text of each value in an object, or the
// number and the text of each in an array.
export function* members(text) {
	const isObject = text[0] === "{";
	let at = skip(space, text, 1);
	for (let n = 0; at < text.length && text[at] !== "}" && text[at] !== "]"; n++) {
		let name = n;
		if (isObject) {
			const end = endOfString(text, at);
			name = plain(text.slice(at, end));
			at = skip(space, text, skip(space, text, end) + 1); // the colon
		}
		const end = endOf(text, at);
		yield { name, value: text.slice(at, end) };
		at = skip(space, text, end);
		if (text[at] === ",") {
			at = skip(space, text, at + 1);
		} else if (end === at && text[at] !== "}" && text[at] !== "]") {
			return; // no JSON
		}
	}
}

// plain returns what a string says.
export function plain(literal) {
	try {
		return JSON.parse(literal);
	} catch {
		return literal;
	}
}
