//! tidings-client
