// The console in a real browser, against the real server, with real devices: one story,
// in this order.
import "./door.js";
import "./sending.js";
import "./people.js";
import "./everyone.js";
