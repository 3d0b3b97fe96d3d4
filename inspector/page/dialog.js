// Questions before something is changed.

import { button, element } from "./dom.js";

const dialog = document.getElementById("dialog");

// ask shows a question, and returns whether the answer is yes. With run, the
// dialog stays until that has ended, and shows what it says.
export function ask({ title, text, content = [], yes, run, ready }) {
	return new Promise((resolve) => {
		const say = element("p", "note", text);
		say.setAttribute("role", "status");
		const bar = element("div", "actions");
		const close = (answer) => {
			dialog.close();
			dialog.replaceChildren();
			resolve(answer);
		};
		const no = button("Cancel", () => close(false));
		const go = button(yes, async () => {
			go.disabled = true;
			try {
				await run((text) => (say.textContent = text));
				close(true);
			} catch (error) {
				say.textContent = error.message;
				no.textContent = "Close";
			}
		});
		go.className = "primary";
		bar.append(no, go);
		dialog.replaceChildren(element("h2", "", title), ...content, say, bar);
		dialog.oncancel = (e) => {
			e.preventDefault();
			close(false);
		};
		dialog.showModal();
		no.focus();
		ready?.({ say: (text) => (say.textContent = text), enable: (is) => (go.disabled = !is) });
	});
}
