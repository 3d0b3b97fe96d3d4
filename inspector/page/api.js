// What the page asks the gateway for.

// get returns what is at a path, with a query. It throws an error with the
// status of the answer.
export async function get(path, query = "", signal = undefined) {
	const answer = await fetch(query ? `${path}?${query}` : path, { signal, headers: { Accept: "application/json" } });
	if (!answer.ok) {
		throw Object.assign(new Error(`the gateway answered ${answer.status}`), { status: answer.status });
	}
	return answer.json();
}

const tokenOf = /<meta name="operate" content="([^"]*)">/;

let token = document.querySelector('meta[name="operate"]').content;

// mayOperate reports whether this page may change something.
export function mayOperate() {
	return token !== "";
}

// operate has the gateway change something, by the parameters of its admin API,
// and returns what it has answered. The token is that of the page; a process
// that has started since has another, which the page asks for once.
export async function operate(what, parameters) {
	const query = new URLSearchParams(parameters).toString();
	let answer = await post(what, query);
	if (answer.status === 403) {
		const page = await fetch("./");
		const fresh = page.ok ? (tokenOf.exec(await page.text())?.[1] ?? "") : "";
		if (fresh !== "" && fresh !== token) {
			token = fresh;
			answer = await post(what, query);
		}
	}
	switch (answer.status) {
		case 200:
			return answer.json();
		case 403:
			throw new Error("This page may not change anything any more. Reload it.");
		case 503:
			throw new Error("The store is full or busy. Try again later.");
		default:
			throw new Error(`The gateway answered ${answer.status}.`);
	}
}

function post(what, query) {
	return fetch("operate", {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ token, do: what, query }),
	});
}
