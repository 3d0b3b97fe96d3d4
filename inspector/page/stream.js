// The stream that tells when there is something new to ask for.

const retry = 2000; // milliseconds

// connect calls handlers.changed when something has changed or may have,
// handlers.hello with what the gateway says of itself, and handlers.state with
// live or reconnecting.
export function connect(url, handlers) {
	const open = () => {
		const source = new EventSource(url);
		source.addEventListener("open", () => handlers.state("live"));
		source.addEventListener("hello", (message) => {
			handlers.hello(JSON.parse(message.data));
			handlers.changed();
		});
		source.addEventListener("changed", () => handlers.changed());
		source.addEventListener("error", () => {
			handlers.state("reconnecting");
			// The browser tries again by itself, unless it got an answer that is
			// no stream: from a server that is not up yet, say.
			if (source.readyState === EventSource.CLOSED) {
				setTimeout(open, retry);
			}
		});
	};
	open();
}
