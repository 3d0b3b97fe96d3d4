// Times and durations as people read them.

const two = (n) => String(n).padStart(2, "0");
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

// moment returns the time of day, with the day unless that is today.
export function moment(text) {
	const date = new Date(text);
	if (date.toDateString() === new Date().toDateString()) {
		return clock(date);
	}
	return `${date.toLocaleDateString("en", { month: "short", day: "numeric" })} ${clock(date)}`;
}

// when returns a time in full.
export function when(text) {
	const date = new Date(text);
	if (Number.isNaN(date.getTime())) {
		return "";
	}
	const day = date.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
	return `${day}, ${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

// ago returns how long ago a time was, or in how long it will be.
export function ago(text) {
	const seconds = (Date.now() - new Date(text).getTime()) / 1000;
	return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

// duration returns some seconds in the unit that fits.
export function duration(seconds) {
	if (seconds < 1) {
		return `${Math.max(seconds > 0 ? 1 : 0, Math.round(seconds * 1000))} ms`;
	}
	const [amount, unit] = seconds < 60 ? [seconds, "s"] : seconds < 3600 ? [seconds / 60, "min"] : seconds < 86400 ? [seconds / 3600, "h"] : [seconds / 86400, "d"];
	return `${amount < 10 ? amount.toFixed(1).replace(/\.0$/, "") : Math.round(amount)} ${unit}`;
}
