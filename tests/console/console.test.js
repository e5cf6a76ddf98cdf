// The console in a real browser, against the real server, with real devices: one story,
// in this order.
import "./login.js";
import "./sending.js";
import "./users.js";
import "./accessibility.js";
