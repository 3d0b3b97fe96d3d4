// The stream of events, which goes on where it was when it breaks off.

const retry = 2000; // milliseconds

// connect calls handlers.event for each event, once and in order,
// handlers.bounds with how many events the server keeps, and handlers.state
// with live or reconnecting.
export function connect(url, handlers) {
	let last = ""; // the id of the last event
	let epoch = "";
	let number = 0;

	const open = () => {
		const source = new EventSource(last ? `${url}?after=${encodeURIComponent(last)}` : url);
		source.addEventListener("open", () => handlers.state("live"));
		source.addEventListener("hello", (message) => handlers.bounds(JSON.parse(message.data)));
		source.addEventListener("message", (message) => {
			const [of, n] = message.lastEventId.split("-");
			if (of === epoch && Number(n) <= number) {
				return;
			}
			epoch = of;
			number = Number(n);
			last = message.lastEventId;
			handlers.event(parse(message));
		});
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

// parse reads an event: a line that describes it, and its payload, which stays
// the text that it is until somebody looks at it.
function parse(message) {
	const data = message.data;
	const end = data.indexOf("\n");
	const event = JSON.parse(end < 0 ? data : data.slice(0, end));
	event.key = message.lastEventId;
	event.payload = end < 0 ? "" : data.slice(end + 1);
	event.received = new Date(event.received);
	return event;
}
