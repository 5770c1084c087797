"use strict";

const element = (id) => document.getElementById(id);

const room = location.pathname.split("/").pop();
const SHOWN = 500; // messages that stay on the page
const LONGEST_PAUSE = 15000; // milliseconds between attempts to connect

// What connecting again does not help against, see Close in client.py.
const FINAL = {
    1008: "You were sent away",
    4400: "That did not work",
    4403: "You cannot enter",
    4409: "Choose another name",
    4410: "This room was left",
};

let socket = null;
let attempts = 0;
let timer = null;
const names = new Set();
const shown = new Set(); // the ids of the messages on the page

// The token tells that it is the same page that connects again, and may have its name back.
function token() {
    let value = sessionStorage.getItem("token");
    if (value === null) {
        const bytes = crypto.getRandomValues(new Uint8Array(16));
        value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
        sessionStorage.setItem("token", value);
    }
    return value;
}

function connect() {
    clearTimeout(timer);
    show("connecting");
    const url = new URL(location.pathname, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const current = new WebSocket(url);
    socket = current;
    current.onopen = () => current.send(
        JSON.stringify({type: "join", name: sessionStorage.getItem("name"), token: token()}),
    );
    current.onmessage = (message) => {
        if (current === socket) {
            const event = JSON.parse(message.data);
            handlers[event.type]?.(event);
        }
    };
    current.onclose = ({code, reason}) => {
        if (current !== socket) {
            return; // left on purpose
        }
        socket = null;
        if (code in FINAL) {
            leave(`${FINAL[code]}: ${reason}.`);
            return;
        }
        const pause = Math.min(LONGEST_PAUSE, 500 * 2 ** attempts) * (0.5 + Math.random() / 2);
        attempts += 1;
        show("connecting again");
        timer = setTimeout(connect, pause);
    };
}

const handlers = {
    state(event) {
        attempts = 0;
        show("connected");
        names.clear();
        event.names.forEach((name) => names.add(name));
        showNames();
        event.messages.forEach(addMessage);
    },
    message: addMessage,
    joined({name}) {
        names.add(name);
        showNames();
        addLine("notice", [make("bdi", name), " has come"]);
    },
    left({name}) {
        names.delete(name);
        showNames();
        addLine("notice", [make("bdi", name), " has left"]);
    },
    refused({text, reason}) {
        addLine("notice", [`Not said: ${reason}`]);
        if (element("text").value === "") {
            element("text").value = text;
        }
    },
};

function show(state) {
    element("state").textContent = state;
    element("state").dataset.state = state;
}

function make(tag, text, name) {
    const made = document.createElement(tag);
    // Never innerHTML: what others say is text, whatever it looks like.
    made.textContent = text;
    if (name) {
        made.className = name;
    }
    return made;
}

function showNames() {
    const sorted = [...names].sort((one, other) => one.localeCompare(other));
    element("count").textContent = sorted.length;
    element("names").replaceChildren(...sorted.map((name) => {
        const item = document.createElement("li");
        item.append(make("bdi", name), name === sessionStorage.getItem("name") ? " (you)" : "");
        return item;
    }));
}

function addMessage({id, name, text, time}) {
    if (shown.has(id)) {
        return; // the state after an interruption has what the page has seen before
    }
    shown.add(id);
    const date = new Date(time);
    const when = make("time", date.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"}));
    when.dateTime = date.toISOString();
    const said = make("p", text);
    said.dir = "auto";
    const own = name === sessionStorage.getItem("name");
    const item = addLine(own ? "own" : "", [make("bdi", name, "name"), " ", when, said]);
    item.dataset.id = id;
}

function addLine(kind, content) {
    const list = element("messages");
    // Whoever reads what was said before is left where they are.
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const item = document.createElement("li");
    item.className = kind;
    item.append(...content);
    list.append(item);
    while (list.children.length > SHOWN) {
        shown.delete(list.firstElementChild.dataset.id);
        list.firstElementChild.remove();
    }
    if (atEnd) {
        list.scrollTop = list.scrollHeight;
    }
    return item;
}

function leave(problem) {
    clearTimeout(timer);
    const current = socket;
    socket = null;
    current?.close(1000);
    show("not connected");
    element("problem").textContent = problem;
    element("chat").hidden = true;
    element("enter").hidden = false;
    element("name").focus();
}

function enter() {
    element("problem").textContent = "";
    element("enter").hidden = true;
    element("chat").hidden = false;
    element("text").focus();
    connect();
}

element("enter").onsubmit = (event) => {
    event.preventDefault();
    // As the server will spell it.
    const name = element("name").value.normalize("NFKC").trim().replace(/\s+/g, " ");
    sessionStorage.setItem("name", name);
    sessionStorage.setItem("entered", "yes");
    const where = element("where").value;
    if (where !== room) {
        location.href = `/rooms/${where}`;
    } else {
        enter();
    }
};

element("say").onsubmit = (event) => {
    event.preventDefault();
    const text = element("text").value;
    // What cannot be sent stays where it is.
    if (text.trim() !== "" && socket?.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({type: "say", text}));
        element("text").value = "";
    }
    element("text").focus();
};

element("text").onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        element("say").requestSubmit();
    }
};

element("leave").onclick = () => {
    sessionStorage.removeItem("entered");
    leave("");
};

// No need to wait for the next attempt.
function connectNow() {
    if (socket === null && !element("chat").hidden) {
        connect();
    }
}

window.addEventListener("online", connectNow);

// A page that was left is kept by the browser for the way back, and its socket with it: who has left is not here.
window.addEventListener("pagehide", () => {
    clearTimeout(timer);
    const current = socket;
    socket = null;
    current?.close(1000);
});
window.addEventListener("pageshow", ({persisted}) => {
    if (persisted) {
        connectNow();
    }
});

element("room").textContent = room;
document.title = `Chat: ${room}`;
element("where").value = room;
element("name").value = sessionStorage.getItem("name") ?? "";
if (sessionStorage.getItem("entered") !== null && element("name").value !== "") {
    enter();
}
