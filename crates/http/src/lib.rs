//! tidings-http
