//! Streams: headers, features, errors, and the negotiation on both sides.
