// The request that the app gets of an event, as a command to send it again.

// curl returns commands for a shell.
export function curl(story) {
	const headers = { "Content-Type": "application/json" };
	if (!story.original && story.id) {
		headers["Webhook-Id"] = headers["Idempotency-Key"] = story.id;
	}
	Object.assign(headers, picked(story.origin?.header ?? {}));
	const lines = [`curl "$APP"${quote(story.origin?.uri || "/")}`];
	for (const [name, value] of Object.entries(headers)) {
		lines.push(`  -H ${quote(`${name}: ${value}`)}`);
	}
	lines.push(`  --data-raw ${quote(story.body)}`);
	return `APP=http://localhost:3000\n${lines.join(" \\\n")}\n`;
}

// picked are the headers that an app may look at.
function picked(header) {
	const wanted = ["Content-Type", "User-Agent"];
	return Object.fromEntries(wanted.filter((name) => header[name]?.length > 0).map((name) => [name, header[name].join(", ")]));
}

// quote returns a text as a shell takes it for what it is.
function quote(text) {
	return `'${text.replaceAll("\0", "").replaceAll("'", `'\\''`)}'`;
}
